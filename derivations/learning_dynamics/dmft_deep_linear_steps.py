r"""Steps from Gaussian weights to the two-time equations of deep linear networks, checked against the first updates.

The equations are solved here with symbols, in windows of two and three times, by `symbolic_window`: a second
implementation beside the numerical one of `linear_dmft`.
"""

from __future__ import annotations

from typing import NamedTuple

import sympy as sp

from theorylab.derivation import Step

gamma, eta, y, K = sp.symbols("gamma eta y K", positive=True)
FORMULA = (
    r"h_l = u_l + \gamma c_l g_l,\; g_l = r_l + \gamma d_l h_l,\quad "
    r"c_l = [A_{l-1} + \eta H_{l-1} \Delta]_{s<t},\; d_l = [B_{l+1} + \eta G_{l+1} \Delta]_{s<t}"
)


class Symbolic(NamedTuple):
    """Outputs, and the kernels of the layers, as expressions."""

    f: list[sp.Expr]
    H: list[sp.Matrix]
    G: list[sp.Matrix]


def symbolic_window(depth: int, count: int) -> Symbolic:
    """The equations for one pattern at `count` times, solved by sweeps that stop when nothing changes."""
    ones, none = sp.ones(count), sp.zeros(count)
    f = [sp.S.Zero] * count
    H, G = [K * ones] * (depth + 1), [ones] * (depth + 2)
    A, B = [none] * (depth + 1), [none] * (depth + 2)
    while True:
        before = (f, H, G, A, B)
        push = sp.diag(*[eta * (y - v) for v in f])
        for l in range(1, depth + 1):
            c, d = _causal(A[l - 1] + H[l - 1] * push), _causal(B[l + 1] + G[l + 1] * push)
            P, Q = _inverse(gamma**2 * c * d), _inverse(gamma**2 * d * c)
            H = _put(H, l, P * (H[l - 1] + gamma**2 * c * G[l + 1] * c.T) * P.T)
            G = _put(G, l, Q * (G[l + 1] + gamma**2 * d * H[l - 1] * d.T) * Q.T)
            A, B = _put(A, l, P * c), _put(B, l, Q * d)
        last = _causal(A[depth] + H[depth] * push)
        f = [sp.expand(sum(last.row(t))) for t in range(count)]
        if (f, H, G, A, B) == before:
            return Symbolic(f, H[1:], G[1:-1])


def _causal(matrix: sp.Matrix) -> sp.Matrix:
    return sp.Matrix(*matrix.shape, lambda t, s: matrix[t, s] if s < t else 0)


def _inverse(nilpotent: sp.Matrix) -> sp.Matrix:
    """(1 - X)^-1 of a strictly lower triangular X, by its finite series."""
    total = power = sp.eye(nilpotent.rows)
    for _ in range(nilpotent.rows):
        power = power * nilpotent
        total += power
    return total


def _put(items: list[sp.Matrix], index: int, value: sp.Matrix) -> list[sp.Matrix]:
    return [*items[:index], value.applyfunc(sp.expand), *items[index + 1 :]]


def _gaussian(expr: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """Expectation of a polynomial over independent standard normals."""
    return sum(
        v * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
        for powers, v in sp.Poly(sp.expand(expr), *normals).terms()
        if all(p % 2 == 0 for p in powers)
    )


def single_site() -> list[Step]:
    """What a shared Gaussian matrix does: a field of its own, and a response."""
    w11, w12, w21, w22 = normals = sp.symbols("w11 w12 w21 w22", real=True)
    a1, a2, b1, b2 = sp.symbols("a1 a2 b1 b2", real=True)
    W, a, b = sp.Matrix([[w11, w12], [w21, w22]]), sp.Matrix([a1, a2]), sp.Matrix([b1, b2])
    forward, backward = W * a, W.T * b
    z, m, slope = sp.symbols("z m slope", real=True)
    F = m + slope * z + z**3
    return [
        Step(
            "fields of a layer",
            _gaussian(forward[0] ** 2, *normals),
            a.dot(a),
            "W a of independent Gaussian weights has covariance a.a: u_l of covariance H_(l-1)",
        ),
        Step("across neurons", _gaussian(forward[0] * forward[1], *normals), sp.S.Zero, "and independent coordinates"),
        Step(
            "the same weights backward",
            _gaussian(forward[0] * backward[0], *normals),
            a1 * b1,
            "W a and W^T b are correlated only as b a^T, which for wide layers is a shift of each along the other: "
            "the response",
        ),
        Step(
            "Stein",
            _gaussian(z * F, z),
            _gaussian(F.diff(z), z),
            "E z F(z) = E F'(z): correlations with the field are responses, <(W^T b) a>/N = <da/dr>",
        ),
    ]


def two_times() -> list[Step]:
    """The linear single-site equations in a window of two times, in the entries of c and d."""
    c, d = sp.symbols("c d", real=True)
    h, g, u, r = (sp.symbols(f"{n}0 {n}1", real=True) for n in "hgur")
    solved = sp.solve(
        [h[0] - u[0], h[1] - u[1] - gamma * c * g[0], g[0] - r[0], g[1] - r[1] - gamma * d * h[0]], [*h, *g], dict=True
    )[0]
    H0, G0 = (sp.Matrix(2, 2, lambda i, j, n=n: sp.Symbol(f"{n}{min(i, j)}{max(i, j)}", real=True)) for n in "HG")
    C, D = sp.Matrix([[0, 0], [c, 0]]), sp.Matrix([[0, 0], [d, 0]])
    P, Q = _inverse(gamma**2 * C * D), _inverse(gamma**2 * D * C)

    def mean(product: sp.Expr) -> sp.Expr:
        """Over independent u and r."""
        poly = sp.Poly(sp.expand(product), *u, *r)
        total = sp.S.Zero
        for powers, v in poly.terms():
            pair = [i for i, p in enumerate(powers) for _ in range(p)]
            if pair[1] < 2:
                total += v * H0[pair[0], pair[1]]
            elif pair[0] >= 2:
                total += v * G0[pair[0] - 2, pair[1] - 2]
        return total

    fields = P * (H0 + gamma**2 * C * G0 * C.T) * P.T
    gradients = Q * (G0 + gamma**2 * D * H0 * D.T) * Q.T
    mixed = P * (H0 * D.T + C * G0) * Q.T
    return [
        Step("H", mean(solved[h[1]] ** 2), fields[1, 1], "<h(1) h(1)> from h = u + gamma c g, g = r + gamma d h"),
        Step("H across times", mean(solved[h[1]] * solved[h[0]]), fields[1, 0], "<h(1) h(0)>"),
        Step("G", mean(solved[g[1]] ** 2), gradients[1, 1], "<g(1) g(1)>"),
        Step("outputs", mean(solved[h[1]] * solved[g[1]]), gamma * mixed[1, 1], "gamma f(1) = <h(1) g(1)>"),
        Step("A", solved[h[1]].diff(r[0]), gamma * (P * C)[1, 0], "response of the field to r"),
        Step("B", solved[g[1]].diff(u[0]), gamma * (Q * D)[1, 0], "response of the gradient to u"),
    ]


def first_updates() -> list[Step]:
    """The solution after one and two updates, against averages over weights."""
    x, e = sp.symbols("x e", positive=True)
    one = {L: symbolic_window(L, 2) for L in (1, 2, 3)}
    second = symbolic_window(1, 3)
    at_one = {K: 1}
    first = eta * gamma * y
    density = sp.sqrt(x * (4 - x)) / (2 * sp.pi * x)
    # h_2(1) = h_2 + e (W g_1 + a (w.w)), with g_1 = W^T a and h_2 = W w, in units in which the squared lengths are 1.
    norm = 1 + e**2 * (2 + 1 + 2)
    G, H, c = 1 + first**2, 1 + first**2, 2 * first
    error = y - c / gamma
    steps = [
        Step(
            f"first output, L = {L}",
            one[L].f[1],
            (L + 1) * eta * K * y,
            "one update moves f by eta times the tangent kernel (L + 1) K",
        )
        for L in (1, 2, 3)
    ]
    return [
        *steps,
        Step("mirror", one[3].H[0][1, 1].subs(at_one), one[3].G[2][1, 1].subs(at_one), "H_1 = G_3 at L = 3, K = 1"),
        Step(
            "second moment of W W^T",
            sp.Integral(x**2 * density, (x, 0, 4)),
            sp.Integer(2),
            "eigenvalues of W W^T/N follow the law of Marchenko and Pastur",
            method="50 digits",
        ),
        Step(
            "H_2 after one update, L = 2",
            one[2].H[1][1, 1].subs(at_one),
            norm.subs(e, first),
            "|h_2 + e (W W^T a + a)|^2/N, e = eta gamma y, with |W W^T a|^2/N = 2 and a.W W^T a/N = 1",
        ),
        Step(
            "after two updates, L = 1",
            second.f[2].subs(at_one),
            sp.expand((c + eta * gamma * (H + G) * error + (eta * gamma) ** 2 * error**2 * c) / gamma),
            "the closed equations of two layers: c + g (H + G) Delta + g^2 Delta^2 c, g = eta gamma",
        ),
    ]


def lazy() -> list[Step]:
    """No richness: a fixed kernel."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    depth = sp.Symbol("L", integer=True, positive=True)
    kernel = (depth + 1) * K
    error = y * (1 - eta * kernel) ** t
    flat = symbolic_window(2, 3).f[2].subs(gamma, 0)
    return [
        Step(
            "from the equations",
            flat,
            sp.expand(y - error.subs({depth: 2, t: 2})),
            "after two updates at gamma = 0 and L = 2, where only c and d move",
        ),
        Step(
            "one update",
            error.subs(t, t + 1),
            error - eta * kernel * error,
            "Delta -> (1 - eta (L + 1) K) Delta: the tangent kernel is a sum of L + 1 products H_l G_(l+1) = K",
            where={eta: (0.01, 0.1), K: (0.5, 1.5), depth: [1, 2, 3], t: [0, 1, 2, 5]},
        ),
    ]
