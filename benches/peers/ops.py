"""PyTorch's side of benches/compare.sh: times one case of benches/cases.json and prints a line of
JSON, as crates/thrumask-kernels/examples/compare.rs does.

    python benches/peers/ops.py benches/cases.json INDEX
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


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
        "layer_norm": [shape, [width], [width]],
        "rms_norm": [shape, [width // heads if heads else 1]],
    }.get(case["op"], [shape])


def split(x, heads):
    batch, tokens, width = x.shape
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2)


def attend(q, k, v, heads, mask=None):
    out = F.scaled_dot_product_attention(split(q, heads), split(k, heads), split(v, heads), mask)
    return out.transpose(1, 2).reshape(q.shape)


def run(case, x, mask):
    heads, op = case.get("heads", 0), case["op"]
    if op in ("attention", "cross"):
        return attend(*x, heads)
    if op == "grouped":
        return attend(*x, heads, mask)
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


def timed(slow, step):
    def once():
        start = time.perf_counter()
        step()
        return (time.perf_counter() - start) * 1e3

    if slow:
        return [once()]
    once()
    start, samples = time.perf_counter(), []
    while len(samples) < 5 or time.perf_counter() - start < 0.5:
        samples.append(once())
    return samples


def resident_mib(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    case = json.load(open(sys.argv[1]))[int(sys.argv[2])]
    torch.set_num_threads(2)
    torch.manual_seed(0)
    slow = case.get("slow", False)
    inputs = [torch.randn(s) for s in shapes(case)]
    before = resident_mib("VmRSS")
    mask = None
    if case["op"] == "grouped":
        i = torch.arange(case["shape"][1])
        ids = torch.where(i % 2 == 0, 0, 1 + i // 2 % 4)
        mask = ids[:, None] == ids[None, :]
    with torch.no_grad():
        forward = timed(slow, lambda: run(case, inputs, mask))
    both = []
    if not case.get("forward_only", False):
        with torch.no_grad():
            grad = torch.randn_like(run(case, inputs, mask))
        leaves = [x.requires_grad_() for x in inputs]

        def step():
            for leaf in leaves:
                leaf.grad = None
            run(case, leaves, mask).backward(grad)

        both = timed(slow, step)
    extra = resident_mib("VmHWM") - before
    print(json.dumps({"name": case["name"], "forward": forward, "both": both, "extra_mib": extra}))


main()
