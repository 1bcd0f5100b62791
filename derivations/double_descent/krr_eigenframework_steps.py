"""Steps from one resolvent to the eigenframework of kernel ridge regression; see `krr_eigenframework`."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

# Two eigenvalues with multiplicities m1, m2 and squared coefficients w1, w2 stand for all.
lam1, lam2, m1, m2, w1, w2 = sp.symbols("lam1 lam2 m1 m2 w1 w2", positive=True)
delta, kappa, n, sigma2 = sp.symbols("delta kappa n sigma2", positive=True)
learned = [lam1 / (lam1 + kappa), lam2 / (lam2 + kappa)]
total = m1 * learned[0] + m2 * learned[1]
square = m1 * learned[0] ** 2 + m2 * learned[1] ** 2
spread = m1 * learned[0] * (1 - learned[0]) + m2 * learned[1] * (1 - learned[1])
misfit = (1 - learned[0]) ** 2 * w1 + (1 - learned[1]) ** 2 * w2
energy = w1 / (lam1 + kappa) + w2 / (lam2 + kappa) + sigma2 / kappa
e_0 = n / (n - square)
test = e_0 * (misfit + sigma2)
train = (delta / (n * kappa)) ** 2 * test


def resolvent() -> list[Step]:
    """The implicit ridge from one resolvent."""
    a, b, d, lam, t = sp.symbols("a b d lam t", positive=True)
    x = sp.Matrix(sp.symbols("x1 x2", real=True))
    y = sp.Matrix(sp.symbols("y1 y2", real=True))
    rest = sp.Matrix([[a, b], [b, d]])
    alone, whole = (x.T * rest.inv() * x)[0], (x.T * (rest + lam * x * x.T).inv() * x)[0]
    kernel = lam1 * x * x.T + lam2 * y * y.T + delta * sp.eye(2)
    inverse = kernel.inv()
    return [
        Step(
            "one mode",
            sp.cancel(whole),
            sp.cancel(alone / (1 + lam * alone)),
            "Sherman and Morrison: x_i the values of eigenfunction i at the samples, K = sum_i lambda_i x_i x_i^T; on "
            "the right the mode is left out of the resolvent (shown for two samples)",
        ),
        Step(
            "it is independent of the others",
            (t / (1 + lam * t)).subs(t, 1 / kappa),
            1 / (lam + kappa),
            "so that its quadratic form is close to the trace, t = tr (K + delta)^-1 =: 1/kappa",
        ),
        Step(
            "all modes",
            sp.cancel(lam1 * (x.T * inverse * x)[0] + lam2 * (y.T * inverse * y)[0] + delta * inverse.trace()),
            sp.Integer(2),
            "tr (K + delta)(K + delta)^-1 = n (shown for two samples and two modes): n = sum lambda/(lambda + kappa) + "
            "delta/kappa. It holds at every size, mode by mode: the conservation of learnability",
        ),
        Step(
            "learnability",
            lam * (1 / (lam + kappa)),
            1 - kappa / (lam + kappa),
            "the mean predictor has the coefficients lambda_i x_i^T (K + delta)^-1 x_i v_i -> L_i v_i",
        ),
    ]


def risk() -> list[Step]:
    """Training and test error from derivatives of the resolvent."""
    equation = total + delta / kappa - n
    slope = -equation.diff(delta) / equation.diff(kappa)
    a, b, d, y1, y2 = sp.symbols("a b d y1 y2", positive=True)
    inverse = sp.Matrix([[a, b], [b, d]]).inv()
    return [
        *resolvent(),
        Step(
            "slope of the implicit ridge",
            slope.subs(n, total + delta / kappa),
            (1 / (n - square)).subs(n, total + delta / kappa),
            "differentiate n = sum L + delta/kappa: e_0 = n dkappa/ddelta",
        ),
        Step(
            "training error",
            (-(delta**2) / n * energy.diff(kappa) / (n - square)),
            train,
            "residuals are delta (K + delta)^-1 y, so that E_tr = -(delta^2/n) d/ddelta E y^T (K + delta)^-1 y, and "
            "E y^T (K + delta)^-1 y = sum v^2/(lambda + kappa) + sigma2/kappa by the first two steps",
        ),
        Step(
            "leave one out",
            y1 - b / d * y2,
            (inverse * sp.Matrix([y1, y2]))[0] / inverse[0, 0],
            "the residual of a sample which is left out is that of the fit over (delta (K + delta)^-1)_jj (shown for "
            "two samples, a, b, d of K + delta)",
        ),
        Step(
            "test error",
            train / ((delta / n) * (1 / kappa)) ** 2,
            test,
            "that diagonal is close to its mean, (delta/n) tr (K + delta)^-1 = delta/(n kappa): generalized "
            "cross-validation",
        ),
        Step(
            "positive terms",
            (n - square),
            ((n - total) + spread),
            "n - sum L^2 = delta/kappa + sum L (1 - L): nothing cancels",
        ),
    ]


def bias() -> list[Step]:
    """The mean predictor's error."""
    v, el = sp.symbols("v L", positive=True)
    return [
        *resolvent(),
        Step(
            "misfit of the mean",
            (v - el * v) ** 2,
            (1 - el) ** 2 * v**2,
            "the mean predictor is L_i v_i: its error is the bias, and what e_0 adds to it is variance",
        ),
    ]


def tempered() -> list[Step]:
    """Overfitting without a ridge: power laws, exponentials, spheres, and the borderline."""
    x, alpha, c, d, i, k, b = sp.symbols("x alpha c d i k b", positive=True)
    share = 1 / (1 + x**alpha)
    first = sp.Symbol("I1", positive=True)
    mode = 1 / (1 + kappa * sp.exp(c * i))
    whole, part = first - sp.Rational(1, 2), (1 - 1 / alpha) * first - sp.Rational(1, 2)
    return [
        Step(
            "by parts",
            sp.Derivative(x * share, x),
            (1 - alpha) * share + alpha * share**2,
            "L = 1/(1 + x^alpha) with x = i kappa^(1/alpha); from 0 to infinity the left side gives 0: "
            "int L^2 = (1 - 1/alpha) int L",
        ),
        Step(
            "sums from 1",
            x * sp.im(sp.digamma(1 + sp.I * x)),
            sp.pi * x / 2 * sp.coth(sp.pi * x) - sp.Rational(1, 2),
            "sum x^2/(x^2 + i^2), alpha = 2 and x = kappa^(-1/2), by the digamma function's series: the integral from "
            "0 less half the value 1 there (Euler and Maclaurin; sum L^2 too), as coth(pi x) is 1 up to e^(-2 pi x)",
            where={x: (1.5, 4.0)},
            method="50 digits",
        ),
        Step(
            "power law",
            (whole / (whole - part)).subs(first, n + sp.Rational(1, 2)),
            alpha * n / (n + sp.Rational(1, 2)),
            "n = sum L without a ridge, e_0 = n/(n - sum L^2)",
        ),
        Step(
            "limit", sp.Limit(alpha * n / (n + sp.Rational(1, 2)), n, sp.oo), alpha, "tempered: neither 1 nor infinite"
        ),
        Step(
            "exponential",
            sp.Derivative(-mode / c, i),
            mode * (1 - mode),
            "lambda = e^(-c i): sum L (1 - L) -> 1/c, so that e_0 -> c n, catastrophic",
        ),
        Step(
            "on the grid",
            sp.Sum(1 / (4 * sp.cosh((i - sp.Rational(1, 2)) * c / 2) ** 2), (i, -80, 80)).subs(c, 2),
            sp.Rational(1, 2) * (1 + 2 * sp.Sum((-1) ** k * sp.pi**2 * k / sp.sinh(sp.pi**2 * k), (k, 1, 15))),
            "Poisson summation, kappa halfway between two modes as n is whole (c = 2): its first term is what the "
            "prediction keeps",
            method="50 digits",
        ),
        Step(
            "sphere",
            (k ** (d - 1)) ** (-d / (d - 1)),
            k**-d,
            "in R^d, degree k has multiplicity of order k^(d-2), its index i is of order k^(d-1), and a kernel with a "
            "cusp has lambda ~ k^-d = i^-alpha with alpha = d/(d - 1)",
        ),
        Step(
            "borderline",
            sp.Derivative(-(sp.log(x) ** (1 - b)) / (b - 1), x),
            1 / (x * sp.log(x) ** b),
            "lambda = 1/(i log^b i): with L = 1 up to x and lambda/kappa beyond, 1/kappa = x log^b x: n = x + "
            "x log x/(b - 1) = x (1 + log x/(b - 1)) to leading order, and sum L^2 = x",
        ),
    ]
