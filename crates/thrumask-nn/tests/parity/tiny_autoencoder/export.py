"""Tiny autoencoders with random weights: diffusers' AutoencoderTiny, and the network of TAEF2, which no
package has: its layers are put together here from their public definition (madebyollin/taesd, the Flux.2
variant), its state as the two files of its author. Given the folder of the real TAEF2 and of photographs,
prints how well PyTorch restores the crops that the test looks at."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers import AutoencoderTiny
from fixture import generator, normal, randomise, save
from torch import nn

WIDTH, LATENT = 4, 3


def conv(inputs, outputs, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


class Block(nn.Module):
    """Three convolutions and a residual; with a pool, norms over the picture are added before."""

    def __init__(self, width, pooled):
        super().__init__()
        self.conv = nn.Sequential(conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU(),
                                  conv(width, width))
        if pooled:
            self.pool = nn.Sequential(nn.Conv2d(width, 4 * width, 1, bias=False), nn.GroupNorm(4, 4 * width),
                                      nn.ReLU(), nn.Conv2d(4 * width, width, 1, bias=False))

    def forward(self, x):
        x = x + self.pool(x) if hasattr(self, "pool") else x
        return torch.relu(self.conv(x) + x)


class DrawIn(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


def halves(width, latent):
    encoder = [conv(3, width), Block(width, False)]
    for level in range(3):
        encoder.append(conv(width, width, stride=2, bias=False))
        encoder += [Block(width, level == 2) for _ in range(3)]
    encoder.append(conv(width, latent))
    decoder = [DrawIn(), conv(latent, width), nn.ReLU()]
    for level in range(3):
        decoder += [Block(width, level == 0) for _ in range(3)]
        decoder += [nn.Upsample(scale_factor=2), conv(width, width, bias=False)]
    decoder += [Block(width, False), conv(width, 3)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def tame(module, seed):
    """Random weights, of a size that keeps what flows through near deviation 1."""
    randomise(module, seed, scale=1.0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.2 / (parameter[0].numel() if parameter.ndim > 1 else 4) ** 0.5)
    return module.eval()


def real(data):
    import numpy
    from PIL import Image
    encoder, decoder = halves(64, 32)
    for half, name in ((encoder, "encoder"), (decoder, "decoder")):
        state = torch.load(f"{data}/taef2/taef2_{name}.pth")
        half.load_state_dict({n: t.float() for n, t in state.items()})
    for name, x, y in (("penguins", 0, 0), ("penguins", 512, 144), ("bear", 0, 0), ("robot", 448, 224)):
        picture = Image.open(f"{data}/photos/{name}.png").convert("RGB").crop((x, y, x + 128, y + 128))
        picture = torch.tensor(numpy.asarray(picture)).permute(2, 0, 1)[None] / 255
        back = (decoder(encoder(picture)).clamp(0, 1) * 255).round() / 255
        print(name, x, y, -10 * ((back - picture) ** 2).mean().log10().item())


@torch.no_grad()
def main():
    random = generator(1)
    pixels, latents = normal(random, 2, 3, 16, 24, scale=0.6).clamp(-1, 1), normal(random, 2, LATENT, 3, 2) * 2
    tiny = tame(AutoencoderTiny(
        latent_channels=LATENT, encoder_block_out_channels=(WIDTH,) * 4, decoder_block_out_channels=(WIDTH,) * 4), 2)
    found = {f"plain.state.{n}": t for n, t in tiny.state_dict().items()}
    found |= {"pixels": pixels, "latents": latents, "plain.encoded": tiny.encode(pixels).latents,
              "plain.decoded": tiny.decode(latents).sample}
    encoder, decoder = (tame(half, 3) for half in halves(WIDTH, LATENT))
    found |= {f"pooled.encoder.{n}": t for n, t in encoder.state_dict().items()}
    found |= {f"pooled.decoder.{n}": t for n, t in decoder.state_dict().items()}
    found |= {"pooled.encoded": encoder((pixels + 1) / 2), "pooled.decoded": decoder(latents) * 2 - 1}
    save(__file__, found)
    for data in sys.argv[1:]:
        real(data)


main()
