"""Fréchet distances by NumPy and SciPy: python export.py > fixture.json (numpy 2.4, scipy 1.17)."""

import json

import numpy
from scipy.linalg import sqrtm


def distance(a, b):
    means = a.mean(0) - b.mean(0)
    first, second = numpy.cov(a, rowvar=False), numpy.cov(b, rowvar=False)
    root = sqrtm(first @ second).real
    return float(means @ means + numpy.trace(first + second - 2 * root))


draw = numpy.random.default_rng(7)
cases = []
for width, counts in [(3, (20, 25)), (5, (30, 12)), (8, (24, 24)), (8, (5, 6))]:
    mixing = draw.normal(size=(width, width))
    a = (draw.normal(size=(counts[0], width)) @ mixing).round(3)
    b = (draw.normal(size=(counts[1], width)) * 1.5 + 0.4).round(3)
    a, b = a.astype(numpy.float32).astype(float), b.astype(numpy.float32).astype(float)
    cases.append({"a": a.round(3).tolist(), "b": b.round(3).tolist(), "distance": distance(a, b)})
print(json.dumps(cases))
