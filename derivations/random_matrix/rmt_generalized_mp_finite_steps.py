"""Steps of `rmt_generalized_mp` at finite size: the term of order 1/p, and what it says of the edges."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.rmt_generalized_mp_steps import TWO, T, c, place, two


def _finite_steps() -> list[Step]:
    k, t = sp.symbols("kappa t", positive=True)
    ridge = k - c * k * two(q / (q + k) for q in T[:2])
    growth = 1 / ridge.diff(k)
    direction = [k / (ridge * (k + q)) for q in T[:2]]
    driven = [q * growth / (k + q) ** 2 for q in T[:2]]
    bracket = 1 + c * ridge * two(q * r**2 for q, r in zip(T[:2], direction))
    source = c * two(q * r * g for q, r, g in zip(T[:2], direction, driven))
    found = growth**2 * c * two(q**2 / (k + q) ** 3 for q in T[:2])
    a, b, e, w = sp.symbols("a b epsilon omega", positive=True)
    z2 = sp.Symbol("zeta", positive=True)
    near = sp.sqrt(z2) - b / (2 * a) * z2
    log_slope = sp.log(2 * a * near) + 3 * b / (2 * a) * near
    one = {T[0]: 1, T[1]: 1}
    top = place(w).subs(one)
    at = {w: 1 + sp.sqrt(c)}
    half_bend, sixth = (top.diff(w, 2) / 2).subs(at), (top.diff(w, 3) / 6).subs(at)
    return [
        Step(
            "what drives the correction",
            sp.diff(k / (k + t), k) * growth,
            t * growth / (k + t) ** 2,
            "integration by parts: (lam + h Sigma) E R = 1 + (1/n) Sigma E[R - lam R^2], h = 1 - (p - lam E tr R)/n; "
            "R - lam R^2 = d(lam R)/d lam, lam R = kappa/(kappa + t)",
        ),
        Step(
            "linear response",
            bracket * found,
            source,
            "h moves with tr R: M_1 (1 + c lam int t R^2 dH) = c int t R d(lam R)/d lam dH",
            where={**TWO, k: (1, 4)},
            method="50 digits",
        ),
        Step(
            "as a derivative",
            (-sp.log(place(w).diff(w)).diff(w) / place(w).diff(w) / 2).subs(w, -k),
            found,
            "E tr R - p m = (1/2) (-d/dz) log(dz/d omega) at omega = -kappa",
            where={**TWO, k: (1, 4)},
            method="50 digits",
        ),
        Step(
            "beside an edge",
            sp.series(log_slope, z2, 0, 1).removeO(),
            sp.log(2 * a) + sp.log(z2) / 2 + b / a * sp.sqrt(z2),
            "z - z_e = a delta^2 + b delta^3, zeta = (z - z_e)/a: half a logarithm is the mass 1/4 at the edge",
        ),
        Step(
            "shift of the edge",
            (e / (2 * w**2 * sp.sqrt(a))).subs(e, w**2 * b / (2 * a)),
            b / (4 * a ** sp.Rational(3, 2)),
            "the coefficient of (z - z_e)^(-1/2)/n: a shift by epsilon/n moves 1/omega as much",
        ),
        Step(
            "one atom",
            (w**2 * sixth / (2 * half_bend)).subs(at),
            -((1 + sp.sqrt(c)) ** 2) / (2 * sp.sqrt(c)),
            "p - 1/2 and n - 1/2 for p and n in (sqrt p + sqrt n)^2/n",
        ),
        Step(
            "its scale",
            (sp.cbrt(w**4 * half_bend).subs(at)) ** 3,
            (1 + sp.sqrt(c)) ** 4 / sp.sqrt(c),
            "that of Johnstone (2001)",
        ),
    ]


FINITE = Derivation("loop equation; Bai and Silverstein (2004); matching at the edge", _finite_steps)
