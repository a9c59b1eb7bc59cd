"""PyTorch's side of the networks of benches/compare.sh: the diffusion transformer with the weights and
inputs that crates/thrumask/examples/compare_network.rs wrote. Checks that its outputs, before and after
one training step, are the same to 1e-3, then times the forward pass and training steps.

    python benches/peers/network.py benches/networks.json INDEX FILE
"""

import json
import sys

import torch
import torch._dynamo  # Optimisers import it when they are first made: 47 MiB that are no network's.

from dit import Dit, object_masks, waves
from layers import key_mask
from shared import Memory, read, same, timed


def inputs(tensors, case):
    """The inputs, with masks and sinusoids made before the clock starts."""
    io = {n: tensors[n] for n in ("latents", "conditions", "target", "text")}
    io["waves"] = waves(tensors["time"])
    io["text_mask"] = key_mask(tensors["lengths"], io["text"].shape[1])
    if case["objects"]:
        batch, objects = io["latents"].shape[0], case["objects"]
        io["prompts"] = tensors["prompts"]
        ids, visible = tensors["ids"].view(batch, -1), tensors["visible"].view(batch, -1, objects)
        lengths = tensors["prompt_lengths"].view(batch, objects)
        io |= object_masks(ids, visible, lengths, io["prompts"].shape[1] // objects)
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


def main():
    torch.set_num_threads(2)
    case = json.load(open(sys.argv[1]))[int(sys.argv[2])]
    tensors, meta = read(sys.argv[3])
    network, io = Dit(tensors, json.loads(meta["config"])), inputs(tensors, case)
    memory = Memory()
    with torch.no_grad():
        errors = [same("output", network(io), tensors["output"])]
        forward = timed(2, lambda: network(io))
    extra = memory.extra()
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
    both = timed(2, step)
    line = {"name": case["name"], "forward": forward, "both": both, "errors": errors}
    print(json.dumps({**line, "extra_mib": extra, "extra_both_mib": memory.extra()}))


main()
