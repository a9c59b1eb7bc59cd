"""PyTorch's side of benches/sam2.sh: transformers' Sam2Model with the weights and the picture that
crates/thrumask-nn/examples/compare_sam2.rs wrote. Checks that its features and masks are the same to 1e-3, then
times encoder and decoder.

    python benches/peers/sam2.py FOLDER [SECONDS]
"""

import json
import pathlib
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import Sam2Config, Sam2Model

from shared import Memory, read, same, timed


def main():
    folder = pathlib.Path(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0
    torch.set_num_threads(2)
    tensors, meta = read(folder / "sam2-io.safetensors")
    memory = Memory()
    start = time.perf_counter()
    with torch.device("meta"):
        net = Sam2Model(Sam2Config())
    net.load_state_dict(load_file(folder / "sam2.safetensors"), assign=True)
    net.eval()
    load = time.perf_counter() - start
    encode = lambda: net.get_image_features(tensors["pixels"], return_dict=True).fpn_hidden_states
    with torch.inference_mode():
        maps = [f.permute(1, 2, 0).unflatten(-1, size) for f, size in zip(encode(), net.backbone_feature_sizes)]
        error = max(same(f"level {i}", m, tensors[f"level{i}"]) for i, m in enumerate(maps))
        maps[-1] = maps[-1] + net.no_memory_embedding.reshape(1, -1, 1, 1)
        bounds = torch.tensor(json.loads(meta["bounds"]), dtype=torch.float32).reshape(1, 1, 4)
        decode = lambda: net(image_embeddings=maps, input_boxes=bounds).pred_masks
        error = max(error, same("masks", decode()[0], tensors["masks"]))
        forward, decoded = timed(seconds, encode), timed(seconds, decode)
    print(json.dumps({"name": "transformers", "load_s": load, "forward": forward, "decode": decoded,
                      "error": error, "extra_mib": memory.extra(), "peak_mib": memory.peak()}))


main()
