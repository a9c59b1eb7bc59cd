"""PyTorch's side of benches/unet.sh: diffusers' UNetMotionModel with the weights and inputs that
crates/thrumask/examples/compare_unet.rs wrote. Checks that its output is the same to 1e-3, then times one
denoising step.

    python benches/peers/unet.py FOLDER
"""

import json
import pathlib
import sys
import time

import torch
from diffusers import UNetMotionModel
from safetensors.torch import load_file

from shared import Memory, read, same, timed


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(2)
    tensors, meta = read(folder / "io.safetensors")
    config = json.loads(meta["config"])
    memory = Memory()
    start = time.perf_counter()
    with torch.device("meta"):
        net = UNetMotionModel(
            in_channels=config["latent_channels"] + config["condition_channels"],
            out_channels=config["latent_channels"], cross_attention_dim=config["text_width"],
            motion_max_seq_length=config["motion"]["max_frames"], use_motion_mid_block=False)
    state = load_file(folder / "unet.safetensors")
    for name in list(state):
        state[name] = state[name].float()
    # Tables of positions follow from the sizes, and are not in the file.
    tables = {n: b for n, b in net.state_dict().items() if n.endswith("pos_embed.pe")}
    missing, unexpected = net.load_state_dict(state, strict=False, assign=True)
    assert set(missing) == set(tables) and not unexpected, (missing, unexpected)
    for name, module in net.named_modules():
        if name.endswith("pos_embed"):
            table = module.pe
            fresh = type(module)(table.shape[2], max_seq_length=table.shape[1])
            module.pe = fresh.pe
    net.eval()
    del state
    load = time.perf_counter() - start
    frames = tensors["latents"].shape[2]
    sample = torch.cat([tensors["latents"], tensors["conditions"]], 1)
    text = tensors["text"].repeat_interleave(frames, 0)
    step = lambda: net(sample, tensors["time"], text).sample
    with torch.inference_mode():
        error = same("output", step(), tensors["output"])
        forward = timed(0, step)
    print(json.dumps({"name": "diffusers", "load_s": load, "forward": forward, "error": error,
                      "extra_mib": memory.extra(), "peak_mib": memory.peak()}))


main()
