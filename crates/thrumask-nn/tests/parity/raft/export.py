"""RAFT by its authors' code (princeton-vl/RAFT, a folder of which is given), large and small, with weights and
pictures of a rule that the test knows too; torchvision's networks are asked whether their tensors, under
other names, give the same flow, and both names go into manifests/raft.json. Given the folder of the real small
weights and frames as well, writes what flow the authors' code finds there, every 16th pixel.

    python raft/export.py RAFT [DATA]"""

import argparse, json, pathlib, re, sys

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
import numpy
import torch
from fixture import save

SEED, SIZE, ITERATIONS = 5, (136, 152), 3
# Of the fixtures, every such pixel; of the real flow, every such one.
STEP, REAL_STEP, REAL_ITERATIONS = 4, 16, 20


def uniform(start, count):
    """Numbers in [-1, 1): SplitMix64 (Steele et al., 2014) of the places from `start` on, its upper 24 bits."""
    z = numpy.arange(start + 1, start + 1 + count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float32) / numpy.float32(2**23) - numpy.float32(1)



def is_second(name, small):
    return bool(re.search(r"\.layer[23]\.0\.norm%d\." % (4 if small else 3), name))


def fill(net, seed, small):
    """Weights of the rule: tensor after tensor in the order of their names."""
    state, start = net.state_dict(), seed << 40
    for name in sorted(state):
        if name.endswith("num_batches_tracked") or is_second(name, small):
            continue
        tensor = state[name]
        values, start = uniform(start, tensor.numel()), start + tensor.numel()
        one, tenth = numpy.float32(1), numpy.float32(0.1)
        if tensor.ndim > 1:
            values = values * numpy.float32((6 / tensor[0].numel()) ** 0.5)
        elif name.endswith("running_var"):
            values = one + numpy.float32(0.5) * values
        elif name.endswith(".weight"):
            values = one + tenth * values
        else:
            values = tenth * values
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
    return net.eval()


def original(small):
    """The authors' network, whose class changes what it is given."""
    from raft import RAFT
    return RAFT(argparse.Namespace(small=small, mixed_precision=False, alternate_corr=False))


def torchvision_name(name, small):
    """What torchvision calls a tensor."""
    encoder = {"fnet": "feature_encoder", "cnet": "context_encoder"}
    first, rest = name.split(".", 1)
    if first in encoder:
        stem = re.fullmatch(r"(conv|norm)1\.(\w+)", rest)
        step = re.fullmatch(r"(layer\d\.\d)\.(conv|norm)(\d)\.(\w+)", rest)
        place = {"conv": 0, "norm": 1}
        if stem:
            rest = f"convnormrelu.{place[stem[1]]}.{stem[2]}"
        elif step:
            rest = f"{step[1]}.convnormrelu{step[3]}.{place[step[2]]}.{step[4]}"
        return f"{encoder[first]}.{rest.replace('conv2.', 'conv.')}"
    rest = re.sub(r"^encoder\.conv(c|f)(\d)", lambda m: f"motion_encoder.conv{dict(c='corr', f='flow')[m[1]]}{m[2]}.0", rest)
    rest = re.sub(r"^encoder\.conv\.", "motion_encoder.conv.0.", rest)
    rest = re.sub(r"^gru\.(conv.)(\d?)", lambda m: f"recurrent_block.convgru{m[2] or 1}.{m[1]}", rest)
    if rest.startswith("mask."):
        return f"mask_predictor.{rest.replace('mask.0', 'convrelu.0').replace('mask.2', 'conv')}"
    return f"update_block.{rest}"


def check_torchvision(net, small, pair, expected):
    """The names of both, with shapes, after torchvision's network was seen to give the same flow."""
    from torchvision.models.optical_flow import raft_large, raft_small
    other = (raft_small if small else raft_large)()
    state = {n: t for n, t in net.state_dict().items() if not is_second(n, small)}
    names = {n: torchvision_name(n, small) for n in state}
    other.load_state_dict({names[n]: t for n, t in state.items()})
    found = other.eval()(*(image / 127.5 - 1 for image in pair), num_flow_updates=ITERATIONS)[-1]
    assert (found - expected).abs().max() < 1e-3, (found - expected).abs().max()
    return [[n, names[n], list(t.shape)] for n, t in state.items()]


def pictures(batch):
    """Whole levels from 0 to 255, of the rule, with seed 1: first and second."""
    values = numpy.floor((uniform(1 << 40, 2 * batch * 3 * SIZE[0] * SIZE[1]) + 1) * 128)
    return torch.from_numpy(values.astype(numpy.float32)).reshape(2, batch, 3, *SIZE)


def start(batch):
    """A flow to start from, with seed 2."""
    small = [n // 8 for n in SIZE]
    return torch.from_numpy(uniform(2 << 40, batch * 2 * small[0] * small[1])).reshape(batch, 2, *small) * 3


@torch.no_grad()
def fixture():
    from utils.utils import forward_interpolate
    found, manifests = {}, {}
    for name, small in (("large", False), ("small", True)):
        net, pair = fill(original(small), SEED, small), pictures(2)
        coarse, full = net(*pair, iters=ITERATIONS, test_mode=True)
        manifests[name] = check_torchvision(net, small, pair, full)
        found |= {f"{name}.coarse": coarse, f"{name}.full": full[:, :, ::STEP, ::STEP]}
        coarse, full = net(*pair, iters=1, flow_init=start(2), test_mode=True)
        found |= {f"{name}.warm.coarse": coarse, f"{name}.warm.full": full[:, :, ::STEP, ::STEP]}
        features = net.fnet(pair[0] / 127.5 - 1)
        found |= {f"{name}.features": features[:, ::8]}
    found["carried"] = torch.stack([forward_interpolate(flow) for flow in start(2)])
    save(__file__, found)
    path = FOLDER.parent / "manifests" / "raft.json"
    lines = {n: ",\n".join(json.dumps(r, separators=(",", ":")) for r in sorted(rows)) for n, rows in manifests.items()}
    path.write_text("{\n" + ",\n".join(f'"{n}": [\n{text}\n]' for n, text in lines.items()) + "\n}\n")
    for name, rows in manifests.items():
        print(name, len(rows), "tensors", sum(torch.Size(row[-1]).numel() for row in rows), "values")


@torch.no_grad()
def real(data):
    from PIL import Image
    from safetensors.torch import save_file
    from utils.utils import InputPadder
    net = torch.nn.DataParallel(original(True))
    net.load_state_dict(torch.load(f"{data}/raft-small.pth", map_location="cpu"))
    frames = [Image.open(f"{data}/frame_00{n}.png").convert("RGB") for n in (16, 17)]
    pair = [torch.tensor(numpy.asarray(f)).permute(2, 0, 1)[None].float() for f in frames]
    padder = InputPadder(pair[0].shape)
    _, flow = net.module.eval()(*padder.pad(*pair), iters=REAL_ITERATIONS, test_mode=True)
    flow = padder.unpad(flow)[0]
    print("real", list(flow.shape), "mean length", flow.norm(dim=0).mean().item(), "greatest", flow.norm(dim=0).max().item())
    save_file({"flow": flow[:, ::REAL_STEP, ::REAL_STEP].contiguous()}, FOLDER / "real.safetensors")


if __name__ == "__main__":
    sys.path.insert(0, f"{sys.argv[1]}/core")
    fixture()
    for folder in sys.argv[2:]:
        real(folder)
