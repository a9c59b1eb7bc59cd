"""torch.nn.functional's gelu (both forms), silu and softmax, from far below to far above zero."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from torch.nn import functional
from fixture import backward, generator, normal, save


def main():
    random = generator(1)
    ends = torch.tensor([-100.0, -10.0, -5.0, -1e-3, 0.0, 1e-3, 5.0, 10.0, 100.0])
    x = torch.cat([ends, normal(random, 31) * 3]).reshape(4, 10).requires_grad_()
    found = {"x": x}
    for name, f in {
        "gelu": functional.gelu,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "silu": functional.silu,
        "softmax": lambda x: functional.softmax(x, dim=-1),
    }.items():
        out = f(x)
        found |= {f"{name}.{n}": t for n, t in
                  ({"out": out} | backward(out, random, {"x": x})).items()}
    save(__file__, found)


main()
