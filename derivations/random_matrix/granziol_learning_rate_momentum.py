r"""Heavy-ball momentum on a quadratic: its stability limit and its optimal parameters.

Model
    w_{t+1} = w_t - alpha h w_t + rho (w_t - w_{t-1}) along each eigenvector of the (preconditioned) batch curvature,
    of eigenvalue h: the companion matrix [[1 + rho - alpha h, -rho], [1, 0]] acts on (w_t, w_{t-1}).
Result
    Its spectral radius passes 1 at alpha h = 2 (1 + rho): momentum widens the stable range of the learning rate by the
    factor 1 + rho. Over eigenvalues from mu to L = kappa mu the radius is nowhere below
    (sqrt(kappa) - 1)/(sqrt(kappa) + 1), which is reached at rho equal to its square and
    alpha = 4/(sqrt(L) + sqrt(mu))^2.
Assumptions
    The same batch at every step (or the full data set).
Source
    Polyak (1964), USSR Comput. Math. Math. Phys. 4(5):1; quoted in Granziol, Zohren and Roberts (2022),
    arXiv:2006.09092v6.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

RHO = Parameter("rho", Interval(0, 1, open_high=True), "momentum", default=0.0)
KAPPA = Parameter("kappa", Interval(1), "condition number L/mu")
SMALL = Parameter("mu", Interval(0, open_low=True), "smallest eigenvalue")
LARGE = Parameter("L", Interval(0, open_low=True), "largest eigenvalue")
rho, kappa, mu, L = (p.symbol for p in (RHO, KAPPA, SMALL, LARGE))

CONVENTIONS = {
    "momentum": "w_{t+1} = w_t - alpha grad + rho (w_t - w_{t-1})",
    "sharpness": "alpha times the largest eigenvalue of C^-1 H_batch",
}
SOURCE = "Polyak (1964); eigenvalues of the companion matrix"

best_rho = ((sp.sqrt(L) - sp.sqrt(mu)) / (sp.sqrt(L) + sp.sqrt(mu))) ** 2
best_alpha = 4 / (sp.sqrt(L) + sp.sqrt(mu)) ** 2
_best_rate = (sp.sqrt(kappa) - 1) / (sp.sqrt(kappa) + 1)


def characteristic(z: sp.Expr, sharpness: sp.Expr, momentum: sp.Expr) -> sp.Expr:
    """det(z - companion matrix)."""
    companion = sp.Matrix([[1 + momentum - sharpness, -momentum], [1, 0]])
    return (z * sp.eye(2) - companion).det()


def _threshold_steps() -> list[Step]:
    z, x = sp.symbols("z x", positive=True)
    y = sp.Symbol("y", real=True)
    polynomial = characteristic(y, x, rho)
    return [
        Step(
            "characteristic polynomial",
            characteristic(z, x, rho),
            z**2 - (1 + rho - x) * z + rho,
            "of the companion matrix, with x = alpha h; the product of its roots is rho < 1",
        ),
        Step(
            "eigenvalue -1",
            characteristic(sp.Integer(-1), x, rho).subs(x, 2 * (1 + rho)),
            sp.S.Zero,
            "complex roots have modulus sqrt(rho) < 1; a real root leaves the unit interval at -1",
        ),
        Step(
            "it moves outwards",
            -(polynomial.diff(x) / polynomial.diff(y)).subs({y: -1, x: 2 * (1 + rho)}),
            -1 / (1 - rho),
            "dz/dx of that root, by implicit differentiation, points out of the unit interval",
        ),
    ]


def _optimum_steps() -> list[Step]:
    def discriminant(h: sp.Expr) -> sp.Expr:
        return (1 + best_rho - best_alpha * h) ** 2 - 4 * best_rho

    steps = [
        Step(
            f"double root at {name}",
            discriminant(h),
            sp.S.Zero,
            "at the optimum both ends of the spectrum are critically damped, and all between oscillate with modulus "
            "sqrt(rho)",
        )
        for name, h in (("L", L), ("mu", mu))
    ]
    momentum = sp.Symbol("m", positive=True)
    return [
        *steps,
        Step(
            "rate",
            best_rho.subs(L, kappa * mu),
            _best_rate**2,
            "the modulus is sqrt(rho)",
        ),
        Step(
            "no momentum does better",
            ((1 + sp.sqrt(momentum)) ** 2 / (1 - sp.sqrt(momentum)) ** 2).subs(momentum, _best_rate**2),
            kappa,
            "modulus sqrt(rho) at both ends needs alpha mu >= (1 - sqrt rho)^2, alpha L <= (1 + sqrt rho)^2: kappa is "
            "their ratio at most",
            where={kappa: (1.1, 9)},
        ),
    ]


_THRESHOLD = Derivation(SOURCE, _threshold_steps)
_OPTIMUM = Derivation(SOURCE, lambda: [*_threshold_steps(), *_optimum_steps()])
critical_sharpness = ClosedForm(
    space=Space([RHO]),
    quantity="critical sharpness alpha_max lambda_max",
    expr=2 * (1 + rho),
    conventions=CONVENTIONS,
    derivation=_THRESHOLD,
    corners=({"rho": 0.0}, {"rho": 1 - 1e-12}),
)
best_rate = ClosedForm(
    space=Space([KAPPA]),
    quantity="spectral radius over the spectrum",
    expr=_best_rate,
    # (sqrt(kappa) - 1) loses digits near kappa = 1.
    numeric=lambda kappa: (kappa - 1.0) / (kappa**0.5 + 1.0) ** 2,
    conventions=CONVENTIONS,
    derivation=_OPTIMUM,
    corners=({"kappa": 1 + 1e-12}, {"kappa": 1e14}),
)
squared_trace = ClosedForm(
    space=Space([SMALL, LARGE], [Constraint(mu <= L, "mu is the smallest eigenvalue, L the largest")]),
    quantity="squared trace of the companion matrix at L, optimal parameters",
    expr=(1 + best_rho - best_alpha * L) ** 2,
    # The three terms cancel for mu near L.
    numeric=lambda mu, L: 4.0 * ((L - mu) / (L**0.5 + mu**0.5) ** 2) ** 2,
    conventions=CONVENTIONS,
    derivation=_OPTIMUM,
    corners=({"mu": 1e-9, "L": 1.0}, {"mu": 1.0, "L": 1.0000001}),
)
