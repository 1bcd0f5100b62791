r"""The components of the risk of SGD on power-law random features: pole part, absolutely continuous part, noise, floor.

Model
    That of `plrf_volterra`, with $x = 2 \gamma B r$, so that $q(u)^r \approx e^{-x u}$.
Result
    Forcing: $F(r) \approx F_0 + F_{pp} + F_{ac}$, with
        $F_{pp} = \frac{1}{2\alpha} \int_0^1 u^{(2\beta - 1)/(2\alpha)} e^{-x u} du$,
        $F_{ac} = \frac{\zeta(2\beta)}{2 \alpha d} \int_{d^{-2\alpha}}^1 u^{-1/(2\alpha)} e^{-x u} du$ for
        $\alpha, \beta > 1/2$. For $\alpha < 1/2 < \beta$ the bulk keeps instead $\sum_j j^{-2\alpha-2\beta}
        \tau / (j^{-2\alpha} + \tau)$, $\tau = \mathrm{tr} D / d$, until $x \tau \sim 1$: of the order of $F_0$.
    Kernel: $K_{pp} = \frac{\gamma^2 B}{2\alpha} \int_0^1 u^{1 - 1/(2\alpha)} e^{-x u} du$ for $\alpha > 1/4$.
    Risk for $\alpha, \beta > 1/2$: $P_r \approx (F(r) + K_{pp}(r)\, \Sigma_F / (1 - |K|)) / (1 - |K|)$ with
        $\Sigma_F = \sum_j j^{-2\alpha-2\beta} / (2 \gamma B j^{-2\alpha} (1 - \gamma (B+1) j^{-2\alpha}/2))$,
    as the kernel is subexponential: a large delay comes from a single step of the noise, with the whole forcing before
    it and the whole noise on either side. For $\beta < 1/2 < \alpha$ the forcing outlives the kernel and
    $P_r \approx F(r) / (1 - |K|)$.
Assumptions
    r large, and x away from $d^{2\alpha}$, where the cut-offs of the components are not sharp.
Source
    Paquette, Paquette, Xiao and Pennington, arXiv:2405.15074v2, section 3, which states the sum of all components up to
    constants. The constants of the risk are derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws import plrf_volterra as v
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

X = Parameter("x", Interval(0.0, 1e60), "time 2 gamma B r in units of the largest eigenvalue", default=100.0)
SMOOTH = Parameter("alpha", Interval(0.55, 2.0), "exponent of the data, above 1/2", default=1.0)
STEP = Parameter("gamma", Interval(0.0, 10.0, open_low=True), "learning rate", default=0.2)
x, gamma = X.symbol, STEP.symbol
alpha, beta, d, B = v.alpha, v.beta, v.d, v.B
u = sp.Symbol("u", positive=True)

pole_power = 1 + beta / alpha - 1 / (2 * alpha)
continuous_power = 1 - 1 / (2 * alpha)
noise_power = 2 - 1 / (2 * alpha)


def truncated(power: Any) -> Any:
    r"""$\int_0^1 u^{p-1} e^{-x u} du = x^{-p} \gamma(p, x)$."""
    return sp.lowergamma(power, x) * x**-power


def _truncated(p: Any, x: Any) -> Any:
    """The same in double precision: by its series where x is small, whose powers would overflow."""
    p, x = np.broadcast_arrays(np.asarray(p, dtype=float), np.asarray(x, dtype=float))
    large = np.maximum(x, 1.0)
    return np.where(
        x < 1.0,
        special.hyp1f1(p, p + 1.0, -np.minimum(x, 1.0)) / p,
        special.gamma(p) * special.gammainc(p, large) * large**-p,
    )


def _upper(p: Any, y: Any) -> Any:
    """Upper incomplete gamma function, by its asymptotic series where the library's underflows."""
    late, term, total = np.maximum(y, 30.0), 1.0, 1.0
    for k in range(1, 20):
        term = term * (p - k) / late
        total = total + term
    early = special.gamma(p) * special.gammaincc(p, np.minimum(y, 30.0))
    return np.where(y < 30.0, early, np.exp(-late) * late ** (p - 1.0) * total)


def _pole(*, alpha: Any, beta: Any, x: Any) -> Any:
    return _truncated(1.0 + (beta - 0.5) / alpha, x) / (2.0 * alpha)


def _continuous(*, alpha: Any, beta: Any, d: Any, x: Any) -> Any:
    p, low = 1.0 - 0.5 / alpha, np.asarray(d, dtype=float) ** (-2.0 * np.asarray(alpha, dtype=float))
    # From the far end where both incomplete gamma functions are nearly complete.
    near = _truncated(p, x) - low**p * _truncated(p, x * low)
    far = np.maximum(x, 1.0)
    tail = (_upper(p, far * low) - _upper(p, far)) * far**-p
    return special.zeta(2.0 * beta) / (2.0 * alpha * d) * np.where(x * low > 1.0, tail, near)


def _noise(*, alpha: Any, gamma: Any, B: Any, x: Any) -> Any:
    return gamma**2 * B / (2.0 * alpha) * _truncated(2.0 - 0.5 / alpha, x)


def components() -> list[Step]:
    """From sums over eigenvalues to incomplete gamma functions, and these to power laws."""
    j, p, w, c = sp.symbols("j p w c", positive=True)
    eps, m = sp.symbols("epsilon m", positive=True)
    n = sp.Symbol("n", positive=True)
    jacobian = u ** (-1 - 1 / (2 * alpha)) / (2 * alpha)
    at = {j: u ** (-1 / (2 * alpha))}
    return [
        Step(
            "decay of a mode",
            sp.Limit((1 - x * u / n + u**2 * eps / n**2) ** n, n, sp.oo),
            sp.exp(-x * u),
            "q(u)^r with r = n and 2 gamma B u = x u/n: exponential for many steps at a given x",
        ),
        Step(
            "number of eigenvalues",
            sp.diff(u ** (-1 / (2 * alpha)), u) * -1,
            jacobian,
            "substitute u = j^(-2 alpha) in the sum over j: dj = -u^(-1 - 1/(2 alpha)) du/(2 alpha)",
        ),
        Step(
            "pole part",
            (j ** (-2 * alpha - 2 * beta)).subs(at) * jacobian,
            u ** (pole_power - 1) / (2 * alpha),
            "the target's weight at the eigenvalue u",
        ),
        Step(
            "noise",
            (j ** (-4 * alpha)).subs(at) * jacobian,
            u ** (noise_power - 1) / (2 * alpha),
            "the kernel has gamma^2 B lambda^2",
        ),
        Step(
            "density of the bulk",
            sp.pi / (2 * alpha) * u ** (-1 / (2 * alpha)),
            sp.pi * u * jacobian,
            "to first order in 1/d Im m(u) = (pi/d) u dj/du, the imaginary part of (1/d) sum_j lambda_j/(u - lambda_j) "
            "with its poles of residue lambda_j",
        ),
        Step(
            "a mode of the forcing",
            sp.diff(w / (m * w - u), m).subs({m: 1, u: 0}),
            -sp.S.One,
            "d/dm of sum_j lambda_j b_j^2/(lambda_j m - u) at u << lambda_j: -b_j^2 each, -zeta(2 beta) in all",
        ),
        Step(
            "absolutely continuous part",
            c / sp.pi * (sp.pi / (2 * alpha) * u ** (-1 / (2 * alpha)) / n),
            c / (2 * alpha * n) * u ** (-1 / (2 * alpha)),
            "c = zeta(2 beta) times Im m/pi, m = 1 + i (pi/(2 alpha)) u^(-1/(2 alpha))/n at n features",
        ),
        Step(
            "incomplete gamma function",
            sp.Integral(u ** (p - 1) * sp.exp(-x * u), (u, 0, 1)),
            truncated(p),
            "the integral of all components",
            where={p: (0.3, 2), x: (0.3, 5)},
            method="50 digits",
        ),
        Step(
            "power law",
            sp.Limit(sp.lowergamma(sp.Rational(3, 2), x), x, sp.oo),
            sp.gamma(sp.Rational(3, 2)),
            "for x >> 1 each is Gamma(p) x^(-p)",
        ),
    ]


def between() -> list[Step]:
    """The forcing's measure at eigenvalues far above the bulk."""
    z, tau, lam, m = sp.symbols("z tau lambda m", positive=True)
    pole = lam / (lam * z / (z - tau) - z)
    return [
        Step(
            "self-consistent equation",
            sp.solve(sp.Eq(m * (1 - tau / z), 1), m)[0],
            z / (z - tau),
            "at z above most eigenvalues (1/d) sum_j lambda_j/(lambda_j m - z) is -tau/z, tau = tr D/d",
        ),
        Step(
            "outlier",
            sp.Limit(-pole * (z - lam - tau), z, lam + tau),
            lam**2 / (lam + tau),
            "an eigenvalue lambda + tau, with the share lambda/(lambda + tau) of the target's weight lambda b^2, b = 1",
        ),
        Step(
            "what waits for the bulk",
            sp.Limit(-pole * z, z, 0),
            lam * tau / (lam + tau),
            "the rest, tau/(lambda + tau) of it, is at eigenvalues of the bulk or 0",
        ),
    ]


def noise() -> list[Step]:
    """How forcing and kernel make the risk."""
    K, F, small, s = sp.symbols("K F delta s", positive=True)
    lam = sp.Symbol("lambda", positive=True)
    return [
        Step(
            "one large delay in the noise",
            sp.diff(1 / (1 - K - small * s), small).subs(small, 0),
            s / (1 - K) ** 2,
            "a kernel with |K| and a tail delta s: the sum of all its powers has the tail delta s/(1 - |K|)^2, "
            "as only one of the delays is large",
        ),
        Step(
            "one large delay in all",
            sp.diff((F + small) / (1 - K - small * s), small).subs(small, 0),
            (1 + s * F / (1 - K)) / (1 - K),
            "P = F times the sum of powers: the large delay is in the forcing (tail 1) or in the noise (tail s), "
            "F the sum of the forcing over all times",
        ),
        Step(
            "sum of the forcing",
            1 / (1 - (1 - 2 * gamma * B * lam + gamma**2 * B * (B + 1) * lam**2)),
            1 / (2 * gamma * B * lam * (1 - gamma * (B + 1) * lam / 2)),
            "sum_r q^r for one mode",
        ),
    ]


_PIECES = Derivation("sums over eigenvalues as integrals", components)
_SHARP = Derivation("subexponential kernels", lambda: [*components(), *noise()])
CONVENTIONS = {**v.CONVENTIONS, "x": "2 gamma B r", "components": "of the forcing and of the kernel, not of the risk"}

POLE = ClosedForm(
    expr=truncated(pole_power) / (2 * alpha),
    numeric=_pole,
    space=Space([v.ALPHA, v.BETA, X], [v.POWER_LAW]),
    quantity="pole part F_pp of the forcing",
    conventions=CONVENTIONS,
    derivation=_PIECES,
    corners=({"alpha": 2.0, "beta": 0.0, "x": 1e-9}, {"alpha": 0.3, "beta": 0.3, "x": 1e12}, {"x": 1.0}),
)
CONTINUOUS = ClosedForm(
    expr=sp.zeta(2 * beta)
    / (2 * alpha * d)
    * x**-continuous_power
    * (sp.uppergamma(continuous_power, x * d ** (-2 * alpha)) - sp.uppergamma(continuous_power, x)),
    numeric=_continuous,
    space=Space([SMOOTH, v.BETA, v.FEATURES, X], [Constraint(2 * beta > 1, "zeta(2 beta) diverges: take beta > 1/2")]),
    quantity="absolutely continuous part F_ac of the forcing",
    conventions=CONVENTIONS,
    derivation=_PIECES,
)
KERNEL = ClosedForm(
    expr=gamma**2 * B / (2 * alpha) * truncated(noise_power),
    numeric=_noise,
    space=Space([v.ALPHA, STEP, v.BATCH, X], [Constraint(4 * alpha > 1, "the integral diverges: take alpha > 1/4")]),
    quantity="pole part K_pp of the kernel",
    conventions=CONVENTIONS,
    derivation=_PIECES,
    corners=({"alpha": 0.2500001, "x": 1.0}, {"alpha": 2.0, "x": 1e-9}, {"alpha": 1.0, "x": 1e12}),
)


def continuous(alpha: Any, beta: Any, d: Any, x: Any) -> Any:
    """F_ac where alpha and beta are above 1/2, else 0."""
    there = (np.asarray(alpha) > 0.5) & (np.asarray(beta) > 0.5)
    return np.where(there, _continuous(alpha=alpha, beta=np.maximum(beta, 0.51), d=d, x=x), 0.0)


def time(alpha: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> tuple[float, Any]:
    """Learning rate, and x = 2 gamma B r."""
    g = float(rate) / v.spectrum(float(alpha), 1.0, float(d), float(ratio))[0].trace
    return g, 2.0 * g * float(B) * np.asarray(r, dtype=float)


def _pieces(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
    _, at = time(alpha, d, ratio, rate, B, r)
    floor, error = v.LEAST_RISK.evaluate(alpha=alpha, beta=beta, d=d, ratio=ratio)
    value = floor + _pole(alpha=alpha, beta=beta, x=at) + continuous(alpha, beta, d, at)
    return value, error + 1e-12 * value


def plateau(alpha: Any, beta: Any, d: Any, ratio: Any) -> float:
    r"""$\sum_j j^{-2\alpha-2\beta} \tau / (j^{-2\alpha} + \tau)$ with $\tau = \mathrm{tr} D / d$."""
    s = v.spectrum(float(alpha), float(beta), float(d), float(ratio))[0]
    tau = s.trace / s.d
    return float(s.weight @ (s.target * (tau / (s.lam + tau))))


def _early(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
    _, at = time(alpha, d, ratio, rate, B, r)
    value = plateau(alpha, beta, d, ratio) + _pole(alpha=alpha, beta=beta, x=at)
    return value, 1e-9 * value


def _norm(alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any) -> tuple[float, float]:
    value, error = v.equivalent(*(float(a) for a in (alpha, beta, d, ratio, rate, B))).kernel_norm
    return float(value), float(error)


def forcing_sum(alpha: Any, beta: Any, d: Any, ratio: Any, g: float, B: Any) -> float:
    """Sigma_F, over the population's eigenvalues."""
    s = v.spectrum(float(alpha), float(beta), float(d), float(ratio))[0]
    return float(s.weight @ (s.target / (2.0 * g * B * s.lam * (1.0 - g * (B + 1.0) * s.lam / 2.0))))


def _sharp(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
    at = {"alpha": alpha, "beta": beta, "d": d, "ratio": ratio, "rate": rate, "B": B}
    forcing, error = v.FORCING.evaluate(**at, r=r)
    norm, slack = _norm(**at)
    g, when = time(alpha, d, ratio, rate, B, r)
    tail = _noise(alpha=alpha, gamma=g, B=B, x=when) * forcing_sum(alpha, beta, d, ratio, g, B) / (1.0 - norm)
    value = (forcing + tail) / (1.0 - norm)
    return value, (error + 2.0 * slack * value) / (1.0 - norm)


def _without_tail(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
    at = {"alpha": alpha, "beta": beta, "d": d, "ratio": ratio, "rate": rate, "B": B}
    forcing, error = v.FORCING.evaluate(**at, r=r)
    norm, slack = _norm(**at)
    value = forcing / (1.0 - norm)
    return value, (error + slack * value) / (1.0 - norm)


def _published(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
    value, error = _pieces(alpha=alpha, beta=beta, d=d, ratio=ratio, rate=rate, B=B, r=r)
    g, when = time(alpha, d, ratio, rate, B, r)
    return value + _noise(alpha=alpha, gamma=g, B=B, x=when) / (g * B), error


def _numerical(function: Any, quantity: str, formula: str, derivation: Derivation) -> Numerical:
    return Numerical(
        function=function,
        space=v.MODEL,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=derivation,
        formula=formula,
    )


PIECES = _numerical(_pieces, "forcing F(r) by its components", r"F_0 + F_{pp} + F_{ac}", _PIECES)
EARLY = _numerical(
    _early,
    "forcing F(r) before the bulk of the spectrum is learnt",
    r"F_{pp} + \sum_j j^{-2\alpha-2\beta} \frac{\tau}{j^{-2\alpha}+\tau}, \quad \tau = \mathrm{tr} D/d",
    Derivation("resolvent between outliers and bulk", lambda: [*components(), *between()]),
)
SHARP = _numerical(
    _sharp,
    "risk P_r by forcing and kernel",
    r"\frac{1}{1 - \|K\|} \left(F(r) + \frac{\Sigma_F}{1 - \|K\|} K_{pp}(r)\right)",
    _SHARP,
)
WITHOUT_TAIL = _numerical(_without_tail, "risk P_r by the forcing", r"\frac{F(r)}{1 - \|K\|}", _SHARP)
PUBLISHED = _numerical(
    _published, "risk P_r as a sum of components", r"F_{pp} + F_{ac} + F_0 + K_{pp}/(\gamma B)", _PIECES
)


def slope(quantity: Numerical, above: bool = False) -> Numerical:
    """Logarithmic slope in r of a curve, or of what it has above the least risk."""

    def function(*, r: Any, **at: Any) -> Any:
        step = 2.0**0.25
        floor = v.LEAST_RISK(**{k: at[k] for k in ("alpha", "beta", "d", "ratio")}) if above else 0.0
        ends = [quantity.evaluate(**at, r=np.asarray(r) * factor) for factor in (1.0 / step, step)]
        (a, ea), (b, eb) = ((e.value - floor, e.error) for e in ends)
        return np.log(b / a) / (2.0 * np.log(step)), (ea / a + eb / b) / (2.0 * np.log(step))

    return Numerical(function=function, space=v.MODEL, quantity=f"slope of {quantity.quantity}", derivation=_PIECES)


POLE_SLOPE = ClosedForm(
    expr=-pole_power,
    space=v.MODEL,
    quantity="slope of log F_pp in log r",
    conventions=CONVENTIONS,
    derivation=_PIECES,
)
CONTINUOUS_SLOPE = ClosedForm(
    expr=-continuous_power,
    space=v.MODEL,
    quantity="slope of log F_ac in log r",
    conventions=CONVENTIONS,
    derivation=_PIECES,
)
NOISE_SLOPE = ClosedForm(
    expr=-noise_power,
    space=v.MODEL,
    quantity="slope of log K_pp in log r",
    conventions=CONVENTIONS,
    derivation=_PIECES,
)
