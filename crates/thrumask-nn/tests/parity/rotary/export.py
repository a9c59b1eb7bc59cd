"""The rotate-half form of rotary embedding: Llama's in transformers, and diffusers'
apply_rotary_emb as Cosmos and CogView4 call it."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers.models.embeddings import apply_rotary_emb
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from fixture import backward, generator, normal, save

BATCH, TOKENS, HEADS, PAIRS = 2, 7, 3, 4


def main():
    random = generator(1)
    angles = normal(random, TOKENS, PAIRS, scale=3.0)
    cos, sin = (torch.cat([f(angles), f(angles)], dim=1) for f in (torch.cos, torch.sin))
    x = normal(random, BATCH, TOKENS, HEADS * 2 * PAIRS).requires_grad_()
    split = x.unflatten(2, (HEADS, 2 * PAIRS)).transpose(1, 2)
    join = lambda y: y.transpose(1, 2).flatten(2)
    llama = join(apply_rotary_pos_emb(split, split, cos[None], sin[None])[0])
    other = join(apply_rotary_emb(split, (cos, sin), use_real_unbind_dim=-2))
    save(__file__, {"angles": angles, "x": x, "llama": llama, "diffusers": other}
         | backward(llama, random, {"x": x}))


main()
