"""As cases.py, of the networks that look at pictures and videos."""

import importlib.util, json, pathlib, sys

import torch
from cases import scaled
from fixture import normal


def exporter(folder):
    """The module that makes the committed fixture of a folder."""
    spec = importlib.util.spec_from_file_location(folder, pathlib.Path(__file__).with_name(folder) / "export.py")
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    return export


def sam2(case, random):
    """Any blocks, windows and levels; masks of three objects by boxes, points, and both with a mask."""
    export = exporter("sam2")
    any_of = lambda values: values[torch.randint(len(values), (), generator=random).item()]
    blocks = [any_of((1, 2, 3)) for _ in range(4)]
    # Where a stage begins, the reference has windows.
    begins = [sum(blocks[:i]) for i in range(4)]
    width, side = case.channels[0] // 8 * 8, any_of((64, 96, 160))
    sizes = export.config(
        side=side, width=width, widths=[n * 4 for n in (2, 3, 4, 6)], heads=(1, 3, 2, 4), blocks=blocks,
        windows=(any_of((4, 8)), any_of((2, 4, 6)), any_of((2, 4, 6)), any_of((2, 3))),
        everywhere=[i for i in range(sum(blocks)) if any_of((True, False, False)) and i not in begins],
        background=(any_of((3, 5, 7)), any_of((3, 4))), hidden=3 * width,
        top_down=any_of(((2, 3), (1, 2, 3), (0, 1, 2, 3), ())))
    net = export.model(case.seed, sizes)
    pixels, mask = normal(random, 1, 3, side, side), normal(random, 1, 1, side // 4, side // 4, scale=3.0)
    points, labels = export.prompts(random, side, 3, any_of((1, 2, 5)))
    boxes = export.boxes(random, side, 3)
    expected = {n: t for n, t in export.features(net, pixels).items() if n != "positions"}
    by_box, by_points = dict(input_boxes=boxes), dict(input_points=points, input_labels=labels)
    for name, given in (("box", by_box), ("points", by_points), ("all", by_box | by_points | dict(input_masks=mask))):
        for several in (True, False):
            out = export.flat(net(pixels, multimask_output=several, **given))
            expected |= {f"{name}.{'several' if several else 'single'}.{n}": t for n, t in out.items()}
    inputs = {"pixels": pixels, "mask": mask, "points": points[0], "labels": labels[0], "boxes": boxes[0]}
    return sizes.to_dict(), net.state_dict(), inputs, expected


def raft(case, random):
    assert case.source and min(case.size) >= 128, "raft wants --source FOLDER and a --size from 128x128 on"
    sys.path[:0] = [f"{case.source}/core", str(pathlib.Path(__file__).parent / "raft")]
    from export import original
    net = scaled(original(case.seed % 2 == 0), case.seed)
    levels = lambda: torch.randint(0, 256, (2, 3, *case.size), generator=random).float()
    first, second = levels(), levels()
    start = normal(random, 2, 2, *(n // 8 for n in case.size), scale=2.0)
    iterations = case.seed % 3 + 1
    coarse, full = net(first, second, iters=iterations, flow_init=start, test_mode=True)
    inputs = {"first": first / 127.5 - 1, "second": second / 127.5 - 1, "start": start}
    found = {"coarse": coarse, "full": full}
    return iterations, net.state_dict(), inputs, found | {f"on_demand.{n}": t for n, t in found.items()}


def sam2_video(case, random):
    """Two objects forward, corrected, forward and backward, at any sizes of what remembers."""
    export = exporter("sam2_video")
    any_of = lambda values: values[torch.randint(len(values), (), generator=random).item()]
    width, side = case.channels[0] // 16 * 16, any_of((64, 96))
    sizes = export.config(
        side=side, width=width, channels=width // any_of((2, 4)), heads=any_of((1, 2)), rate=any_of((1, 2)),
        frames=any_of((1, 3, 7)), pointers=any_of((2, 4, 16)), mask_kernel=any_of((1, 3)),
        fuser_kernel=any_of((3, 7)), layers=case.layers)
    given = export.inputs(random, side, case.frames, width)
    net = export.network(sizes, case.seed, given)
    return sizes.to_dict(), net.state_dict(), given, export.propagations(net, side, given)


def grounding_dino(case, random):
    """Two pictures, the second smaller, with texts of different lengths; of odd seeds on four stages and levels,
    with own heads of boxes for each layer."""
    export = exporter("grounding_dino")
    deep = case.seed % 2 == 1
    config = export.configuration(
        width=max(case.channels) // 32 * 32 or 32, swin=4 * case.heads, depths=(2, 2, 2, 2) if deep else (2, 1, 3),
        window=4 if deep else 3, out=(2, 3, 4) if deep else (2, 3), levels=4 if deep else 3, encoder=case.layers,
        decoder=case.layers + 1, queries=5 + case.seed % 7, heads=case.heads, text=8 * case.heads, shared=not deep)
    net = export.network(config, case.seed)
    tensors, text = export.state(net)
    words = lambda: tuple(torch.randint(1, 4, (3,), generator=random).tolist())
    ids, mask = export.texts(random, [words()[:2], words()])
    height, width = case.size
    found, _ = export.run(net, normal(random, 2, 3, height, width), [(height, width * 2 // 3), (height * 3 // 4, width)],
                          ids, mask)
    inputs = {n: found[n] for n in ("pixels", "sizes", "ids", "lengths")}
    state = {n.removeprefix("state."): t for n, t in tensors.items()}
    return json.loads(text), state, inputs, {n: found[n] for n in ("read", "logits", "boxes")}
