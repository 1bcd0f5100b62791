r"""Steps from gradient descent of a network with one hidden layer to its limit, and to closed solutions.

A network of two neurons is written out; the linear one is followed through its second moments, whose flow SymPy solves.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

eta, sigma_u, sigma_v, a0, t = sp.symbols("eta sigma_u sigma_v a_0 t", positive=True)
y, alpha = sp.Symbol("y", real=True), sp.Symbol("alpha", positive=True)
r, f, q, w, p = sp.symbols("r f q w p", real=True)
R = sp.sqrt(a0**2 + 4 * y**2)
T = sp.tanh(R * t / 2)
# f of the flow for |x| = 1: written so that no two terms cancel.
flow = (
    2 * a0 * y * T * (R + a0 * T)
    / ((R + a0 * T + 2 * sp.Abs(y) * T) * (a0**2 / (R + 2 * sp.Abs(y)) + 4 * sp.Abs(y) / (sp.exp(R * t) + 1) + a0 * T))
)  # fmt: skip
final_change = 2 * y**2 / (R + a0)


def descent() -> list[Step]:
    """The map of a neuron: the gradient times the width is free of the width."""
    phi = sp.Function("phi")
    u, nu, x = sp.symbols("u1:3", real=True), sp.symbols("nu1:3", real=True), sp.symbols("x1:3", real=True)
    targets = sp.symbols("y1:3", real=True)
    n = len(u)

    def output(z: sp.Expr) -> sp.Expr:
        return alpha * sum(b * phi(a * z) for a, b in zip(u, nu)) / n

    loss = sum((output(z) - c) ** 2 for z, c in zip(x, targets)) / 2
    errors = [output(z) - c for z, c in zip(x, targets)]
    s = sp.Symbol("s", real=True)

    def slope(at: sp.Expr) -> sp.Expr:
        return sp.Subs(phi(s).diff(s), s, at)

    rate = n * eta / alpha**2
    return [
        Step(
            "readout",
            (-rate * loss.diff(nu[0])).doit(),
            -eta / alpha * sum(e * phi(u[0] * z) for e, z in zip(errors, x)),
            "gradient of the loss, times the width over alpha^2 (two neurons, two samples)",
            method="symbolic",
        ),
        Step(
            "hidden layer",
            (-rate * loss.diff(u[0])).doit(),
            (-eta / alpha * sum(e * nu[0] * slope(u[0] * z) * z for e, z in zip(errors, x))).doit(),
            "a neuron's weights move by an amount free of the width, given the residuals: as the width grows the mean "
            "over neurons becomes an expectation over their start",
            method="symbolic",
        ),
    ]


def linear() -> list[Step]:
    """Second moments of a linear network: closed, at every width."""
    g = sp.Matrix(sp.symbols("g1:3", real=True))
    many, readouts = sp.symbols("U1:3", real=True), sp.symbols("nu1:3", real=True)
    u, nu = sp.Matrix(sp.symbols("u1:3", real=True)), sp.Symbol("nu", real=True)
    x = sp.Matrix(sp.symbols("x1:3", real=True))
    kick = sp.zeros(3, 3)
    kick[:2, 2], kick[2, :2] = g, g.T
    turn = sp.eye(3) - eta * kick
    joint = sp.Matrix([*u, nu])
    pushed = (sp.eye(3) - eta * kick.subs(dict(zip(g, r * x)))) * joint
    one = sp.Matrix([[1, -eta * r], [-eta * r, 1]])
    two = sp.Matrix([[q, p], [p, w]])
    after = one * two * one

    def combined(m: sp.Matrix, sign: int) -> sp.Expr:
        return (m[0, 0] + m[1, 1]) / 2 + sign * m[0, 1]

    steps = [
        Step(
            "a neuron's map is linear",
            pushed[0],
            u[0] - eta * r * nu * x[0],
            "(U, nu) -> (I - eta P) (U, nu), P = [[0, g], [g^T, 0]], g = sum of r x: first component of U",
        ),
        Step("its readout", pushed[2], nu - eta * r * x.dot(u), "last component"),
        Step(
            "second moments",
            (turn * (joint * joint.T) * turn)[0, 2],
            ((turn * joint) * (turn * joint).T)[0, 2],
            "the average of (U, nu)(U, nu)^T over neurons obeys S -> (I - eta P) S (I - eta P), at every width",
        ),
        Step(
            "the output is one of them",
            sum(b * a * x[0] for a, b in zip(many, readouts)) / 2,
            x[0] * sum(a * b for a, b in zip(many, readouts)) / 2,
            "f = x^T S_{U nu}, so that g is a function of S: the system is closed",
        ),
    ]
    for sign, name in ((1, "+"), (-1, "-")):
        steps.append(
            Step(
                f"one sample, s_{name}",
                combined(after, sign),
                (1 - sign * eta * r) ** 2 * combined(two, sign),
                "|x| = 1: P has the eigenvectors (1, +-1), q, w, p are S_UU along x, S_nunu, S_Unu = f",
            )
        )
    steps += [
        Step("output", (combined(two, 1) - combined(two, -1)) / 2, p, "f = (s_+ - s_-)/2"),
        Step("balance", after[1, 1] - after[0, 0], (1 - eta**2 * r**2) * (w - q), "conserved by the flow alone"),
    ]
    return steps


def flow_steps() -> list[Step]:
    """Gradient flow of one sample: invariants, equation, solution."""
    plus, minus, theta = sp.symbols("s_p s_m theta", positive=True)
    v, up, um = sp.Symbol("v", positive=True), (2 * y + R) / a0, (2 * y - R) / a0
    time = sp.Symbol("tau", nonnegative=True)
    ratio = sp.Function("E")
    h = sp.Function("f")(time)
    a = sp.Function("a")(time)
    changes = {h.diff(time): (y - h) * a, a.diff(time): 4 * (y - h) * h}
    start = (1 - um) / (up - 1)
    solved = sp.dsolve(sp.Eq(ratio(time).diff(time), R * ratio(time)), ratio(time), ics={ratio(0): start}).rhs
    u_of = (um + up * solved) / (1 + solved)
    velocity = 2 * y * v - a0 / 2 * (v**2 - 1)
    quotient = (v - um) / (up - v)
    target = sp.Symbol("y", positive=True)
    upward = flow.subs(y, target)
    inside = {y: (0.2, 2.0), target: (0.2, 2.0), a0: (0.3, 3.0), t: (0.05, 2.0), time: (0.05, 2.0), v: (0.2, 5.0)}
    return [
        Step(
            "small steps",
            sp.Limit(((1 - eta * r) ** 2 * plus - plus) / eta, eta, 0, "+-"),
            -2 * r * plus,
            "d s_+-/dt = -+ 2 r s_+- with t = eta times the number of steps",
        ),
        Step(
            "output and total",
            (-2 * r * plus - 2 * r * minus) / 2,
            -r * (plus + minus),
            "df/dt = (y - f) a with a = s_+ + s_- = w + q, and da/dt = -2 r (s_+ - s_-) = 4 (y - f) f",
        ),
        Step(
            "invariant",
            (a**2 - 4 * h**2).diff(time).subs(changes).expand(),
            sp.S.Zero,
            "a^2 - 4 f^2 stays a0^2: from f = 0, df/dt = (y - f) sqrt(a0^2 + 4 f^2); so does w - q",
            method="symbolic",
        ),
        Step(
            "substitution",
            (a0 * (v - 1 / v) / 4).diff(v) * velocity,
            (y - a0 * (v - 1 / v) / 4) * a0 * (v + 1 / v) / 2,
            "2 f = a0 sinh(log u): du/dt = 2 y u - (a0/2)(u^2 - 1), and sqrt(a0^2 + 4 f^2) = a0 (u + 1/u)/2",
            method="symbolic",
        ),
        Step(
            "roots",
            velocity,
            sp.expand(-a0 / 2 * (v - up) * (v - um)),
            "u_+- = (2 y +- R)/a0, R = sqrt(a0^2 + 4 y^2)",
            method="symbolic",
        ),
        Step(
            "quotient",
            quotient.diff(v) * velocity,
            R * quotient,
            "E = (u - u_-)/(u_+ - u) obeys dE/dt = R E, which `dsolve` solves",
            where=inside,
        ),
        Step("start", quotient.subs(v, 1), start, "f = 0 is u = 1"),
        Step(
            "exponential",
            solved,
            sp.exp(R * time) * start,
            "E(t) = e^{R t} (1 - u_-)/(u_+ - 1)",
            where=inside,
        ),
        Step(
            "solution",
            (a0 / 4 * (u_of - 1 / u_of)).subs(time, t),
            flow,
            "f = (a0/4)(u - 1/u), u = (u_- + u_+ E)/(1 + E), rewritten in tanh(R t/2) so that nothing cancels; y may "
            "be 0 or negative",
            where=inside,
        ),
        Step(
            "its equation",
            sp.Derivative(upward, t),
            (target - upward) * sp.sqrt(a0**2 + 4 * upward**2),
            "the solution solves the equation",
            where=inside,
        ),
        Step(
            "the feature kernel",
            (sp.sqrt(a0**2 + 4 * theta**2) - a0) / 2,
            2 * theta**2 / (sp.sqrt(a0**2 + 4 * theta**2) + a0),
            "w - q is conserved, so that q grows by half of what a does: by (sqrt(a0^2 + 4 f^2) - a0)/2",
        ),
        Step("at convergence", 2 * theta**2 / (sp.sqrt(a0**2 + 4 * theta**2) + a0),
             final_change.subs(y, theta), "f = y"),
        Step(
            "kernel regime",
            2 * sp.tanh(theta / 2) / (1 + sp.tanh(theta / 2)),
            1 - sp.exp(-theta),
            "R -> a0 and y/a0 -> 0 as a0 grows: f/y at a0 t = theta",
            method="50 digits",
        ),
    ]  # fmt: skip


def lazy() -> list[Step]:
    """A large output scale leaves features where they are."""
    c, k = sp.symbols("c kappa", positive=True)
    steps, y0 = sp.Symbol("m", integer=True, positive=True), sp.Symbol("y", positive=True)
    fixed, phi = sp.Function("f"), sp.Function("phi")
    u, nu, x, eps, z = sp.symbols("U nu x epsilon z", real=True)
    slope = sp.Subs(phi(z).diff(z), z, u * x)
    moved = (nu - eps * eta * r * phi(u * x)) * phi((u - eps * eta * r * nu * slope * x) * x)
    solved = sp.rsolve(fixed(steps) - fixed(steps - 1) + eta * k * (fixed(steps - 1) - y0), fixed(steps), {fixed(0): 0})
    return [
        Step(
            "one step",
            moved.diff(eps).subs(eps, 0).doit(),
            (-eta * r * (phi(u * x) ** 2 + nu**2 * slope**2 * x**2)).doit(),
            "at first order in 1/alpha the output alpha nu phi(U x) changes by -eta Theta r, Theta = E phi phi + "
            "sigma_v^2 x.x' E phi' phi', while the neuron moves by O(1/alpha): its kernel stays that of the start",
            method="symbolic",
        ),
        Step(
            "fixed kernel",
            solved,
            y0 * (1 - (1 - eta * k) ** steps),
            "along an eigenvector of Theta of eigenvalue kappa, from f = 0",
            where={eta: (0.1, 0.9), k: (0.2, 1.0), steps: [1, 2, 5]},
        ),
        Step(
            "second moments move at second order",
            sp.Limit(final_change.subs({a0: c, y: y0 / alpha}) * alpha**2, alpha, sp.oo),
            y0**2 / c,
            "of the linear network with the target divided by alpha: y^2/(a0 alpha^2)",
        ),
    ]
