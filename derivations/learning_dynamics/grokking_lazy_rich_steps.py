r"""Steps from the quadratic network to its test loss, population dynamics, mean-field theory and lazy limit.

Expectations over Gaussian inputs are taken monomial by monomial, $E z^{2k} = (2k - 1)!!$, on polynomials that are
written out from the model at small N and D.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

alpha, eps, eta, nu, D, N = sp.symbols("alpha epsilon eta nu D N", positive=True)


def gaussian_mean(expr: sp.Expr, normals: tuple[sp.Symbol, ...]) -> sp.Expr:
    """Expectation of a polynomial over independent standard normals."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expr), *normals).terms():
        if all(p % 2 == 0 for p in powers):
            total += coefficient * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
    return sp.expand(total)


def expected_start(n: sp.Expr, a: sp.Expr, e: sp.Expr, d: sp.Expr) -> sp.Expr:
    """Expected loss of normal weights, output not centred: E of (A)."""
    k = a * e / n
    squares, trace = k**2 * (n + n * (n + 1) / d) - 2 * k * n / d + 1, k**2 * (n**2 + 2 * n / d) - 2 * k * n + 1
    return (a**2 / n + (2 * squares + trace) / 4) / 2


def _network(neurons: int, dimensions: int) -> tuple[sp.Matrix, sp.Matrix, sp.Expr, tuple[sp.Symbol, ...]]:
    """Weights, teacher, f - y and the inputs, written out."""
    w = sp.Matrix(neurons, dimensions, lambda i, j: sp.Symbol(f"w{i}{j}", real=True))
    beta = sp.Matrix(1, dimensions, lambda _, j: sp.Symbol(f"b{j}", real=True))
    x = sp.symbols(f"x:{dimensions}", real=True)
    h = w * sp.Matrix(x) / sp.sqrt(dimensions)
    f = alpha / neurons * sum(hi + eps / 2 * hi**2 for hi in h)
    return w, beta, f - (beta * sp.Matrix(x))[0] ** 2 / (2 * sp.Integer(dimensions)), x


def _loss_of(overlaps: sp.Matrix, teacher: sp.Matrix, square: sp.Expr) -> sp.Expr:
    """(A), from Q, m and |beta|^2/D."""
    n = overlaps.rows
    k = alpha * eps / n
    s2 = k**2 * sum(q**2 for q in overlaps) - 2 * k * sum(m**2 for m in teacher) + square**2
    return (alpha**2 / n**2 * sum(overlaps) + (2 * s2 + (k * overlaps.trace() - square) ** 2) / 4) / 2


def _mean_field_loss(c: sp.Matrix, e: sp.Matrix, gram: sp.Matrix) -> sp.Expr:
    squares = gram.applyfunc(lambda g: g**2)
    trace = sum(e[a] * gram[a, a] for a in range(gram.rows))
    return ((c.T * gram * c)[0] + (e.T * squares * e)[0] / 2 + trace**2 / 4) / 2


def loss() -> list[Step]:
    """(A): the test loss from the overlaps."""
    w, beta, error, x = _network(2, 2)
    q, m = w * w.T / 2, w * beta.T / 2
    direct = gaussian_mean(error**2, x) / 2
    symbols = sp.symbols("q11 q12 q22 m1 m2 B", real=True)
    q11, q12, q22, m1, m2, square = symbols
    overlaps, teacher = sp.Matrix([[q11, q12], [q12, q22]]), sp.Matrix([m1, m2])
    gram = sp.Matrix([[q11, q12, m1], [q12, q22, m2], [m1, m2, square]])
    c, e = sp.Matrix([alpha / 2, alpha / 2, 0]), sp.Matrix([alpha * eps / 2, alpha * eps / 2, -1])
    half = sp.sqrt(alpha * eps)
    perfect = sp.Matrix([[1, -1], [-1, 1]]) / half**2
    i = sp.Symbol("i", integer=True, positive=True)
    inverse = 1 / D
    return [
        Step(
            "expectation over inputs",
            direct,
            _loss_of(q, m, (beta * beta.T)[0] / 2),
            "E x_a x_b x_c x_d by Isserlis' theorem (written out for N = D = 2)",
            method="symbolic",
        ),
        Step(
            "three parts",
            _mean_field_loss(c, e, gram),
            _loss_of(overlaps, teacher, square),
            "linear mode, quadratic form and trace of any sum of c h + e h^2/2: the teacher is one more term",
            method="symbolic",
        ),
        Step(
            "least value",
            _loss_of(perfect, sp.Matrix([1, -1]) / half, sp.S.One),
            sp.S.Zero,
            "w_1 = -w_2 = beta/sqrt(alpha epsilon): the linear mode cancels, the forms agree",
        ),
        Step(
            "squares at the start",
            sp.Sum(1 + 2 * inverse, (i, 1, N)) + N * (N - 1) * inverse,
            N + N * (N + 1) / D,
            "E Q_ii^2 = 1 + 2/D, E Q_ij^2 = 1/D for normal weights",
        ),
        Step(
            "many dimensions",
            sp.Limit(expected_start(N, alpha, eps, D), D, sp.oo),
            (alpha**2 / N + (2 * alpha**2 * eps**2 / N + 2 + (alpha * eps - 1) ** 2) / 4) / 2,
            "the loss at the start: Q = 1, m = 0",
        ),
    ]


def population() -> list[Step]:
    """(B): the flow and the steps on infinitely many samples."""
    w, beta, error, x = _network(2, 2)
    q, m, square = w * w.T / 2, w * beta.T / 2, (beta * beta.T)[0] / 2
    h = (w.row(0) * sp.Matrix(x))[0] / sp.sqrt(2)
    k, e = alpha * eps / 2, eps / (2 * alpha)
    trace = k * q.trace() - square
    gradient = gaussian_mean(error * (1 + eps * h) * x[0] * sp.sqrt(2), x)
    linear = alpha / 2 * (w[0, 0] + w[1, 0])
    form = eps * (k * (q[0, 0] * w[0, 0] + q[0, 1] * w[1, 0]) - m[0] * beta[0] + trace * w[0, 0] / 2)
    moves = sp.Matrix(
        2,
        2,
        lambda i, d: (
            -(w[0, d] + w[1, d]) / 2
            - 2 * e * (k * (q[i, 0] * w[0, d] + q[i, 1] * w[1, d]) - m[i] * beta[d])
            - e * trace * w[i, d]
        ),
    )
    loss_value = _loss_of(q, m, square)
    dm = moves * beta.T / 2
    dq = (moves * w.T + w * moves.T) / 2
    qm, qq = q * m, q * q
    closed_m = -(m[0] + m[1]) / 2 - e * (2 * k * qm[0] - 2 * square * m[0] + trace * m[0])
    closed_q = -(q[0, 1] + q[1, 1] + q[0, 0] + q[1, 0]) / 2 - e * (
        4 * k * qq[0, 1] - 4 * m[0] * m[1] + 2 * trace * q[0, 1]
    )
    matrix = -sp.ones(2, 2) / 2 - e * (2 * k * q + trace * sp.eye(2))
    after = w + eta * moves
    x_matrix = matrix * q + 2 * e * m * m.T
    second = matrix * q * matrix.T + 2 * e * (matrix * m * m.T + m * m.T * matrix.T) + 4 * e**2 * square * m * m.T
    return [
        Step(
            "population gradient",
            gradient,
            linear + form,
            "E (f - y) phi'(h) x sqrt(D) = alpha wbar + (epsilon/2)(2 A + tr A) w: odd moments vanish",
            method="symbolic",
        ),
        Step(
            "it is the gradient of the test loss",
            moves[0, 0],
            -sp.Integer(2) * 2 / alpha**2 * loss_value.diff(w[0, 0]),
            "dw/dt = -(N D/alpha^2) dL/dw, with L of (A)",
            method="symbolic",
        ),
        Step("overlap with the teacher", dm[0], closed_m, "contracted with beta: closed in (m, Q)", method="symbolic"),
        Step("overlaps of neurons", dq[0, 1], closed_q, "contracted with the weights", method="symbolic"),
        Step(
            "a step of m",
            (after * beta.T / 2)[0],
            m[0] + eta * (matrix * m + 2 * e * square * m)[0],
            "dw_i = sum_j M_ij w_j + 2 e m_i beta, M = -(1/N) 1 1^T - e (2 k Q + T)",
            method="symbolic",
        ),
        Step(
            "a step of Q",
            (after * after.T / 2)[0, 1],
            (q + eta * (x_matrix + x_matrix.T) + eta**2 * second)[0, 1],
            "exact: the square of a step counts",
            method="symbolic",
        ),
    ]


def finite() -> list[Step]:
    """(C): what one sample, and one coordinate, feel of themselves."""
    g, i = sp.Symbol("g", real=True), sp.Symbol("i", integer=True, positive=True)
    samples = nu * D
    kick = eta / alpha * sp.sqrt(D) / samples * g
    h1, h2, y = sp.symbols("h1 h2 y", real=True)
    error = y - alpha / 2 * (h1 + eps / 2 * h1**2 + h2 + eps / 2 * h2**2)
    force = error * (1 + eps * h1)
    rd, ro = sp.symbols("R_d R_o", real=True)
    matrix = rd * sp.eye(3) + ro * sp.ones(3, 3)
    signs = sp.Matrix([1, -1, 0])
    return [
        Step(
            "memory of a sample",
            sp.Sum(kick / sp.sqrt(D), (i, 1, D)),
            eta / (alpha * nu) * g,
            "the sample moved the weights by (eta/alpha)(sqrt(D)/P) g x, and sees x.x/D = 1 of it",
        ),
        Step(
            "noise of a coordinate",
            sp.Sum((kick / g) ** 2, (i, 1, samples)),
            eta**2 / (alpha**2 * nu),
            "P independent samples pull a coordinate by (eta/alpha)(sqrt(D)/P) g x_k each: variance in units of <g g>",
        ),
        Step(
            "drift of a coordinate",
            samples * kick / g / sp.sqrt(D),
            eta / alpha,
            "the coordinate moves every h by w_k x_k/sqrt(D), to which g responds: P <dg/du> w_k x_k^2/sqrt(D), at "
            "equal times too",
        ),
        Step(
            "response of the forces to their own field",
            force.diff(h1),
            -alpha / 2 * (1 + eps * h1) ** 2 + eps * error,
            "J_ij = -(alpha/N) phi'_i phi'_j + epsilon Delta delta_ij",
        ),
        Step("and to that of another neuron", force.diff(h2), -alpha / 2 * (1 + eps * h1) * (1 + eps * h2), "the same"),
        Step(
            "common mode",
            (matrix * sp.ones(3, 1))[0],
            rd + 3 * ro,
            "neurons that are alike: a response is a number for the common mode ...",
        ),
        Step("contrasts", (matrix * signs)[0], rd, "... and one for all contrasts of neurons"),
        Step(
            "infinitely many samples",
            sp.Limit(eta**2 / (alpha**2 * nu) + eta / (alpha * nu), nu, sp.oo),
            sp.S.Zero,
            "neither noise nor memory is left: fields are those of fresh samples, (B)",
        ),
    ]


def lazy() -> list[Step]:
    """(D): the tangent kernel of the start."""
    h, move = sp.symbols("h delta", real=True)
    z = sp.symbols("z1 z2", real=True)
    s, size, other = sp.symbols("s a b", real=True)
    mixed = gaussian_mean((1 + eps * size * z[0]) * (1 + eps * (s / size * z[0] + other * z[1])), z)
    j = sp.Symbol("j", integer=True, positive=True)
    along, across = gaussian_mean(z[0] ** 4 / 2, z), gaussian_mean(z[0] ** 2 * z[1] ** 2 / 2, z)
    return [
        Step(
            "linearisation",
            sp.Limit(alpha * (h + move / alpha + eps / 2 * (h + move / alpha) ** 2 - h - eps / 2 * h**2), alpha, sp.oo),
            (1 + eps * h) * move,
            "weights move by O(1/alpha): the centred output is linear in what they moved",
        ),
        Step(
            "kernel of many neurons",
            mixed,
            1 + eps**2 * s,
            "E phi'(h) phi'(h') over normal weights, h and h' of covariance s = x.x'/D: exact in the mean at any N",
        ),
        Step(
            "alignment",
            eps**2 / D * (along**2 + sp.Sum(across**2, (j, 2, D))),
            eps**2 / 4 * (1 + 8 / D),
            "E y y' K = (epsilon^2/D) |E y x x^T|^2, with E y x x^T = 3/2 along the teacher and 1/2 across: the linear "
            "part is odd",
        ),
    ]
