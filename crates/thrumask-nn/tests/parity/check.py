"""Fresh cases beside the committed fixtures: a random network of the real class, of any size and seed, by the
reference and by ours.

    pip install -r requirements.txt
    python check.py unet --seed 3 --channels 16,32 --frames 5 --size 8x12
    python check.py vae --seed 4 --channels 8,16 --frames 2 --size 32x24
    python check.py clip --seed 5 --channels 48
    python check.py sampler --seed 6 --size 5x7
    python check.py grounding-dino --seed 7 --channels 64 --layers 2 --size 52x70
    python check.py sam2 --seed 7 --channels 24

Builds and runs our side by cargo (`--example parity_case`); fails when an output is more than --tolerance
apart, relative to values above 1."""

import argparse, json, pathlib, subprocess, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import torch
from fixture import generator, normal
from safetensors.torch import load_file, save_file


def scaled(net, seed):
    """Random weights that keep what flows through alive: maps of deviation 1/√inputs, gains near 1."""
    random = generator(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            values = normal(random, *parameter.shape)
            if parameter.ndim > 1 and "embedding" not in name:
                parameter.copy_(values / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * values + ("norm" in name and name.endswith("weight")))
    return net.eval()


def unet(case, random):
    from diffusers import UNetMotionModel
    levels, conditions = len(case.channels), 3
    attention = [i + 1 < levels or levels == 1 for i in range(levels)]
    net = scaled(UNetMotionModel(
        in_channels=4 + conditions, block_out_channels=case.channels, layers_per_block=case.layers,
        down_block_types=["CrossAttnDownBlockMotion" if a else "DownBlockMotion" for a in attention],
        up_block_types=["CrossAttnUpBlockMotion" if a else "UpBlockMotion" for a in reversed(attention)],
        norm_num_groups=case.groups, cross_attention_dim=24, num_attention_heads=case.heads,
        motion_num_attention_heads=case.heads, use_motion_mid_block=case.seed % 2 == 0), case.seed)
    inputs = {"x": normal(random, 2, 4 + conditions, case.frames, *case.size),
              "text": normal(random, 2, 7, 24), "time": torch.tensor([float(case.seed * 37 % 1000), 999.0])}
    # The reference wants the text of each frame; ours is one for all.
    text = inputs["text"].repeat_interleave(case.frames, 0)
    state = {n: t for n, t in net.state_dict().items() if not n.endswith("pos_embed.pe")}
    return json.loads(net.to_json_string()), state, inputs, {"out": net(inputs["x"], inputs["time"], text).sample}


def vae(case, random):
    from diffusers import AutoencoderKL
    levels = len(case.channels)
    net = scaled(AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=case.channels, layers_per_block=case.layers, norm_num_groups=case.groups,
        latent_channels=4, scaling_factor=0.18215), case.seed)
    small = [n // 2 ** (levels - 1) for n in case.size]
    inputs = {"pixels": normal(random, 1, 3, case.frames, *case.size, scale=0.6).clamp(-1, 1),
              "latents": normal(random, 1, 4, case.frames, *small)}
    flat = lambda video: video.swapaxes(1, 2).flatten(0, 1)
    video = lambda frames: frames.unflatten(0, (1, case.frames)).swapaxes(1, 2)
    found = {"encoded": video(net.encode(flat(inputs["pixels"])).latent_dist.mode() * 0.18215),
             "decoded": video(net.decode(flat(inputs["latents"]) / 0.18215).sample)}
    return json.loads(net.to_json_string()), net.state_dict(), inputs, found | {f"bands.{n}": t for n, t in found.items()}


def clip(case, random):
    from transformers import CLIPTextConfig, CLIPTextModel
    width = case.channels[0]
    config = CLIPTextConfig(vocab_size=97, hidden_size=width, intermediate_size=3 * width,
                            num_hidden_layers=case.layers + 1, num_attention_heads=case.heads,
                            max_position_embeddings=20, bos_token_id=95, eos_token_id=96)
    net = scaled(CLIPTextModel(config), case.seed)
    ids = torch.randint(0, 95, (3, 11), generator=random)
    out = net(ids).last_hidden_state
    return config.to_dict(), net.state_dict(), {"ids": ids}, {"out": out}


def sampler(case, random):
    """Whole runs of twenty solvers with random betas, steps and targets; a formula stands in for the network."""
    import diffusers
    from diffusers.schedulers import scheduling_lcm
    any_of = lambda values: values[torch.randint(len(values), (), generator=random).item()]
    between = lambda low, high: low + (high - low) * torch.rand((), generator=random).item()
    shape = (2, 3, case.frames, *case.size)
    noise, data, pull = (normal(random, *shape) for _ in range(3))
    draws = normal(random, 50, *shape)
    cases, found = [], {}
    while len(cases) < 20:
        kind, target = any_of(["ddim", "euler", "dpm_solver", "lcm"]), any_of(["epsilon", "v", "sample"])
        curve, zero = any_of(["linear", "scaled_linear", "cosine"]), any_of([True, False])
        spacing, steps = any_of(["trailing", "leading", "linspace"]), any_of(range(2, 51))
        start, end = between(5e-4, 2e-3), between(8e-3, 3e-2)
        # What the reference does not have, or does with another stride than its timesteps have; and its Euler
        # loses digits where the first sigma is in the ten thousands.
        if (zero and target == "epsilon") or (zero and curve == "cosine" and kind == "euler"):
            continue
        if kind == "ddim" and (1000 % steps or spacing == "linspace"):
            continue
        options = {"beta_start": start, "beta_end": end, "prediction_type": {"v": "v_prediction"}.get(target, target),
                   "beta_schedule": {"cosine": "squaredcos_cap_v2"}.get(curve, curve), "rescale_betas_zero_snr": zero}
        method = {"kind": kind}
        if kind != "lcm":
            options |= {"timestep_spacing": spacing} | ({"steps_offset": 1} if spacing == "leading" else {})
            method["spacing"] = {"leading": {"steps_offset": 1}} if spacing == "leading" else spacing
        given, make = (lambda i: {}), {"ddim": "DDIMScheduler", "euler": "EulerDiscreteScheduler",
                                       "dpm_solver": "DPMSolverMultistepScheduler", "lcm": "LCMScheduler"}[kind]
        if kind == "ddim":
            method["eta"] = between(0, 1)
            options["clip_sample"] = False
            given = lambda i: {"eta": method["eta"], "variance_noise": draws[i]}
        scheduler = getattr(diffusers, make)(**options)
        taken = iter(draws)
        scheduling_lcm.randn_tensor = lambda *_, **__: next(taken)
        scheduler.set_timesteps(steps)
        if len(scheduler.timesteps) != steps:
            continue  # By rounding, it has one too many for some counts.
        x, states = noise * scheduler.init_noise_sigma, []
        for i, t in enumerate(scheduler.timesteps):
            seen = scheduler.scale_model_input(x, t)
            states.append(seen)
            x = scheduler.step(pull * torch.tanh(seen) + data * (float(t) / 1000), t, x, **given(i)).prev_sample
        betas = {"kind": curve} | ({} if curve == "cosine" else {"start": start, "end": end})
        process = {"schedule": {"betas": betas, "zero_terminal_snr": zero}, "target": target}
        name = f"{len(cases)}.{kind}.{'' if kind == 'lcm' else spacing + '.'}{steps}.{curve}{'_zero' * zero}.{target}"
        cases.append({"name": name, "process": process, "method": method, "steps": steps})
        found[name] = torch.stack([*states, x])
    return {"cases": cases}, {}, {"noise": noise, "data": data, "pull": pull, "draws": draws}, found


def grounding_dino(case, random):
    """Two pictures, the second smaller, with texts of different lengths; of odd seeds on four stages and levels,
    with own heads of boxes for each layer."""
    sys.path.insert(0, str(pathlib.Path(__file__).parent / "grounding_dino"))
    import export
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


def sam2(case, random):
    """Any blocks, windows and levels; masks of three objects by boxes, points, and both with a mask."""
    import importlib.util
    spec = importlib.util.spec_from_file_location("sam2", pathlib.Path(__file__).with_name("sam2") / "export.py")
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    any_of = lambda values: values[torch.randint(len(values), (), generator=random).item()]
    blocks = [any_of((1, 2, 3)) for _ in range(4)]
    width, side = case.channels[0] // 8 * 8, any_of((64, 96, 160))
    sizes = export.config(
        side=side, width=width, widths=[n * 4 for n in (2, 3, 4, 6)], heads=(1, 3, 2, 4), blocks=blocks,
        windows=(any_of((4, 8)), any_of((2, 4, 6)), any_of((2, 4, 6)), any_of((2, 3))),
        everywhere=[i for i in range(sum(blocks)) if any_of((True, False, False))],
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


def main():
    size = lambda text: tuple(int(n) for n in text.split("x"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=["unet", "vae", "clip", "sampler", "sam2", "grounding-dino"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--channels", type=lambda t: tuple(int(n) for n in t.split(",")), default=(16, 32))
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=size, default=(8, 8), help="rows x columns: of latents, for vae of pixels")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    case = parser.parse_args()
    random = generator(1000 + case.seed)
    with torch.no_grad():
        config, state, inputs, expected = globals()[case.network.replace("-", "_")](case, random)
    tensors = {f"state.{n}": t for n, t in state.items()} | inputs
    tensors = {n: t.float().clone().contiguous() for n, t in tensors.items()}
    root = pathlib.Path(__file__).resolve().parents[4]
    with tempfile.TemporaryDirectory() as folder:
        given, made = f"{folder}/case.safetensors", f"{folder}/out.safetensors"
        save_file(tensors, given, {"config": json.dumps(config, default=str)})
        run = ["cargo", "run", "--quiet", "--release", "-p", "thrumask-nn", "--example", "parity_case", "--"]
        subprocess.run([*run, case.network, given, made], cwd=root, check=True)
        found = load_file(made)
    assert set(found) == set(expected), set(found) ^ set(expected)
    worst = 0.0
    for name, tensor in expected.items():
        assert found[name].shape == tensor.shape, (name, found[name].shape, tensor.shape)
        error = ((found[name] - tensor).abs() / tensor.abs().clamp(min=1)).max().item()
        print(f"{case.network} {name}: {error:.1e} apart, values of deviation {tensor.std().item():.2g}")
        worst = max(worst, error)
    sys.exit(f"more than {case.tolerance} apart" if not worst <= case.tolerance else 0)


main()
