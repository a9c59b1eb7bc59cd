"""PyTorch's side of the networks of benches/compare.sh: the diffusion transformer with the weights and
inputs that crates/thrumask/examples/compare_network.rs wrote. Checks that its outputs, before and after
one training step, are the same to 1e-3, then times the forward pass and training steps.

    python benches/peers/network.py benches/networks.json INDEX FILE
"""

import json
import math
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

EPS = 1e-5


def read(path):
    """Tensors and metadata of a safetensors file of 32-bit floats."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    meta = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[start:end], np.float32).reshape(entry["shape"]).copy()
        tensors[name] = torch.from_numpy(values)
    return tensors, meta


class Network:
    """Parameters are held as PyTorch's own layers would hold them: weights [outputs, inputs]."""

    def __init__(self, tensors, config):
        self.config = config
        prefix = "denoiser."
        self.p = {
            name[len(prefix) :]: (t.t().contiguous() if name.endswith(".weight") else t)
            for name, t in tensors.items()
            if name.startswith(prefix)
        }
        self.grid = [n // p for n, p in zip(config["latent_size"], config["patch"])]
        self.rope = self.rope_table()

    def rope_table(self):
        rotary = self.config["rotary"]
        if rotary is None:
            return None
        fast, slow = rotary["fastest"], rotary["slowest"]
        parts = []
        axes = torch.meshgrid(*[torch.arange(n) for n in self.grid], indexing="ij")
        for positions, n in zip(axes, rotary["pairs"]):
            share = [i / (n - 1) if n > 1 else 0.0 for i in range(n)]
            frequency = torch.tensor([fast * (slow / fast) ** s for s in share])
            parts.append(positions.reshape(-1, 1) * frequency)
        angles = torch.cat(parts, 1)
        return angles.cos(), angles.sin()

    def linear(self, name, x):
        return F.linear(x, self.p[name + ".weight"], self.p.get(name + ".bias"))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.p[name + ".gamma"], self.p[name + ".beta"], EPS)

    def heads(self, x):
        batch, tokens, width = x.shape
        heads = self.config["heads"]
        return x.view(batch, tokens, heads, width // heads).transpose(1, 2)

    def head_norm(self, name, x):
        return F.rms_norm(x, x.shape[-1:], self.p[name + ".gamma"], EPS)

    def rotate(self, x):
        if self.rope is None:
            return x
        cos, sin = self.rope
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def attend(self, name, x, context, mask, rotate=False, seen=None):
        q = self.head_norm(name + ".query_norm", self.heads(self.linear(name + ".query", x)))
        k = self.head_norm(name + ".key_norm", self.heads(self.linear(name + ".key", context)))
        v = self.heads(self.linear(name + ".value", context))
        if rotate:
            q, k = self.rotate(q), self.rotate(k)
        out = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(x.shape)
        if seen is not None:
            out = out * seen
        return self.linear(name + ".output", out)

    def block(self, i, x, shared, io):
        name, p = f"blocks.{i}.", self.p
        shift, scale, gate, shift2, scale2, gate2 = (
            (shared + p[name + "modulation"]).unsqueeze(1).chunk(6, -1)
        )
        width = x.shape[-1:]
        h = F.layer_norm(x, width, eps=EPS) * (1 + scale) + shift
        x = x + gate * self.attend(name + "attention", h, h, None, True)
        if name + "object_attention.gate" in p:
            part = name + "object_attention."
            h = self.norm(part + "norm", x)
            h = self.attend(part + "attention", h, h, io["group_mask"], True)
            x = x + p[part + "gate"].tanh() * h
        h = self.norm(name + "cross_norm", x)
        x = x + self.attend(name + "cross_attention", h, io["text"], io["text_mask"])
        if name + "object_cross_attention.gate" in p:
            part = name + "object_cross_attention."
            h = self.norm(part + "norm", x)
            mask, seen = io["prompt_mask"], io["prompt_seen"]
            h = self.attend(part + "attention", h, io["prompts"], mask, seen=seen)
            x = x + p[part + "gate"].tanh() * h
        h = F.layer_norm(x, width, eps=EPS) * (1 + scale2) + shift2
        h = self.linear(name + "mlp.up", h)
        h = self.linear(name + "mlp.down", F.gelu(h, approximate="tanh"))
        return x + gate2 * h

    def __call__(self, io):
        c, p = self.config, self.p
        (pt, ph, pw), (nt, nh, nw) = c["patch"], self.grid
        x = torch.cat([io["latents"], io["conditions"]], 1)
        batch, channels = x.shape[:2]
        x = x.view(batch, channels, nt, pt, nh, ph, nw, pw).permute(0, 2, 4, 6, 1, 3, 5, 7)
        x = self.linear("embed", x.reshape(batch, nt * nh * nw, -1))
        frames, rows, columns = (p["positions." + n] for n in ("frames", "rows", "columns"))
        places = frames[:, None, None] + rows[None, :, None] + columns[None, None]
        x = x + places.reshape(1, nt * nh * nw, -1)
        t = self.linear("time.down", F.silu(self.linear("time.up", io["waves"])))
        t = F.silu(t)
        shared = self.linear("modulation", t)
        for i in range(c["depth"]):
            x = self.block(i, x, shared, io)
        shift, scale = self.linear("final_modulation", t).unsqueeze(1).chunk(2, -1)
        x = F.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + scale) + shift
        x = self.linear("output", x)
        x = x.view(batch, nt, nh, nw, -1, pt, ph, pw).permute(0, 4, 1, 5, 2, 6, 3, 7)
        x = x.reshape(batch, -1, *c["latent_size"])
        if c["first_frame"] == "none":
            return x
        at, latent = c["first_frame_channel"], c["latent_channels"]
        first = io["conditions"][:, at : at + latent, :1]
        if c["first_frame"] == "residual":
            return x + first * p["frame_gain"].view(1, 1, -1, 1, 1)
        return x[:, :latent] + x[:, latent:].sigmoid() * first


def inputs(tensors, config, case):
    """The inputs, with masks and sinusoids made before the clock starts."""
    io = {n: tensors[n] for n in ("latents", "conditions", "target", "text")}
    batch = io["latents"].shape[0]
    share = torch.arange(32, dtype=torch.float64) / 31
    angle = tensors["time"].double()[:, None] * math.pi * 1000**share
    io["waves"] = torch.cat([angle.sin(), angle.cos()], 1).float()
    keys = torch.arange(io["text"].shape[1])
    io["text_mask"] = (keys < tensors["lengths"][:, None])[:, None, None]
    if case["objects"]:
        objects, tokens = case["objects"], tensors["ids"].numel() // batch
        ids = tensors["ids"].view(batch, 1, tokens)
        io["group_mask"] = ids[..., :, None] == ids[..., None, :]
        io["prompts"] = tensors["prompts"]
        length = io["prompts"].shape[1] // objects
        valid = torch.arange(length) < tensors["prompt_lengths"].view(batch, 1, objects, 1)
        visible = tensors["visible"].view(batch, tokens, objects, 1) > 0
        mask = (visible & valid).reshape(batch, 1, tokens, objects * length)
        seen = mask.any(-1, keepdim=True)
        # A row without keys would be NaN.
        io["prompt_mask"] = mask | ~seen
        io["prompt_seen"] = seen[:, 0].float()
    return io


class Optimizer:
    """AdamW for some parameters, Muon for the matrices in blocks; gradients clipped, moving average."""

    def __init__(self, network, matrix_rate):
        self.matrix_rate, self.step_count = matrix_rate, 0
        inside = lambda n: matrix_rate > 0 and n.endswith("weight") and "blocks." in n
        self.names = [n for n in network.p]
        self.all = [network.p[n] for n in self.names]
        self.matrices = [network.p[n] for n in self.names if inside(n)]
        self.momentum = [torch.zeros_like(m) for m in self.matrices]
        rest = [n for n in self.names if not inside(n)]
        decayed = [network.p[n] for n in rest if n.endswith("weight")]
        plain = [network.p[n] for n in rest if not n.endswith("weight")]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.98), eps=1e-8, fused=True)
        self.ema = [p.detach().clone() for p in self.all]

    @torch.no_grad()
    def step(self):
        self.step_count += 1
        share = min(1.0, self.step_count / 100)
        torch.nn.utils.clip_grad_norm_(self.all, 1.0, foreach=True)
        for group in self.adam.param_groups:
            group["lr"] = 2e-3 * share
        for matrix, momentum in zip(self.matrices, self.momentum):
            momentum.mul_(0.95).add_(matrix.grad)
            update = newton_schulz(matrix.grad.add(momentum, alpha=0.95))
            # Held as [outputs, inputs].
            scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            rate = self.matrix_rate * share
            matrix.mul_(1 - rate * 0.01).add_(update, alpha=-rate * scale)
            matrix.grad = None
        self.adam.step()
        n = self.step_count
        decay = min(0.998, (1 + n) / (10 + n))
        torch._foreach_lerp_(self.ema, self.all, 1 - decay)


def newton_schulz(x):
    turned = x.shape[0] > x.shape[1]
    x = (x.t() if turned else x) / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.t()
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.t() if turned else x


def timed(step):
    step()
    start, samples = time.perf_counter(), []
    while len(samples) < 5 or time.perf_counter() - start < 2.0:
        at = time.perf_counter()
        step()
        samples.append((time.perf_counter() - at) * 1e3)
    return samples


def resident_mib(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def same(what, found, expected):
    error = (found - expected).abs().max().item()
    assert error <= 1e-3, f"{what}: {error} apart"
    return error


def main():
    torch.set_num_threads(2)
    case = json.load(open(sys.argv[1]))[int(sys.argv[2])]
    tensors, meta = read(sys.argv[3])
    config = json.loads(meta["config"])
    network, io = Network(tensors, config), inputs(tensors, config, case)
    before = resident_mib("VmRSS")
    with torch.no_grad():
        errors = [same("output", network(io), tensors["output"])]
        forward = timed(lambda: network(io))
    for parameter in network.p.values():
        parameter.requires_grad_()
    optimizer = Optimizer(network, case["matrix_rate"])

    def step():
        for parameter in network.p.values():
            parameter.grad = None
        (network(io) - io["target"]).square().mean().backward()
        optimizer.step()

    step()
    with torch.no_grad():
        errors.append(same("output after a step", network(io), tensors["output_after_step"]))
    both = timed(step)
    extra = resident_mib("VmHWM") - before
    line = {"name": case["name"], "forward": forward, "both": both, "extra_mib": extra}
    print(json.dumps({**line, "errors": errors}))


main()
