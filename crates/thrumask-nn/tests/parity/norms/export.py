"""torch.nn.LayerNorm and torch.nn.RMSNorm, the latter per head as query-key norm, and the adaptive
layer norm of diffusers (AdaLayerNormContinuous without own parameters)."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers.models.normalization import AdaLayerNormContinuous
from fixture import backward, generator, normal, randomise, save

EPS = 1e-5


def main():
    random = generator(1)
    x = (normal(random, 2, 5, 12) * 2 + 0.5).requires_grad_()
    found = {"x": x}

    layer = torch.nn.LayerNorm(12, eps=EPS)
    randomise(layer, 2)
    out = layer(x)
    inputs = {"x": x, "gamma": layer.weight, "beta": layer.bias}
    found |= {f"layer.{n}": t for n, t in
              ({"gamma": layer.weight, "beta": layer.bias, "out": out}
               | backward(out, random, inputs)).items()}

    rms = torch.nn.RMSNorm(4, eps=EPS)
    randomise(rms, 3)
    out = rms(x.unflatten(2, (3, 4))).flatten(2)
    found |= {f"rms.{n}": t for n, t in
              ({"gamma": rms.weight, "out": out}
               | backward(out, random, {"x": x, "gamma": rms.weight})).items()}

    adaptive = AdaLayerNormContinuous(12, 5, elementwise_affine=False, eps=EPS)
    randomise(adaptive, 4)
    # What its linear layer gives is what our operator takes.
    kept = {}
    adaptive.linear.register_forward_hook(lambda module, args, output: kept.update(y=output))
    out = adaptive(x, normal(random, 2, 5))
    scale, shift = kept["y"].chunk(2, dim=1)
    gradients = backward(out, random, {"x": x, "both": kept["y"]})
    d_scale, d_shift = gradients.pop("d_both").chunk(2, dim=1)
    found |= {f"adaptive.{n}": t for n, t in
              ({"scale": scale, "shift": shift, "out": out, "d_scale": d_scale, "d_shift": d_shift}
               | gradients).items()}
    save(__file__, found)


main()
