"""The network "v2" of export.py as its pieces were published: checkpoints of PyTorch under the names of the original
implementations, with what such files hold besides.

    python original.py      writes single.ckpt (Stable Diffusion), motion.ckpt and adapter.ckpt (AnimateDiff)

The adapter is one of low rank for the attention of pictures, as AnimateDiff V3 has beside its motion modules."""

import pathlib

import torch
from export import CASES, animatediff_names, ldm_names, network
from fixture import generator, normal
from safetensors.torch import load_file

FOLDER = pathlib.Path(__file__).parent


def save(name, content):
    torch.save(content, FOLDER / name)
    print(f"{name}: {(FOLDER / name).stat().st_size} bytes")


def main():
    state = network(CASES["v2"], 1).state_dict()
    fixture = load_file(FOLDER / "fixture.safetensors")
    assert all(torch.equal(tensor, fixture[f"v2.net.{name}"]) for name, tensor in state.items())
    random = generator(12)

    single = {new: state[name] for name, new in ldm_names(state, CASES["v2"]).items()}
    # Other networks, a schedule, and averaged weights of the U-Net under names without dots.
    single |= {name: normal(random, 2) for name in (
        "alphas_cumprod", "model_ema.decay", "model_ema.diffusion_modelinput_blocks00bias",
        "first_stage_model.encoder.conv_in.bias", "cond_stage_model.transformer.text_model.final_layer_norm.bias")}
    save("single.ckpt", {"epoch": 2, "global_step": 5, "state_dict": single})

    motion = {new: state[name] for name, new in animatediff_names(state).items()}
    # There each attention has the table of positions of its own.
    for name, table in state.items():
        if name.endswith(".pos_embed.pe"):
            module, block = name.removesuffix(".pos_embed.pe").split(".transformer_blocks.")
            for attention in (0, 1):
                motion[f"{module}.temporal_transformer.transformer_blocks.{block}.attention_blocks.{attention}"
                       ".pos_encoder.pe"] = table
    save("motion.ckpt", motion | {"animatediff_config": "v2"})

    adapter, rank = {}, 2
    for name, weight in state.items():
        attention, leaf = name.rpartition(".to_")[::2]
        if "motion_modules" in name or not attention or leaf.endswith("bias"):
            continue
        stem = f"{attention}.processor.to_{leaf.split('.')[0]}_lora"
        adapter[f"{stem}.down.weight"] = normal(random, rank, weight.shape[1])
        adapter[f"{stem}.up.weight"] = normal(random, weight.shape[0], rank)
    save("adapter.ckpt", adapter | {"animatediff_config": "v2"})


if __name__ == "__main__":
    main()
