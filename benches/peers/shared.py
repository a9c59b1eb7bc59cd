"""What all peers share: reading what our side wrote, comparing with it, time and memory."""

import json
import os
import struct
import time

import numpy as np
import torch


def read(path):
    """Tensors of a safetensors file as 32-bit floats, and its metadata."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    meta = header.pop("__metadata__")
    kinds, tensors = {"F32": np.float32, "F16": np.float16}, {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[start:end], kinds[entry["dtype"]]).astype(np.float32)
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]))
    return tensors, meta


def same(what, found, expected):
    error = (found - expected).abs().max().item()
    assert error <= 1e-3, f"{what}: {error} apart"
    return error


def timed(seconds, step):
    """Milliseconds of each step, for so many seconds after a first one; with none, or when only memory
    is asked for (ONCE), of a single step."""

    def once():
        at = time.perf_counter()
        step()
        return (time.perf_counter() - at) * 1e3

    if seconds == 0 or "ONCE" in os.environ:
        return [once()]
    once()
    start, samples = time.perf_counter(), []
    while len(samples) < 5 or time.perf_counter() - start < seconds:
        samples.append(once())
    return samples


class Memory:
    """Resident memory of this process from now on, in MiB; see
    crates/thrumask-kernels/examples/measure/mod.rs, which counts in the same way."""

    def __init__(self):
        # The first backward pass from a gradient imports modules, 33 MiB of them.
        torch.ones(1, requires_grad=True).backward(torch.ones(1))
        self.earlier = resident_mib("VmHWM")
        open("/proc/self/clear_refs", "w").write("5")
        self.start, self.code = resident_mib("VmRSS"), resident_mib("RssFile")

    def extra(self):
        """The most that was held beyond what was held at the start, without code read since."""
        return resident_mib("VmHWM") - self.start - (resident_mib("RssFile") - self.code)

    def peak(self):
        """The most that the whole process held at any time."""
        return max(self.earlier, resident_mib("VmHWM"))


def resident_mib(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0
