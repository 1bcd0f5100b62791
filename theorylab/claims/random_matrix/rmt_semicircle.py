"""The semicircle law, in the limit and at finite size."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

WIGNER = Source(
    authors="Wigner, Eugene P.",
    title="On the distribution of the roots of certain symmetric matrices",
    year=1958,
    where="eq. (5)",
    doi="10.2307/1970008",
    journal="Annals of Mathematics 67(2), 325-327",
)
PASTUR = Source(
    authors="Pastur, Leonid A.",
    title="On the spectrum of random matrices",
    year=1972,
    where="Theorem 1",
    doi="10.1007/BF01035768",
    journal="Theoretical and Mathematical Physics 10, 67-74",
)
HARER = Source(
    authors="Harer, John and Zagier, Don",
    title="The Euler characteristic of the moduli space of curves",
    year=1986,
    where="section 4",
    doi="10.1007/BF01390325",
    journal="Inventiones mathematicae 85, 457-485",
)
LEDOUX = Source(
    authors="Ledoux, Michel",
    title="A recursion formula for the moments of the Gaussian orthogonal ensemble",
    year=2009,
    where="Theorem 2",
    doi="10.1214/08-AIHP184",
    journal="Annales de l'Institut Henri Poincare 45(3), 754-769",
)
DUMITRIU = Source(
    authors="Dumitriu, Ioana and Edelman, Alan",
    title="Global spectrum fluctuations for the beta-Hermite and beta-Laguerre ensembles via matrix models",
    year=2006,
    where="Theorems 1.2 and 1.3",
    arxiv="math-ph/0510043v1",
    doi="10.1063/1.2200144",
)
JOHANSSON = Source(
    authors="Johansson, Kurt",
    title="On fluctuations of eigenvalues of random Hermitian matrices",
    year=1998,
    where="Theorem 2.4",
    doi="10.1215/S0012-7094-98-09108-6",
    journal="Duke Mathematical Journal 91(1), 151-204",
)

theory = Theory("random_matrix/rmt-semicircle", title="Semicircle law of Gaussian matrices", source=WIGNER)

SIZES = {"quick": (8, 16, 32, 64), "standard": (8, 16, 32, 64), "paper": (16, 32, 64, 128)}


def _orders(*k: int) -> Any:
    import numpy as np

    return np.array(k)


@theory.claim
def spectral_law() -> Claim:
    """The eigenvalues of a Gaussian matrix, real or complex, follow the semicircle law of radius 2 s.

    The distance falls like 1/P: the mean distribution function at P = 200 is within 0.002 of the law.
    """
    return _law(1.0)


def _law(stretch: float) -> Claim:
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_semicircle as d
    from theorylab.derivations.random_matrix.rmt_semicircle_finite import BETA, SIZE
    from theorylab.sims.random_matrix.wigner import eigenvalues

    right = d.CDF
    return Claim(
        prediction=right if stretch == 1.0 else right.altered(lambda value, x, s: right(x=x / stretch, s=s)),
        simulation=eigenvalues,
        check=Law(variable="x"),
        points=grid(P=[25, 100], beta=[1, 2], s=0.8) if stretch == 1.0 else grid(P=50, beta=1, s=0.8),
        parameters=[SIZE, BETA],
        mutants=[
            Mutant("radius s instead of 2 s", lambda value, x, s: right(x=2 * x, s=s)),
            Mutant("density over pi s^2 instead of 2 pi s^2", lambda value, x, s: (2.0 * value).clip(max=1.0)),
            Mutant("variance 2 s^2/P off the diagonal", lambda value, x, s: right(x=x / 2**0.5, s=s)),
        ]
        if stretch == 1.0
        else [],
        budgets={
            "quick": Budget(trials=256, margin=0.03),
            "standard": Budget(trials=512, margin=0.01, points=grid(P=[200, 400], beta=[1, 2], s=[0.5, 2.0])),
            "paper": Budget(trials=128, margin=0.003, points=grid(P=[500, 2_000], beta=[1, 2], s=[0.5, 2.0])),
        }
        if stretch == 1.0
        else {name: Budget(trials=1_024, margin=0.004) for name in ("quick", "standard", "paper")},
    )


@theory.claim(control=True, expected="fails")
def radius_four_per_cent_more() -> Claim:
    """The eigenvalues of a real Gaussian matrix follow the semicircle law of radius 2.08 s.

    A control: false by 0.013 in the distribution function.
    """
    return _law(1.04)


@theory.claim(source=PASTUR)
def stieltjes_transform() -> Claim:
    """(1/P) tr (z - W)^-1 tends to G(z) = (z - sqrt(z - 2 s) sqrt(z + 2 s))/(2 s^2), which solves G = 1/(z - s^2 G).

    Real and imaginary parts, next to the support. For real matrices the correction is of order 1/P: see
    `resolvent_correction`.
    """
    import sympy as sp

    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_semicircle as d
    from theorylab.derivations.random_matrix.rmt_semicircle_finite import BETA, SIZE
    from theorylab.sims.random_matrix.wigner import resolvent_trace

    z = d.a + sp.I * d.b
    other = (z + sp.sqrt(z - 2) * sp.sqrt(z + 2)) / (2 * d.s)
    wider = (z - sp.sqrt(z - 2 * sp.sqrt(2)) * sp.sqrt(z + 2 * sp.sqrt(2))) / (4 * d.s)
    return Claim(
        prediction=d.TRANSFORM,
        simulation=resolvent_trace,
        check=Asymptotic(size="P", observable="mean", rate=1.0, scale="absolute"),
        points=[{"a": a, "b": 0.4, "beta": 1, "s": 1.3, "part": _orders(0, 1)} for a in (0.5, -1.8)],
        parameters=[SIZE, BETA],
        mutants=[
            Mutant("the other root", _parts(other)),
            Mutant("G = 1/(z - 2 s^2 G)", _parts(wider)),
        ],
        budgets={
            "quick": Budget(trials=2_048, margin=0.02, sizes=SIZES["quick"]),
            "standard": Budget(trials=131_072, margin=0.004, sizes=SIZES["standard"]),
            "paper": Budget(trials=1_000_000, margin=0.001, sizes=SIZES["paper"]),
        },
    )


def _parts(value: Any) -> Any:
    import sympy as sp

    from theorylab.derivations.random_matrix.rmt_semicircle import part

    return sp.Piecewise((sp.re(value), sp.Eq(part, 0)), (sp.im(value), True))


@theory.claim(source=LEDOUX)
def low_moments() -> Claim:
    """E (1/P) tr W^2 and W^4 are s^2 (1 + 1/P) and s^4 (2 + 5/P + 5/P^2) for real Gaussian matrices, s^2 and
    s^4 (2 + 1/P^2) for complex ones, at every P.
    """
    from theorylab.sims.random_matrix.wigner import power_means

    return _moments(
        power_means,
        [{"P": p, "beta": b, "s": 1.2, "k": _orders(2, 4)} for p in (4, 8) for b in (1, 2)],
        (131_072, 0.023),
    )


@theory.claim(source=DUMITRIU)
def low_moments_of_any_index() -> Claim:
    """With u = 2/beta, E (1/P) tr W^2 = s^2 (1 + (u - 1)/P) and E (1/P) tr W^4 = s^4 (2 + 5 (u - 1)/P +
    (3 u^2 - 5 u + 3)/P^2) for the tridiagonal matrices of index beta = 3 and 4.

    One polynomial in u and 1/P holds for real, complex and quaternion matrices. Its symmetry, u to 1/u and P to -P/u,
    exchanges real and quaternion ones.
    """
    from theorylab.sims.random_matrix.wigner import tridiagonal_power_means

    return _moments(
        tridiagonal_power_means,
        [{"P": p, "beta": b, "s": 1.2, "k": _orders(2, 4)} for p in (4, 8) for b in (3, 4)],
        (131_072, 0.023),
    )


def _moments(simulation: Any, points: Any, quick: tuple[int, float]) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d

    right, s, size, u = d.exact_moments, d.s, d.P, d.u
    return Claim(
        prediction=d.EXACT_MOMENT,
        simulation=simulation,
        check=Expectation(observable="low"),
        points=points,
        mutants=[
            Mutant("4/P instead of 5/P", d.by_order({**right, 4: right[4] - s**4 * (u - 1) / size})),
            Mutant("diagonal of variance s^2/P", d.by_order({**right, 2: s**2 * (1 + (1 / u - 1) / size)})),
            Mutant("the limit", d.by_order({2: s**2, 4: 2 * s**4, 6: 5 * s**6})),
        ],
        budgets={
            "quick": Budget(trials=quick[0], margin=quick[1]),
            "standard": Budget(trials=2_000_000, margin=0.006),
            "paper": Budget(trials=16_000_000, margin=0.002),
        },
    )


@theory.claim(source=HARER)
def sixth_moment() -> Claim:
    """E (1/P) tr W^6 is s^6 (5 + 22/P + 52/P^2 + 41/P^3) for real Gaussian matrices, s^6 (5 + 10/P^2) for complex ones.

    Sixth powers of small matrices have tails that a mean of 10^5 draws cannot be trusted with: at P = 3 a thousandth of
    the draws carries a third of the variance.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d
    from theorylab.sims.random_matrix.wigner import power_means

    right, s, size, u = d.exact_moments, d.s, d.P, d.u
    return Claim(
        prediction=d.EXACT_MOMENT,
        simulation=power_means,
        check=Expectation(observable="sixth"),
        points=grid(P=8, beta=[1, 2], s=0.7, k=6),
        mutants=[
            Mutant("10/P^2 and 52/P^2 dropped", d.by_order({**right, 6: s**6 * (5 + 22 * (u - 1) / size)})),
            Mutant("11/P instead of 22/P", d.by_order({**right, 6: right[6] - 11 * s**6 * (u - 1) / size})),
            Mutant("the limit", d.by_order({2: s**2, 4: 2 * s**4, 6: 5 * s**6})),
        ],
        budgets={
            "quick": Budget(trials=131_072, margin=0.034),
            "standard": Budget(trials=1_000_000, margin=0.01, points=grid(P=[8, 12], beta=[1, 2], s=0.7, k=6)),
            "paper": Budget(trials=16_000_000, margin=0.002),
        },
    )


@theory.claim(control=True, expected="fails")
def low_moments_five_per_cent_more() -> Claim:
    """E (1/P) tr W^2 and W^4 are 1.05 times their exact values.

    A control.
    """
    from dataclasses import replace

    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d

    claim = low_moments()
    return replace(claim, prediction=replace(d.EXACT_MOMENT, expr=1.05 * d.EXACT_MOMENT.expr), mutants=[])


@theory.claim(source=LEDOUX)
def real_matrices_converge_slowly() -> Claim:
    """For real matrices E (1/P) tr W^4 - 2 s^4 falls like 1/P."""
    return _excess(1, -1.0, (6, 12, 24, 48), [32_768, 1_000_000], [0.15, 0.04])


@theory.claim(source=HARER)
def complex_matrices_converge_fast() -> Claim:
    """For complex matrices E (1/P) tr W^4 - 2 s^4 falls like 1/P^2: gluings have even Euler characteristic.

    Scatter of order 1/P covers the difference from P = 20 on, however many matrices are drawn.
    """
    return _excess(2, None, (4, 8, 16, 32), [524_288, 4_000_000], [0.32, 0.12])


def _excess(beta: int, drift: float | None, sizes: tuple[int, ...], trials: list[int], margins: list[float]) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d
    from theorylab.sims.random_matrix.wigner import tridiagonal_power_means

    mutant = (
        Mutant("like 1/P^2", lambda value, beta: value - 1.0)
        if beta == 1
        else Mutant("like 1/P", lambda value, beta: value + 1.0)
    )
    return Claim(
        prediction=d.EXCESS_EXPONENT,
        simulation=tridiagonal_power_means,
        check=Exponent(size="P", observable="excess", drift=drift),
        points=grid(beta=beta, s=1.0),
        parameters=[d.SIZE, d.S],
        mutants=[mutant],
        budgets={
            # Early looks at logarithms of means that are hardly seen would mislead.
            "quick": Budget(trials=trials[0], margin=margins[0], sizes=sizes, block=trials[0] // 2),
            "standard": Budget(trials=trials[1], margin=margins[1], sizes=sizes),
            "paper": Budget(trials=16 * trials[1], margin=margins[1] / 3, sizes=sizes),
        },
    )


@theory.claim(source=DUMITRIU)
def resolvent_correction() -> Claim:
    """E tr (z - W)^-1 - P G(z) tends to (2/beta - 1) (z/(2 (z^2 - 4 s^2)) - 1/(2 sqrt(z^2 - 4 s^2))): masses of 1/4 at
    both edges less half an arcsine law, nothing for complex matrices, the other sign for quaternions.

    The trace is compared, not its mean over P eigenvalues, so that the correction stays finite. Its measure gives the
    terms 1, 5, 22 over P of the exact moments.
    """
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d
    from theorylab.sims.random_matrix.wigner import resolvent_trace

    right = d.RESOLVENT_TRACE

    def masses_alone(value: Any, P: Any, a: Any, b: Any, part: Any, beta: Any, s: Any) -> Any:
        arcsine = 1.0 / (np.sqrt(a + 1j * b - 2.0) * np.sqrt(a + 1j * b + 2.0)) / (2.0 * s)
        return value + (2.0 / beta - 1.0) * np.where(part == 0, arcsine.real, arcsine.imag)

    def scaled(factor: Any) -> Any:
        def wrong(value: Any, P: Any, a: Any, b: Any, part: Any, beta: Any, s: Any) -> Any:
            none = right(P=P, a=a, b=b, part=part, beta=2.0, s=s)
            return none + factor(beta) * (value - none)

        return wrong

    return Claim(
        prediction=right,
        simulation=resolvent_trace,
        check=Asymptotic(size="P", observable="trace", rate=1.0, scale="absolute"),
        points=[{"a": 1.9, "b": 0.4, "beta": beta, "s": 1.0, "part": _orders(0, 1)} for beta in (1, 2, 4)],
        mutants=[
            Mutant("no correction", scaled(lambda beta: 0.0 * beta)),
            Mutant("masses of 1/4 without the arcsine law", masses_alone),
            Mutant("the same for quaternions as for real entries", scaled(lambda beta: np.where(beta == 4, -2.0, 1.0))),
            Mutant("twice the correction", scaled(lambda beta: 2.0 + 0.0 * beta)),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.09, sizes=SIZES["quick"]),
            "standard": Budget(trials=524_288, margin=0.03, sizes=SIZES["paper"]),
            "paper": Budget(trials=4_000_000, margin=0.01, sizes=(32, 64, 128, 256)),
        },
    )


@theory.claim(source=JOHANSSON)
def trace_variance() -> Claim:
    """Var tr W^2 = (4/beta) s^4 (1 + (2/beta - 1)/P) at every P: a trace of a large matrix does not scatter more than
    one of a small matrix, so that a single matrix of 1000 rows shows its moments to 0.002.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d
    from theorylab.sims.random_matrix.wigner import trace_scatter

    right, size = d.trace_variance, d.P
    return Claim(
        prediction=d.TRACE_VARIANCE,
        simulation=trace_scatter,
        check=Expectation(observable="second"),
        points=grid(P=6, beta=[1, 2, 4], s=0.9),
        mutants=[
            Mutant("the same for every beta", right.subs(d.beta, 2)),
            Mutant("independent eigenvalues: P times that of one", 0 * right + size * d.s**4),
            Mutant("the limit", 2 * d.u * d.s**4),
        ],
        budgets={
            "quick": Budget(trials=131_072, margin=0.045),
            "standard": Budget(trials=2_000_000, margin=0.012, points=grid(P=[6, 50], beta=[1, 2, 4], s=0.9)),
            "paper": Budget(trials=16_000_000, margin=0.003),
        },
    )


@theory.claim(source=JOHANSSON)
def quartic_trace_variance() -> Claim:
    """Var tr W^4 = s^8 (72 + 304/P + 664/P^2 + 496/P^3) for real matrices, s^8 (36 + 60/P^2) for complex ones.

    The limits are (2/beta) (2 8^2 + 4 2^2)/4, from the Chebyshev coefficients 8 and 2 of x^4; the rest counts gluings
    of two squares.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_semicircle_finite as d
    from theorylab.sims.random_matrix.wigner import trace_scatter

    return Claim(
        prediction=d.QUARTIC_VARIANCE,
        simulation=trace_scatter,
        check=Expectation(observable="fourth"),
        points=grid(P=20, beta=[1, 2], s=1.1),
        mutants=[
            Mutant("the limit", 72 * d.s**8 / d.INDEX.symbol),
            Mutant("sum of c_j^2 without its factor j", d.QUARTIC_VARIANCE.expr * 17 / 36),
            Mutant("304/P for complex matrices too", d.quartic_variance[1] / d.INDEX.symbol),
        ],
        budgets={
            "quick": Budget(trials=131_072, margin=0.06),
            "standard": Budget(trials=2_000_000, margin=0.015),
            "paper": Budget(trials=16_000_000, margin=0.004),
        },
    )
