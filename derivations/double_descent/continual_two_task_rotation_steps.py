r"""Derivation of the mean forgetting after a rotated second task.

With A the compression of the rotation O on the row space of X, of dimension d, and $N = A^T (I - A)$, the loss on the
first task after the second is $w_1^T N^T S N w_1$, S the squared singular values. The law of N is invariant under
rotations of the row space, so that two contractions of $E\, N \otimes N$ give its mean; both are averages of products
of traces of A and $A^T$, of degree four at most in O.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.double_descent.weingarten import (
    Pairing,
    Type,
    compression_counts,
    coset_type,
    pairing,
    pairings,
    trace_moment,
    weingarten,
)

p, d, m = sp.symbols("p d m", integer=True, positive=True)
alpha, beta = sp.symbols("alpha beta", nonnegative=True)

# Who is summed with whom in a product of elements A_{x_0 x_1} A_{x_2 x_3} ...
CONTRACTIONS = {
    "tr A A^T": pairing((0, 2), (1, 3)),
    "(tr A)^2": pairing((0, 1), (2, 3)),
    "tr A^2": pairing((0, 3), (1, 2)),
    "tr A^2 A^T": pairing((0, 4), (1, 2), (3, 5)),
    "tr A tr A A^T": pairing((0, 1), (2, 4), (3, 5)),
    "tr (A^T A)^2": pairing((0, 2), (1, 7), (3, 5), (4, 6)),
    "(tr A A^T)^2": pairing((0, 2), (1, 3), (4, 6), (5, 7)),
}
# Poles of the largest order of Weingarten's function that enters.
DENOMINATOR = p * (p - 1) * (p - 2) * (p - 3) * (p + 1) * (p + 2) * (p + 4) * (p + 6)


# Polynomials with integer coefficients: SymPy's sparse ones, much faster than its expressions.
RING, _d, _m, _p = sp.ring((d, m, p), sp.ZZ)
Polynomial = Any


def _polynomial(expr: sp.Expr) -> Polynomial:
    return RING.from_expr(sp.expand(expr))


@cache
def trace_products(powers: Type, squared_trace: int = 1) -> Polynomial:
    r"""$E \prod_j \mathrm{tr}\, D^j$ for D = blockdiag(Q_m, I_{p-m}); a power of 0 has trace p.

    `squared_trace` is what $E\, \mathrm{tr}\, Q_m^2$ is taken to be, for the mistake of taking it for 0.
    """
    total = RING.zero
    moving = [j for j in powers if j]
    for chosen in range(2 ** len(moving)):
        turned = tuple(j for place, j in enumerate(moving) if chosen >> place & 1)
        moment = squared_trace if turned == (2,) else int(trace_moment(turned, m))
        total += (_p - _m) ** (len(moving) - len(turned)) * moment
    return _p ** powers.count(0) * total


@cache
def compression_mean(name: str, squared_trace: int = 1) -> Polynomial:
    """Mean of one of the `CONTRACTIONS` times `DENOMINATOR`."""
    contraction = CONTRACTIONS[name]
    order = len(contraction) // 2
    by_type = dict.fromkeys(weingarten(order, p), RING.zero)
    for (free, kind, powers), count in compression_counts(contraction).items():
        by_type[kind] += count * _d**free * trace_products(powers, squared_trace)
    return sum((weight * by_type[kind] for kind, weight in _weights(order).items()), RING.zero)


@cache
def _weights(order: int) -> dict[Type, Polynomial]:
    parts = {kind: sp.fraction(value) for kind, value in weingarten(order, p).items()}
    whole = _polynomial(DENOMINATOR)
    return {kind: (_polynomial(above) * whole).exquo(_polynomial(below)) for kind, (above, below) in parts.items()}


@cache
def square_numerator(cross: int = 2, squared_trace: int = 1) -> Polynomial:
    r"""$E \|N\|^2 = E\, \mathrm{tr} [A A^T - 2 A^2 A^T + (A^T A)^2]$ times `DENOMINATOR`; `cross` is the 2."""
    straight, bent, turned = (
        compression_mean(name, squared_trace) for name in ("tr A A^T", "tr A^2 A^T", "tr (A^T A)^2")
    )
    return straight - cross * bent + turned


@cache
def trace_numerator() -> Polynomial:
    r"""$E[(\mathrm{tr}\, N)^2 + \mathrm{tr}\, N^2]$ times `DENOMINATOR`."""
    own = sum((compression_mean(name) for name in ("(tr A)^2", "(tr A A^T)^2", "tr A^2", "tr (A^T A)^2")), RING.zero)
    return own - 2 * compression_mean("tr A tr A A^T") - 2 * compression_mean("tr A^2 A^T")


@cache
def worst_numerator(cross: int = 2, squared_trace: int = 1) -> Polynomial:
    """F times `DENOMINATOR`: all singular values 1."""
    return square_numerator(cross, squared_trace).exquo(_d)


@cache
def along_numerator() -> Polynomial:
    """C1 times `DENOMINATOR`."""
    return (trace_numerator() - 2 * worst_numerator()).exquo((_d - 1) * (_d + 2))


@cache
def across_numerator() -> Polynomial:
    """C2 times `DENOMINATOR`."""
    return (worst_numerator() - along_numerator()).exquo(_d)


def collected(numerator: Polynomial) -> sp.Expr:
    """A numerator as a polynomial in m whose coefficients are polynomials in d with coefficients in p."""
    inner: dict[tuple[int, int], sp.Expr] = {}
    for (i, j, k), c in numerator.terms():
        inner[j, i] = inner.get((j, i), sp.S.Zero) + int(c) * p**k
    return sum((m**j * d**i * c for (j, i), c in inner.items()), sp.S.Zero)


@cache
def limit(numerator: Polynomial, power: int) -> sp.Expr:
    r"""Limit of $p^{\text{power}}$ times a coefficient as p grows with $m = \alpha p$, $d = (1 - \beta) p$."""
    # Of the polynomials over p^8, those terms are left whose degrees add up to 8 - power.
    kept = ((powers, int(c)) for powers, c in numerator.terms() if sum(powers) == 8 - power)
    return sp.factor(sp.expand(sum(c * (1 - beta) ** i * alpha**j for (i, j, _), c in kept)))


# Factors of discriminants of the limit of F, by falling powers of beta: see `boundaries`.
MONOTONE, PEAK = (
    sp.Poly(coefficients, beta).as_expr()
    for coefficients in (
        (2704, -11956, 25004, -35292, 35865, -21162, 811, 8006, -5167, 1296, -108),
        (336, -1064, 1605, -2375, 2771, -1155, -745, 876, -277, 27),
    )
)


def _mean(name: str) -> sp.Expr:
    return sp.factor(compression_mean(name).as_expr()) / DENOMINATOR


def haar() -> list[Step]:
    """Weingarten's function, and the traces of Haar rotations."""
    every = pairings(8)
    theta = sp.Symbol("theta", real=True)

    def plane(turned: sp.Expr, reflected: sp.Expr) -> sp.Expr:
        return sp.Integral(turned, (theta, 0, 2 * sp.pi)) / (4 * sp.pi) + reflected / 2

    def row(one: Pairing) -> sp.Expr:
        """One row of the Gram matrix times the first column of Wg, terms with the same value of Wg together."""
        by_type = dict.fromkeys(weingarten(4, p), sp.S.Zero)
        for q in every:
            by_type[coset_type(q, every[0])] += p ** len(coset_type(one, q))
        return sp.cancel(sum(weight * weingarten(4, p)[kind] for kind, weight in by_type.items()))

    return [
        Step(
            "Weingarten, diagonal",
            row(every[0]),
            sp.S.One,
            "Wg inverts the Gram matrix p^loops of the 105 pairings of 8 legs",
            where={p: (5, 40)},
        ),
        Step(
            "Weingarten, off the diagonal",
            row(every[37]),
            sp.S.Zero,
            "the same for two different pairings",
            where={p: (5, 40)},
        ),
        Step(
            "squared trace",
            plane(4 * sp.cos(theta) ** 2, sp.S.Zero),
            trace_moment((1, 1), m),
            "E (tr Q_m)^2 = 1 for every m >= 2 by the same calculus; at m = 2, half of all Q are rotations by theta, "
            "half are reflections",
        ),
        Step(
            "trace of the square",
            plane(2 * sp.cos(2 * theta), sp.Integer(2)),
            trace_moment((2,), m),
            "E tr Q_m^2 = 1",
        ),
        Step(
            "fourth power of the trace",
            plane(16 * sp.cos(theta) ** 4, sp.S.Zero),
            trace_moment((1, 1, 1, 1), m),
            "E (tr Q_m)^4 = 3",
        ),
        Step(
            "square of the trace of the square",
            plane(4 * sp.cos(2 * theta) ** 2, sp.Integer(4)),
            trace_moment((2, 2), m),
            "E (tr Q_m^2)^2 = 3",
        ),
        Step(
            "trace of the fourth power",
            plane(2 * sp.cos(4 * theta), sp.Integer(2)),
            trace_moment((4,), m),
            "E tr Q_m^4 = 1; the moments of odd total degree, and E tr Q_m tr Q_m^3, are 0",
        ),
    ]


def reduction() -> list[Step]:
    """From the two tasks to traces of the compression A."""
    c, s = sp.symbols("c s", real=True)
    turned, first = sp.Matrix([[c, -s]]), sp.Matrix([[1, 0]])
    w1 = sp.Matrix([1, 0])
    w2 = w1 + turned.T * (1 - (turned * w1)[0]) / (turned * turned.T)[0]
    a = sp.Matrix(2, 2, sp.symbols("a11 a12 a21 a22", real=True))
    n = a.T * (sp.eye(2) - a)
    x, y, z, share, strength, others = sp.symbols("x y z w s R", positive=True)
    square, traces = d**2 * x + d * (y + z), (d + d**2) * (y + z) + 2 * d * x
    c1 = (traces - 2 * square / d) / ((d - 1) * (d + 2))
    return [
        Step(
            "two tasks in the plane",
            ((first * (w2 - w1))[0] ** 2).subs(s, sp.sqrt(1 - c**2)),
            (c * (1 - c)) ** 2,
            "X = (1, 0), the second task turned by an angle of cosine c: what is lost is N^2 with A = c, N = A (1 - A)",
            where={c: (0, 1)},
        ),
        Step(
            "square of N",
            sp.trace(n * n.T),
            sp.trace(a * a.T) - 2 * sp.trace(a * a * a.T) + sp.trace((a.T * a) ** 2),
            "N = A^T (I - A), written for d = 2",
        ),
        Step(
            "C1",
            c1,
            y + z,
            "invariance gives E N_ai N_bj = x [a=b][i=j] + y [a=i][b=j] + z [a=j][b=i], and E w^T N^T S N w = "
            "x tr S |w|^2 + (y + z) w^T S w; E |N|^2 and E[(tr N)^2 + tr N^2] are the two contractions",
            where={d: [3, 4, 7]},
        ),
        Step("C2", (square / d - c1) / d, x, "F = C1 + d C2", where={d: [3, 4, 7]}),
        Step(
            "worst data",
            sp.diff((y + z) * share * strength + x * (strength + others), strength),
            share * (x + y + z) + (1 - share) * x,
            "with a share w_j^2 of the teacher along it, a squared singular value s adds s (C1 w_j^2 + C2), and "
            "C2 = x = E N_12^2 and C1 + C2 = E N_11^2 are not negative: all at their bound 1 are worst",
        ),
    ]


def means() -> list[Step]:
    """Averages over the rotation."""
    straight = d * (-d * m**2 + 2 * d * m * p + d * m - 2 * d + m**2 * p - 2 * m * p**2 - m * p + p**3 + p**2)
    square = _mean("tr A A^T") - 2 * _mean("tr A^2 A^T") + _mean("tr (A^T A)^2")
    return [
        Step(
            "tr A A^T",
            _mean("tr A A^T"),
            straight / (p * (p - 1) * (p + 2)),
            "nine terms of two pairings of 4 legs",
        ),
        Step(
            "tr A^2 A^T, all turned",
            _mean("tr A^2 A^T").subs(m, p),
            sp.S.Zero,
            "m = p: O is Haar itself, and odd moments vanish",
        ),
        Step(
            "F",
            square / d,
            collected(worst_numerator()) / DENOMINATOR,
            "tr A A^T, tr A^2 A^T and tr (A^T A)^2: sums over 3, 15 and 105 pairings, twice",
            where={d: (1, 9), m: (2, 9), p: (9, 20)},
            method="50 digits",
        ),
        Step(
            "parts",
            (collected(along_numerator()) + d * collected(across_numerator())) / DENOMINATOR,
            collected(worst_numerator()) / DENOMINATOR,
            "C1 + d C2 = F",
        ),
    ]


def special() -> list[Step]:
    """Cases in which the polynomials are short."""
    f, c1, c2 = (collected(x()) / DENOMINATOR for x in (worst_numerator, along_numerator, across_numerator))
    short = p * (p - 1) * (p + 2)
    full, unrelated = {d: p}, {m: p}

    def at(expr: sp.Expr, where: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
        return sp.cancel(expr.subs(where))

    return [
        Step("no room", at(f, full), 2 * m / p, "d = p: the second task is learned anew"),
        Step("no room, C1", at(c1, full), (m**2 * p + m * p - 4 * m + 2 * p) / short, "d = p"),
        Step("no room, C2", at(c2, full), (2 * m * p - m**2 + m - 2) / short, "d = p"),
        Step("unrelated", at(f, unrelated), d * (p**2 + 2 * d * p - d**2 + 2 * p - 4) / short, "m = p"),
        Step("unrelated, C1", at(c1, unrelated), d * (d * p + p - 2) / short, "m = p"),
    ]


def limits() -> list[Step]:
    """Many parameters."""
    t = sp.Symbol("t", positive=True)
    room = {d: (1 - beta) / t, m: alpha / t, p: 1 / t}

    def scaled(numerator: Polynomial, power: int) -> sp.Expr:
        # In t = 1/p the ratio is a polynomial over one that is 1 at t = 0.
        above = sp.expand(collected(numerator).xreplace(room) * t ** (8 - power))
        return (above / sp.expand(DENOMINATOR.xreplace(room) * t**8)).subs(t, 0)

    f = limit(worst_numerator(), 0)
    return [
        Step("F", scaled(worst_numerator(), 0), f, "leading terms in p at fixed alpha = m/p, beta = 1 - d/p"),
        Step(
            "own direction",
            scaled(along_numerator(), 0),
            alpha**2 * (1 - 2 * beta + alpha * beta) ** 2,
            "C1 alone is left in a direction of its own: C2 is of order 1/p",
        ),
        Step("other directions", scaled(across_numerator(), 1), limit(across_numerator(), 1), "p C2"),
        Step(
            "sum",
            limit(along_numerator(), 0) + (1 - beta) * limit(across_numerator(), 1),
            f,
            "d of the other directions make up what the own one leaves",
        ),
        Step(
            "few samples",
            f.subs(beta, 1),
            (alpha * (1 - alpha)) ** 2,
            "beta = 1: a task of intermediate similarity is forgotten most, 1/16 at alpha = 1/2",
        ),
        Step("many samples", f.subs(beta, 0), 2 * alpha, "beta = 0"),
        Step("unrelated", f.subs(alpha, 1), (1 - beta) * (2 - beta**2), "alpha = 1"),
    ]


def boundaries() -> list[Step]:
    """Where forgetting is not monotone in the dissimilarity, and where its peak is highest."""
    f = limit(worst_numerator(), 0)
    slope = sp.diff(f, alpha)
    return [
        Step(
            "monotone",
            sp.discriminant(slope, alpha),
            16 * beta**2 * MONOTONE,
            "dF/dalpha gets a double root where its discriminant vanishes",
        ),
        Step(
            "peak",
            sp.discriminant(sp.cancel((f - f.subs(alpha, 1)) / (alpha - 1)), alpha),
            4 * beta**2 * (beta - 1) * PEAK,
            "the peak reaches F(1) where F - F(1) gets a double root besides alpha = 1",
        ),
    ]
