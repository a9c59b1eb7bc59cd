"""diffusers' Attention with per-head query-key RMS norm, as self-attention, as cross-attention to
texts of several lengths, and as cross-attention in which each token sees texts of its own."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers.models.attention_processor import Attention
from fixture import backward, generator, normal, randomise, save

BATCH, TOKENS, WIDTH, HEADS, TEXT = 2, 6, 12, 3, 8
OURS = {"to_q.weight": "query.weight", "to_k.weight": "key.weight", "to_v.weight": "value.weight",
        "to_out.0.weight": "output.weight", "norm_q.weight": "query_norm.gamma",
        "norm_k.weight": "key_norm.gamma"}


def case(name, seed, text, mask):
    random = generator(seed)
    module = Attention(WIDTH, cross_attention_dim=None if text is None else TEXT, heads=HEADS,
                       dim_head=WIDTH // HEADS, bias=False, out_bias=False, qk_norm="rms_norm",
                       eps=1e-5)
    randomise(module, seed + 10)
    parameters = dict(module.named_parameters())
    assert set(parameters) == set(OURS), set(parameters) ^ set(OURS)
    inputs = {"x": normal(random, BATCH, TOKENS, WIDTH).requires_grad_()}
    if text is not None:
        inputs["text"] = text
    # A visible key adds nothing to the score, a hidden one minus infinity.
    if mask is not None:
        mask = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
    out = module(inputs["x"], encoder_hidden_states=text, attention_mask=mask)
    gradients = backward(out, random, inputs | parameters)
    found = {n: t for n, t in inputs.items()} | {"out": out, "weights": gradients["weights"]}
    found |= {f"d_{n}": gradients[f"d_{n}"] for n in inputs}
    for n, tensor in parameters.items():
        # Linear weights lie the other way round in torch.
        turned = lambda t: t.T if t.ndim == 2 else t
        found[f"module.{OURS[n]}"] = turned(tensor)
        found[f"d_module.{OURS[n]}"] = turned(gradients[f"d_{n}"])
    return {f"{name}.{n}": t for n, t in found.items()}


def main():
    text = lambda seed, tokens: normal(generator(seed), BATCH, tokens, TEXT).requires_grad_()
    lengths = torch.tensor([5, 2])
    by_length = (torch.arange(5) < lengths[:, None])[:, None].expand(BATCH, TOKENS, 5)
    prompts, padded = 2, 3
    text_lengths = torch.tensor([[3, 1], [2, 2]])
    visible = torch.tensor([[[1, 0], [0, 1], [1, 1], [1, 0], [1, 0], [0, 1]],
                            [[0, 1], [0, 1], [0, 1], [1, 1], [1, 0], [1, 1]]]).bool()
    valid = torch.arange(padded) < text_lengths[..., None]
    by_prompt = (visible[..., None] & valid[:, None]).flatten(2)
    save(__file__, case("self", 1, None, None) | case("lengths", 2, text(20, 5), by_length)
         | case("prompts", 3, text(30, prompts * padded), by_prompt)
         | {"lengths.lengths": lengths, "prompts.lengths": text_lengths,
            "prompts.visible": visible})


main()
