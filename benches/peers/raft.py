"""PyTorch's side of benches/raft.sh: torchvision's raft_large with the weights and pictures that
crates/thrumask-nn/examples/compare_raft.rs wrote. Checks that its flow is the same to 1e-3, then times it: as it
is, and with only the last flow enlarged, as ours does.

    python benches/peers/raft.py FOLDER
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import load_file
from torchvision.models.optical_flow import raft_large

from shared import Memory, read, same, timed


def enlarging_once(net, first, second, iterations):
    """The network's own parts, put together so that flow is enlarged after the last change."""
    from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

    features = net.feature_encoder(torch.cat([first, second])).chunk(2)
    net.corr_block.build_pyramid(*features)
    hidden = net.update_block.hidden_state_size
    both = net.context_encoder(first)
    state, context = torch.tanh(both[:, :hidden]), torch.relu(both[:, hidden:])
    zero = make_coords_grid(1, *features[0].shape[-2:])
    at = zero.clone()
    for _ in range(iterations):
        seen = net.corr_block.index_pyramid(centroids_coords=at)
        state, change = net.update_block(state, context, seen, at - zero)
        at = at + change
    return upsample_flow(flow=at - zero, up_mask=net.mask_predictor(state))


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(2)
    tensors, meta = read(folder / "io.safetensors")
    memory = Memory()
    net = raft_large()
    missing, unexpected = net.load_state_dict(load_file(folder / "raft.safetensors"), strict=False)
    assert all(n.endswith("num_batches_tracked") for n in missing) and not unexpected, (missing, unexpected)
    net.eval()
    pair, iterations = (tensors["first"], tensors["second"]), int(meta["iterations"])
    whole = lambda: net(*pair, num_flow_updates=iterations)[-1]
    once = lambda: enlarging_once(net, *pair, iterations)
    with torch.inference_mode():
        for name, run in (("torchvision", whole), ("torchvision, enlarging once", once)):
            error = same("flow", run(), tensors["flow"])
            print(json.dumps({"name": name, "forward": timed(4.0, run), "error": error,
                              "extra_mib": memory.extra(), "peak_mib": memory.peak()}), flush=True)


main()
