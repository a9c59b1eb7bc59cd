"""transformers' CLIPTextModel at a small size with random weights: last hidden states, also without the
last blocks as diffusers' "clip_skip" takes them. Its weights go under "state." by their public names, of
which there are two: with "text_model." and, since version 5, in memory without."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from fixture import generator, normal, randomise, save
from transformers import CLIPTextConfig, CLIPTextModel

SIZES = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
             max_position_embeddings=12, bos_token_id=38, eos_token_id=39, pad_token_id=39)


@torch.no_grad()
def main():
    random = generator(1)
    ids = torch.randint(0, 38, (3, 12), generator=random)
    ids[0, 5:] = 39
    found = {"ids": ids}
    for case, prefix in (("quick_gelu", "text_model."), ("gelu", "")):
        model = CLIPTextModel(CLIPTextConfig(hidden_act=case, **SIZES)).eval()
        randomise(model, 2, scale=0.4)
        found |= {f"{case}.state.{prefix}{n}": t for n, t in model.state_dict().items()}
        if prefix:
            # Files written before version 4.31 hold these too.
            found[f"{case}.state.{prefix}embeddings.position_ids"] = torch.arange(12)[None]
        out = model(ids, output_hidden_states=True)
        found[f"{case}.out"] = out.last_hidden_state
        for skip in (1, 3):
            # As in the pipelines: earlier states, through the final norm.
            found[f"{case}.skip{skip}"] = model.final_layer_norm(out.hidden_states[-(skip + 1)])
        found[f"{case}.short"] = model(ids[:, :5]).last_hidden_state
    save(__file__, found)


main()
