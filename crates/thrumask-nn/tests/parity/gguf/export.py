"""Files of the public package gguf (0.19.0) with a tensor of each type, and the values that it reads
from them. Types without a public quantiser get random blocks with scales that are small numbers."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import gguf
import numpy
import torch
from fixture import generator, normal, save
from gguf import GGMLQuantizationType as Type

HALVES = {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}
SHAPE = (3, 2, 256)


def blocks(kind, random):
    """Random bytes, with small f16 numbers where the scales are."""
    _, width = gguf.GGML_QUANT_SIZES[kind]
    rows = SHAPE[0] * SHAPE[1]
    data = torch.randint(0, 256, (rows, width), generator=random).numpy().astype(numpy.uint8)
    for at in HALVES[kind]:
        scales = normal(random, rows, scale=0.1).numpy().astype(numpy.float16)
        data[:, at : at + 2] = scales[:, None].view(numpy.uint8)
    return data.reshape(SHAPE[0], SHAPE[1], width)


def main():
    random = generator(1)
    folder = pathlib.Path(__file__).parent
    writer = gguf.GGUFWriter(folder / "fixture.gguf", "sd1")
    writer.add_name("each type")
    writer.add_uint32("test.number", 7)
    writer.add_float32("test.fraction", -0.5)
    writer.add_bool("test.flag", True)
    writer.add_array("test.texts", ["a", "bc"])
    writer.add_array("test.numbers", [1, 2, 3])
    expected = {}
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
        values = normal(random, *SHAPE).numpy()
        data = gguf.quantize(values, kind)
        dtype = None if kind in (Type.F32, Type.F16) else kind
        writer.add_tensor(f"{kind.name}.weight", data, raw_dtype=dtype)
    for kind in HALVES:
        data = blocks(kind, random)
        writer.add_tensor(f"{kind.name}.weight", data, raw_dtype=kind)
    writer.add_tensor("ids", numpy.array([[1, -2, 3]], dtype=numpy.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for tensor in gguf.GGUFReader(folder / "fixture.gguf").tensors:
        quantised = tensor.tensor_type not in (Type.F32, Type.F16, Type.I32)
        values = gguf.dequantize(tensor.data, tensor.tensor_type) if quantised else tensor.data
        shape = [int(n) for n in reversed(tensor.shape)]
        expected[tensor.name] = torch.from_numpy(values.astype(numpy.float32)).reshape(shape)
    save(__file__, expected)


main()
