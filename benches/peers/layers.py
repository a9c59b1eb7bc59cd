"""The layers of crates/thrumask-nn/src/layers in PyTorch, by the names of our parameters."""

import torch
import torch.nn.functional as F

EPS = 1e-5


class Layers:
    """Parameters are held as PyTorch's own layers would hold them: weights [outputs, inputs]."""

    def __init__(self, tensors, prefix, heads=0):
        turned = lambda name, t: name.endswith(".weight") and t.dim() == 2
        self.p = {
            name[len(prefix) :]: (t.t().contiguous() if turned(name, t) else t)
            for name, t in tensors.items()
            if name.startswith(prefix)
        }
        self.head_count = heads

    def linear(self, name, x):
        return F.linear(x, self.p[name + ".weight"], self.p.get(name + ".bias"))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.p[name + ".gamma"], self.p[name + ".beta"], EPS)

    def mlp(self, name, x):
        x = F.gelu(self.linear(name + ".up", x), approximate="tanh")
        return self.linear(name + ".down", x)

    def places(self):
        """Learned positions of all tokens, [1, N, C]."""
        frames, rows, columns = (self.p["positions." + n] for n in ("frames", "rows", "columns"))
        places = frames[:, None, None] + rows[None, :, None] + columns[None, None]
        return places.flatten(0, 2)[None]

    def heads(self, x):
        batch, tokens, width = x.shape
        heads = self.head_count
        return x.view(batch, tokens, heads, width // heads).transpose(1, 2)

    def head_norm(self, name, x):
        return F.rms_norm(x, x.shape[-1:], self.p[name + ".gamma"], EPS)

    def keys(self, name, context):
        k = self.head_norm(name + ".key_norm", self.heads(self.linear(name + ".key", context)))
        return k, self.heads(self.linear(name + ".value", context))

    def attend(self, name, x, context, mask=None, rope=None, seen=None, kept=None):
        """Attention of x to a context. `kept` holds keys and values from step to step of a generation."""
        q = self.head_norm(name + ".query_norm", self.heads(self.linear(name + ".query", x)))
        if kept is not None and name not in kept:
            kept[name] = self.keys(name, context)
        k, v = self.keys(name, context) if kept is None else kept[name]
        if rope is not None:
            q, k = rotate(q, rope), rotate(k, rope)
        out = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(x.shape)
        if seen is not None:
            out = out * seen
        return self.linear(name + ".output", out)

    def plain_block(self, name, x, mask=None, rope=None):
        """Self-attention, then a perceptron, each after a norm and with a residual."""
        h = self.norm(name + ".attention_norm", x)
        x = x + self.attend(name + ".attention", h, h, mask, rope)
        return x + self.mlp(name + ".mlp", self.norm(name + ".mlp_norm", x))


def rope_table(rotary, grid):
    """Cosines and sines of the tokens of a grid, [N, pairs] each."""
    if rotary is None:
        return None
    fast, slow = rotary["fastest"], rotary["slowest"]
    parts = []
    axes = torch.meshgrid(*[torch.arange(n) for n in grid], indexing="ij")
    for positions, n in zip(axes, rotary["pairs"]):
        share = [i / (n - 1) if n > 1 else 0.0 for i in range(n)]
        frequency = torch.tensor([fast * (slow / fast) ** s for s in share])
        parts.append(positions.reshape(-1, 1) * frequency)
    angles = torch.cat(parts, 1)
    return angles.cos(), angles.sin()


def rotate(x, rope):
    cos, sin = rope
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def key_mask(lengths, length):
    """Which of `length` keys each batch row may see; None, which is faster, when all may be seen."""
    mask = torch.arange(length) < lengths.view(-1, 1)
    return None if mask.all() else mask[:, None, None]
