"""Kernels and their times by neural-tangents, for an interpreter that has it; prints JSON.

    pip install "neural-tangents==0.6.5" "jax==0.4.23" "jaxlib==0.4.23" "numpy<2" "scipy<1.13" "tensorflow==2.15.*"

in an environment of its own (Python 3.11); then

    python tests/benchmarks/neural_tangents_peer.py values < cases.json
    python tests/benchmarks/neural_tangents_peer.py times < cases.json

A case has an activation, `depth` weight layers, `weights` and `biases` (C_W and C_b), and either inputs `x` or their
number and dimension `shape`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import neural_tangents as nt  # noqa: E402
import numpy as np  # noqa: E402
from neural_tangents import stax  # noqa: E402

ACTIVATIONS = {
    "relu": stax.Relu,
    "erf": stax.Erf,
    "leaky": lambda: stax.LeakyRelu(alpha=0.1),
    "sin": stax.Sin,
    "cos": stax.Cos,
    "gelu": stax.Gelu,
    "tanh": lambda: stax.ElementwiseNumerical(jax.numpy.tanh, deg=25),
}


def kernel_function(case):
    """Infinite-width kernels of the architecture."""
    layers = []
    for layer in range(case["depth"]):
        layers.append(stax.Dense(1, W_std=case["weights"] ** 0.5, b_std=case["biases"] ** 0.5, parameterization="ntk"))
        if layer < case["depth"] - 1:
            layers.append(ACTIVATIONS[case["activation"]]())
    return stax.serial(*layers)[2]


def values(case):
    """K and Theta between all inputs."""
    found = kernel_function(case)(jax.numpy.asarray(case["x"]), None, ("nngp", "ntk"))
    return {"K": np.asarray(found.nngp).tolist(), "Theta": np.asarray(found.ntk).tolist()}


def times(case, rounds=5):
    """Least seconds of a compiled call on the clock, and of processor time."""
    x = jax.numpy.asarray(np.random.default_rng(0).normal(size=case["shape"]))
    function = kernel_function(case)
    compiled = jax.jit(lambda x: function(x, None, ("nngp", "ntk")))
    compiled(x).ntk.block_until_ready()
    clock, processor = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        found = compiled(x)
        found.ntk.block_until_ready()
        found.nngp.block_until_ready()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return {"clock": min(clock), "processor": min(processor)}


if __name__ == "__main__":
    task = {"values": values, "times": times}[sys.argv[1]]
    cases = json.load(sys.stdin)
    versions = {m.__name__: m.__version__ for m in (nt, jax, np)}
    print(json.dumps({"versions": versions, "found": [task(c) for c in cases]}))
