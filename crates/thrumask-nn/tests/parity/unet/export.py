"""diffusers' UNetMotionModel (Stable Diffusion 1.5's U-Net with AnimateDiff's motion modules), tiny, with
random weights: what it predicts, and the gradients of its inputs.

The weights are written under diffusers' names; what the original single file and AnimateDiff's own checkpoints
call them is told here for original.py, which writes such files, and diffusers' converters confirm it."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers import UNetMotionModel
from diffusers.loaders.single_file_utils import (convert_animatediff_checkpoint_to_diffusers,
                                                 convert_ldm_unet_checkpoint)
from fixture import backward, generator, normal, randomise, save

CASES = {
    # As V3: three levels, the last without attention, no motion module in the middle.
    "v3": dict(channels=(4, 8, 8), attention=(1, 1, 0), layers=2, heads=2, groups=2, inputs=5, outputs=2,
               text=6, motion_heads=4, middle=False, frames=3, size=(8, 4), batch=2),
    # As V2: a motion module in the middle.
    "v2": dict(channels=(4, 8), attention=(1, 0), layers=1, heads=4, groups=4, inputs=3, outputs=3,
               text=4, motion_heads=2, middle=True, frames=2, size=(4, 6), batch=1),
}


def network(case, seed):
    """The real class at a tiny configuration; gains of norms near 1, so that values stay alive."""
    net = UNetMotionModel(
        in_channels=case["inputs"], out_channels=case["outputs"],
        block_out_channels=case["channels"], layers_per_block=case["layers"],
        down_block_types=tuple("CrossAttnDownBlockMotion" if a else "DownBlockMotion"
                               for a in case["attention"]),
        up_block_types=tuple("CrossAttnUpBlockMotion" if a else "UpBlockMotion"
                             for a in reversed(case["attention"])),
        norm_num_groups=case["groups"], cross_attention_dim=case["text"],
        num_attention_heads=case["heads"], motion_num_attention_heads=case["motion_heads"],
        motion_max_seq_length=8, use_motion_mid_block=case["middle"]).eval()
    randomise(net, seed, scale=0.25)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return net


def ldm_names(state, config):
    """The original single file's names of a state dict, written out by its blocks."""
    layers = config["layers"]
    levels = len(config["channels"])
    resnet = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
              "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    pairs = [("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
             ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
             ("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"),
             ("mid_block.resnets.1", "middle_block.2")]
    number = 1
    for level in range(levels):
        for layer in range(layers):
            pairs += [(f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{number}.0"),
                      (f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{number}.1")]
            number += 1
        if level + 1 < levels:
            pairs.append((f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{number}.0.op"))
            number += 1
    number = 0
    for level in range(levels):
        attention = config["attention"][levels - 1 - level]
        for layer in range(layers + 1):
            pairs += [(f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{number}.0"),
                      (f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{number}.1")]
            if layer == layers and level + 1 < levels:
                pairs.append((f"up_blocks.{level}.upsamplers.0.conv",
                              f"output_blocks.{number}.{2 if attention else 1}.conv"))
            number += 1
    names = {}
    for name in state:
        if "motion_modules" in name:
            continue
        theirs, ours = next((t, o) for t, o in pairs if name.startswith(t + "."))
        rest = name[len(theirs) + 1:]
        part, leaf = rest.rsplit(".", 1) if "." in rest else ("", rest)
        part = resnet.get(part, part) if "resnets" in theirs else part
        names[name] = "model.diffusion_model." + ".".join(p for p in (ours, part, leaf) if p)
    back = convert_ldm_unet_checkpoint({o: n for n, o in names.items()}, dict(layers_per_block=layers))
    assert back == {n: n for n in names}, "diffusers reads these names otherwise"
    return names


def animatediff_names(state):
    """AnimateDiff's own names of the motion modules of a state dict."""
    names = {}
    for name in state:
        if "motion_modules" not in name or name.endswith("pos_embed.pe"):
            continue
        place, rest = name.split(".motion_modules.")
        number, rest = rest.split(".", 1)
        for theirs, ours in (("attn1", "attention_blocks.0"), ("attn2", "attention_blocks.1"),
                             ("norm1", "norms.0"), ("norm2", "norms.1"), ("norm3", "ff_norm")):
            rest = rest.replace(theirs, ours)
        names[name] = f"{place}.motion_modules.{number}.temporal_transformer.{rest}"
    back = convert_animatediff_checkpoint_to_diffusers({o: n for n, o in names.items()})
    assert back == {n: n for n in names}, "diffusers reads these names otherwise"
    return names


def main():
    found = {}
    for number, (key, case) in enumerate(CASES.items()):
        random = generator(10 + number)
        net = network(case, number)
        state = net.state_dict()
        found |= {f"{key}.net.{n}": t for n, t in state.items()}
        b, t, (h, w) = case["batch"], case["frames"], case["size"]
        inputs = {"x": normal(random, b, case["inputs"], t, h, w), "text": normal(random, b, 5, case["text"])}
        inputs = {n: v.requires_grad_() for n, v in inputs.items()}
        time = torch.tensor([981.0, 3.0][:b])
        # The reference wants the text of each frame; ours is one for all.
        out = net(inputs["x"], time, inputs["text"].repeat_interleave(t, 0)).sample
        gradients = backward(out, random, inputs)
        tensors = inputs | gradients | {"out": out, "time": time}
        found |= {f"{key}.{n}": v for n, v in tensors.items()}
    save(__file__, found)


if __name__ == "__main__":
    main()
