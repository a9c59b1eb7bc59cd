"""SAM 2.1 on a video: transformers' memory encoder and memory attention, and whole propagations of two objects."""

import importlib.util, json, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import torch
from fixture import generator, normal, save
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession, Sam2VideoRoPEAttention

spec = importlib.util.spec_from_file_location("sam2_export", pathlib.Path(__file__).parents[1] / "sam2" / "export.py")
image = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image)

# Pixels of the pictures that one random number stands for, each way.
CELL = 8


def config(channels=8, heads=1, rate=1, frames=3, pointers=4, mask_kernel=3, fuser_kernel=3, layers=2, **sizes):
    """The sizes of the image part, and of what remembers."""
    still = image.config(**sizes)
    width, side = still.vision_config.fpn_hidden_size, still.prompt_encoder_config.image_size
    return Sam2VideoConfig(
        vision_config=still.vision_config.to_dict(), prompt_encoder_config=still.prompt_encoder_config.to_dict(),
        mask_decoder_config=still.mask_decoder_config.to_dict(),
        image_size=side, num_maskmem=frames, max_object_pointers_in_encoder=pointers,
        memory_attention_hidden_size=width, memory_attention_num_layers=layers,
        memory_attention_num_attention_heads=heads, memory_attention_downsample_rate=rate,
        memory_attention_feed_forward_hidden_size=48, memory_attention_rope_feat_sizes=[side // 16] * 2,
        memory_encoder_hidden_size=width, memory_encoder_output_channels=channels,
        mask_downsampler_embed_dim=width, mask_downsampler_kernel_size=mask_kernel,
        mask_downsampler_padding=mask_kernel // 2, memory_fuser_embed_dim=width, memory_fuser_num_layers=1,
        memory_fuser_intermediate_dim=48, memory_fuser_kernel_size=fuser_kernel,
        memory_fuser_padding=fuser_kernel // 2)


def network(sizes, seed, given):
    """The real class with random weights, of a size that keeps what flows through alive, in whose eyes objects are
    there on about half of the frames."""
    torch.manual_seed(seed)
    net = Sam2VideoModel(sizes)
    for layer in net.memory_attention.layers:
        # The class has the 64 channels of the public memories written into it.
        layer.cross_attn_image = Sam2VideoRoPEAttention(sizes, sizes.memory_encoder_output_channels, True)
    net.eval()
    random = generator(seed)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            values = normal(random, *tensor.shape)
            if "pos_embed" in name or name.endswith(("positional_embedding", "embed.weight", "token.weight", "tokens.weight")):
                tensor.copy_(values)
            elif tensor.ndim > 1 and "no_" not in name:
                inputs = tensor.shape[0] if "upscale_conv" in name else tensor[0].numel()
                tensor.copy_(1.2 * values / inputs**0.5)
            else:
                tensor.copy_(0.3 * values + ("norm" in name and name.endswith("weight")))
        score = net.mask_decoder.pred_obj_score_head.proj_out
        score.weight *= 20
        for _ in range(8):
            found = propagations(net, sizes.image_size, given)
            # Of a given mask the score is 10 or -10.
            scores = torch.cat([t[t.abs() != 10] for n, t in found.items() if n.endswith("scores")]).unique()
            half = len(scores) // 2
            if (scores.abs() > 1e-3).all() and (scores > 0).any() and (scores < 0).any():
                return net
            # Between two of them, so that rounding does not tell who is there.
            score.bias -= scores[half - 1 : half + 1].mean()
    raise SystemExit("another seed, please")


def large(coarse):
    return coarse.repeat_interleave(CELL, -1).repeat_interleave(CELL, -2)


def inputs(random, size, frames, width):
    """Pictures and masks of one number for each cell, points of columns, rows and labels (2 and 3: a box)."""
    cells, places = size // CELL, [size // 16] * 2
    def points(*labels):
        places = torch.rand(len(labels), 2, generator=random) * size
        return torch.cat([places, torch.tensor(labels).float()[:, None]], 1)
    def box():
        low, high = torch.rand(2, generator=random) * size / 2, size / 2 * (1 + torch.rand(2, generator=random))
        return torch.cat([torch.stack([low, high]), torch.tensor([[2.0], [3.0]])], 1)
    return {"video": normal(random, frames, 3, cells, cells),
            "mask": (normal(random, cells, cells) > 0.3).float(), "points": points(1, 0),
            "correction.1": points(1), "correction.2": torch.cat([box(), points(0)]),
            "features": normal(random, 2, width, *places), "positions": normal(random, 1, width, *places),
            "masks": normal(random, 2, 1, cells, cells, scale=5.0)}


def propagations(net, size, given):
    """Object 1 by a mask and 2 by points on a frame, forward; both corrected later, forward; then backward."""
    video = large(given["video"])
    frames, first = len(video), len(video) // 3
    later, found = first + 2, {}
    session = Sam2VideoInferenceSession(video=video, video_height=size, video_width=size, dtype=torch.float32)

    def prompt(index, frame, points):
        labels = {"point_coords": points[None, None, :, :2], "point_labels": points[None, None, :, 2].int()}
        session.add_point_inputs(index, frame, labels)
        session.remove_mask_inputs(index, frame)

    def note(name, outputs):
        for out in outputs:
            found[f"{name}.{out.frame_idx}.logits"] = out.pred_masks[:, 0]
            found[f"{name}.{out.frame_idx}.scores"] = out.object_score_logits[:, 0]

    one, two = session.obj_id_to_idx(1), session.obj_id_to_idx(2)
    session.add_mask_inputs(one, first, large(given["mask"])[None, None])
    prompt(two, first, given["points"])
    session.obj_with_new_inputs = [1, 2]
    note("forward", net.propagate_in_video_iterator(session, first))
    prompt(one, later, given["correction.1"])
    prompt(two, later, given["correction.2"])
    session.obj_with_new_inputs = [1, 2]
    note("corrected", net.propagate_in_video_iterator(session, later))
    note("backward", net.propagate_in_video_iterator(session, first, reverse=True))
    return found


def blocks(net, given):
    """The memory encoder, and the attention to two maps and three pointers."""
    memory, positions = net.memory_encoder(given["features"], large(given["masks"]))
    channels = memory.shape[1]
    maps = memory.flatten(2).permute(2, 0, 1)
    recalled = torch.cat([maps, maps.flip(1), given["positions"].flatten()[: 6 * channels].view(3, 2, channels)])
    places = positions.flatten(2).permute(2, 0, 1)
    places = torch.cat([places, places + 0.5, places[:3] * 0.3])
    rows = lambda x: x.flatten(2).permute(2, 0, 1)
    found = net.memory_attention(rows(given["features"]), recalled, rows(given["positions"]), places, 3)
    batch = lambda x: x.permute(1, 0, 2)
    return {"memory": batch(maps), "recalled": batch(recalled), "places": batch(places)[:1],
            "attended": found.squeeze(0).swapaxes(1, 2).unflatten(2, given["features"].shape[2:])}


@torch.no_grad()
def main():
    # Kernels of one pixel keep the file small; check.py has larger ones.
    sizes, random = config(mask_kernel=1), generator(4)
    side, width = sizes.image_size, sizes.memory_encoder_hidden_size
    given = inputs(random, side, 6, width)
    net = network(sizes, 3, given)
    found = propagations(net, side, given)
    scores = torch.cat([t for n, t in found.items() if n.endswith("scores")])
    print("there:", (scores > 0).int().tolist())
    state = {f"state.{n}": t for n, t in net.state_dict().items()}
    save(__file__, state | given | found | blocks(net, given), {"config": json.dumps(sizes.to_dict(), default=str)})


if __name__ == "__main__":
    main()
