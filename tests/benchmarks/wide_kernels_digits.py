"""A program: worst relative errors of wide-network kernels against 50 digits, as the Markdown table of docs/kernels.md.

    NEURAL_TANGENTS_PYTHON=/path/to/its/python python tests/benchmarks/wide_kernels_digits.py

Without the variable its columns are left out.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import mpmath
import numpy as np

from theorylab.derivations.infinite_width.activations import activation
from theorylab.derivations.infinite_width.recursion import differences, gram

DIGITS = 100
ACTIVATIONS = ("relu", "leaky", "erf", "sin", "cos", "gelu")
# Architectures: weight layers, C_W, C_b; and kinds of pairs of inputs on the circle: angles, depth.
ANGLES = {
    "generic": (0.4, 1.0, 1.9),
    "close": (1e-5, 1e-8, 1e-10),
    "opposite": (math.pi - 1e-4, math.pi - 1e-6),
    "deep": (0.3, 1e-6),
}
DEPTH = {"generic": 4, "close": 4, "opposite": 4, "deep": 40}


def dual(name: str, a: mpmath.mpf, b: mpmath.mpf, c: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """E phi phi and E phi' phi'."""
    if name in ("relu", "leaky"):
        alpha = mpmath.mpf(0.1) if name == "leaky" else mpmath.mpf(0)
        mean = mpmath.sqrt(a * b)
        t = max(min(c / mean, mpmath.mpf(1)), mpmath.mpf(-1))
        angle = mpmath.acos(t)
        part = (1 - alpha) ** 2 / (2 * mpmath.pi)
        return (
            alpha * c + part * mean * (mpmath.sin(angle) + (mpmath.pi - angle) * t),
            alpha + part * (mpmath.pi - angle),
        )
    if name == "erf":
        below = (1 + 2 * a) * (1 + 2 * b)
        return 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(below)), 4 / mpmath.pi / mpmath.sqrt(below - 4 * c * c)
    if name in ("sin", "cos"):
        both = mpmath.exp(-(a + b) / 2) * mpmath.sinh(c), mpmath.exp(-(a + b) / 2) * mpmath.cosh(c)
        return both if name == "sin" else both[::-1]
    first, second = 1 + a, 1 + b
    rest, odd = first * second - c * c, 1 / first + 1 / second - 1
    angle, bracket = mpmath.pi / 2 + mpmath.asin(c / mpmath.sqrt(first * second)), a * b + c * c * odd
    value = (c * angle + bracket / mpmath.sqrt(rest)) / (2 * mpmath.pi)
    slope = angle + (2 * c * odd + c) / mpmath.sqrt(rest) + c * bracket / rest**1.5
    return value, slope / (2 * mpmath.pi)


def exact(name: str, x: np.ndarray, depth: int, weights: float, biases: float) -> tuple[mpmath.mpf, ...]:
    """K, Theta, K(x, x) - K(x, x') and Theta(x, x) - Theta(x, x') of two inputs."""
    u, v = ([mpmath.mpf(float(t)) for t in row] for row in x)
    inner = [mpmath.fsum(s * t for s, t in zip(*both)) / len(u) for both in ((u, u), (v, v), (u, v))]
    kernel = [mpmath.mpf(biases) + mpmath.mpf(weights) * t for t in inner]
    tangent = list(kernel)
    for _ in range(depth - 1):
        a, b, c = kernel
        found = [dual(name, a, a, a), dual(name, b, b, b), dual(name, a, b, c)]
        kernel = [mpmath.mpf(biases) + mpmath.mpf(weights) * g for g, _ in found]
        tangent = [k + mpmath.mpf(weights) * h * t for k, (_, h), t in zip(kernel, found, tangent)]
    return kernel[2], tangent[2], kernel[0] - kernel[2], tangent[0] - tangent[2]


def scales(name: str) -> tuple[float, float]:
    """C_W and C_b."""
    return (2.0, 0.0) if name in ("relu", "leaky") else (1.5, 0.1)


def pair(angle: float) -> np.ndarray:
    """Two inputs of squared norm 2, mirror images of each other."""
    far = angle > 2
    half = (math.pi - angle if far else angle) / 2
    first, second = (np.array([math.cos(half), side * math.sin(half)]) for side in (1.0, -1.0))
    return math.sqrt(2.0) * np.stack([first, -second if far else second])


def peer(cases: list[dict[str, object]]) -> tuple[dict[str, str], list[dict[str, list[list[float]]]]]:
    """Versions and values of neural-tangents."""
    program = Path(__file__).with_name("neural_tangents_peer.py")
    command = [os.environ["NEURAL_TANGENTS_PYTHON"], program, "values"]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["versions"], found["found"]


def relative(values: list[float], right: tuple[mpmath.mpf, ...]) -> list[float]:
    """Relative errors, of a value that is not a number 1."""
    out = [float(abs((mpmath.mpf(v) - r) / r)) if math.isfinite(v) else 1.0 for v, r in zip(values, right)]
    return [max(out[:2]), max(out[2:])]


def main() -> None:
    """Print the table."""
    mpmath.mp.dps = DIGITS
    keys = [(name, kind, angle) for name in ACTIVATIONS for kind, angles in ANGLES.items() for angle in angles]
    worst: dict[tuple[str, str, str], list[float]] = {}
    cases = [
        {"activation": n, "depth": DEPTH[k], "weights": scales(n)[0], "biases": scales(n)[1], "x": pair(a).tolist()}
        for n, k, a in keys
    ]
    versions, theirs = peer(cases) if "NEURAL_TANGENTS_PYTHON" in os.environ else ({}, [])
    for i, (name, kind, angle) in enumerate(keys):
        x, (weights, biases), depth = pair(angle), scales(name), DEPTH[kind]
        right = exact(name, x, depth, weights, biases)
        act = activation("leaky_relu", alpha=0.1) if name == "leaky" else activation(name)
        given = {"depth": depth, "weight_variance": weights, "bias_variance": biases}
        values = [float(v[0, 0]) for made in (gram, differences) for v in made(act, x[:1], x[1:], **given)]
        rows = {"ours": relative(values, right)}
        if theirs:
            k, t = theirs[i]["K"], theirs[i]["Theta"]
            rows["theirs"] = relative([k[0][1], t[0][1], k[0][0] - k[0][1], t[0][0] - t[0][1]], right)
        for side, row in rows.items():
            before = worst.get((name, kind, side), [0.0, 0.0])
            worst[name, kind, side] = [max(x, y) for x, y in zip(before, row)]
    print(versions)
    for name in ACTIVATIONS:
        cells = []
        for kind in ANGLES:
            for index in (0, 1):
                if kind in ("generic", "opposite") and index:
                    continue
                sides = [worst[name, kind, side] for side in ("ours", "theirs") if (name, kind, side) in worst]
                cells.append(" / ".join(f"{row[index]:.0e}" for row in sides))
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
