"""Steps from Gaussian integrals to the regimes of kernel density estimates in high dimension."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

tau, s = sp.symbols("tau s", positive=True)
_phi = -sp.log(1 + tau) / 2 - tau / (1 + tau) / 2


def _gaussian_integral() -> Step:
    y, b = sp.symbols("y b", real=True)
    a = sp.Symbol("a", positive=True)
    return Step(
        "Gaussian integral",
        sp.Integral(sp.exp(-a * y**2 / 2 + b * y), (y, -sp.oo, sp.oo)),
        sp.sqrt(2 * sp.pi / a) * sp.exp(b**2 / (2 * a)),
        "completing the square",
    )


def density_steps() -> list[Step]:
    """Mean and variance of an estimate, one axis at a time."""
    x = sp.Symbol("x", real=True)
    h = sp.Symbol("h", positive=True)
    y = sp.Symbol("y", real=True)

    def normal(at: sp.Expr, variance: sp.Expr) -> sp.Expr:
        return sp.exp(-(at**2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)

    def joined(width: sp.Expr) -> sp.Expr:
        """int N(x - y; 0, width) N(y; 0, s) dy by the Gaussian integral."""
        a, b = 1 / width + 1 / s, x / width
        rest = sp.exp(b**2 / (2 * a) - x**2 / (2 * width))
        return rest * sp.sqrt(2 * sp.pi / a) / (2 * sp.pi * sp.sqrt(width * s))

    return [
        _gaussian_integral(),
        Step("mean of a kernel", joined(h**2), normal(x, s + h**2), "variances of independent normal variables add"),
        Step(
            "square of a kernel",
            normal(x - y, h**2) ** 2,
            normal(x - y, h**2 / 2) / sp.sqrt(4 * sp.pi * h**2),
            "a kernel of bandwidth h/sqrt(2)",
        ),
        Step(
            "mean of its square",
            joined(h**2 / 2) / sp.sqrt(4 * sp.pi * h**2),
            normal(x, s + h**2 / 2) / sp.sqrt(4 * sp.pi * h**2),
            "by the same; Var rho_hat = (E K^2 - (E K)^2)/n",
        ),
        Step(
            "without cancellation",
            (s + h**2) ** 2 / (h**2 * (2 * s + h**2)),
            1 + s**2 / (h**2 * (2 * s + h**2)),
            "E K^2/(E K)^2 at x = 0 is the square root of this, axis by axis",
        ),
        Step(
            "its exponent",
            1 / (s + h**2) - 1 / (2 * s + h**2),
            s / ((s + h**2) * (2 * s + h**2)),
            "and at x its exponential times x^2",
        ),
    ]


def entropy_steps(alpha: sp.Symbol, h: sp.Symbol) -> list[Step]:
    """From the annealed rate to h_G and h_CLT."""
    rate = -sp.log(1 + tau * s) / 2 - tau * s / (1 + tau * s) / 2
    entropy = alpha - sp.log(1 + tau) / 2 + tau / (1 + tau) ** 2 / 2
    a, b = 1 + tau * s, tau * s
    return [
        _gaussian_integral(),
        Step(
            "annealed rate of an axis",
            sp.exp(b**2 / (2 * a) - tau * s / 2) / sp.sqrt(a),
            sp.exp(rate),
            "E e^(-tau (sqrt(s) - sqrt(s) g)^2/2), g normal, x_j^2 = s the variance: (1/d) log of the mean of "
            "e^(-tau |x - y|^2/2) is the mean of these over the axes, at every d",
        ),
        Step(
            "entropy",
            alpha + rate - tau * sp.diff(rate, tau),
            alpha - sp.log(1 + tau * s) / 2 + tau * s / (1 + tau * s) ** 2 / 2,
            "Legendre: (1/d) log of the number of data points at the energies that dominate, e = -phi'",
        ),
        Step(
            "it falls",
            sp.diff(entropy, tau),
            -tau * ((1 + tau) ** -2 / 2 + (1 + tau) ** -3),
            "the entropy's slope is -tau phi'' < 0: one root tau_c",
        ),
        Step(
            "h_G",
            entropy.subs(tau, h**-2),
            alpha - (sp.log(1 + h**-2) - h**2 / (1 + h**2) ** 2) / 2,
            "the sum is dominated by e = -phi'(1/h^2) while the entropy there is positive",
        ),
        Step(
            "h_CLT",
            entropy.subs(tau, 2 / h**2),
            alpha - sp.log(1 + 2 / h**2) / 2 + h**2 / (h**2 + 2) ** 2,
            "the sum of squares, which fixes the variance, is that of the kernel of bandwidth h/sqrt(2): it condenses "
            "at tau_c = 2/h^2",
        ),
    ]


def weight_steps() -> list[Step]:
    """Exact integrals, and the weights of Poisson and Dirichlet."""
    total, q, mu, gap = sp.symbols("Z q mu gap", positive=True)
    k, power = sp.symbols("k power", integer=True, positive=True)
    return [
        Step(
            "powers of a sum",
            sp.Integral(q ** (k - 1) * sp.exp(-q * total), (q, 0, sp.oo)) / sp.gamma(k),
            total**-k,
            "Z^-k from the Laplace transform: E w^k e^(-s w) = (-1)^k psi^(k)(s), the n - 1 others give psi^(n-1)",
        ),
        Step(
            "logarithm of a sum",
            sp.Integral(sp.exp(-q * total), (q, 0, sp.oo)),
            sp.diff(sp.log(total), total),
            "log Z = int (e^-s - e^(-s Z))/s ds: zero at Z = 1, and of this slope",
        ),
        Step(
            "transform of a condensed sum",
            sp.Integral(q ** (gap - 1) * sp.exp(-q), (q, 0, sp.oo)),
            sp.gamma(gap),
            "energies near the lowest are a Poisson process of density tau e^(tau (e - e_*)), so that weights have "
            "density mu w^(-mu - 1): by parts int (1 - e^(-s w)) mu w^(-mu - 1) dw = s^mu Gamma(1 - mu), gap = 1 - mu",
        ),
        Step(
            "its derivatives",
            sp.Integral(mu * q ** (k + gap - 2) * sp.exp(-q), (q, 0, sp.oo)).subs(k, power + 1),
            mu * sp.gamma(power + gap),
            "n (-1)^k s^k psi^(k)(s) -> mu Gamma(k - mu) s^mu; here k = power + 1",
        ),
        Step(
            "moments of the weights",
            sp.gamma(k - mu) * sp.Integral(sp.exp(-sp.Symbol("G", positive=True) * q), (q, 0, sp.oo)) / sp.gamma(k),
            sp.gamma(k - mu) / (sp.gamma(k) * sp.Symbol("G", positive=True)),
            "integrate over q = s^mu, dq = mu s^(mu - 1) ds, with G = Gamma(1 - mu); at k = 2 it is 1 - mu",
        ),
        Step(
            "two of them",
            sp.gamma(2 - mu) / sp.gamma(1 - mu),
            1 - mu,
            "the participation ratio, mu = (h/h_G)^2",
        ),
        Step(
            "curvature of the rate",
            sp.diff(_phi, tau, 2),
            (1 + tau) ** -2 / 2 + (1 + tau) ** -3,
            "n F(e) = 1 at e = -phi'(tau): F(e) ~ e^(-d I(e))/(tau sqrt(2 pi d phi'')) (Bahadur and Ranga Rao), "
            "hence entropy(tau_d) = log(tau_d sqrt(2 pi d phi''))/d",
        ),
    ]


def limit_steps(alpha: sp.Symbol, h: sp.Symbol) -> list[Step]:
    """Free energy and Kullback-Leibler divergence in the limit."""
    e = sp.Symbol("e", positive=True)
    smooth = _phi.subs(tau, h**-2)
    energy = (1 / (1 + tau) + (1 + tau) ** -2) / 2
    frozen = alpha + sp.log(h) + e / h**2 - sp.Rational(1, 2)
    dense = sp.log(1 + h**2) / 2 + (1 / (1 + h**2) - 1) / 2
    return [
        Step("energy", -sp.diff(_phi, tau), energy, "e = -phi'(tau); at tau_c that of the nearest point"),
        Step(
            "free energy above h_G",
            smooth,
            -sp.log(1 + h**-2) / 2 - 1 / (1 + h**2) / 2,
            "phi(1/h^2): the annealed mean is typical",
        ),
        Step(
            "free energy meets",
            (-alpha - tau * energy).subs(alpha, sp.log(1 + tau) / 2 - tau / (1 + tau) ** 2 / 2),
            _phi,
            "below h_G the nearest point alone counts, -alpha - e/h^2; equal at tau_c = 1/h^2",
        ),
        Step(
            "divergence above h_G",
            -(sp.log(2 * sp.pi) + 1) / 2 + sp.log(2 * sp.pi * h**2) / 2 - smooth,
            dense,
            "E log rho = -d (log 2 pi + 1)/2",
        ),
        Step(
            "divergence below h_G",
            -(sp.log(2 * sp.pi) + 1) / 2 + sp.log(2 * sp.pi * h**2) / 2 + alpha + e / h**2,
            frozen,
            "the same with the frozen free energy",
        ),
        Step("least below h_G", sp.diff(frozen, h).subs(h, sp.sqrt(2 * e)), sp.S.Zero, "h_KL^2 = 2 e"),
        Step("rising above h_G", sp.diff(dense, h), h**3 / (1 + h**2) ** 2, "positive: the minimum is below h_G"),
        Step(
            "inside the condensed regime",
            1 / tau - 2 * energy,
            1 / (tau * (1 + tau) ** 2),
            "h_G^2 - h_KL^2 > 0",
        ),
    ]
