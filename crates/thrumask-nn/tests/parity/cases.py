"""What check.py knows of networks: `name(case, random)` gives the configuration, the state, the inputs
and what the reference makes of them."""

import json

import torch
from fixture import generator, normal


def scaled(net, seed):
    """Random weights that keep what flows through alive: maps of deviation 1/√inputs, gains near 1."""
    random = generator(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            values = normal(random, *parameter.shape)
            if parameter.ndim > 1 and "embedding" not in name:
                parameter.copy_(values / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * values + ("norm" in name and name.endswith("weight")))
    return net.eval()


def unet(case, random):
    from diffusers import UNetMotionModel
    levels, conditions = len(case.channels), 3
    attention = [i + 1 < levels or levels == 1 for i in range(levels)]
    net = scaled(UNetMotionModel(
        in_channels=4 + conditions, block_out_channels=case.channels, layers_per_block=case.layers,
        down_block_types=["CrossAttnDownBlockMotion" if a else "DownBlockMotion" for a in attention],
        up_block_types=["CrossAttnUpBlockMotion" if a else "UpBlockMotion" for a in reversed(attention)],
        norm_num_groups=case.groups, cross_attention_dim=24, num_attention_heads=case.heads,
        motion_num_attention_heads=case.heads, use_motion_mid_block=case.seed % 2 == 0), case.seed)
    inputs = {"x": normal(random, 2, 4 + conditions, case.frames, *case.size),
              "text": normal(random, 2, 7, 24), "time": torch.tensor([float(case.seed * 37 % 1000), 999.0])}
    # The reference wants the text of each frame; ours is one for all.
    text = inputs["text"].repeat_interleave(case.frames, 0)
    state = {n: t for n, t in net.state_dict().items() if not n.endswith("pos_embed.pe")}
    return json.loads(net.to_json_string()), state, inputs, {"out": net(inputs["x"], inputs["time"], text).sample}


def vae(case, random):
    from diffusers import AutoencoderKL
    levels = len(case.channels)
    net = scaled(AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=case.channels, layers_per_block=case.layers, norm_num_groups=case.groups,
        latent_channels=4, scaling_factor=0.18215), case.seed)
    small = [n // 2 ** (levels - 1) for n in case.size]
    inputs = {"pixels": normal(random, 1, 3, case.frames, *case.size, scale=0.6).clamp(-1, 1),
              "latents": normal(random, 1, 4, case.frames, *small)}
    flat = lambda video: video.swapaxes(1, 2).flatten(0, 1)
    video = lambda frames: frames.unflatten(0, (1, case.frames)).swapaxes(1, 2)
    found = {"encoded": video(net.encode(flat(inputs["pixels"])).latent_dist.mode() * 0.18215),
             "decoded": video(net.decode(flat(inputs["latents"]) / 0.18215).sample)}
    return json.loads(net.to_json_string()), net.state_dict(), inputs, found | {f"bands.{n}": t for n, t in found.items()}


def clip(case, random):
    from transformers import CLIPTextConfig, CLIPTextModel
    width = case.channels[0]
    config = CLIPTextConfig(vocab_size=97, hidden_size=width, intermediate_size=3 * width,
                            num_hidden_layers=case.layers + 1, num_attention_heads=case.heads,
                            max_position_embeddings=20, bos_token_id=95, eos_token_id=96)
    net = scaled(CLIPTextModel(config), case.seed)
    ids = torch.randint(0, 95, (3, 11), generator=random)
    out = net(ids).last_hidden_state
    return config.to_dict(), net.state_dict(), {"ids": ids}, {"out": out}
