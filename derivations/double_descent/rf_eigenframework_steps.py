"""Steps from kernels to random features: the one-level equivalent used twice; see `rf_eigenframework`."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.double_descent import krr_eigenframework_steps as kernel

n, k, delta, kappa, g, z, q, sigma2 = sp.symbols("n k delta kappa g z q sigma2", positive=True)
# Two eigenvalues with multiplicities m1, m2 and squared coefficients w1, w2 stand for all.
lam1, lam2, m1, m2, w1, w2 = sp.symbols("lam1 lam2 m1 m2 w1 w2", positive=True)
total = m1 * lam1 / (lam1 + g) + m2 * lam2 / (lam2 + g)
square = m1 * (lam1 / (lam1 + g)) ** 2 + m2 * (lam2 / (lam2 + g)) ** 2
missed = w1 * g / (lam1 + g) + w2 * g / (lam2 + g)
# Spare samples and features, and sum L (1 - L).
a, b, p = n - z, k - z, z - q
share = b / (b + p)
prefactor = 1 / (1 - (q * (k - 2 * z) + z**2) / (n * (k - q)))


def composition() -> list[Step]:
    """The two equations."""
    x, y = sp.symbols("x y", real=True)
    weights = sp.Matrix([[x, y]])
    covariance = weights.T * weights / k + kappa * sp.eye(2)
    return [
        *kernel.resolvent(),
        Step(
            "push through",
            sp.cancel(kappa * covariance.inv()[0, 0]),
            sp.cancel(1 - x**2 / (x**2 + y**2 + k * kappa)),
            "kappa (S + kappa)^-1 = 1 - A^T (A A^T + k kappa)^-1 A for the features' covariance S = A^T A/k (shown for "
            "one feature and two modes): a kernel matrix with k samples and the ridge k kappa",
        ),
        Step(
            "features as samples",
            1 - lam1 / (lam1 + g),
            g / (lam1 + g),
            "so that, over the features, kappa (S + kappa)^-1 -> g (Lambda + g)^-1, with k = sum L + k kappa/g: the "
            "kernel's equation with n -> k, delta -> k kappa, kappa -> g",
        ),
        Step(
            "one equation",
            ((n - z) * (k - z)).subs({n: z + delta / kappa, k: z + kappa * k / g}),
            delta * k / g,
            "n - z = delta/kappa and k - z = k kappa/g: symmetric in n and k but for the ridge's unit",
        ),
    ]


def risk() -> list[Step]:
    """Test and training error."""
    own = z + k * kappa / g - k
    slope = -own.diff(kappa) / (own.diff(g) - (z - q) / g)
    inner = sp.Function("g", positive=True)(kappa)
    energy = (missed.subs(g, inner) + sigma2) / kappa
    turned = (w1 * lam1 / (lam1 + g) ** 2 + w2 * lam2 / (lam2 + g) ** 2).subs(g, inner)
    hat, mode = sp.symbols("U v2", positive=True)
    return [
        *composition(),
        Step("sum L falls", g * total.diff(g), square - total, "g dz/dg = -(z - q), q = sum L^2"),
        Step(
            "slope of g",
            slope.subs(kappa, g * (k - z) / k),
            k / (k - q),
            "dg/dkappa, from the features' equation",
        ),
        Step(
            "slope of kappa",
            n / (n - z + (z - q) * (g * (k - z) / k) / g * k / (k - q)),
            prefactor,
            "n dkappa/ddelta, from the samples' equation: 1/(delta/kappa + (z - q) (kappa/g) dg/dkappa)",
        ),
        Step(
            "test error",
            -(kappa**2) * energy.diff(kappa),
            missed.subs(g, inner) + sigma2 - kappa * inner.diff(kappa) * turned,
            "given the features E y^T (K + delta)^-1 y -> (1/kappa) (sum v^2 g/(lambda + g) + sigma2), and as for a "
            "kernel E_te = -n kappa^2 d/ddelta of it",
        ),
        Step(
            "training error",
            (delta / (n * kappa)) ** 2 * n * kappa**2,
            delta**2 / n,
            "E_tr = -(delta^2/n) d/ddelta of the same: (delta/(n kappa))^2 E_te",
        ),
        Step(
            "positive terms, samples",
            prefactor,
            n / (a + share * p),
            "with a = n - z, b = k - z, p = z - q and rho = b/(b + p): nothing cancels",
        ),
        Step(
            "positive terms, modes",
            (hat - (g * b / k) * (1 - hat) * hat / g * k / (k - q)) * mode,
            hat * (share * hat + 1 - share) * mode,
            "U = g/(lambda + g), lambda/(lambda + g)^2 = U (1 - U)/g, kappa = g b/k",
        ),
    ]


def limits() -> list[Step]:
    """A kernel, no ridge, and the peak."""
    x = sp.Symbol("x", positive=True)
    return [
        *risk(),
        Step("infinitely many features", sp.Limit(share, k, sp.oo), sp.S.One, "rho -> 1: kernel ridge regression"),
        Step(
            "more samples than features",
            (n / (a + share * p)).subs(z, k),
            1 / (1 - k / n),
            "without a ridge b = 0, rho = 0: E_te = (sum U v^2 + sigma2)/(1 - k/n)",
        ),
        Step(
            "more features than samples",
            (n / (a + share * p)).subs(z, n),
            n * (k - q) / ((n - q) * (k - n)),
            "without a ridge a = 0",
        ),
        Step(
            "the peak from above",
            sp.Limit((x * n * (k - q) / ((n - q) * (k - n))).subs(k, n * (1 + x)), x, 0),
            sp.S.One,
            "and rho -> 0: the same amplitude sum U v^2 + sigma2 on both sides of k = n",
        ),
    ]


def monotone() -> list[Step]:
    """More is better."""
    spare, left, width, rho, signal, loss = sp.symbols("a b p rho A C", positive=True)
    return [
        *risk(),
        Step(
            "more samples",
            sp.Derivative(sp.log(n / (n - z + rho * width)), n),
            -(z - rho * width) / (n * (n - z + rho * width)),
            "at a given g, hence given z, p, and rho: negative because p = sum L (1 - L) < z and rho <= 1",
        ),
        Step(
            "more features",
            sp.Derivative(left / (left + width), left),
            width / (left + width) ** 2,
            "b = k - z and with it rho grows with k",
        ),
        Step(
            "and rho",
            sp.Derivative((signal - rho * loss) / (spare + rho * width), rho),
            -(loss * spare + signal * width) / (spare + rho * width) ** 2,
            "A = sum U v^2 + sigma2, C = sum U L v^2: the risk falls with rho",
        ),
    ]
