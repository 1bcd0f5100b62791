"""How badly kernels overfit noise without a ridge.

Further claims of the theory are in `krr_eigenframework`.
"""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.double_descent.krr_eigenframework import theory

MALLINAR = Source(
    authors="Mallinar, Neil and Simon, James B. and Abedsoltan, Amirhesam and Pandit, Parthe and Belkin, Mikhail and "
    "Nakkiran, Preetum",
    title="Benign, Tempered, or Catastrophic: A Taxonomy of Overfitting",
    year=2022,
    where="Theorem 3.1",
    arxiv="2207.06569v2",
)


def _summed(prediction: Any, sums: Any, points: Any, mutants: list[Mutant], margin: float, extra: Any = ()) -> Claim:
    """A limit against sums over the spectrum; nothing is sampled."""
    from theorylab.checks import Identity

    return Claim(
        prediction=prediction,
        check=Identity(other=sums),
        points=points,
        parameters=extra,
        mutants=mutants,
        budgets={name: Budget(1, margin) for name in ("quick", "standard", "paper")},
    )


@theory.claim(source=MALLINAR)
def overfitting() -> Claim:
    """Without a ridge the test error for pure noise of variance 1 tends to e_0 = n/(n - sum L^2), as measured on
    finite power-law spectra."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import krr_eigenframework as d
    from theorylab.sims.double_descent.eigenfunctions import pure_noise

    def first_power(value: Any, *, alpha: Any, n: Any, ratio: Any) -> Any:
        found = d.solution(float(alpha), float(n), float(ratio), 0.0)
        return 1.0 + (found.learnabilities**2).sum() / found.n

    return Claim(
        prediction=d.OVERFITTING,
        simulation=pure_noise,
        check=Asymptotic(size="n", observable="value"),
        points=grid(alpha=[1.2, 1.5], ratio=5.0),
        parameters=[d.N],
        mutants=[
            Mutant("first order: 1 + sum L^2/n", first_power),
            Mutant(
                "twice as many samples",
                lambda value, *, alpha, n, ratio: d.OVERFITTING(alpha=alpha, n=2 * n, ratio=ratio / 2),
            ),
            Mutant("isotropic: n/(M - n)", lambda value, *, alpha, n, ratio: 1.0 + 1.0 / (ratio - 1.0) + 0.0 * value),
        ],
        budgets={
            "quick": Budget(320, 0.02, sizes=(10, 20, 40, 80), block=64),
            "standard": Budget(
                1024, 0.006, points=grid(alpha=[0.5, 1.2, 1.5, 2.0], ratio=5.0), sizes=(24, 48, 96, 192), block=64
            ),
            "paper": Budget(
                2048, 0.003, points=grid(alpha=[0.5, 1.2, 1.5, 2.0], ratio=5.0), sizes=(48, 96, 192, 384), block=64
            ),
        },
    )


@theory.claim(source=MALLINAR)
def tempered() -> Claim:
    """Power laws i^-alpha overfit moderately: without a ridge e_0 = alpha n/(n + 1/2), which tends to alpha.

    The half is derived here: both sums run from 1, and Euler and Maclaurin take half the value 1 from either. It is
    exact up to order n^(-1-alpha).
    """
    from theorylab.derivations.double_descent import krr_overfitting as d

    return _summed(
        d.TEMPERED,
        d.TEMPERED_SUM,
        grid(alpha=[1.3, 2.0, 3.5], n=[100, 10_000]),
        [
            Mutant("without the half", d.alpha + 0 * d.n),
            Mutant("n + 1", d.alpha * d.n / (d.n + 1)),
            Mutant("alpha/(alpha - 1): that of the sums of L", d.alpha / (d.alpha - 1) + 0 * d.n),
        ],
        2e-4,
    )


@theory.claim(source=MALLINAR)
def catastrophic() -> Claim:
    """Exponential spectra e^(-c i) overfit without bound: e_0 = c n/(1 - (4 pi^2/c)/sinh(2 pi^2/c)).

    The leading c n is Mallinar et al.'s; at c = 3 the discreteness of the modes adds 4 %.
    """
    import sympy as sp

    from theorylab.derivations.double_descent import krr_overfitting as d

    return _summed(
        d.CATASTROPHIC,
        d.CATASTROPHIC_SUM,
        grid(c=[0.3, 1.0, 3.0], n=[50, 200]),
        [
            Mutant("modes in a continuum", d.c * d.n),
            Mutant("c n/2", d.c * d.n / 2),
            Mutant("kappa at a mode", d.c * d.n / (1 + 4 * sp.pi**2 / (d.c * sp.sinh(2 * sp.pi**2 / d.c)))),
        ],
        5e-4,
    )


@theory.claim(source=MALLINAR)
def on_spheres() -> Claim:
    """A kernel with a cusp on the sphere in d dimensions, with eigenvalues (k + (d-2)/2)^-d of degree k, has
    e_0 -> d/(d - 1): less overfitting in higher dimension.

    Corrections are of order n^(-2/(d-1)), and vanish in d = 4, where multiplicities are squares: 0.05/n^(1/2) of e_0 at
    d = 5.
    """
    from theorylab.derivations.double_descent import krr_overfitting as d
    from theorylab.derivations.double_descent.krr_eigenframework import N

    return _summed(
        d.SPHERE,
        d.SPHERE_SUM,
        grid(d=[3, 4, 5], n=[1_000_000]),
        [
            Mutant("sphere in d + 1 dimensions", (d.d + 1) / d.d),
            Mutant("2 nu + d for d", (d.d + 1) / (d.d - 1)),
            Mutant("no overfitting", d.d / d.d),
        ],
        1e-3,
        [N],
    )


@theory.claim(source=MALLINAR)
def benign() -> Claim:
    """Eigenvalues 1/(i log^b i) overfit benignly, but e_0 - 1 falls only like (b - 1)/log n: at n = e^400 as
    (b - 1)/(log n - log(log n/(b - 1))), to half a per cent."""
    import sympy as sp

    from theorylab.derivations.double_descent import krr_overfitting as d

    return _summed(
        d.BORDERLINE,
        d.BORDERLINE_SUM,
        grid(b=[1.5, 2.0, 3.0], log_n=[400.0]),
        [
            Mutant("b/log n", d.b / d.log_n),
            Mutant("log n alone", (d.b - 1) / (d.log_n + sp.log(d.log_n))),
            Mutant("1/log n, whatever b", 1 / d.log_n + 0 * d.b),
        ],
        0.005,
    )
