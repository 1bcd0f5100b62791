"""The laws of random matrix theory against 50 digits: worst relative errors, for `docs/laws.md` and its test.

As a program, `python law_accuracy.py PYTHON` prints the rows of the document's table; PYTHON runs
tests/benchmarks/law_peers.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.derivations.random_matrix.laws import Law
from theorylab.derivations.random_matrix.marchenko_pastur import MarchenkoPastur
from theorylab.derivations.random_matrix.semicircle import Semicircle
from theorylab.derivations.random_matrix.tracy_widom import TracyWidom

DENSITY, BELOW, ABOVE = "density", "P(X <= x)", "P(X > x)"
QUANTITIES = (DENSITY, BELOW, ABOVE)
DIGITS = 50
# Distances from the edges, in widths of the interval, and places inside.
NEAR, INSIDE = (1e-9, 1e-6, 1e-3, 0.03), (0.1, 0.3, 0.5, 0.7, 0.9)
# Arguments of the laws of Tracy and Widom, in the unit of beta = 1, and nodes of their determinants for so many digits.
TAILS, NODES = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0), {30: 48, DIGITS: 64}
MIDDLE = (-4.0, -2.0, 0.0)


@dataclass(frozen=True)
class Case:
    """One law, where it is evaluated, and its exact values: `exact(quantity, x)` at an mpmath number x."""

    name: str
    law: Law
    intervals: tuple[tuple[float, float], ...]
    exact: Callable[[str, mpmath.mpf], mpmath.mpf]
    quantities: tuple[str, ...] = QUANTITIES

    def places(self, small: bool) -> np.ndarray:
        """Arguments; a few of them for a test that is short."""
        if self.name.startswith("tracy-widom"):
            unit = 2.0 ** (2.0 / 3.0) if self.name.endswith("4") else 1.0
            return np.array(TAILS[2:7:4] if small else TAILS) / unit
        near, inside = (NEAR[1::2], INSIDE[1::3]) if small else (NEAR, INSIDE)
        found = [
            place
            for low, high in self.intervals
            for part in (*near, *inside, *(1.0 - d for d in near))
            if low < (place := low + part * (high - low)) < high
        ]
        return np.array(found)

    def ours(self, quantity: str, x: np.ndarray) -> np.ndarray:
        """Values in double precision."""
        return {DENSITY: self.law.pdf, BELOW: self.law.cdf, ABOVE: self.law.sf}[quantity](x)

    def error(self, quantity: str, x: np.ndarray, found: np.ndarray, digits: int = DIGITS) -> float:
        """Worst relative error of values of a quantity at x."""
        with mpmath.workdps(digits):
            exact = [self.exact(quantity, mpmath.mpf(float(v))) for v in x]
            return max(float(abs(mpmath.mpf(float(v)) / e - 1)) for v, e in zip(found, exact))

    def middle(self, x: np.ndarray) -> np.ndarray:
        """Which places are neither near an edge nor in a tail."""
        if self.name.startswith("tracy-widom"):
            return np.isin(np.round(x * (2.0 ** (2.0 / 3.0) if self.name.endswith("4") else 1.0)), MIDDLE)
        return np.any([(x > lo + 0.09 * (hi - lo)) & (x < hi - 0.09 * (hi - lo)) for lo, hi in self.intervals], axis=0)

    def worst(self, quantity: str, small: bool = False) -> float:
        """Our worst relative error."""
        x = self.places(small)
        digits = 30 if small and self.name.startswith("tracy-widom") else DIGITS
        return self.error(quantity, x, self.ours(quantity, x), digits)


def _semicircle(quantity: str, x: mpmath.mpf) -> mpmath.mpf:
    if quantity == DENSITY:
        return mpmath.sqrt((2 - x) * (2 + x)) / (2 * mpmath.pi)
    x = x if quantity == BELOW else -x
    with mpmath.extradps(DIGITS):
        return mpmath.mpf(1) / 2 + x * mpmath.sqrt(4 - x * x) / (4 * mpmath.pi) + mpmath.asin(x / 2) / mpmath.pi


def _marchenko_pastur(c: float) -> Callable[[str, mpmath.mpf], mpmath.mpf]:
    def exact(quantity: str, x: mpmath.mpf) -> mpmath.mpf:
        with mpmath.extradps(DIGITS):
            root = mpmath.sqrt(mpmath.mpf(c))
            gap = mpmath.sqrt(((1 + root) ** 2 - x) * (x - (1 - root) ** 2))
            if quantity == DENSITY:
                return gap / (2 * mpmath.pi * c * x)
            turned = min(mpmath.mpf(1), 1 / mpmath.mpf(c)) * mpmath.acos((1 + mpmath.mpf(c) - x) / (2 * root))
            bulk = turned + gap / (2 * c) - abs(1 - mpmath.mpf(c)) / c * mpmath.atan(gap / (x + abs(1 - mpmath.mpf(c))))
            below = max(mpmath.mpf(0), 1 - 1 / mpmath.mpf(c)) + bulk / mpmath.pi
            return below if quantity == BELOW else 1 - below

    return exact


def _generalized(c: float) -> Callable[[str, mpmath.mpf], mpmath.mpf]:
    """Half of the population at 1, half at 5: the cubic by its roots, the mass by the closed form at 100 digits."""

    def exact(quantity: str, x: mpmath.mpf) -> mpmath.mpf:
        with mpmath.extradps(DIGITS):
            ratio, atoms = mpmath.mpf(c), (mpmath.mpf(1), mpmath.mpf(5))
            shift = 3 * ratio - x
            cubic = [
                mpmath.mpf(1),
                shift - 6,
                5 - 6 * shift + ratio / 2 * 26,
                5 * shift - ratio / 2 * (atoms[1] + atoms[1] ** 2),
            ]
            omega = max(mpmath.polyroots(cubic, maxsteps=400, extraprec=400), key=lambda root: root.imag)
            if quantity == DENSITY:
                return omega.imag / (mpmath.pi * ratio * abs(omega) ** 2)
            turned = sum(mpmath.arg(omega - t) for t in atoms) * ratio / 2 + mpmath.arg(omega) * (1 - ratio)
            above = (turned - x * omega.imag / abs(omega) ** 2) / (mpmath.pi * ratio)
            return above if quantity == ABOVE else 1 - above

    return exact


@cache
def _rule(digits: int) -> tuple[tuple[mpmath.mpf, mpmath.mpf], ...]:
    """Gauss-Legendre nodes and weights to the working precision, which is so many digits."""
    count, found = NODES[digits], []
    for start in np.polynomial.legendre.leggauss(count)[0]:
        t = mpmath.mpf(float(start))
        for _ in range(5):
            before, now = mpmath.mpf(1), t
            for k in range(2, count + 1):
                before, now = now, ((2 * k - 1) * t * now - (k - 1) * before) / k
            slope = count * (t * now - before) / (t * t - 1)
            t -= now / slope
        found.append((t, 2 / ((1 - t * t) * slope * slope)))
    return tuple(found)


@cache
def _determinants(s: float, digits: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """det(1 - A_s) and det(1 + A_s), A_s(x, y) = Ai((x + y)/2 + s)/2, to the working precision."""
    length = 2 * ((mpmath.mpf(1.8) * digits + max(s, 0) ** 1.5) ** (mpmath.mpf(2) / 3) - s)
    rule, count = _rule(digits), NODES[digits]
    y, root = [(t + 1) / 2 * length for t, _ in rule], [mpmath.sqrt(w * length / 2) for _, w in rule]
    matrix = mpmath.matrix(count, count)
    for i in range(count):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = root[i] * root[j] * mpmath.airyai((y[i] + y[j]) / 2 + s) / 2
    return mpmath.det(mpmath.eye(count) - matrix), mpmath.det(mpmath.eye(count) + matrix)


def _tracy_widom(beta: int) -> Callable[[str, mpmath.mpf], mpmath.mpf]:
    def exact(quantity: str, x: mpmath.mpf) -> mpmath.mpf:
        # Places are multiples of 1/2 in the unit of beta = 1: the nearest one is meant, and the rest is first order.
        unit = mpmath.mpf(2) ** (mpmath.mpf(2) / 3) if beta == 4 else mpmath.mpf(1)
        s = float(mpmath.nint(2 * x * unit)) / 2
        minus, plus = _determinants(s, mpmath.mp.dps)
        below = {1: minus, 2: minus * plus, 4: (minus + plus) / 2}[beta]
        below += (x - s / unit) * mpmath.mpf(float(TracyWidom(beta).pdf(s / float(unit))))
        return below if quantity == BELOW else 1 - below

    return exact


def cases() -> Iterator[Case]:
    """Every law of the table."""
    yield Case("semicircle", Semicircle(1.0), (Semicircle(1.0).support(),), _semicircle)
    for c in (0.1, 0.5, 2.0):
        yield Case(f"marchenko-pastur {c:g}", MarchenkoPastur(c), (MarchenkoPastur(c).edges(),), _marchenko_pastur(c))
    for beta in (1, 2, 4):
        yield Case(f"tracy-widom {beta}", TracyWidom(beta), (), _tracy_widom(beta), (BELOW, ABOVE))
    for c in (0.3, 2.0):
        law = GeneralizedMarchenkoPastur(c, [1.0, 5.0])
        yield Case(f"generalized {c:g}", law, law.intervals(), _generalized(c))


def main() -> None:
    """Print the table's rows."""
    found: dict[str, Any] = {}
    every = list(cases())
    if len(sys.argv) > 1:
        asked = {case.name: {q: case.places(False).tolist() for q in case.quantities} for case in every}
        program = Path(__file__).parents[1] / "benchmarks" / "law_peers.py"
        done = subprocess.run(
            [sys.argv[1], program], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
    for case in every:
        x = case.places(False)
        inside = case.middle(x)
        for quantity in case.quantities:
            row = [case.name, quantity, f"{case.worst(quantity):.1e}"]
            for package in ("scikit-rmt", "freealg", "TracyWidom"):
                given = found.get(case.name, {}).get(package, {}).get(quantity)
                if given is None:
                    row.append("")
                    continue
                values = np.array(given)
                both = case.error(quantity, x, values), case.error(quantity, x[inside], values[inside])
                row.append(" / ".join(f"{error:.1e}" for error in both))
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
