"""The diffusion transformer of crates/thrumask-nn/src/backbone/dit in PyTorch."""

import math

import torch
import torch.nn.functional as F

from layers import EPS, Layers, rope_table


class Dit(Layers):
    def __init__(self, tensors, config):
        super().__init__(tensors, "denoiser.", config["heads"])
        self.config = config
        self.grid = [n // p for n, p in zip(config["latent_size"], config["patch"])]
        self.rope = rope_table(config["rotary"], self.grid)

    def block(self, i, x, shared, io):
        name, p, kept = f"blocks.{i}.", self.p, io.get("kept")
        shift, scale, gate, shift2, scale2, gate2 = (
            (shared + p[name + "modulation"]).unsqueeze(1).chunk(6, -1)
        )
        width = x.shape[-1:]
        h = F.layer_norm(x, width, eps=EPS) * (1 + scale) + shift
        x = x + gate * self.attend(name + "attention", h, h, rope=self.rope)
        if name + "object_attention.gate" in p:
            part = name + "object_attention."
            h = self.norm(part + "norm", x)
            h = self.attend(part + "attention", h, h, io["group_mask"], self.rope)
            x = x + p[part + "gate"].tanh() * h
        h = self.norm(name + "cross_norm", x)
        x = x + self.attend(name + "cross_attention", h, io["text"], io["text_mask"], kept=kept)
        if name + "object_cross_attention.gate" in p:
            part = name + "object_cross_attention."
            h = self.norm(part + "norm", x)
            masks = {"mask": io["prompt_mask"], "seen": io["prompt_seen"]}
            h = self.attend(part + "attention", h, io["prompts"], kept=kept, **masks)
            x = x + p[part + "gate"].tanh() * h
        h = F.layer_norm(x, width, eps=EPS) * (1 + scale2) + shift2
        return x + gate2 * self.mlp(name + "mlp", h)

    def __call__(self, io):
        c, p = self.config, self.p
        (pt, ph, pw), (nt, nh, nw) = c["patch"], self.grid
        x = torch.cat([io["latents"], io["conditions"]], 1)
        batch, channels = x.shape[:2]
        x = x.view(batch, channels, nt, pt, nh, ph, nw, pw).permute(0, 2, 4, 6, 1, 3, 5, 7)
        x = self.linear("embed", x.reshape(batch, nt * nh * nw, -1)) + self.places()
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
        first = io["conditions"][:, at : at + latent]
        if c["first_frame"] == "residual":
            return x + first * p["frame_gain"].view(1, 1, -1, 1, 1)
        return x[:, :latent] + x[:, latent:].sigmoid() * first


def waves(time):
    """Sinusoids of times in [0, 1], [B] to [B, 64]."""
    share = torch.arange(32, dtype=torch.float64) / 31
    angle = time.double()[:, None] * math.pi * 1000**share
    return torch.cat([angle.sin(), angle.cos()], 1).float()


def object_masks(ids, visible, lengths, padded):
    """Dense masks: who is of whose group (eq. 3), and who sees which prompt token (eq. 2).

    ids [B, N], visible [B, N, S], lengths [B, S] of prompts padded to `padded` tokens."""
    valid = torch.arange(padded) < lengths[:, None, :, None]
    mask = ((visible > 0)[..., None] & valid).flatten(2)[:, None]
    seen = mask.any(-1, keepdim=True)
    return {
        "group_mask": ids[:, None, :, None] == ids[:, None, None, :],
        # A row without keys would be NaN.
        "prompt_mask": mask | ~seen,
        "prompt_seen": seen[:, 0].float(),
    }
