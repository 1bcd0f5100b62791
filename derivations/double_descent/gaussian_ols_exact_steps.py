r"""Derivation of the mean risks of least squares and minimum-norm interpolation on Gaussian designs.

The formulas are functions of their symbols, so that a regime is reached from the other by exchange of n and p.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

n, p = sp.symbols("n p", integer=True, positive=True)
sigma2, r2 = sp.symbols("sigma2 r2", nonnegative=True)
i = sp.Symbol("i", integer=True, positive=True)

BELOW = {p: [1, 2, 3, 5], n: [8, 9, 12]}
ABOVE = {n: [1, 2, 3, 5], p: [8, 9, 12]}


def inverse_wishart_trace(dimension: sp.Expr, freedom: sp.Expr) -> sp.Expr:
    """E tr W^-1 for W ~ Wishart of that dimension and degrees of freedom, identity covariance."""
    return dimension / (freedom - dimension - 1)


def excess_below(n: sp.Expr, p: sp.Expr, sigma2: sp.Expr) -> sp.Expr:
    """Mean excess risk for p <= n - 2."""
    return sigma2 * inverse_wishart_trace(p, n)


def excess_above(n: sp.Expr, p: sp.Expr, sigma2: sp.Expr, r2: sp.Expr) -> sp.Expr:
    """Mean excess risk for p >= n + 2: bias and variance."""
    return r2 * (p - n) / p + sigma2 * inverse_wishart_trace(n, p)


def norm_below(n: sp.Expr, p: sp.Expr, sigma2: sp.Expr, r2: sp.Expr) -> sp.Expr:
    """Mean squared norm of the estimate for p <= n - 2."""
    return r2 + sigma2 * inverse_wishart_trace(p, n)


def norm_above(n: sp.Expr, p: sp.Expr, sigma2: sp.Expr, r2: sp.Expr) -> sp.Expr:
    """Mean squared norm of the estimate for p >= n + 2."""
    return r2 * n / p + sigma2 * inverse_wishart_trace(n, p)


def hidden_below(n: sp.Expr, p: sp.Expr, noise: sp.Expr) -> sp.Expr:
    """Mean test error for p <= n - 2 with label noise of variance `noise`."""
    return noise * (n - 1) / (n - p - 1)


def hidden_above(n: sp.Expr, p: sp.Expr, signal: sp.Expr, noise: sp.Expr) -> sp.Expr:
    """Mean test error for p >= n + 2 with a fitted signal of squared norm `signal`."""
    return signal * (p - n) / p + noise * (p - 1) / (p - n - 1)


def limit_below(gamma: sp.Expr, sigma2: sp.Expr) -> sp.Expr:
    """Limiting excess risk for gamma < 1."""
    return sigma2 * gamma / (1 - gamma)


def limit_above(gamma: sp.Expr, sigma2: sp.Expr, r2: sp.Expr) -> sp.Expr:
    """Limiting excess risk for gamma > 1."""
    return r2 * (gamma - 1) / gamma + sigma2 / (gamma - 1)


def best_ratio(snr: sp.Expr) -> sp.Expr:
    """gamma at the interior minimum; sqrt(snr) / (sqrt(snr) - 1) without its cancellation at snr = 1."""
    return (snr + sp.sqrt(snr)) / (snr - 1)


def best_risk(snr: sp.Expr, sigma2: sp.Expr) -> sp.Expr:
    """Limiting excess risk at the interior minimum."""
    return sigma2 * (2 * sp.sqrt(snr) - 1)


def _gaussian_mean(expression: sp.Expr, *variables: sp.Symbol) -> sp.Expr:
    """Mean over independent standard normal variables, as an unevaluated integral."""
    density = sp.prod(sp.exp(-(v**2) / 2) / sp.sqrt(2 * sp.pi) for v in variables)
    return sp.Integral(expression * density, *((v, -sp.oo, sp.oo) for v in variables))


def below() -> list[Step]:
    """Excess risk for p <= n - 2."""
    x, j = sp.symbols("x j", positive=True)
    e1, e2, a, b, c = sp.symbols("e1 e2 a b c", real=True)
    w11, w12, w13, w22, w23, w33 = sp.symbols("w11 w12 w13 w22 w23 w33", real=True)
    others, mixed = sp.Matrix([[w11, w12], [w12, w22]]), sp.Matrix([w13, w23])
    gram = others.row_join(mixed).col_join(mixed.T.row_join(sp.Matrix([[w33]])))
    chi_square = x ** ((j + 2) / 2 - 1) * sp.exp(-x / 2) / (2 ** ((j + 2) / 2) * sp.gamma((j + 2) / 2))
    quadratic = a * e1**2 + 2 * b * e1 * e2 + c * e2**2
    return [
        Step(
            "noise",
            _gaussian_mean(sigma2 * quadratic, e1, e2),
            sigma2 * (a + c),
            "X^+ X = I, so the error is X^+ eps and its square eps^T M eps with tr M = tr (X^T X)^-1; "
            "the mean of a quadratic form in the noise is sigma2 tr M (written for two components)",
        ),
        Step(
            "last diagonal element",
            others.det() / gram.det(),
            1 / (w33 - (mixed.T * others.inv() * mixed)[0]),
            "the last diagonal element of (X^T X)^-1 is the reciprocal of the squared length of the last feature off "
            "the span of the others (written for p = 3), which is chi-square with n - p + 1 degrees of freedom: a "
            "Gaussian vector projected on an independent subspace of that dimension",
        ),
        Step(
            "inverse chi-square",
            sp.Integral(chi_square / x, (x, 0, sp.oo)),
            1 / j,
            "E 1/chi^2 with j + 2 degrees of freedom; it diverges at j = 0, which is n - p + 1 = 2",
        ),
        Step(
            "trace",
            sp.Sum((1 / j).subs(j, n - p - 1), (i, 1, p)),
            inverse_wishart_trace(p, n),
            "the p diagonal elements of the inverse have one law, and j = n - p + 1 - 2",
            where=BELOW,
        ),
        Step(
            "excess risk",
            sigma2 * sp.Sum(1 / (n - p - 1), (i, 1, p)),
            excess_below(n, p, sigma2),
            "mean over the noise, then over the design",
            where=BELOW,
        ),
    ]


def above() -> list[Step]:
    """Excess risk for p >= n + 2."""
    t, u1, u2, w1, w2 = sp.symbols("t u1 u2 w1 w2", real=True)
    row = sp.Matrix([[w1, w2]])
    beta = sp.Matrix([u1, u2])
    projector = row.T * row / (w1**2 + w2**2)
    off = beta - projector * beta
    density = t ** (n * sp.S.Half - 1) * (1 - t) ** ((p - n) * sp.S.Half - 1) / sp.beta(n / 2, (p - n) / 2)
    return [
        Step(
            "bias",
            (off.T * off)[0],
            (beta.T * beta)[0] - (beta.T * projector * beta)[0],
            "with P = X^+ X the projector on the n rows of X the error is (P - I) beta + X^+ eps; the square of "
            "the first part is beta^T beta - beta^T P beta (written for n = 1, p = 2), the cross term has mean zero",
        ),
        Step(
            "Haar projector",
            sp.Sum(n / p, (i, 1, p)),
            n,
            "the law of P is invariant under rotations, so E P = c I; E tr P = n gives c = n/p",
            where=ABOVE,
        ),
        Step(
            "Haar projector, by its law",
            r2 * sp.Integral(t * density, (t, 0, 1)),
            r2 * n / p,
            "beta^T P beta / r2 has the law Beta(n/2, (p - n)/2)",
            where={n: [2, 4, 6], p: [8, 10, 12]},
            method="50 digits",
        ),
        Step(
            "variance",
            sp.Sum(1 / (p - n - 1), (i, 1, n)),
            inverse_wishart_trace(n, p),
            "the square of X^+ eps is eps^T (X X^T)^-1 eps, and X X^T is Wishart of dimension n with p degrees of "
            "freedom: the result for p <= n - 2 with n and p exchanged",
            where=ABOVE,
        ),
        Step(
            "excess risk",
            r2 - r2 * n / p + sigma2 * inverse_wishart_trace(n, p),
            excess_above(n, p, sigma2, r2),
            "bias and variance",
            where=ABOVE,
        ),
    ]


def training() -> list[Step]:
    """Training error."""
    x1, x2, x3 = sp.symbols("x1 x2 x3", positive=True)
    x = sp.Matrix([x1, x2, x3])
    hat = x * (x.T * x).inv() * x.T
    return [
        Step(
            "trace of the hat matrix",
            sp.trace(hat),
            sp.Integer(1),
            "X X^+ projects on the span of the p features: its trace is p (written for n = 3, p = 1)",
        ),
        Step(
            "residual",
            sigma2 * (sp.Sum(1, (i, 1, n)) - sp.Sum(1, (i, 1, p))) / n,
            sigma2 * (n - p) / n,
            "the residual is (I - X X^+) eps, of mean square sigma2 tr (I - X X^+) = sigma2 (n - p) for p < n; "
            "for p >= n the rows are independent and the fit interpolates",
            where=BELOW,
        ),
    ]


def norm() -> list[Step]:
    """Squared norm of the estimate, from the two steps on the excess risk."""
    return [
        Step(
            "norm below",
            r2 + excess_below(n, p, sigma2),
            norm_below(n, p, sigma2, r2),
            "betahat = beta + X^+ eps, whose parts are uncorrelated",
            where=BELOW,
        ),
        Step(
            "norm above",
            r2
            - (excess_above(n, p, sigma2, r2) - sigma2 * inverse_wishart_trace(n, p))
            + sigma2 * inverse_wishart_trace(n, p),
            norm_above(n, p, sigma2, r2),
            "betahat = P beta + X^+ eps, and the squares of P beta and (I - P) beta add up to r2",
            where=ABOVE,
        ),
    ]


def correlated() -> list[Step]:
    """The covariance drops out for p < n."""
    s1, s2, s3, w1, w2, w3 = sp.symbols("s1 s2 s3 w1 w2 w3", positive=True)
    root, wishart = sp.Matrix([[s1, s2], [s2, s3]]), sp.Matrix([[w1, w2], [w2, w3]])
    return [
        Step(
            "covariance",
            sp.trace(root * root * (root * wishart * root).inv()),
            sp.trace(wishart.inv()),
            "X = Z S with S^2 = Sigma and Z white: X^T X = S Z^T Z S, and the weighted risk given the design is "
            "sigma2 tr Sigma (X^T X)^-1 = sigma2 tr (Z^T Z)^-1 (written for p = 2)",
        ),
    ]


def hidden() -> list[Step]:
    """Features that the labels depend on and the fit does not see."""
    x1, x2, e, b1, b2 = sp.symbols("x1 x2 e b1 b2", real=True)
    signal, unseen = sp.symbols("A U", nonnegative=True)
    noise = unseen + sigma2
    return [
        Step(
            "hidden features are noise",
            _gaussian_mean((b1 * x1 + b2 * x2 + sp.sqrt(sigma2) * e) ** 2, x1, x2, e),
            b1**2 + b2**2 + sigma2,
            "the features not fitted are Gaussian and independent of those fitted, in training and in testing: "
            "they add the square of their coefficients to the noise (written for two of them)",
        ),
        Step(
            "test error below",
            excess_below(n, p, noise) + noise,
            hidden_below(n, p, noise),
            "excess risk with that noise, and the noise of the test label",
            where=BELOW,
        ),
        Step(
            "test error above",
            excess_above(n, p, noise, signal) + noise,
            hidden_above(n, p, signal, noise),
            "likewise, with the fitted part of the coefficients as signal",
            where=ABOVE,
        ),
    ]


def power_law(power_sum: type[sp.Function]) -> list[Step]:
    """Squared norm of the first p coefficients of a power law."""
    decay = sp.Symbol("decay", real=True)
    return [
        Step(
            "share of the first p features",
            power_sum(1, p, 2 * decay),
            sp.Sum((i**-decay) ** 2, (i, 1, p)),
            "definition; the share seen is this sum over that of all D",
            where={p: [1, 2, 5], decay: (-2, 2)},
            method="50 digits",
        ),
        Step(
            "share of the others",
            power_sum(1, p, 2 * decay) + power_sum(p + 1, n, 2 * decay),
            power_sum(1, n, 2 * decay),
            "the shares add up",
            where={p: [1, 2, 5], n: [6, 9], decay: (-2, 2)},
            method="50 digits",
        ),
    ]


def random_subset() -> list[Step]:
    """p of D features, drawn uniformly."""
    d = sp.Symbol("D", integer=True, positive=True)
    q = sp.Symbol("q", integer=True, positive=True)
    return [
        Step(
            "chance of being fitted",
            sp.binomial(d - 1, q - 1) / sp.binomial(d, q),
            q / d,
            "each feature is in a fraction p/D of the subsets; the test error is linear in the squared "
            "coefficients, and subset and design are independent, so that r2 p/D takes the place of the seen part",
            where={d: [8, 9, 12], q: [1, 3, 5]},
        ),
    ]


def limits() -> list[Step]:
    """Proportional limit, and the coefficient of 1/n."""
    gamma = sp.Symbol("gamma", positive=True)
    m = sp.Symbol("m", positive=True)
    finite_below, finite_above = excess_below(m, gamma * m, sigma2), excess_above(m, gamma * m, sigma2, r2)
    return [
        Step("limit below", sp.Limit(finite_below, m, sp.oo), limit_below(gamma, sigma2), "p = gamma n, gamma < 1"),
        Step("limit above", sp.Limit(finite_above, m, sp.oo), limit_above(gamma, sigma2, r2), "p = gamma n, gamma > 1"),
        Step(
            "1/n below",
            sp.Limit(sp.together(m * (finite_below - limit_below(gamma, sigma2))), m, sp.oo),
            sigma2 * gamma / (1 - gamma) ** 2,
            "first finite-size coefficient",
        ),
        Step(
            "1/n above",
            sp.Limit(sp.together(m * (finite_above - limit_above(gamma, sigma2, r2))), m, sp.oo),
            sigma2 / (gamma - 1) ** 2,
            "first finite-size coefficient: all from the variance, the bias has none",
        ),
    ]


def stationary_ratio(snr: sp.Symbol) -> sp.Expr:
    """The root above 1 of the derivative of the limiting risk with respect to gamma, by SymPy."""
    gamma = sp.Symbol("gamma", positive=True)
    slope = sp.diff(limit_above(gamma, 1, snr), gamma)
    roots = sp.solve(sp.numer(sp.together(slope)), gamma)
    (root,) = (candidate for candidate in roots if candidate.subs(snr, 4) > 1)
    return root


def null_comparison() -> list[Step]:
    """Where interpolation is best, and where it beats the estimate zero."""
    gamma = sp.Symbol("gamma", positive=True)
    snr = sp.Symbol("snr", positive=True)
    risk = limit_above(gamma, sigma2, sigma2 * snr)
    at = {gamma: best_ratio(snr)}
    where = {snr: (1.1, 9), gamma: (1.1, 9)}
    return [
        Step(
            "slope",
            sp.Derivative(risk, gamma),
            sigma2 * (snr / gamma**2 - 1 / (gamma - 1) ** 2),
            "r2 = snr sigma2, gamma > 1",
            where=where,
        ),
        Step(
            "stationary point",
            stationary_ratio(snr),
            best_ratio(snr),
            "the root above 1 of the slope: (gamma - 1) / gamma = 1 / sqrt(snr)",
            where=where,
        ),
        Step(
            "minimum",
            sp.diff(risk, gamma, 2).subs(at),
            2 * sigma2 * (sp.sqrt(snr) - 1) ** 4 / sp.sqrt(snr),
            "the curvature there is positive",
            where=where,
        ),
        Step("value", risk.subs(at), best_risk(snr, sigma2), "risk at the minimum", where=where),
        Step(
            "gain over zero",
            sigma2 * snr - best_risk(snr, sigma2),
            sigma2 * (sp.sqrt(snr) - 1) ** 2,
            "the estimate zero has risk r2: for snr > 1 the minimum is below it",
            where=where,
        ),
        Step(
            "no gain for snr <= 1",
            (risk - sigma2 * snr) * gamma * (gamma - 1),
            sigma2 * (gamma * (1 - snr) + snr),
            "for snr <= 1 this is positive at every gamma > 1: interpolation is worse than the estimate zero",
            where={snr: (0.1, 9), gamma: (1.1, 9)},
        ),
    ]
