r"""Steps from Gaussian weights to single-site processes, and to their lazy limit.

Expectations are taken monomial by monomial (Isserlis' theorem) for activations $\phi = h + c h^3$, which are nonlinear
and whose moments are exact; the general statement is Stein's lemma.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from theorylab.derivation import Step

q, K, gamma, eta, N = sp.symbols("q K gamma eta N", positive=True)
c, a, b, y, kappa, g = sp.symbols("c a b y kappa g", real=True)
u, r, v, x, w = sp.symbols("u r v x w", real=True)


def mean(expr: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """Expectation of a polynomial over independent standard normals."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expr), *normals).terms():
        if all(p % 2 == 0 for p in powers):
            total += coefficient * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
    return sp.expand(total)


def phi(h: sp.Expr) -> sp.Expr:
    """The cubic activation."""
    return h + c * h**3


def slope(h: sp.Expr) -> sp.Expr:
    """Its derivative."""
    return 1 + 3 * c * h**2


def _normal(variance: sp.Expr) -> sp.Expr:
    return sp.exp(-(x**2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def _over(expr: sp.Expr, variance: sp.Expr) -> sp.Integral:
    return sp.Integral(expr * _normal(variance), (x, -sp.oo, sp.oo))


def single_site() -> Sequence[Step]:
    """Conditioning on Gaussian weights, the part at equal times, and both forms of the output."""
    # One entry of W among N: h_j is moved by kappa g W_ij / sqrt N when the backward field g_i acts through W.
    moved = sp.Symbol("u", real=True) + kappa * g * w / sp.sqrt(N)
    sent = sp.sqrt(N) * mean(w * phi(moved), w, u)
    z = r + b * phi(u)
    # Two updates' worth of the last layer: h(1) = u + a phi'(u) r with z(0) = r, z(1) = r + a phi(u).
    later = u + a * slope(u) * r
    through = sp.diff(phi(later), r)
    first = mean(through, u, r) / gamma + eta * y * mean(phi(u) * phi(later), u, r)
    return [
        Step("Stein's lemma", _over(x * phi(x), q), q * _over(slope(x), q), "integration by parts against a Gaussian"),
        Step(
            "response to the backward field",
            sp.Limit(sent, N, sp.oo),
            kappa * g * mean(slope(u), u),
            "of the N terms of (1/sqrt N) sum_j W_ij phi(h_j) each has a mean of order 1/sqrt N, because h_j saw W_ij "
            "through g_i: together RA g, with RA = <d phi(h)/dr>; the rest is a Gaussian of variance H",
        ),
        Step(
            "part at equal times",
            sp.diff(slope(u) * z, u),
            sp.diff(slope(u), u) * z + b * slope(u) ** 2,
            "g = phi'(h) z moves with u at once: RB_l(t,t) = <phi'' z> + RB_{l+1}(t,t) <phi'^2>, b = RB_{l+1}(t,t)",
        ),
        Step(
            "no such part for linear activations",
            sp.diff((slope(u) * z).subs(c, 0), u).subs(b, 0),
            sp.S.Zero,
            "phi'' = 0, and RB of the readout is 0",
        ),
        Step(
            "no such part at the start",
            mean(sp.diff(slope(u) * r, u), u, r),
            sp.S.Zero,
            "z is r, independent of u and of mean 0",
        ),
        Step(
            "output",
            mean((r + a * phi(u)) * phi(later), u, r),
            mean(through, u, r) + a * mean(phi(u) * phi(later), u, r),
            "gamma f(1) = <z phi(h)> = RA(1, 0) + eta gamma D(0) H(1, 0) by Stein's lemma on r, a = eta gamma D(0): "
            "the noise of r phi(h) is gone",
        ),
        Step(
            "first output",
            sp.diff(first.subs(a, eta * gamma * y), eta).subs(eta, 0),
            y * (mean(slope(u) ** 2, u) + mean(phi(u) ** 2, u)),
            "to first order in eta, f(1) = eta y (<phi'^2> + <phi^2>): the tangent kernel (L = 1, K = 1)",
        ),
    ]


def lazy() -> Sequence[Step]:
    """Kernels at the start, and descent with a tangent kernel."""
    theta, t = sp.Symbol("Theta", positive=True), sp.Symbol("t", integer=True, nonnegative=True)
    f = y * (1 - (1 - eta * theta) ** t)
    L, l = sp.symbols("L l", integer=True, positive=True)
    half = sp.Rational(1, 2)
    positive = 2 * sp.Integral(sp.exp(-(x**2) / (2 * q)) / sp.sqrt(2 * sp.pi * q) * x**2 / 2, (x, 0, sp.oo))
    return [
        Step(
            "responses of the last layer at first order",
            sp.diff(mean(sp.diff(phi(u + a * slope(u) * r), r), u, r), a).subs(a, 0),
            mean(slope(u) ** 2, u),
            "RA/gamma stays finite as gamma -> 0: eta D H_{l-1} <phi'^2>, which is what makes the part of the tangent "
            "kernel that belongs to the layers below",
        ),
        Step("ReLU, forward", positive, q * half, "<phi(u)^2> = q/2 over u ~ N(0, q)"),
        Step(
            "ReLU, tangent kernel",
            sp.Sum(K * half**l * half ** (L - l), (l, 0, L)),
            (L + 1) * K * half**L,
            "H_l = K/2^l and G_{l+1} = 2^{l-L}: each of L + 1 layers of weights gives the same",
        ),
        Step(
            "erf, backward",
            _over(4 / sp.pi * sp.exp(-2 * x**2), q),
            4 / (sp.pi * sp.sqrt(1 + 4 * q)),
            "<phi'(u)^2>",
        ),
        Step("start", f.subs(t, 0), sp.S.Zero, "f(0) = 0"),
        Step(
            "descent",
            f.subs(t, t + 1) - f,
            eta * theta * (y - f),
            "f(t+1) - f(t) = eta Theta (y - f(t)) while the kernels stay what they are",
        ),
    ]
