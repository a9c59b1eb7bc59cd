"""Fresh cases beside the committed fixtures: a random network of the real class, of any size and seed, by the
reference and by ours.

    pip install -r requirements.txt
    python check.py unet --seed 3 --channels 16,32 --frames 5 --size 8x12
    python check.py vae --seed 4 --channels 8,16 --frames 2 --size 32x24
    python check.py clip --seed 5 --channels 48
    python check.py sampler --seed 6 --size 5x7 --runs 40   (2000: every combination of settings once,
                                                                but those that it prints as left out)
    python check.py grounding-dino --seed 7 --channels 64 --layers 2 --size 52x70
    python check.py sam2 --seed 7 --channels 24
    python check.py raft --seed 7 --size 136x160 --source RAFT   (a folder of princeton-vl/RAFT; even seeds: small)
    python check.py sam2-video --seed 8 --channels 16 --frames 8

Builds and runs our side by cargo (`--example parity_case`); fails when an output is more than --tolerance
apart, relative to values above 1."""

import argparse, json, pathlib, subprocess, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cases, cases_perception, cases_samplers, torch
from fixture import generator
from safetensors.torch import load_file, save_file

NETWORKS = {name: getattr(cases, name) for name in ("unet", "vae", "clip")}
NETWORKS |= {name: getattr(cases_perception, name.replace("-", "_")) for name in (
    "sam2", "sam2-video", "grounding-dino", "raft")}
NETWORKS["sampler"] = cases_samplers.sampler


def main():
    size = lambda text: tuple(int(n) for n in text.split("x"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--channels", type=lambda t: tuple(int(n) for n in t.split(",")), default=(16, 32))
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=size, default=(8, 8), help="rows x columns: of latents, for vae and raft of pixels")
    parser.add_argument("--runs", type=int, default=40, help="of a sampler")
    parser.add_argument("--source", help="for raft: the folder of its authors' code")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    case = parser.parse_args()
    random = generator(1000 + case.seed)
    with torch.no_grad():
        config, state, inputs, expected = NETWORKS[case.network](case, random)
    tensors = {f"state.{n}": t for n, t in state.items()} | inputs
    tensors = {n: t.float().clone().contiguous() for n, t in tensors.items()}
    root = pathlib.Path(__file__).resolve().parents[4]
    with tempfile.TemporaryDirectory() as folder:
        given, made = f"{folder}/case.safetensors", f"{folder}/out.safetensors"
        save_file(tensors, given, {"config": json.dumps(config, default=str)})
        run = ["cargo", "run", "--quiet", "--release", "-p", "thrumask-nn", "--example", "parity_case", "--"]
        subprocess.run([*run, case.network, given, made], cwd=root, check=True)
        found = load_file(made)
    assert set(found) == set(expected), set(found) ^ set(expected)
    worst = 0.0
    for name, tensor in expected.items():
        assert found[name].shape == tensor.shape, (name, found[name].shape, tensor.shape)
        error = ((found[name] - tensor).abs() / tensor.abs().clamp(min=1)).max().item()
        print(f"{case.network} {name}: {error:.1e} apart, values of deviation {tensor.std().item():.2g}")
        worst = max(worst, error)
    sys.exit(f"more than {case.tolerance} apart" if not worst <= case.tolerance else 0)


main()
