"""What all exporters share: seeded inputs, gradients, and one way of writing a fixture."""

import pathlib

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float32)
torch.use_deterministic_algorithms(True)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def normal(random, *shape, scale=1.0):
    """Seeded normal numbers."""
    return torch.randn(*shape, generator=random) * scale


def randomise(module, seed, scale=0.5):
    """Gives every parameter of a module seeded normal values."""
    random = generator(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(normal(random, *parameter.shape, scale=scale))


def backward(output, random, inputs):
    """Weights w, and the gradients of sum(output * w) with respect to named inputs."""
    weights = normal(random, *output.shape)
    names, tensors = zip(*inputs.items())
    gradients = torch.autograd.grad((output * weights).sum(), tensors)
    return {"weights": weights} | {f"d_{n}": g for n, g in zip(names, gradients)}


def save(exporter, tensors, metadata=None):
    """Writes fixture.safetensors beside the exporter, as float32, with texts by name."""
    path = pathlib.Path(exporter).with_name("fixture.safetensors")
    plain = {n: t.detach().to(torch.float32).contiguous() for n, t in sorted(tensors.items())}
    assert all(torch.isfinite(t).all() for t in plain.values()), "a value is not finite"
    save_file(plain, path, metadata)
    print(f"{path.parent.name}: {len(plain)} tensors, {path.stat().st_size} bytes")
