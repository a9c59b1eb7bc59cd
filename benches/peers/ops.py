"""PyTorch's side of benches/compare.sh: times one case of benches/cases.json and prints a line of
JSON, as crates/thrumask-kernels/examples/compare.rs does.

    python benches/peers/ops.py benches/cases.json INDEX
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

from layers import rotate
from shared import Memory, timed

# Levels of deformable attention, each half as wide as the one before, and places on each.
LEVELS, POINTS = 4, 4


def shapes(case):
    batch, channels, width = case["shape"]
    to, heads, shape = case.get("to", 0), case.get("heads", 0), case["shape"]
    side, window = case.get("side", 1), case.get("window", 1)
    keys, places = [batch, to, width], heads * LEVELS * POINTS
    return {
        "conv2d": [[batch, channels, side, side], [to, channels, 3, 3], [to]],
        "conv2d_same": [[batch, channels, side, side], [to, channels, 1, 5], [to]],
        "temporal_conv": [
            [batch, channels, width // side**2, side, side],
            [to, channels, 3, 1, 1],
            [to],
        ],
        "attention": [shape] * 3,
        "grouped": [shape] * 3,
        "cross": [shape, keys, keys],
        "prompted": [shape, keys, keys],
        "deformable": [shape, [batch, channels, 2 * places], [batch, channels, places]],
        "max_of_four": [[batch, side, side, width]],
        "split_windows": [[batch, side, side, width]],
        "merge_windows": [[batch * math.ceil(side / window) ** 2, window**2, width]],
        "linear": [shape, [to, width], [to]],
        "group_norm": [shape, [channels], [channels]],
        "group_norm_silu": [shape, [channels], [channels]],
        "layer_norm_modulate": [shape, [batch, 1, width], [batch, 1, width]],
        "gated_residual": [shape, [batch, 1, width], shape],
        "layer_norm": [shape, [width], [width]],
        "rms_norm": [shape, [width // heads if heads else 1]],
    }.get(case["op"], [shape])


def split(x, heads):
    batch, tokens, width = x.shape
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2)


def attend(q, k, v, heads, mask=None):
    out = F.scaled_dot_product_attention(split(q, heads), split(k, heads), split(v, heads), mask)
    return out.transpose(1, 2).reshape(q.shape)


def deformable(value, locations, weights, heads, side):
    """As transformers has it (`MultiScaleDeformableAttention` of Grounding DINO)."""
    batch, queries, _ = weights.shape
    sides = [side >> i for i in range(LEVELS)]
    levels = value.split([side**2 for side in sides], 1)
    grids = 2 * locations.view(batch, queries, heads, LEVELS, POINTS, 2) - 1
    found = []
    for i, (level, wide) in enumerate(zip(levels, sides)):
        level = level.transpose(1, 2).reshape(batch * heads, -1, wide, wide)
        grid = grids[:, :, :, i].transpose(1, 2).flatten(0, 1)
        found.append(F.grid_sample(level, grid, align_corners=False))
    weights = weights.view(batch, queries, heads, LEVELS * POINTS).transpose(1, 2)
    weights = weights.reshape(batch * heads, 1, queries, LEVELS * POINTS)
    out = (torch.stack(found, -2).flatten(-2) * weights).sum(-1)
    return out.view(batch, -1, queries).transpose(1, 2).contiguous()


def split_windows(x, window):
    """As transformers has it (`window_partition` of SAM 2)."""
    batch, height, width, channels = x.shape
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    x = x.view(batch, x.shape[1] // window, window, -1, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window**2, channels)


def merge_windows(x, side, window):
    """As transformers has it (`window_unpartition` of SAM 2)."""
    across, channels = math.ceil(side / window), x.shape[-1]
    x = x.view(-1, across, across, window, window, channels).permute(0, 1, 3, 2, 4, 5)
    x = x.reshape(-1, across * window, across * window, channels)
    return x[:, :side, :side].contiguous()


def run(case, x, given):
    heads, op = case.get("heads", 0), case["op"]
    if op in ("attention", "cross"):
        return attend(*x, heads)
    if op in ("grouped", "prompted"):
        return attend(*x, heads, given)
    if op == "deformable":
        return deformable(*x, heads, case["side"])
    if op == "linear":
        return F.linear(*x)
    if op == "conv2d":
        if "magnify" in case:
            x = [F.interpolate(x[0], scale_factor=case["magnify"]), *x[1:]]
        out = F.conv2d(*x, stride=case.get("stride", 1), padding=1)
        return F.silu(out) if case.get("silu", False) else out
    if op == "conv2d_same":
        return F.conv2d(*x, padding=(0, 2))
    if op == "temporal_conv":
        return F.conv3d(*x, padding=(1, 0, 0))
    if op == "group_norm":
        return F.group_norm(x[0], 32, x[1], x[2], 1e-5)
    if op == "group_norm_silu":
        return F.silu(F.group_norm(x[0], 32, x[1], x[2], 1e-5))
    if op == "max_of_four":
        return F.max_pool2d(x[0].permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    if op == "split_windows":
        return split_windows(x[0], case["window"])
    if op == "merge_windows":
        return merge_windows(x[0], case["side"], case["window"])
    if op == "patches":
        batch, channels, places = case["shape"]
        half = case["side"] // 2
        x = x[0].view(batch, channels, places // case["side"] ** 2 // 3, 3, half, 2, half, 2)
        return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(batch, -1, 12 * channels)
    width = case["shape"][-1]
    if op == "rope":
        return rotate(x[0].unflatten(-1, (heads, width // heads)), given).flatten(-2)
    if op == "gated_residual":
        return torch.addcmul(x[0], x[1], x[2])
    if op == "layer_norm_modulate":
        return F.layer_norm(x[0], [width], eps=1e-6) * (1 + x[1]) + x[2]
    if op == "layer_norm":
        return F.layer_norm(x[0], [width], x[1], x[2], 1e-6)
    if op == "rms_norm":
        size = width // heads
        return F.rms_norm(x[0].unflatten(-1, (heads, size)), [size], x[1], 1e-6).flatten(-2)
    if op == "softmax":
        return F.softmax(x[0], -1)
    return {
        "gelu": lambda t: F.gelu(t),
        "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"),
        "silu": F.silu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }[op](x[0])


def given(case):
    """What an operator works from besides tensors: dense masks, or cosines and sines."""
    tokens, i = case["shape"][1], torch.arange(case["shape"][1])
    if case["op"] == "grouped":
        ids = torch.where(i % 2 == 0, 0, 1 + i // 2 % 4)
        return ids[:, None] == ids[None, :]
    if case["op"] == "prompted":
        # The boxes of crates/thrumask-kernels/examples/compare.rs. A token in none gets zero: that is
        # what this version of PyTorch makes of a row of which all is masked.
        eighth, objects = case["side"] // 8, torch.arange(case["prompts"])
        row, column = ((at // eighth)[:, None] for at in (i // case["side"], i % case["side"]))
        inside = lambda at, length: (at >= objects) & (at < objects + length)
        mask = inside(row, 3) & inside(column, 4)
        return mask.repeat_interleave(case["to"] // case["prompts"], 1)
    if case["op"] == "rope":
        pairs = case["shape"][2] // case["heads"] // 2
        angles = torch.arange(tokens * pairs).view(tokens, 1, pairs) * 1e-3
        return angles.cos(), angles.sin()
    return None


def operator(case):
    seconds = 0 if case.get("slow", False) else 0.5
    inputs = [torch.randn(s) for s in shapes(case)]
    if case["op"] == "deformable":
        # Nearly all places lie in the picture.
        inputs[1] = inputs[1] * 0.2 + 0.5
    mib = lambda *tensors: sum(t.nbytes for t in tensors) / 2**20
    # The dense mask is memory that the operator needs beyond its inputs, as ours needs none.
    memory = Memory()
    extras = given(case)
    with torch.no_grad():
        forward = timed(seconds, lambda: run(case, inputs, extras))
        grad = torch.empty_like(run(case, inputs, extras))
    found = {"forward": forward, "both": [], "extra_mib": memory.extra() - mib(grad)}
    grad.normal_()
    leaves = [x.requires_grad_() for x in inputs]

    def step():
        for leaf in leaves:
            leaf.grad = None
        run(case, leaves, extras).backward(grad)

    found["both"] = timed(seconds, step)
    return {**found, "extra_both_mib": memory.extra() - 2 * mib(grad) - mib(*leaves)}


def optimizer(case):
    """AdamW and the moving average of the parameters, all in place."""
    parameter = torch.nn.Parameter(torch.randn(math.prod(case["shape"])))
    parameter.grad = torch.randn_like(parameter)
    rates = {"lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.01}
    adam = torch.optim.AdamW([parameter], fused=True, **rates)
    average = [parameter.detach().clone()]

    @torch.no_grad()
    def step():
        adam.step()
        torch._foreach_lerp_(average, [parameter], 1 - 0.998)

    # Its means are made in the first step.
    step()
    memory = Memory()
    forward = timed(0.5, step)
    return {"forward": forward, "both": [], "extra_mib": memory.extra(), "extra_both_mib": 0.0}


def orthogonal(case):
    """Newton-Schulz steps of some matrices at once, as Muon takes them."""
    matrices = torch.randn(case["shape"])

    @torch.no_grad()
    def step():
        x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        for _ in range(5):
            gram = x @ x.mT
            x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
        matrices.copy_(x)

    memory = Memory()
    forward = timed(0.5, step)
    return {"forward": forward, "both": [], "extra_mib": memory.extra(), "extra_both_mib": 0.0}


def main():
    case = json.load(open(sys.argv[1]))[int(sys.argv[2])]
    torch.set_num_threads(2)
    torch.manual_seed(0)
    special = {"adamw_ema": optimizer, "newton_schulz": orthogonal}
    found = special.get(case["op"], operator)(case)
    print(json.dumps({"name": case["name"], **found}))


main()
