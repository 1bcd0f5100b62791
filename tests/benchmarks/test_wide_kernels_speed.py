"""Speed of Gram matrices of wide networks, against array code on rounded correlations and against neural-tangents.

neural-tangents does not install beside NumPy 2: where it is in an environment of its own, name that interpreter in
`$NEURAL_TANGENTS_PYTHON`; without it the comparison with NumPy alone is made.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kernel_peers import cpu_medians, record

from theorylab.derivations.infinite_width.activations import activation
from theorylab.derivations.infinite_width.recursion import gram

SCALES = {"weight_variance": 2.0, "bias_variance": 0.1}
CASES = {
    "relu": (4, 1000, 100),
    "erf": (4, 1000, 100),
    "sin": (4, 1000, 100),
    "leaky": (4, 1000, 100),
    "gelu": (4, 1000, 100),
    "relu, one layer": (2, 1000, 1000),
}
PEER = os.environ.get("NEURAL_TANGENTS_PYTHON")


def plain(x, depth):
    """ReLU kernels by arccos of rounded correlations, in NumPy."""
    K = 0.1 + 2.0 * (x @ x.T) / x.shape[1]
    theta = K.copy()
    for _ in range(depth - 1):
        root = np.sqrt(np.diag(K))
        mean = np.outer(root, root)
        cosine = np.clip(K / mean, -1.0, 1.0)
        angle = np.arccos(cosine)
        K = 0.1 + mean * (np.sqrt(1 - cosine**2) + (np.pi - angle) * cosine) / np.pi
        theta = K + theta * (np.pi - angle) / np.pi
    return K, theta


def of_peer(name, case):
    depth, count, dimension = case
    given = [{"activation": name, "depth": depth, "weights": 2.0, "biases": 0.1, "shape": [count, dimension]}]
    program = Path(__file__).with_name("neural_tangents_peer.py")
    done = subprocess.run(
        [PEER, program, "times"], input=json.dumps(given), capture_output=True, text=True, check=True, timeout=300
    )
    return json.loads(done.stdout.splitlines()[-1])["found"][0]["processor"]


@pytest.mark.parametrize("name", CASES)
def test_gram(benchmark, name):
    """Ahead of jitted neural-tangents in processor time, in the same precision, but for GELU; ReLU ahead of NumPy."""
    kind, case = name.split(",")[0], CASES[name]
    act = activation("leaky_relu", alpha=0.1) if kind == "leaky" else activation(kind)
    depth, count, dimension = case if benchmark.enabled else (case[0], 40, 5)
    x = np.random.default_rng(0).normal(size=(count, dimension))
    found = benchmark(gram, act, x, depth=depth, **SCALES)
    if kind == "relu":
        np.testing.assert_allclose(found.K, plain(x, depth)[0], rtol=1e-9)
    if not benchmark.enabled:
        return
    ours, array = cpu_medians(lambda: gram(act, x, depth=depth, **SCALES), lambda: plain(x, depth))
    ratios = {"NumPy, ReLU": array / ours}
    if PEER:
        ratios["neural-tangents"] = of_peer(kind, case) / ours
        assert ratios["neural-tangents"] > (0.5 if kind == "gelu" else 0.8)
    record(benchmark, **ratios)
    if kind == "relu":
        assert ratios["NumPy, ReLU"] > 1.0
