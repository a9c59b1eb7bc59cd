"""diffusers' AutoencoderKL at a small size with random weights: moments and latents of pictures, and
pictures of latents. Its weights go under "state." by their public names."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers import AutoencoderKL
from fixture import generator, normal, randomise, save

SCALE = 0.18215


def model(seed, channels, groups, **options):
    """Random weights, of a size that keeps what flows through near deviation 1."""
    levels = len(channels)
    kl = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=channels, layers_per_block=1, norm_num_groups=groups,
        latent_channels=4, scaling_factor=SCALE, **options)
    randomise(kl, seed, scale=1.0)
    with torch.no_grad():
        for parameter in kl.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.mul_(1.2 / fan_in**0.5)
    return kl.eval()


@torch.no_grad()
def main():
    random = generator(1)
    found = {}
    kl = model(2, (8, 12, 16), 4)
    found |= {f"state.{n}": t for n, t in kl.state_dict().items()}
    pixels = normal(random, 2, 3, 24, 16, scale=0.6).clamp(-1, 1)
    posterior = kl.encode(pixels).latent_dist
    noise = normal(random, *posterior.mean.shape)
    latents = normal(random, 2, 4, 5, 6)
    found |= {"pixels": pixels, "mode": posterior.mode() * SCALE, "deviation": posterior.std * SCALE,
              "noise": noise, "sample": (posterior.mean + posterior.std * noise) * SCALE,
              "latents": latents, "decoded": kl.decode(latents / SCALE).sample}
    # As later models have it: a shift, no attention, no convolutions around the latents.
    kl = model(3, (4, 8), 2, use_quant_conv=False, use_post_quant_conv=False,
               mid_block_add_attention=False, shift_factor=0.1)
    found |= {f"bare.state.{n}": t for n, t in kl.state_dict().items()}
    found |= {"bare.mode": (kl.encode(pixels).latent_dist.mode() - 0.1) * SCALE,
              "bare.decoded": kl.decode(latents / SCALE + 0.1).sample}
    save(__file__, found)


main()
