r"""Derivation of the loss of ridge regression on random features, from the definitions to the closed forms.

The loss comes from one function of the ridge: the mean of the regularised training objective,
$F(g) = \min_\theta |Y - \theta \varphi|^2 + g |\theta|^2$. Its derivative in g gives the training residuals, leaving
one sample out turns them into test residuals, and two deterministic equivalents (over the samples, then over the
features) give F itself.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.scaling_laws.power_spectrum import SpectralSum

N, T, M = sp.symbols("N T M", integer=True, positive=True)
alpha, lam, g, nu = sp.symbols("alpha lam g nu", positive=True)
sigma_w, sigma_u, sigma_eps = sp.symbols("sigma_w sigma_u sigma_eps", positive=True)
# Unused counts N - d1 and T - d1, and e = d1 - d2.
n, t, e, d1, d2 = sp.symbols("n t e d1 d2", positive=True)
p = 1 + alpha


def denominator(n: sp.Expr, t: sp.Expr, e: sp.Expr) -> sp.Expr:
    """N T - d1^2 - d2 (N + T - 2 d1), as a sum of positive terms."""
    return n * t + e * (n + t)


def signal(N: sp.Expr, T: sp.Expr, M: sp.Expr, nu: sp.Expr, n: sp.Expr, t: sp.Expr, e: sp.Expr) -> sp.Expr:
    """Loss without label noise, per sigma_w^2."""
    return nu * e * N * T / (M * denominator(n, t, e))


def noise(n: sp.Expr, t: sp.Expr, e: sp.Expr, d2: sp.Expr) -> sp.Expr:
    """Loss due to label noise, per sigma_eps^2."""
    return (e**2 + d2 * (n + e)) / denominator(n, t, e)


def two_step() -> list[Step]:
    """From the ridge objective to the loss."""
    k, delta, kappa1, b, x, y = sp.symbols("k delta kappa1 b x y", positive=True)
    m11, m12, m22 = sp.symbols("m11 m12 m22", positive=True)
    column, base = sp.Matrix([x, y]), sp.Matrix([[m11 + m12, m12], [m12, m22 + m12]])
    form = (column.T * base.inv() * column)[0]
    kept = 1 - (column.T * (base + column * column.T).inv() * column)[0]
    i = sp.Symbol("I", integer=True, positive=True)
    term = lam * (M / i) ** p
    degrees = sp.Function("d1")(nu)

    def explicit(expr: sp.Expr) -> sp.Expr:
        """Derivatives of d1 as -e/nu, then counts as symbols."""
        return expr.subs(degrees.diff(nu), -e / nu).subs(degrees, d1).subs({N: n + d1, T: t + d1})

    objective = {
        sigma_w: sigma_w**2 / M * nu * degrees * (T - degrees),
        sigma_eps: sigma_eps**2 * (T - degrees),
    }
    log_g_slope = sp.log(nu * (N - degrees) * (T - degrees)).diff(nu)

    def tested(f: sp.Expr) -> sp.Expr:
        """T/(T - d1)^2 (F - g F'), with g F' = F_nu/(d log g/d nu)."""
        return explicit(T / (T - degrees) ** 2 * (f - f.diff(nu) / log_g_slope))

    counts = {N: n + d1, T: t + d1}
    return [
        Step(
            "training residuals",
            (g / (g + k)) - g * (g / (g + k)).diff(g),
            (g / (g + k)) ** 2,
            "along an eigenvector of phi^T phi with eigenvalue k the objective F is g/(g + k) of the squared labels, "
            "the squared residual its square: |Y - thetahat phi|^2 = F - g F'",
        ),
        Step(
            "leave one sample out",
            kept,
            1 / (1 + form),
            "Sherman-Morrison (shown for 2 x 2 matrices): a training residual is the residual that the sample has as a "
            "test point, over 1 + delta, delta = phi^T (g + the other samples)^-1 phi",
        ),
        Step(
            "unused samples",
            (T / (1 + delta) + d1).subs(delta, d1 / (T - d1)),
            T,
            "delta concentrates: the mean resolvent over the samples is 1/(g + T C/(1 + delta)), C = u Lambda u^T, so "
            "that T delta/(1 + delta) = tr C/(C + kappa1) = d1 with kappa1 = g (1 + delta)/T",
        ),
        Step(
            "first ridge",
            (g * (1 + delta) / T).subs(delta, d1 / (T - d1)) * (T - d1),
            g,
            "kappa1 (T - d1) = g",
        ),
        Step(
            "second ridge",
            sp.solve(kappa1 - sigma_u**2 / M * nu * (N - d1), nu)[0].subs(kappa1, g / (T - d1)) * (N - d1) * (T - d1),
            g * M / sigma_u**2,
            "the same with the N rows of u, of variance sigma_u^2/M, as samples: kappa1 = (sigma_u^2/M) nu (N - d1), "
            "tr C/(C + kappa1) = sum_I lambda_I/(lambda_I + nu) = d1(nu)",
        ),
        Step(
            "slope of the degrees of freedom",
            (1 / (1 + nu / k)).diff(nu) * nu,
            -((1 / (1 + nu / k)) - (1 / (1 + nu / k)) ** 2),
            "term by term: nu d d1/d nu = -(d1 - d2) = -e",
        ),
        Step(
            "objective of the signal",
            sp.Sum(b * nu * term / (term + nu), (i, 1, M)),
            b * nu * sp.Sum(term / (term + nu), (i, 1, M)),
            "averaged over the teacher, F = (sigma_w^2/M) tr X (1 + phi^T phi/g)^-1 X^T, whose equivalent is "
            "(T - d1) Lambda nu/(Lambda + nu): (sigma_w^2/M) nu d1 (T - d1)",
            where={alpha: (0.2, 2), M: [2, 3, 5]},
            method="50 digits",
        ),
        Step(
            "the sum by its shape",
            sp.Sum(term / (term + nu), (i, 1, M)),
            SpectralSum(1, 0, sp.log(nu / lam), M, p),
            "with y_I = nu/lambda_I",
            where={alpha: (0.2, 2), M: [2, 3, 5]},
            method="50 digits",
        ),
        Step(
            "denominator",
            denominator(N - d1, T - d1, d1 - d2),
            N * T - d1**2 - d2 * (N + T - 2 * d1),
            "Den as a sum of positive terms",
        ),
        Step(
            "signal",
            tested(objective[sigma_w]),
            sigma_w**2 * signal(n + d1, t + d1, M, nu, n, t, e),
            "test loss = T/(T - d1)^2 times the mean squared training residual, with d log g/d log nu = "
            "Den/((N - d1)(T - d1)) from the self-consistency",
        ),
        Step(
            "noise",
            tested(objective[sigma_eps]),
            sigma_eps**2 * (1 + noise(n, t, e, d2)).subs(d2, d1 - e),
            "for noise alone F = sigma_eps^2 (T - d1); on a test point with its own noise the loss is larger by 1",
        ),
        Step(
            "noise, with the label noise in the target",
            1 + noise(n, t, e, d1 - e),
            (T * (N - d2) / denominator(n, t, e)).subs(d2, d1 - e).subs(counts),
            "the form T (N - d2)/Den",
        ),
        Step(
            "noise, numerator",
            noise(N - d1, T - d1, d1 - d2, d2),
            (d1**2 + N * d2 - 2 * d1 * d2) / (N * T - d1**2 - d2 * (N + T - 2 * d1)),
            "as the catalogue of formulas writes it",
        ),
        Step(
            "duality",
            signal(N, T, M, nu, n, t, e).subs({N: T, T: N, n: t, t: n}, simultaneous=True),
            signal(N, T, M, nu, n, t, e),
            "features and samples are exchangeable in the signal, at every ridge; in fact exactly so: "
            "X A u and its transpose have the same misfit",
        ),
    ]


def ridgeless() -> list[Step]:
    """The limit g -> 0 at fixed nu."""
    rate, small = sp.symbols("rate epsilon", positive=True)
    return [
        Step(
            "more samples than features",
            sp.Limit(signal(N, T, M, nu, n, T - N, e), n, 0),
            N * nu / M / (1 - N / T),
            "g -> 0 uses up the features, d1 = N: 0/0 in g, but not in the unused counts",
        ),
        Step(
            "more features than samples",
            sp.Limit(signal(N, T, M, nu, N - T, t, e), t, 0),
            T * nu / M / (1 - T / N),
            "d1 = T",
        ),
        Step(
            "noise, more samples",
            sp.Limit(noise(n, T - N, e, N - e), n, 0),
            N / T / (1 - N / T),
            "independent of the spectrum",
        ),
        Step(
            "noise, more features",
            sp.Limit(noise(N - T, t, T - d2, d2), t, 0),
            (T**2 + N * d2 - 2 * T * d2) / ((N - T) * (T - d2)),
            "it depends on the spectrum through d2",
        ),
        Step(
            "infinitely many samples",
            sp.Limit(N * nu / M / (1 - N / T), T, sp.oo),
            N * nu / M,
            "the plateau: what N features do not see",
        ),
        Step(
            "past the end of the spectrum",
            sp.Limit(noise(N - M + small, T - M + small, small, M - small), small, 0),
            M / (T - M),
            "N, T > M: d1 = M and nu = 0, least squares in M dimensions",
        ),
        Step(
            "a small ridge past the end",
            sp.Limit(signal(N, T, M, small, N - M, T - M, small * rate) / small**2, small, 0),
            rate * N * T / (M * (N - M) * (T - M)),
            "e = nu sum_I 1/lambda_I + O(nu^2) = nu rate, nu = g M/(sigma_u^2 (N - M)(T - M))",
        ),
    ]


def finite() -> list[Step]:
    """Exact means at finite size."""
    x, k, q, u = sp.symbols("x k q U", positive=True)
    s, r = sp.symbols("s r", positive=True)
    degrees = r + 2
    chi_square = x ** (degrees / 2 - 1) * sp.exp(-x / 2) / (2 ** (degrees / 2) * sp.gamma(degrees / 2))
    return [
        Step(
            "inverse chi-square",
            sp.Integral(chi_square / x, (x, 0, sp.oo)),
            1 / r,
            "a diagonal element of the inverse Gram matrix of K Gaussian rows of length Q is 1/chi-square with "
            "r + 2 = Q - K + 1 degrees of freedom",
        ),
        Step(
            "mean inverse Wishart trace",
            k * (1 / r).subs(r, q - k + 1 - 2),
            k / (q - k - 1),
            "E tr of the inverse of a K x K Gram matrix, per unit covariance",
        ),
        Step(
            "signal and unseen part",
            u * (1 + k / (q - k - 1)),
            u * (q - 1) / (q - k - 1),
            "N < T: what the features do not see of the signal is Gaussian and independent of the features: label "
            "noise of variance U, on top of the loss U; T < N is the transpose",
        ),
        Step(
            "as sizes grow",
            sp.Limit(((q - 1) / (q - k - 1)).subs({k: s * k, q: s * q}), s, sp.oo),
            1 / (1 - k / q),
            "the factor of the deterministic equivalent",
        ),
    ]
