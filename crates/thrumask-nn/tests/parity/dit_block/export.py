"""diffusers' WanTransformerBlock: adaptive norms with a shared modulation and a table of its own,
self-attention with query-key norm and rotary positions, cross-attention after a norm, perceptron.

One head, because its query-key norm runs over all heads at once and ours over each; the layers of
several heads are compared in ../attention_layer. Its attention biases, which ours has none of, are
zero. It turns neighbouring channels, ours those half a head apart: the channels of queries and keys
are put in our order on the way out."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from fixture import backward, generator, normal, randomise, save

BATCH, TOKENS, WIDTH, TEXT_TOKENS = 2, 5, 8, 3
HALVES = torch.cat([torch.arange(0, WIDTH, 2), torch.arange(1, WIDTH, 2)])
OURS = {"scale_shift_table": "modulation", "norm2.weight": "cross_norm.gamma",
        "norm2.bias": "cross_norm.beta",
        "ffn.net.0.proj.weight": "mlp.up.weight", "ffn.net.0.proj.bias": "mlp.up.bias",
        "ffn.net.2.weight": "mlp.down.weight", "ffn.net.2.bias": "mlp.down.bias"}
for theirs, ours in (("attn1", "attention"), ("attn2", "cross_attention")):
    OURS |= {f"{theirs}.to_q.weight": f"{ours}.query.weight",
             f"{theirs}.to_k.weight": f"{ours}.key.weight",
             f"{theirs}.to_v.weight": f"{ours}.value.weight",
             f"{theirs}.to_out.0.weight": f"{ours}.output.weight",
             f"{theirs}.norm_q.weight": f"{ours}.query_norm.gamma",
             f"{theirs}.norm_k.weight": f"{ours}.key_norm.gamma"}


def ours(name, tensor):
    """A parameter or its gradient in our layout."""
    if name.startswith("attn1.") and name.split(".")[1] in ("to_q", "to_k", "norm_q", "norm_k"):
        tensor = tensor[HALVES]
    if name == "scale_shift_table":
        return tensor.reshape(1, 6 * WIDTH)
    return tensor.T if tensor.ndim == 2 else tensor


def main():
    random = generator(1)
    block = WanTransformerBlock(WIDTH, 2 * WIDTH, 1, cross_attn_norm=True, eps=1e-5)
    randomise(block, 2)
    parameters = dict(block.named_parameters())
    biases = [n for n in parameters if n.startswith("attn") and n.endswith("bias")]
    with torch.no_grad():
        for name in biases:
            parameters.pop(name).zero_()
    assert set(parameters) == set(OURS), set(parameters) ^ set(OURS)
    angles = normal(random, TOKENS, WIDTH // 2, scale=2.0)
    # [1, N, 1, D], each angle twice.
    rotary = tuple(f(angles).repeat_interleave(2, dim=1)[None, :, None] for f in (torch.cos, torch.sin))
    inputs = {"x": normal(random, BATCH, TOKENS, WIDTH), "text": normal(random, BATCH, TEXT_TOKENS, WIDTH),
              "modulation": normal(random, BATCH, 6, WIDTH)}
    inputs = {n: t.requires_grad_() for n, t in inputs.items()}
    out = block(inputs["x"], inputs["text"], inputs["modulation"], rotary)
    gradients = backward(out, random, inputs | parameters)
    found = inputs | {"out": out, "angles": angles, "weights": gradients["weights"]}
    found |= {f"d_{n}": gradients[f"d_{n}"] for n in inputs}
    for name, tensor in parameters.items():
        found[f"block.{OURS[name]}"] = ours(name, tensor)
        found[f"d_block.{OURS[name]}"] = ours(name, gradients[f"d_{name}"])
    save(__file__, found)


main()
