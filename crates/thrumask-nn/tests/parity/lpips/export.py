"""The public LPIPS (lpips 0.1.4, net='squeeze') with narrow Fire modules of torchvision's SqueezeNet
and random weights, and its state dictionary as checkpoints of both formats."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import lpips
import torch
import torchvision
from fixture import generator, normal, randomise, save
from lpips.lpips import NetLinLayer
from torchvision.models.squeezenet import Fire

STEM = 6
FIRES = [(2, 3), (3, 4), (2, 4), (4, 5), (3, 5), (4, 6), (3, 6), (4, 7)]


def features():
    """The layers of SqueezeNet 1.1 at other widths."""
    pool = lambda: torch.nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    layers = [torch.nn.Conv2d(3, STEM, kernel_size=3, stride=2), torch.nn.ReLU(inplace=True)]
    width = STEM
    for i, (between, branch) in enumerate(FIRES):
        if i in (0, 2, 4):
            layers.append(pool())
        layers.append(Fire(width, between, branch, branch))
        width = 2 * branch
    return torch.nn.Sequential(*layers)


class Narrow:
    def __init__(self, *args, **kwargs):
        self.features = features()


def main():
    torchvision.models.squeezenet1_1 = Narrow
    model = lpips.LPIPS(net="squeeze", pretrained=False, pnet_rand=True, verbose=False)
    widths = [STEM] + [2 * FIRES[i][1] for i in (1, 3, 4, 5, 6, 7)]
    for i, width in enumerate(widths):
        layer = NetLinLayer(width, use_dropout=True)
        setattr(model, f"lin{i}", layer)
        model.lins[i] = layer
    randomise(model, 1, scale=0.4)
    with torch.no_grad():
        for layer in model.lins:
            layer.model[1].weight.abs_()
    model.eval()
    random = generator(2)
    # An even and an odd size, so that windows are cut off at the edge.
    found = {}
    for name, (height, width) in {"even": (48, 64), "odd": (37, 45)}.items():
        x, y = (normal(random, 3, 3, height, width, scale=0.5).clamp(-1, 1) for _ in range(2))
        y[2] = x[2]
        found |= {f"{name}.x": x, f"{name}.y": y, f"{name}.out": model(x, y).flatten()}
    state = {n: t.clone() for n, t in model.state_dict().items()}
    folder = pathlib.Path(__file__).parent
    torch.save(model.state_dict(), folder / "archive.pt")
    torch.save(model.state_dict(), folder / "stream.pth", _use_new_zipfile_serialization=False)
    save(__file__, found | {f"state.{n}": t for n, t in state.items()})


main()
