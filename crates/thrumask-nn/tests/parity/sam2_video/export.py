"""SAM 2.1 on a video: transformers' memory encoder and memory attention, and whole propagations of two objects."""

import json, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import torch
from fixture import generator, normal, save
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession, Sam2VideoRoPEAttention

# Pixels of the pictures that one random number stands for, each way.
CELL = 8


def config(size=96, width=32, channels=16, heads=1, rate=1, frames=3, pointers=4, fuser_kernel=3):
    """The sizes of ours for tests."""
    return Sam2VideoConfig(
        image_size=size, num_maskmem=frames, max_object_pointers_in_encoder=pointers,
        memory_attention_hidden_size=width, memory_attention_num_layers=2,
        memory_attention_num_attention_heads=heads, memory_attention_downsample_rate=rate,
        memory_attention_feed_forward_hidden_size=48, memory_attention_rope_feat_sizes=[size // 16] * 2,
        memory_encoder_hidden_size=width, memory_encoder_output_channels=channels,
        mask_downsampler_embed_dim=width, memory_fuser_embed_dim=width, memory_fuser_num_layers=1,
        memory_fuser_intermediate_dim=48, memory_fuser_kernel_size=fuser_kernel,
        memory_fuser_padding=fuser_kernel // 2,
        prompt_encoder_config={"hidden_size": width, "image_size": size, "mask_input_channels": 8},
        mask_decoder_config={"hidden_size": width, "mlp_dim": 48, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 24},
        vision_config={
            "backbone_channel_list": [32, 24, 16, 8], "fpn_hidden_size": width,
            "backbone_feature_sizes": [[size // n] * 2 for n in (4, 8, 16)],
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "image_size": [size] * 2, "hidden_size": 8,
                "num_attention_heads": 1, "blocks_per_stage": [1, 2, 3, 1], "embed_dim_per_stage": [8, 16, 24, 32],
                "num_attention_heads_per_stage": [1, 2, 2, 4], "window_size_per_stage": [4, 2, 4, 3],
                "global_attention_blocks": [4], "window_positional_embedding_background_size": [3, 3],
                "mlp_ratio": 2.0}})


def network(sizes, seed):
    """The real class with random weights: maps of deviation 1/√inputs, gains near 1."""
    torch.manual_seed(seed)
    net = Sam2VideoModel(sizes)
    for layer in net.memory_attention.layers:
        # The class has the 64 channels of the public memories written into it.
        layer.cross_attn_image = Sam2VideoRoPEAttention(sizes, sizes.memory_encoder_output_channels, True)
    random = generator(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            values = normal(random, *parameter.shape)
            if parameter.ndim > 1 and not name.startswith("no_memory"):
                parameter.copy_(values / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * values + ("norm" in name and name.endswith("weight")))
        # Masks that are neither empty nor full.
        net.mask_decoder.upscale_conv2.weight *= 3
    return net.eval()


def large(coarse):
    return coarse.repeat_interleave(CELL, -1).repeat_interleave(CELL, -2)


def inputs(random, size, frames):
    """Pictures and masks of one number for each cell, points of columns, rows and labels (2 and 3: a box)."""
    cells = size // CELL
    def points(*labels):
        places = torch.rand(len(labels), 2, generator=random) * size
        return torch.cat([places, torch.tensor(labels).float()[:, None]], 1)
    def box():
        low, high = torch.rand(2, generator=random) * size / 2, size / 2 * (1 + torch.rand(2, generator=random))
        return torch.cat([torch.stack([low, high]), torch.tensor([[2.0], [3.0]])], 1)
    return {"video": normal(random, frames, 3, cells, cells),
            "mask": (normal(random, cells, cells) > 0.3).float(), "points": points(1, 0),
            "correction.1": points(1), "correction.2": torch.cat([box(), points(0)]),
            "features": normal(random, 2, 32, 6, 6), "positions": normal(random, 1, 32, 6, 6),
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
    found = net.memory_attention(rows(given["features"]), recalled, rows(given["positions"]), places, 3); print("SHAPE", found.shape)
    batch = lambda x: x.permute(1, 0, 2)
    return {"memory": batch(maps), "recalled": batch(recalled), "places": batch(places)[:1],
            "attended": found.squeeze(0).transpose(0, 1).reshape(-1) if found.ndim == 3 else found.flatten()}


if __name__ == "__main__":
    sizes = config()
    net, random = network(sizes, 3), generator(4)
    given = inputs(random, sizes.image_size, 6)
    with torch.no_grad():
        found = blocks(net, given) | propagations(net, sizes.image_size, given)
    for name, tensor in found.items():
        print(name, tuple(tensor.shape), f"{tensor.mean():.3g} ± {tensor.std():.3g}",
              tensor.tolist() if name.endswith("scores") else "")
    state = {f"state.{n}": t for n, t in net.state_dict().items()}
    print(sum(t.numel() for t in state.values()), "parameters")
    save(__file__, state | given | found, {"config": json.dumps(sizes.to_dict(), default=str)})
