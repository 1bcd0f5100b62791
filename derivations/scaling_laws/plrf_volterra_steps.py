r"""Steps from the model of power-law random features to its recursion, its stability and its deterministic equivalent.

Expectations over Gaussian inputs are taken monomial by monomial, $E z^{2k} = (2k - 1)!!$: Isserlis' theorem for one
variable, on polynomials that are written out from the model at small sizes.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

lam, gamma, kappa, t = sp.symbols("lambda gamma kappa t", positive=True)
B = sp.Symbol("B", positive=True)
lam1, lam2, lam3 = sp.symbols("lambda1:4", positive=True)
# 1 - q by its factors, and what a unit of risk adds.
q = 1 - 2 * gamma * B * lam + gamma**2 * B * (B + 1) * lam**2
a = gamma**2 * B * lam**2


def gaussian_mean(expr: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """Expectation of a polynomial over independent standard normals."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expr), *normals).terms():
        if all(p % 2 == 0 for p in powers):
            total += coefficient * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
    return sp.expand(total)


def _mean(matrix: sp.Matrix, *normals: sp.Symbol) -> sp.Matrix:
    return matrix.applyfunc(lambda x: gaussian_mean(x, *normals))


def _from_the_model() -> list[Step]:
    """One step of SGD at v = 2 and d = 1, B = 1."""
    z1, z2, w1, w2, b1, b2, theta = sp.symbols("z1 z2 w1 w2 b1 b2 theta", real=True)
    x = sp.Matrix([sp.sqrt(lam1) * z1, sp.sqrt(lam2) * z2])
    w, b, z = sp.Matrix([w1, w2]), sp.Matrix([b1, b2]), sp.Matrix([z1, z2])
    root = sp.diag(sp.sqrt(lam1), sp.sqrt(lam2))
    residual = root * (w * theta - b)
    after = theta - gamma * (w.T * x)[0] * ((w.T * x)[0] * theta - (b.T * x)[0])
    khat = root * w * w.T * root
    right = (sp.eye(2) - gamma * khat * z * z.T) * residual
    risk = gaussian_mean(((w.T * x)[0] * theta - (b.T * x)[0]) ** 2, z1, z2)
    return [
        Step(
            "risk",
            risk,
            residual.dot(residual),
            "P = E (<W^T x, theta> - <x, b>)^2 is the squared length of xi = D^(1/2) (W theta - b) (at v = 2, d = 1)",
        ),
        Step(
            "one step",
            (root * (w * after - b))[0],
            right[0],
            "xi -> (I - gamma Khat sum_i z_i z_i^T) xi with x = D^(1/2) z, Khat = D^(1/2) W W^T D^(1/2)",
        ),
    ]


def _isserlis() -> list[Step]:
    s = sp.Matrix(3, 3, lambda i, j: sp.Symbol(f"s{min(i, j)}{max(i, j)}", real=True))
    z = sp.Matrix(sp.symbols("z1:4", real=True))
    y = sp.Symbol("y", real=True)
    alone = _mean(z * z.T * s * z * z.T, *z)
    law = sp.exp(-(y**2) / 2) / sp.sqrt(2 * sp.pi)
    batch = B * alone + B * (B - 1) * s
    steps = [
        Step(
            "fourth moment",
            sp.Integral(y**4 * law, (y, -sp.oo, sp.oo)),
            sp.Integer(3),
            "E z^4 = 3!!",
        )
    ]
    for i, j in ((0, 0), (0, 1)):
        steps.append(
            Step(
                f"Isserlis, entry {i + 1}{j + 1}",
                alone[i, j],
                2 * s[i, j] + (s.trace() if i == j else 0),
                "E z z^T S z z^T = 2 S + tr(S) I, monomial by monomial in three dimensions",
            )
        )
        steps.append(
            Step(
                f"a batch, entry {i + 1}{j + 1}",
                batch[i, j],
                B * (B + 1) * s[i, j] + (B * s.trace() if i == j else 0),
                "of the B^2 pairs of samples B are equal; different ones are independent with E z z^T = I",
            )
        )
    # The whole step with both samples of a batch written out.
    u = sp.symbols("u1:5", real=True)
    first, second = sp.Matrix(u[:2]), sp.Matrix(u[2:])
    s2 = s[:2, :2]
    step = sp.eye(2) - gamma * sp.diag(lam1, lam2) * (first * first.T + second * second.T)
    moved = _mean(step * s2 * step.T, *u)
    two = {B: 2, lam: lam1}
    steps.append(
        Step(
            "one step of the second moments",
            moved[0, 0],
            q.subs(two) * s2[0, 0] + a.subs(two) * s2.trace(),
            "S = E xi xi^T in the eigenbasis of Khat, both samples of a batch of 2 written out: "
            "rho -> q(lambda) rho + a(lambda) P, whatever the other entries of S",
        )
    )
    return steps


def _volterra() -> list[Step]:
    keep, feed, rho = (sp.symbols(f"{name}1:3", positive=True) for name in ("q", "a", "rho"))
    risks, state = [], list(rho)
    for _ in range(4):
        risks.append(sum(state))
        state = [k * x + f * risks[-1] for k, x, f in zip(keep, state, feed)]

    def kernel(s: int) -> sp.Expr:
        return sum(f * k**s for k, f in zip(keep, feed))

    forced = sum(x * k**3 for k, x in zip(keep, rho)) + sum(kernel(2 - s) * risks[s] for s in range(3))
    floor, norm = sp.symbols("F_0 K", positive=True)
    share, n = a / (1 - q), sp.Symbol("n", integer=True, nonnegative=True)
    fixed = sp.solve([rho[0] - q * rho[0] - a * (rho[0] + floor)], rho[0])[rho[0]] + floor
    return [
        Step(
            "Volterra equation",
            risks[3],
            sp.expand(forced),
            "variation of constants: P_r = F(r) + sum_s K(r - 1 - s) P_s (two modes, three steps)",
        ),
        Step("decay", q, (1 - gamma * B * lam) ** 2 + a, "a sum of squares: q >= 0, so that only q < 1 is asked"),
        Step(
            "stability of a mode",
            1 - q,
            gamma * B * lam * (2 - gamma * (B + 1) * lam),
            "q < 1 exactly where gamma (B + 1) lambda < 2",
        ),
        Step(
            "geometric series",
            sp.Sum(t**n, (n, 0, sp.oo)),
            1 / (1 - t),
            "sum_r q^r",
            where={t: (0.1, 0.9)},
        ),
        Step(
            "norm of the kernel",
            a / (1 - q),
            gamma * lam / (2 - gamma * (B + 1) * lam),
            "sum_r a q^r, for each mode",
        ),
        Step(
            "vanishing learning rate",
            sp.Limit(a / (1 - q) / gamma, gamma, 0, "+"),
            lam / 2,
            "the norm is (gamma/2) tr Khat to first order",
        ),
        Step(
            "limit of the risk",
            fixed,
            floor / (1 - share),
            "the fixed point of rho -> q rho + a P with P = rho + F_0; with several modes their shares add up to |K|, "
            "and it is stable while they are below 1",
        ),
        Step(
            "several modes",
            sp.solve(sp.Eq(norm * t + floor, t), t)[0],
            floor / (1 - norm),
            "sum over r of the Volterra equation's kernel: P = F_0 + |K| P",
        ),
    ]


def exact() -> list[Step]:
    """From the model to the recursion at fixed features, its stability and its limit."""
    return [*_from_the_model(), *_isserlis(), *_volterra()]


def _resolvents() -> list[Step]:
    m, z, d, x = sp.symbols("m z d x", positive=True)
    v = sp.Symbol("v", positive=True)
    # The self-consistent equation, solved for the sum in it.
    total = d * (1 / m - 1)
    u = sp.Symbol("u", positive=True)
    # m = 1 - (1/d) (u tr D + ...), u = 1/z, for two directions; coefficients of the trace of the resolvent.
    traces = [sum(value**k for value in (lam1, lam2)) for k in range(4)]
    m1, m2 = sp.symbols("m1 m2")
    series = 1 + m1 * u + m2 * u**2
    equation = series * (1 + sum(value / (value * series - 1 / u) for value in (lam1, lam2)) / d) - 1
    orders = sp.series(equation, u, 0, 3).removeO()
    solution = sp.solve([orders.coeff(u, 1), orders.coeff(u, 2)], [m1, m2], dict=True)[0]
    resolvent = sp.series(sum(1 / (value * series - 1 / u) for value in (lam1, lam2)).subs(solution), u, 0, 4).removeO()
    g11, g12, g21, g22 = sp.symbols("g11 g12 g21 g22", real=True)
    # v = 2 inputs and d = 2 features, entries g/sqrt(2).
    w = sp.Matrix([[g11, g12], [g21, g22]]) / sp.sqrt(2)
    gram = w * w.T * sp.diag(lam1, lam2)
    second = gaussian_mean((gram * gram).trace(), g11, g12, g21, g22)
    zeta = 2 / (gamma * (B + 1))
    return [
        Step(
            "trace of the resolvent",
            -(v - d) / z - d * m / z,
            (m * total - v) / z,
            "sum_j 1/(lambda_j m - z) = (1/z) (m sum_j lambda_j/(lambda_j m - z) - v), and the sum is d (1/m - 1): so "
            "Khat has v - d zero eigenvalues, and sum_k 1/(lambda_k - z) = -d m/z over the others",
        ),
        Step(
            "first moment",
            sp.expand(resolvent.coeff(u, 2)),
            -traces[1],
            "E tr Khat = tr D (coefficient of 1/z^2, two directions)",
        ),
        Step(
            "second moment",
            sp.expand(-resolvent.coeff(u, 3)).subs(d, 2),
            sp.expand(second - traces[2] / 2),
            "E tr Khat^2 = tr D^2 + (tr D)^2/d + (tr D^2)/d by Isserlis, here at v = d = 2; the equivalent lacks the "
            "last term, the first that is of relative order 1/d",
        ),
        Step(
            "a mode of the kernel",
            gamma * lam / (2 - gamma * (B + 1) * lam),
            (zeta / (zeta - lam) - 1) / (B + 1),
            "partial fractions, zeta = 2/(gamma (B + 1)) above the spectrum",
        ),
        Step(
            "norm of the kernel",
            (zeta * (d * m / zeta) - d) / (B + 1),
            d * (m - 1) / (B + 1),
            "sum_k 1/(zeta - lambda_k) = d m(zeta)/zeta",
        ),
        Step(
            "critical learning rate",
            sp.solve(sp.Eq(x * zeta, 1 + (B + 1) / d), gamma)[0],
            2 * x / (B + 1) / (1 + (B + 1) / d),
            "norm 1 means d (m - 1) = B + 1, where d (m - 1) = sum_j lambda_j mu/(1 - lambda_j mu) with mu = m/zeta: "
            "at gamma' = 2 mu/(B + 1) the same sum makes the population's norm 1",
        ),
    ]


def _capacity() -> list[Step]:
    z, d, w = sp.symbols("z d w", positive=True)
    m = -z / kappa
    equation = m * (1 + sum(value / (value * m - z) for value in (lam1, lam2)) / d)
    c1, c2 = sp.symbols("c1 c2", positive=True)
    forcing = -z * sum(c / (value * m - z) for c, value in ((c1, lam1), (c2, lam2)))
    white = sp.solve(sp.Eq(t * (1 + sp.Rational(3, 2) / (t + 1)), 1), t)
    return [
        Step(
            "kappa",
            sp.Limit(equation, z, 0, "+"),
            sum(value / (value + kappa) for value in (lam1, lam2)) / d,
            "near z = 0 m = -z/kappa: the self-consistent equation becomes sum_j lambda_j/(lambda_j + kappa) = d",
        ),
        Step(
            "least risk",
            sp.Limit(forcing, z, 0, "+"),
            sum(c * kappa / (value + kappa) for c, value in ((c1, lam1), (c2, lam2))),
            "F_0 is the mass at 0 of the forcing's measure, the limit of -z R_F",
        ),
        Step(
            "white spectrum",
            max(white, key=sp.N),
            1 - sp.Integral(3 * sp.sin(w) ** 2 / (sp.pi * (sp.Rational(7, 2) + sp.sqrt(6) * sp.cos(w))), (w, 0, sp.pi)),
            "for lambda_j = 1 and v = 3d/2 it is the law of Marchenko and Pastur: m(-1) = 1 - (1/d) sum_k "
            "lambda_k/(lambda_k + 1) over the d nonzero eigenvalues, 5/2 + sqrt(6) cos w on [0, pi]",
            method="50 digits",
        ),
    ]


def equivalent() -> list[Step]:
    """From the self-consistent equation to masses, moments, stability and the least risk."""
    return [*_resolvents(), *_capacity()]


def continuum() -> list[Step]:
    """Sums over many features as integrals, for infinitely many inputs."""
    alpha, d, x, mu = sp.symbols("alpha d x mu", positive=True)
    c1 = sp.pi / (2 * alpha) / sp.sin(sp.pi / (2 * alpha))
    fraction = (2 * alpha - 1) / (2 * alpha)
    edge = (c1 / d * fraction) ** (2 * alpha)
    curve = -mu + c1 / d * mu ** (1 - 1 / (2 * alpha))
    steps = [
        Step(
            f"integral, alpha = {value}",
            sp.Integral(1 / (1 + x ** (2 * value)), (x, 0, sp.oo)),
            c1.subs(alpha, value),
            "sum_j 1/(1 + kappa j^(2 alpha)) -> kappa^(-1/(2 alpha)) c1, which is d at kappa = (c1/d)^(2 alpha)",
        )
        for value in (sp.Integer(1), sp.Integer(2))
    ]
    scope = {alpha: (0.6, 1.5), d: (1.0, 5.0)}
    return [
        *steps,
        Step(
            "kappa",
            ((c1 / d) ** (2 * alpha)) ** (-1 / (2 * alpha)) * c1,
            d,
            "the root",
            where=scope,
            method="50 digits",
        ),
        Step(
            "lower edge, its place",
            curve.diff(mu).subs(mu, edge),
            sp.S.Zero,
            "z = -k + (k/d) sum_j lambda_j/(lambda_j + k) at mu = -1/k has its maximum at k = (c1 (1 - 1/(2 alpha))/d)^"
            "(2 alpha)",
            where=scope,
            method="50 digits",
        ),
        Step(
            "lower edge",
            curve.subs(mu, edge),
            edge / (2 * alpha - 1),
            "and there it is lambda_min",
            where=scope,
            method="50 digits",
        ),
    ]
