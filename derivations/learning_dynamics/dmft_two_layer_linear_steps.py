r"""Steps from the neurons of a two-layer linear network to its kernels, their closed form, and the effect of the width.

Averages over neurons are taken monomial by monomial: $a^2 \to G$, $a h_\mu \to c_\mu$, $h_\mu h_\nu \to H_{\mu\nu}$.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.learning_dynamics import mode_ode

gamma, y, t, g = sp.symbols("gamma y t g", positive=True)
S, A = sp.symbols("S A", positive=True)
c = sp.Symbol("c", real=True)
d1, d2, k1, k2, k11, k12, k22 = sp.symbols("Delta1 Delta2 k1 k2 K11 K12 K22", real=True)
a, h1, h2 = sp.symbols("a h1 h2", real=True)
G, c1, c2, H11, H12, H22 = sp.symbols("G c1 c2 H11 H12 H22", real=True)
_NAMES = {(2, 0, 0): G, (1, 1, 0): c1, (1, 0, 1): c2, (0, 2, 0): H11, (0, 1, 1): H12, (0, 0, 2): H22}


def learned(S: sp.Expr, c: sp.Expr, A: sp.Expr, t: sp.Expr) -> sp.Expr:
    r"""Part $(f - f_0)/(|y| - f_0)$ of what is to be learned, from $S = H + G$ and $c = \gamma f_0$ at the start."""
    R = sp.sqrt(S**2 - 4 * c**2 + 4 * A**2)
    tau = sp.tanh(R * t / 2)
    gained = 2 * tau * ((S**2 - 4 * c**2 + 4 * A * c) * tau + R * S)
    return gained / (R**2 * (1 - tau**2) + gained)


def output(gamma: sp.Expr, y: sp.Expr, t: sp.Expr) -> sp.Expr:
    """phi(t) at infinite width: S = 2, c = 0."""
    B = sp.sqrt(1 + gamma**2 * y**2)
    tau = sp.tanh(B * t)
    gained = 2 * tau * (tau + B)
    return y * gained / (B**2 * (1 - tau**2) + gained)


def given_start(gamma: sp.Expr, y: sp.Expr, t: sp.Expr, S: sp.Expr, c: sp.Expr) -> sp.Expr:
    """f(t) from any start."""
    return c / gamma + (y - c / gamma) * learned(S, c, gamma * y, t)


def published(gamma: sp.Expr, y: sp.Expr, t: sp.Expr) -> sp.Expr:
    """phi(t) in hyperbolic coordinates, gamma phi = sinh th and v = tanh(th/2)."""
    A = gamma * y
    B = sp.sqrt(1 + A**2)
    v = (B * sp.tanh(B * t + sp.atanh(1 / B)) - 1) / A
    return 2 * v / (1 - v**2) / gamma


def time_to_reach(gamma: sp.Expr, y: sp.Expr, fraction: sp.Expr) -> sp.Expr:
    """Time at which phi is a fraction of |y|."""
    A = gamma * y
    B = sp.sqrt(1 + A**2)
    level = (1 + A**2 * fraction) / (1 - fraction)
    return sp.log((level + sp.sqrt(level**2 + A**2)) / (1 + B)) / (2 * B)


def published_time(gamma: sp.Expr, y: sp.Expr, fraction: sp.Expr) -> sp.Expr:
    """The same in hyperbolic coordinates."""
    A = gamma * y
    B = sp.sqrt(1 + A**2)
    v = sp.tanh(sp.asinh(A * fraction) / 2)
    return (sp.atanh((1 + A * v) / B) - sp.atanh(1 / B)) / B


def bias(gamma: sp.Expr, y: sp.Expr, t: sp.Expr) -> sp.Expr:
    """Limit of N (E f - phi), by the delta method."""
    f = given_start(gamma, y, t, S, c)
    return (2 * f.diff(S, 2) + f.diff(c, 2) / 2).subs({S: 2, c: 0})


def variance(gamma: sp.Expr, y: sp.Expr, t: sp.Expr) -> sp.Expr:
    """Limit of N Var f, by the delta method."""
    f = given_start(gamma, y, t, S, c)
    return (4 * f.diff(S) ** 2 + f.diff(c) ** 2).subs({S: 2, c: 0})


def neuron_average(expr: sp.Expr) -> sp.Expr:
    """Mean over neurons of a quadratic form in a, h1, h2."""
    return sum(v * _NAMES[p] for p, v in sp.Poly(sp.expand(expr), a, h1, h2).terms() if any(p))


def gaussian_mean(expr: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """Expectation of a polynomial over independent standard normals."""
    return sum(
        v * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
        for powers, v in sp.Poly(sp.expand(expr), *normals).terms()
        if all(p % 2 == 0 for p in powers)
    )


def _one_neuron() -> list[Step]:
    """Updates of one neuron with two weights, the others' part of the outputs held fixed."""
    N, eta = sp.symbols("N eta", positive=True)
    w1, w2, y1, y2, rest1, rest2, x11, x12, x21, x22 = sp.symbols("w1 w2 y1 y2 r1 r2 x11 x12 x21 x22", real=True)
    fields = [(w1 * p + w2 * q) / sp.sqrt(2) for p, q in ((x11, x12), (x21, x22))]
    outputs = [(a * h + rest) / (gamma * N) for h, rest in zip(fields, (rest1, rest2))]
    errors = [goal - f for goal, f in zip((y1, y2), outputs)]
    loss = sum(e**2 for e in errors) / 2
    rate = eta * gamma**2 * N
    moved = [-rate * loss.diff(w) for w in (w1, w2)]
    K = [(x11 * p + x12 * q) / 2 for p, q in ((x11, x12), (x21, x22))]
    gradient = [f.diff(w) for f in outputs for w in (a, w1, w2)]
    tangent = gamma**2 * N * sum(u * v for u, v in zip(gradient[:3], gradient[3:]))
    return [
        Step(
            "update of a readout",
            -rate * loss.diff(a),
            eta * gamma * sum(e * h for e, h in zip(errors, fields)),
            "a -> a - eta gamma^2 N dL/da, f = (1/(gamma N)) sum_i a_i h_i",
        ),
        Step(
            "update of a field",
            (moved[0] * x11 + moved[1] * x12) / sp.sqrt(2),
            eta * gamma * a * sum(k * e for k, e in zip(K, errors)),
            "h = w.x / sqrt(D) moves by K Delta, K = x.x'/D (two inputs of dimension 2)",
        ),
        Step(
            "tangent kernel of a neuron",
            tangent,
            (fields[0] * fields[1] + a**2 * K[1]) / N,
            "scalar product of the gradients of f_1 and f_2, times gamma^2 N: its sum over neurons is H + G K",
        ),
    ]


def from_neurons() -> list[Step]:
    """The kernels' own equations, and what the flow conserves."""
    new_a, new = a + g * (d1 * h1 + d2 * h2), (h1 + g * a * k1, h2 + g * a * k2)
    b, u1, u2 = sp.symbols("b u1 u2", real=True)
    push1, push2 = k11 * d1 + k12 * d2, k12 * d1 + k22 * d2
    det = k11 * k22 - k12**2
    inverse = sp.Matrix([[k22, -k12], [-k12, k11]]) / det
    own, other = sp.Matrix([h1, h2]), sp.Matrix([u1, u2])
    rates = {a: d1 * h1 + d2 * h2, h1: a * push1, h2: a * push2}
    rates |= {b: d1 * u1 + d2 * u2, u1: b * push1, u2: b * push2}
    conserved = a * b - (own.T * inverse * other)[0]
    kernels = {G: 2 * (c1 * d1 + c2 * d2), H11: 2 * c1 * push1, H22: 2 * c2 * push2, H12: c1 * push2 + c2 * push1}
    trace = G - (inverse * sp.Matrix([[H11, H12], [H12, H22]])).trace()
    return [
        *_one_neuron(),
        Step(
            "update of H",
            neuron_average(new[0] * new[1]),
            H12 + g * (c1 * k2 + c2 * k1) + g**2 * G * k1 * k2,
            "mean over neurons of the product of the updated fields, k = K Delta, g = eta gamma",
        ),
        Step(
            "update of G",
            neuron_average(new_a**2),
            G + 2 * g * (c1 * d1 + c2 * d2) + g**2 * (H11 * d1**2 + 2 * H12 * d1 * d2 + H22 * d2**2),
            "of the squares of the updated readouts",
        ),
        Step(
            "update of c",
            neuron_average(new_a * new[0]),
            c1 + g * (H11 * d1 + H12 * d2 + G * k1) + g**2 * k1 * (c1 * d1 + c2 * d2),
            "of their products; no other average occurs, so that the equations close at any width",
        ),
        Step(
            "pairs of neurons",
            sp.cancel(sum(conserved.diff(x) * rate for x, rate in rates.items())),
            sp.S.Zero,
            "d/dt (a_i a_j - h_i^T K^-1 h_j) along a_i' = gamma Delta.h_i, h_i' = gamma a_i K Delta",
        ),
        Step(
            "trace",
            sp.cancel(sum(trace.diff(x) * rate for x, rate in kernels.items())),
            sp.S.Zero,
            "d/dt (G - tr K^-1 H), the mean over i = j; it starts at 1 - P",
        ),
        Step("trace at the start", trace.subs({G: 1, H11: k11, H12: k12, H22: k22}), sp.Integer(-1), "1 - P at P = 2"),
    ]


def before_training() -> list[Step]:
    """Moments of one neuron, whose sums the kernels are."""
    z1, z2, b = sp.symbols("z1 z2 b", real=True)
    rho = sp.Symbol("rho", real=True)
    other = rho * z1 + sp.sqrt(1 - rho**2) * z2
    mean = sp.expand(gaussian_mean(z1 * other, z1, z2))
    return [
        Step("fields", mean, rho, "K_12 = rho: the field of x_2 given that of x_1"),
        Step(
            "outputs",
            gaussian_mean(b**2 * z1 * other, b, z1, z2),
            rho,
            "E f_mu f_nu = K_mu nu / (gamma^2 N): N independent terms a h / (gamma N) of mean zero",
        ),
        Step("H_12", gaussian_mean((z1 * other) ** 2, z1, z2) - mean**2, 1 + rho**2, "Isserlis: K_11 K_22 + K_12^2"),
        Step("H_11 and G", gaussian_mean(b**4, b) - 1, sp.Integer(2), "E a^4 = 3"),
    ]


def whitened() -> list[Step]:
    """K = I: one direction, and one equation."""
    phi, H = sp.symbols("phi H", positive=True)
    error = y - phi
    dG = dH = 2 * gamma * (gamma * phi) * error
    dphi = (H + G) * error
    return [
        Step(
            "rate of the output",
            gamma * (H + G) * error / gamma,
            dphi,
            "phi = c/gamma, dc/dt = gamma (H + G K) Delta along the targets, where K = 1",
        ),
        Step("H - G is conserved", dH - dG, sp.S.Zero, "both grow by 2 gamma c Delta, so that H = G from H = G = 1"),
        Step(
            "G^2 - gamma^2 phi^2 is conserved",
            (2 * G * dG - 2 * gamma**2 * phi * dphi).subs(H, G),
            sp.S.Zero,
            "it is 1: G = sqrt(1 + gamma^2 phi^2) and dphi/dt = 2 sqrt(1 + gamma^2 phi^2) (|y| - phi)",
        ),
        Step(
            "from any start",
            2 * (H + G) * (dH + dG) - 8 * gamma**2 * phi * dphi,
            sp.S.Zero,
            "(H + G)^2 - 4 gamma^2 phi^2 is conserved",
        ),
    ]


def closed() -> list[Step]:
    """The closed form, the time to reach an output, their limits, and the delta method."""
    u, s, x = sp.symbols("u s x", positive=True)
    k, z, B = sp.symbols("k z B", positive=True)
    q = sp.Function("q")
    R = sp.sqrt(S**2 - 4 * c**2 + 4 * s**2)
    rate = sp.sqrt(k**2 + 4 * u**2) * (s - u)
    inverse = 1 / (s - u)
    # From any start: k^2 = S^2 - 4 c^2, q(0) = 1/(s - c), q'(0) = S/(s - c).
    start = {q(0): 1 / (s - c), q(x).diff(x).subs(x, 0): S / (s - c)}
    solution = 4 * s / R**2 + (start[q(0)] - 4 * s / R**2) * sp.cosh(R * x) + S / (s - c) / R * sp.sinh(R * x)
    equation = sp.Eq(q(x).diff(x, 2), R**2 * q(x) - 4 * s)
    growth = (1 + B) / 2 * z + (1 - B) / (2 * z)
    b, h = sp.symbols("b h", real=True)
    where = {c: (-0.3, 0.3), s: (0.5, 2), S: (1.5, 3), x: (0.1, 1.5)}
    fraction = sp.Symbol("fraction", positive=True)
    return [
        Step(
            "the inverse error",
            (inverse.diff(u) * rate) ** 2,
            (k**2 + 4 * s**2) * inverse**2 - 8 * s * inverse + 4,
            "q = 1/(s - u), u = gamma phi, s = gamma |y|, du/dt = sqrt(k^2 + 4 u^2) (s - u), k^2 = (H+G)^2 - 4 c^2; "
            "its derivative is linear: q'' = R^2 q - 4 s, R^2 = k^2 + 4 s^2",
        ),
        Step(
            "its solution",
            sp.checkodesol(equation, sp.Eq(q(x), solution))[1],
            sp.S.Zero,
            "checkodesol; cosh and sinh with q(0) = 1/(s - c) and q'(0) = S/(s - c)",
        ),
        Step(
            "from any start",
            s - 1 / solution,
            c + (s - c) * learned(S, c, s, x),
            "u = s - 1/q, with cosh and sinh of R t in terms of tau = tanh(R t/2)",
            where=where,
            method="50 digits",
        ),
        Step(
            "at infinite width",
            given_start(gamma, y, t, sp.Integer(2), sp.S.Zero),
            output(gamma, y, t),
            "S = 2, c = 0, R = 2 B",
        ),
        Step(
            "as a mode of imbalance 2",
            mode_ode.unbalanced(t, gamma * y, sp.Integer(2), sp.S.Zero) / gamma,
            output(gamma, y, t),
            "the solution of du/dt = sqrt(k^2 + 4 u^2) (s - u) at k = 2, u(0) = 0",
            method="50 digits",
        ),
        Step(
            "in hyperbolic coordinates",
            published(gamma, y, t),
            output(gamma, y, t),
            "gamma phi = sinh th, v = tanh(th/2): the form of the literature",
            method="50 digits",
        ),
        Step(
            "error",
            y - output(gamma, y, t),
            y
            * (1 + gamma**2 * y**2)
            / (
                gamma**2 * y**2
                + sp.cosh(2 * sp.sqrt(1 + gamma**2 * y**2) * t)
                + sp.sqrt(1 + gamma**2 * y**2) * sp.sinh(2 * sp.sqrt(1 + gamma**2 * y**2) * t)
            ),
            "1/q without tau",
            method="50 digits",
        ),
        Step("lazy", output(sp.S.Zero, y, t), y * (1 - sp.exp(-2 * t)), "gamma = 0: rate 2"),
        Step(
            "late",
            sp.Limit(2 * B * z * growth.diff(z) / (B**2 - 1 + growth), z, sp.oo),
            2 * B,
            "-d/dt log(|y| - phi) for t -> oo, z = exp(2 B t)",
        ),
        Step(
            "rich",
            sp.Limit(B**2 / (B**2 - 1 + growth.subs(z, 2 * B * x)), B, sp.oo),
            1 / (1 + x),
            "(|y| - phi)/|y| for gamma -> oo is logistic, 1/(1 + exp(2 A t)/(2 A)), x = exp(2 A t)/(2 A)",
        ),
        Step(
            "time to reach",
            time_to_reach(gamma, y, output(gamma, y, t) / y),
            t,
            "cosh(2 B t) + B sinh(2 B t) = (1 + A^2 fraction)/(1 - fraction), a quadratic in exp(2 B t)",
            where={gamma: (0.2, 2), y: (0.5, 1.5), t: (0.1, 1)},
            method="50 digits",
        ),
        Step(
            "time to reach, in hyperbolic coordinates",
            published_time(gamma, y, fraction),
            time_to_reach(gamma, y, fraction),
            "the form of the literature",
            where={fraction: (0.05, 0.95)},
            method="50 digits",
        ),
        Step("variance of S", gaussian_mean((b**2 + h**2 - 2) ** 2, b, h), sp.Integer(4), "S = H + G, for one neuron"),
        Step("variance of c", gaussian_mean((b * h) ** 2, b, h), sp.S.One, "for one neuron"),
        Step(
            "they are uncorrelated",
            gaussian_mean((b**2 + h**2) * b * h, b, h),
            sp.S.Zero,
            "so that the delta method"
            " gives 2 d^2/dS^2 + (1/2) d^2/dc^2 for the mean, 4 (d/dS)^2 + (d/dc)^2 for the variance",
        ),
    ]
