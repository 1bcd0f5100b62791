r"""The compute-optimal allocation for a loss that is a sum of two power laws and a constant.

Model
    L(N, D) = E + A N^-a + B D^-b for a model of N parameters trained on D tokens, at the cost C = k N D (k = 6 flops
    for each parameter and token).
Result
    The least loss at cost C is at N* = G (C/k)^{b/(a+b)}, D* = G^{-1} (C/k)^{a/(a+b)}, G = (a A/(b B))^{1/(a+b)}, where
    a A N^-a = b B D^-b, so that L* = E + (1 + a/b) A G^-a (C/k)^{-ab/(a+b)} and D*/N* = G^-2 (C/k)^{(a-b)/(a+b)}. A
    model e^u times as large as the best one loses A N*^-a [e^{-au} - 1 + (a/b)(e^{bu} - 1)]. For C = k N^p D^q the
    exponents of C in N* and D* are b/(pb + qa) and a/(pb + qa).
Assumptions
    A, B, a, b > 0; N and D are continuous.
Source
    Hoffmann et al., arXiv:2203.15556v1, equation (4) and appendix D.3; the refitted constants of Besiroglu et al.,
    arXiv:2404.10102v2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws.golden_section import least
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
EXPONENT = Interval(0, 10, open_low=True)
A_ = Parameter("A", Interval(1e-3, 1e12), "coefficient of the model-size term", default=482.01)
B_ = Parameter("B", Interval(1e-3, 1e12), "coefficient of the token term", default=2085.43)
E_ = Parameter("E", Interval(0, 1e3), "irreducible loss", default=1.8172, unit="nats per token")
a_ = Parameter("a", Interval(0.05, 3), "exponent of the model size", default=0.3478)
b_ = Parameter("b", Interval(0.05, 3), "exponent of the token count", default=0.3658)
C_ = Parameter("C", Interval(1, 1e40), "training compute", default=5.76e23, unit="flops")
k_ = Parameter("k", Interval(1e-3, 1e3), "cost of a parameter and token", default=6, unit="flops")
u_ = Parameter("u", Interval(-20, 20), "log of the model size relative to the best one")
p_ = Parameter("p", Interval(0.05, 5), "power of the model size in the cost", default=1)
q_ = Parameter("q", Interval(0.05, 5), "power of the token count in the cost", default=1)
A, B, E, a, b, C, k, u, p, q = (x.symbol for x in (A_, B_, E_, a_, b_, C_, k_, u_, p_, q_))
LAW = (A_, B_, a_, b_)

CONVENTIONS = {
    "L": "E + A N^-a + B D^-b, nats per token",
    "N, D": "parameters and tokens in natural units",
    "C": "k N D flops, k = 6",
}
SOURCE = "Hoffmann et al., arXiv:2203.15556v1, equation (4)"

G = (a * A / (b * B)) ** (1 / (a + b))
size = G * (C / k) ** (b / (a + b))
tokens = (C / k) ** (a / (a + b)) / G
best_loss = E + (1 + a / b) * A * G**-a * (C / k) ** (-a * b / (a + b))
_N, _D, _m = sp.symbols("N D m", positive=True)
_WHERE = {A: (100, 1000), B: (100, 3000), a: (0.2, 0.6), b: (0.2, 0.6), C: (10, 1000), k: (1, 6), u: (-2, 2)}


def _steps() -> list[Step]:
    loss = E + A * _N**-a + B * _D**-b
    lagrangian = loss + _m * (k * _N * _D - C)
    multiplier = a * A * _N ** (-a - 1) / (k * _D)
    at = {_N: size, _D: tokens}
    return [
        Step(
            "stationary in N",
            sp.diff(lagrangian, _N).subs(_m, multiplier),
            sp.S.Zero,
            "Lagrange's condition fixes the multiplier: m k D = a A N^(-a-1)",
        ),
        Step(
            "stationary in D",
            (sp.diff(lagrangian, _D) * _D).subs(_m, multiplier),
            a * A * _N**-a - b * B * _D**-b,
            "so that at the optimum a A N^-a = b B D^-b: the marginal gains per log of N and of D are equal",
        ),
        Step(
            "the constraint",
            k * size * tokens,
            C,
            "N* and D* spend the compute",
            where=_WHERE,
        ),
        Step(
            "equal gains",
            (a * A * _N**-a).subs(at) / (b * B * _D**-b).subs(at),
            sp.S.One,
            "and balance the gains: one equation in ln N, linear, with one root; L is convex in ln N, a minimum",
            where=_WHERE,
        ),
        Step(
            "least loss",
            loss.subs(at),
            best_loss,
            "put in; the token term is a/b times the model-size term",
            where=_WHERE,
        ),
    ]


def _ratio_steps() -> list[Step]:
    return [
        *_steps(),
        Step("tokens per parameter", tokens / size, G**-2 * (C / k) ** ((a - b) / (a + b)), "divide", where=_WHERE),
    ]


def _misallocation_steps() -> list[Step]:
    n, d = sp.symbols("n d", positive=True)
    lost = A * n**-a * (sp.exp(-a * u) - 1) + B * d**-b * (sp.exp(b * u) - 1)
    penalty = A * n**-a * (sp.exp(-a * u) - 1 + (a / b) * (sp.exp(b * u) - 1))
    return [
        *_steps(),
        Step(
            "both terms",
            lost.subs(B, a * A * n**-a * d**b / b),
            penalty,
            "N = N* e^u leaves D = D* e^-u; at the optimum B D*^-b = (a/b) A N*^-a",
        ),
        Step("no slope at the optimum", sp.diff(penalty, u).subs(u, 0), sp.S.Zero, "as it must be"),
        Step("curvature", sp.diff(penalty, u, 2).subs(u, 0), a * (a + b) * A * n**-a, "of the loss in ln N"),
    ]


def _general_steps() -> list[Step]:
    n, d, rate = sp.symbols("n d rate", real=True)
    # ln N = n, ln D = d; equal gains per unit of cost.
    solution = sp.solve(
        [sp.log(a * A / p) - a * n - (sp.log(b * B / q) - b * d), p * n + q * d - (rate - sp.log(k))], [n, d]
    )
    return [
        Step("exponent of N*", sp.diff(solution[n], rate), b / (p * b + q * a), "equal gains and cost: linear in logs"),
        Step("exponent of D*", sp.diff(solution[d], rate), a / (p * b + q * a), "the same"),
    ]


def _numeric(**x: np.ndarray) -> dict[str, np.ndarray]:
    """Logarithms of G and of the powers, so that nothing overflows on the way."""
    log_g = (np.log(x["a"] / x["b"]) + np.log(x["A"]) - np.log(x["B"])) / (x["a"] + x["b"])
    return {"G": log_g, "budget": np.log(x["C"] / x["k"]) / (x["a"] + x["b"])}


def _ratio(A: Any, B: Any, a: Any, b: Any, C: Any, k: Any) -> Any:
    logs = _numeric(A=A, B=B, a=a, b=b, C=C, k=k)
    return np.exp((a - b) * logs["budget"] - 2 * logs["G"])


def _closed(expr: sp.Expr, parameters: tuple[Parameter, ...], quantity: str, steps: Any, **options: Any) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        space=Space(parameters),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=Derivation(SOURCE, steps),
        **options,
    )


CORNERS: tuple[dict[str, float], ...] = (
    {"a": 0.3478, "b": 0.3658, "C": 5.76e23},
    {"a": 0.05, "b": 0.06, "C": 1e30},
    {"a": 3.0, "b": 0.05, "C": 1e10},
    {"a": 0.35, "b": 0.35 + 1e-9, "C": 1e20},
)
optimal_size = _closed(size, (*LAW, C_, k_), "compute-optimal number of parameters N*", _steps, corners=CORNERS)
optimal_tokens = _closed(tokens, (*LAW, C_, k_), "compute-optimal number of tokens D*", _steps, corners=CORNERS)
optimal_loss = _closed(best_loss, (*LAW, E_, C_, k_), "compute-optimal loss L*", _steps, corners=CORNERS)
reducible_loss = _closed(best_loss - E, (*LAW, C_, k_), "compute-optimal loss above E", _steps, corners=CORNERS)
tokens_per_parameter = _closed(
    G**-2 * (C / k) ** ((a - b) / (a + b)), (*LAW, C_, k_), "tokens per parameter D*/N*", _ratio_steps, corners=CORNERS,
    numeric=_ratio,
)  # fmt: skip


def _penalty(A: Any, B: Any, a: Any, b: Any, C: Any, k: Any, u: Any) -> Any:
    logs = _numeric(A=A, B=B, a=a, b=b, C=C, k=k)
    first = np.log(A) - a * (logs["G"] + b * logs["budget"])
    # Where the two terms nearly cancel, their series: the sum over n >= 2 of a u^n ((-1)^n a^(n-1) + b^(n-1)) / n!.
    v = np.where(np.abs((a + b) * u) < 0.5, u, 0.0)
    series, term_a, term_b = np.zeros(np.shape(v)), a * v, a * v
    for n in range(2, 24):
        term_a, term_b = -term_a * a * v / n, term_b * b * v / n
        series = series - term_a + term_b
    direct = np.expm1(-a * u) + (a / b) * np.expm1(b * u)
    return np.exp(first) * np.where(np.abs((a + b) * u) < 0.5, series, direct)


misallocation = _closed(
    A * size**-a * (sp.exp(-a * u) - 1 + (a / b) * (sp.exp(b * u) - 1)),
    (*LAW, C_, k_, u_),
    "loss above the least for a model e^u times the best size",
    _misallocation_steps,
    numeric=_penalty,
    corners=({"u": 1e-6}, {"u": -1e-3}, {"u": 20.0}, {"u": 0.7}, {"u": 0.69, "a": 3.0, "b": 0.05}),
)
size_exponent = _closed(b / (p * b + q * a), (a_, b_, p_, q_), "exponent of C in N*, for C = k N^p D^q", _general_steps)


def _minimised(quantity: str) -> Any:
    """The same by minimising the loss over ln N at fixed cost, by golden sections in 40-digit arithmetic."""

    def compute(**x: np.ndarray) -> tuple[Any, Any]:
        columns = np.broadcast_arrays(*x.values())
        rows = [minimum(dict(zip(x, map(float, values)))) for values in zip(*(c.ravel() for c in columns))]
        out = np.array([[row[quantity], row[f"{quantity} error"]] for row in rows]).T
        return tuple(out.reshape(2, *columns[0].shape))

    return compute


def minimum(at: dict[str, float]) -> dict[str, float]:
    """The minimum of the loss over ln N at fixed cost k N^p D^q = C, by golden sections of its values alone.

    Forty digits make up for the flatness of the minimum, which costs half of them.
    """
    import mpmath as mp

    width = 1e-14
    with mp.workdps(40):
        x = {name: mp.mpf(value) for name, value in at.items()}
        power, other = x.get("p", mp.mpf(1)), x.get("q", mp.mpf(1))
        budget = mp.log(x["C"] / x["k"])

        def loss(n: Any) -> Any:
            return x["A"] * mp.exp(-x["a"] * n) + x["B"] * mp.exp(-x["b"] * (budget - power * n) / other)

        n = least(loss, -400.0, 400.0, width)
        tokens = (budget - power * n) / other
        found = {"size": float(mp.exp(n)), "tokens": float(mp.exp(tokens)), "loss": float(loss(n))}
        found["ratio"] = found["tokens"] / found["size"]
    errors = {"size": width, "tokens": width * float(power / other), "ratio": 3 * width, "loss": 1e-15}
    return found | {f"{name} error": found[name] * (errors[name] + 4e-16) for name in errors}


def _brute(form: ClosedForm, quantity: str) -> Numerical:
    return Numerical(
        function=_minimised(quantity),
        formula=rf"\text{{{form.quantity}, by minimisation}}",
        space=form.space,
        quantity=form.quantity,
        conventions=CONVENTIONS,
    )


minimised_size = _brute(optimal_size, "size")
minimised_tokens = _brute(optimal_tokens, "tokens")
minimised_loss = _brute(reducible_loss, "loss")
minimised_ratio = _brute(tokens_per_parameter, "ratio")

_direct = ClosedForm(
    expr=A * ((size * sp.exp(u)) ** -a - size**-a) + B * ((tokens * sp.exp(-u)) ** -b - tokens**-b),
    space=misallocation.space,
    quantity=misallocation.quantity,
)


def _difference(**x: np.ndarray) -> tuple[Any, Any]:
    columns = np.broadcast_arrays(*x.values())
    values = [float(_direct.mp(30, **dict(zip(x, map(float, row))))) for row in zip(*(c.ravel() for c in columns))]
    value = np.array(values).reshape(columns[0].shape)
    return value, 2e-16 * np.abs(value)


misallocation_direct = Numerical(
    function=_difference,
    formula=r"L(N^* e^u, D^* e^{-u}) - L(N^*, D^*)",
    space=misallocation.space,
    quantity=misallocation.quantity,
    conventions=CONVENTIONS,
)


def _slope(a: np.ndarray, b: np.ndarray, p: np.ndarray, q: np.ndarray) -> tuple[Any, Any]:
    """ln N* at two budgets, e^10 apart, found by minimisation, over 10."""
    columns = np.broadcast_arrays(a, b, p, q)
    out = np.empty((2, columns[0].size))
    for i, row in enumerate(zip(*(c.ravel() for c in columns))):
        at = dict(zip("abpq", map(float, row))) | {"A": 400.0, "B": 2000.0, "k": 1.0}
        low, high = (minimum(at | {"C": float(np.exp(budget))}) for budget in (20.0, 30.0))
        error = (low["size error"] / low["size"] + high["size error"] / high["size"]) / 10
        out[:, i] = np.log(high["size"] / low["size"]) / 10, error
    return tuple(out.reshape(2, *columns[0].shape))


size_exponent_minimised = Numerical(
    function=_slope,
    formula=r"\Delta \ln N^* / \Delta \ln C",
    space=size_exponent.space,
    quantity=size_exponent.quantity,
    conventions=CONVENTIONS,
)

# As printed in the source files of the two papers.
HOFFMANN = {"A": 406.4009, "B": 410.7228, "a": 0.33917084, "b": 0.2849083}
BESIROGLU = {"A": 482.01, "B": 2085.43, "a": 0.3478, "b": 0.3658}


def _twenty_steps() -> list[Step]:
    return [
        Step(
            "the model that was trained",
            sp.Rational(14, 10) * 10**12 / (70 * sp.Integer(10) ** 9),
            sp.Integer(20),
            "1.4e12 tokens for 7e10 parameters, the allocation chosen at C = 5.76e23 flops",
        )
    ]


twenty = ClosedForm(
    expr=sp.Integer(20),
    space=tokens_per_parameter.space,
    quantity="tokens per parameter",
    conventions=CONVENTIONS,
    derivation=Derivation("Hoffmann et al., arXiv:2203.15556v1, section 4", _twenty_steps),
)
