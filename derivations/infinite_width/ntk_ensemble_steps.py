"""Steps from gradient descent of a wide network to the mean and covariance of its outputs along training."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

eta, lam, k, kx, kxx, theta, tx = sp.symbols("eta lambda K K_x K_xx Theta Theta_x", positive=True)
y, f0, r0 = sp.symbols("y f_0 r_0", real=True)


def tangent() -> list[Step]:
    """The output moves along inner products of gradients: two neurons, one sample, any activation."""
    phi = sp.Function("phi")
    u, v = sp.symbols("u1:3", real=True), sp.symbols("v1:3", real=True)
    x, z, r, s = sp.symbols("x z r s", real=True)
    weights = [*u, *v]

    def output(at: sp.Expr) -> sp.Expr:
        return sum(b * phi(a * at) for a, b in zip(u, v)) / sp.sqrt(2)

    def slope(at: sp.Expr) -> sp.Expr:
        return sp.Subs(phi(s).diff(s), s, at)

    moved = sum(output(z).diff(w) * (-eta * r * output(x).diff(w)) for w in weights)
    features = sum(phi(a * x) * phi(a * z) for a in u) / 2
    slopes = sum(b**2 * slope(a * x) * slope(a * z) for a, b in zip(u, v)) * x * z / 2
    return [
        Step(
            "the output moves by the tangent kernel",
            moved.doit(),
            (-eta * r * (features + slopes)).doit(),
            "df(z)/dt = -eta Theta(z, x) r, Theta the sum over parameters of df(z) df(x): means over neurons, which "
            "in a wide network are expectations that training does not move",
            method="symbolic",
        )
    ]


def dynamics() -> list[Step]:
    """Residuals and outputs, mode by mode, for steps and for the flow."""
    n = sp.Symbol("n", integer=True, positive=True)
    t, s = sp.symbols("t s", positive=True)
    j = sp.Symbol("j", integer=True, nonnegative=True)
    g, h = sp.Function("r"), sp.Function("r")
    steps = sp.rsolve(g(n) - (1 - eta * lam) * g(n - 1), g(n), {g(0): r0})
    flow = sp.dsolve(sp.Eq(h(t).diff(t), -eta * lam * h(t)), h(t), ics={h(0): r0}).rhs
    a, b, c = sp.symbols("a b c", positive=True)
    matrix, one = sp.Matrix([[a, b], [b, c]]), sp.eye(2)
    reach, target = sp.Matrix([sp.symbols("p q", positive=True)]), sp.Matrix(sp.symbols("y1:3", real=True))
    train, test = sp.zeros(2, 1), sp.zeros(1, 1)
    for _ in range(3):
        residual = train - target
        train, test = train - eta * matrix * residual, test - eta * reach * residual
    closed = reach * matrix.inv() * (one - (one - eta * matrix) ** 3) * target
    short = {eta: (0.05, 0.3), lam: (0.2, 1.5), n: [1, 2, 5]}
    return [
        Step(
            "a mode of the residual, steps",
            steps,
            r0 * (1 - eta * lam) ** n,
            "f(X) - Y -> (1 - eta Theta)(f(X) - Y), along an eigenvector of eigenvalue lambda; it decays iff "
            "eta lambda < 2",
            where=short,
        ),
        Step("a mode of the residual, flow", flow, r0 * sp.exp(-eta * lam * t), "d(f - Y)/dt = -eta Theta (f - Y)"),
        Step(
            "elsewhere, steps",
            sp.Sum(eta * tx * (1 - eta * lam) ** j, (j, 0, n - 1)),
            tx / lam * (1 - (1 - eta * lam) ** n),
            "every step adds eta Theta(x, X) times the residual",
            where={**short, eta: [sp.Rational(1, 10), sp.Rational(1, 5)], lam: [sp.Rational(1, 2), sp.Rational(3, 2)]},
        ),
        Step(
            "elsewhere, flow",
            sp.Integral(eta * tx * sp.exp(-eta * lam * s), (s, 0, t)),
            tx / lam * (1 - sp.exp(-eta * lam * t)),
            "the same as an integral",
        ),
        Step(
            "three steps, two samples",
            test[0],
            closed[0],
            "A_t Y with A_t = Theta(x, X) Theta^-1 (1 - (1 - eta Theta)^t), from f_0 = 0, written out",
            where={a: (1.0, 2.0), b: (0.1, 0.5), c: (1.0, 2.0)},
            method="50 digits",
        ),
        Step(
            "from descent to flow",
            sp.Limit((1 - lam * t / n) ** n, n, sp.oo),
            sp.exp(-lam * t),
            "many small steps",
        ),
    ]


def second_moments() -> list[Step]:
    """The start enters linearly, and is Gaussian: one training input, two points."""
    u, v, w = sp.symbols("f_X f_x f_z", real=True)
    A, B, kz, kxz = sp.symbols("A B K_z K_xz", positive=True)
    covariance = {u**2: k, u * v: kx, u * w: kz, v * w: kxz}
    product = sp.expand((v - A * u) * (w - B * u))
    expected = sum(product.coeff(u, i).coeff(v, j).coeff(w, l) * covariance[u**i * v**j * w**l]
                   for i, j, l in ((2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)))  # fmt: skip
    posterior = kxx + A**2 * k - 2 * A * kx
    return [
        Step(
            "outputs of one network",
            (v + A * (y - u)).subs(A, tx / theta * (1 - (1 - eta * theta))),
            v + eta * tx * (y - u),
            "f_t(x) = f_0(x) + A_t(x) (Y - f_0(X)), here after one step",
        ),
        Step(
            "covariance",
            expected,
            kxz + A * B * k - A * kz - B * kx,
            "E f_t = A_t Y, and the rest by E f_0 f_0 = K: K(x, x') + A K A'^T - A K(X, x') - K(x, X) A'^T",
        ),
        Step(
            "readout alone: the posterior",
            posterior.subs(A, kx / k),
            kxx - kx**2 / k,
            "Theta = K, A_infinity = K(x, X) K^-1: the covariance of a Gaussian process given its values at X",
        ),
        Step(
            "all layers: more than the posterior",
            posterior.subs(A, tx / theta) - (kxx - kx**2 / k),
            k * (tx / theta - kx / k) ** 2,
            "with another kernel in A the limit is no posterior: its variance is larger",
        ),
    ]
