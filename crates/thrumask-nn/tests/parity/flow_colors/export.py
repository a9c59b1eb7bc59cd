"""The colours of optical flow in the flow_vis package: the Middlebury wheel, at most to its rim."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import flow_vis
import torch
from fixture import generator, save

ROWS, COLUMNS = 12, 16


def main():
    random = generator(1)
    draw = lambda: torch.rand(ROWS, COLUMNS, generator=random)
    angle, speed = draw() * 2 * torch.pi, draw()
    # Beside random vectors: none, the axes, and some close to the rim.
    u, v = speed * torch.cos(angle), speed * torch.sin(angle)
    u[0, :5] = torch.tensor([0.0, 1.0, -1.0, 0.0, 0.0])
    v[0, :5] = torch.tensor([0.0, 0.0, 0.0, 1.0, -1.0])
    u[1], v[1] = 0.999 * torch.cos(angle[1]), 0.999 * torch.sin(angle[1])
    colors = flow_vis.flow_uv_to_colors(u.double().numpy(), v.double().numpy())
    save(__file__, {"flow": torch.stack([u, v], dim=2), "colors": torch.from_numpy(colors)})


main()
