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


def shapes(case):
    batch, channels, width = case["shape"]
    to, heads, shape = case.get("to", 0), case.get("heads", 0), case["shape"]
    side = case.get("side", 1)
    return {
        "conv2d": [[batch, channels, side, side], [to, channels, 3, 3], [to]],
        "temporal_conv": [
            [batch, channels, width // side**2, side, side],
            [to, channels, 3, 1, 1],
            [to],
        ],
        "attention": [shape] * 3,
        "grouped": [shape] * 3,
        "cross": [shape, [batch, to, width], [batch, to, width]],
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


def run(case, x, given):
    heads, op = case.get("heads", 0), case["op"]
    if op in ("attention", "cross"):
        return attend(*x, heads)
    if op == "grouped":
        return attend(*x, heads, given)
    if op == "linear":
        return F.linear(*x)
    if op == "conv2d":
        if "magnify" in case:
            x = [F.interpolate(x[0], scale_factor=case["magnify"]), *x[1:]]
        return F.conv2d(*x, stride=case.get("stride", 1), padding=1)
    if op == "temporal_conv":
        return F.conv3d(*x, padding=(1, 0, 0))
    if op == "group_norm":
        return F.group_norm(x[0], 32, x[1], x[2], 1e-5)
    if op == "group_norm_silu":
        return F.silu(F.group_norm(x[0], 32, x[1], x[2], 1e-5))
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
    }[op](x[0])


def given(case):
    """What an operator works from besides tensors: the dense mask, or cosines and sines."""
    tokens, i = case["shape"][1], torch.arange(case["shape"][1])
    if case["op"] == "grouped":
        ids = torch.where(i % 2 == 0, 0, 1 + i // 2 % 4)
        return ids[:, None] == ids[None, :]
    if case["op"] == "rope":
        pairs = case["shape"][2] // case["heads"] // 2
        angles = torch.arange(tokens * pairs).view(tokens, 1, pairs) * 1e-3
        return angles.cos(), angles.sin()
    return None


def operator(case):
    seconds = 0 if case.get("slow", False) else 0.5
    inputs = [torch.randn(s) for s in shapes(case)]
    mib = lambda *tensors: sum(t.nbytes for t in tensors) / 2**20
    # The dense mask is memory that the operator needs beyond its inputs, as ours needs none.
    memory = Memory()
    extras = given(case)
    with torch.no_grad():
        forward = timed(seconds, lambda: run(case, inputs, extras))
        grad = torch.empty_like(run(case, inputs, extras))
    found = {"forward": forward, "both": [], "extra_mib": memory.extra() - mib(grad)}
    if case.get("forward_only", False):
        return {**found, "extra_both_mib": 0.0}
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


def main():
    case = json.load(open(sys.argv[1]))[int(sys.argv[2])]
    torch.set_num_threads(2)
    torch.manual_seed(0)
    found = optimizer(case) if case["op"] == "adamw_ema" else operator(case)
    print(json.dumps({"name": case["name"], **found}))


main()
