"""Steps of `granziol_network_mlp`: Hessians, finite populations, perturbation theory, pairings, the idealisation."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

SOURCE = "finite-population moments and Rayleigh-Schroedinger perturbation theory; Granziol, Zohren and Roberts (2022)"

B, N = sp.symbols("B N", positive=True)


def hessian_steps() -> list[Step]:
    """Second derivatives of the loss of one sample."""
    w1, w2, a, x1, x2, y = sp.symbols("w1 w2 a x1 x2 y", real=True)
    q = sp.Symbol("q", real=True)
    f = a * sp.tanh(w1 * x1 + w2 * x2)
    loss, phi = (f - y) ** 2 / 2, sp.tanh(w1 * x1 + w2 * x2)
    first, second = 1 - phi**2, -2 * phi * (1 - phi**2)
    return [
        Step("phi'", sp.tanh(q).diff(q), 1 - sp.tanh(q) ** 2, "tanh"),
        Step("phi''", sp.tanh(q).diff(q, 2), -2 * sp.tanh(q) * (1 - sp.tanh(q) ** 2), "tanh"),
        Step(
            "inner weights",
            loss.diff(w1, w2),
            (a * first) ** 2 * x1 * x2 + (f - y) * a * second * x1 * x2,
            "J J^T + r a phi'' x x^T",
        ),
        Step(
            "inner and outer weight",
            loss.diff(w1, a),
            a * first * x1 * phi + (f - y) * first * x1,
            "J J^T + r phi' x",
        ),
        Step("outer weight", loss.diff(a, 2), phi**2, "f is linear in a"),
    ]


def population_steps() -> list[Step]:
    """Moments of a mean drawn without replacement."""
    s2, s3 = sp.symbols("s2 s3", real=True)
    p1 = B / N
    p2 = p1 * (B - 1) / (N - 1)
    p3 = p2 * (B - 2) / (N - 2)
    return [
        Step(
            "second moment",
            (p1 * s2 + p2 * (-s2)) / B**2,
            (1 / B - 1 / N) * s2 / (N - 1),
            "E of (sum over the batch of D)^2: pairs are drawn with p2, and sum D_n D_m over n != m is -sum D_n^2",
        ),
        Step(
            "third moment",
            (p1 * s3 + 3 * p2 * (-s3) + p3 * 2 * s3) / B**3,
            (N - B) * (N - 2 * B) / (B**2 * (N - 1) * (N - 2)) * s3 / N,
            "sum D_n^2 D_m over n != m is -s3, over distinct triples 2 s3: f_3 times the population's third moment",
        ),
        Step(
            "all but one sample",
            ((N - B) * (N - 2 * B) / (B**2 * (N - 1) * (N - 2)) / (1 / B - 1 / N)).subs(B, N - 1),
            -N / (N - 1) ** 2,
            "f_3 b tends to -1/N as B -> N: the relative error of S_1/b tends to -C_3/(S_1 N)",
        ),
    ]


def perturbation_steps() -> list[Step]:
    """Four orders of an eigenvalue, shown for three levels."""
    eps, mu = sp.symbols("epsilon mu")
    g2, g3 = sp.symbols("g2 g3", positive=True)
    names = ("e11", "e12", "e13", "e22", "e23", "e33")
    e11, e12, e13, e22, e23, e33 = sp.symbols(" ".join(names), real=True)
    noise = {(1, 1): e11, (1, 2): e12, (1, 3): e13, (2, 2): e22, (2, 3): e23, (3, 3): e33}
    gap = {2: g2, 3: g3}

    def e(j: int, k: int) -> sp.Symbol:
        return noise[min(j, k), max(j, k)]

    levels = (2, 3)
    second = sum(e(1, j) ** 2 / gap[j] for j in levels)
    square = sum(e(1, j) ** 2 / gap[j] ** 2 for j in levels)
    third = sum(e(1, j) * e(j, k) * e(k, 1) / (gap[j] * gap[k]) for j in levels for k in levels) - e11 * square
    fourth = (
        sum(
            e(1, j) * e(j, k) * e(k, m) * e(m, 1) / (gap[j] * gap[k] * gap[m])
            for j in levels
            for k in levels
            for m in levels
        )
        - square * second
        - 2 * e11 * sum(e(1, j) * e(j, k) * e(k, 1) / (gap[j] ** 2 * gap[k]) for j in levels for k in levels)
        + e11**2 * sum(e(1, j) ** 2 / gap[j] ** 3 for j in levels)
    )
    matrix = sp.Matrix(3, 3, lambda i, j: eps * e(i + 1, j + 1) - (gap[i + 1] if i == j and i else 0))
    characteristic = sp.Poly((matrix - mu * sp.eye(3)).det(), mu)
    shift = [sp.S.Zero, e11, second, third, fourth]

    def coefficient(order: int) -> sp.Expr:
        # Coefficient of epsilon^order of the characteristic polynomial at sum_k shift_k epsilon^k.
        total = sp.S.Zero
        for (power,), factor in characteristic.terms():
            for way in _ways(order, power):
                left = order - sum(way)
                total += sp.expand(factor).coeff(eps, left) * sp.Mul(*(shift[k] for k in way))
        return total

    return [
        Step(
            f"order {k} of the eigenvalue",
            coefficient(k),
            sp.S.Zero,
            "relative to lambda_1 the matrix is diag(0, -g_2, -g_3) + epsilon E: its characteristic polynomial "
            "vanishes at the series to this order",
            method="50 digits",
        )
        for k in (1, 2, 3, 4)
    ]


def _ways(order: int, power: int) -> list[tuple[int, ...]]:
    """Orders, each at least 1, of `power` factors that add up to at most `order`."""
    ways: list[tuple[int, ...]] = [()]
    for _ in range(power):
        ways = [(*way, k) for way in ways for k in range(1, order - sum(way) + 1)]
    return [way for way in ways if order - sum(way) >= 0]


def pairing_steps() -> list[Step]:
    """The fourth order is averaged over pairings."""
    s = sp.symbols("s1:5", real=True)
    c = {(i, j): sp.Symbol(f"c{i + 1}{j + 1}", real=True) for i in range(4) for j in range(i, 4)}
    quadratic = sum(c[min(i, j), max(i, j)] * s[i] * s[j] for i in range(4) for j in range(4)) / 2
    moment = quadratic**2 / 2
    return [
        Step(
            "pairings",
            sp.expand(moment).coeff(s[0]).coeff(s[1]).coeff(s[2]).coeff(s[3]),
            c[0, 1] * c[2, 3] + c[0, 2] * c[1, 3] + c[0, 3] * c[1, 2],
            "the fourth mixed moment of Gaussian noise, from its generating function exp(s^T c s/2), applied to E with "
            "covariance (1/b)(1/(N-1)) sum_n D_ab D_cd; the batch's own fourth cumulant is smaller by 1/B",
        )
    ]


def overlap_steps() -> list[Step]:
    """First order of the eigenvector, shown for two levels."""
    e, g, eps = sp.symbols("e g epsilon", positive=True)
    exact = (1 + g / sp.sqrt(g**2 + 4 * eps**2 * e**2)) / 2
    return [
        Step(
            "overlap",
            sp.Limit((1 - exact) / eps**2, eps, 0),
            e**2 / g**2,
            "the squared overlap of the rotated eigenvector is cos^2 of half the angle of (g, 2 epsilon e)",
        )
    ]


def idealised_steps() -> list[Step]:
    """What GOE noise would give."""
    p, variance = sp.symbols("P sigma2", positive=True)
    return [
        Step(
            "norm of a GOE matrix",
            p * (p - 1) * variance + p * 2 * variance,
            p * (p + 1) * variance,
            "P(P - 1) entries off the diagonal, P on it of twice the variance: sigma_eps^2 = S2/(P (P + 1)) at b = 1",
        ),
        Step(
            "its shift",
            p * variance / sp.Symbol("lambda_1", positive=True),
            sp.Sum(variance / sp.Symbol("lambda_1", positive=True), (sp.Symbol("j", integer=True), 1, p)),
            "all lambda_j = 0 and all entries of the column equal: P sigma^2/lambda_1",
        ),
    ]
