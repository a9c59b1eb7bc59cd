"""torch.nn.functional.scaled_dot_product_attention with boolean masks: dense with key lengths,
within groups, and over the prompts that a token sees (the first token of each row sees none)."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from torch.nn.functional import scaled_dot_product_attention
from fixture import backward, generator, normal, save

BATCH, HEADS, SIZE = 2, 2, 6


def heads(x):
    return x.unflatten(2, (HEADS, SIZE)).transpose(1, 2)


def case(name, seed, queries, keys, mask):
    random = generator(seed)
    shape = lambda tokens: (BATCH, tokens, HEADS * SIZE)
    x = {n: normal(random, *shape(t)).requires_grad_() for n, t in
         (("q", queries), ("k", keys), ("v", keys))}
    mask = mask[:, None].expand(BATCH, HEADS, queries, keys)
    out = scaled_dot_product_attention(heads(x["q"]), heads(x["k"]), heads(x["v"]), attn_mask=mask)
    out = out.transpose(1, 2).flatten(2)
    tensors = x | {"out": out} | backward(out, random, x)
    return {f"{name}.{n}": t for n, t in tensors.items()}


def main():
    lengths = torch.tensor([7, 3])
    dense = (torch.arange(7) < lengths[:, None])[:, None].expand(BATCH, 5, 7)

    groups = torch.tensor([[0, 1, 1, 0, 2, 0, 2, 1, 5], [3, 3, 3, 3, 3, 0, 3, 3, 3]])
    grouped = groups[:, :, None] == groups[:, None, :]

    prompts, padded = 3, 4
    text_lengths = torch.tensor([[4, 1, 3], [2, 4, 0]])
    visible = torch.rand(BATCH, 8, prompts, generator=generator(9)) < 0.5
    visible[:, 0] = False
    visible[:, 1] = True
    valid = torch.arange(padded) < text_lengths[..., None]
    seen = (visible[..., None] & valid[:, None]).flatten(2)

    save(__file__, case("dense", 1, 5, 7, dense) | case("grouped", 2, 9, 9, grouped)
         | case("prompts", 3, 8, prompts * padded, seen)
         | {"dense.lengths": lengths, "grouped.groups": groups,
            "prompts.visible": visible, "prompts.lengths": text_lengths})


main()
