r"""Activations and their duals: by name, as a SymPy expression of z, or as a string of one.

    act = activation("erf")                 # or "relu", activation("leaky_relu", alpha=0.1), "tanh(z)", sp.sin(2 * z)
    act.dual(a, b, c)                       # E phi(u) phi(v) at variances a, b and covariance c
    act.dual_slope(a, b, c)                 # E phi'(u) phi'(v)

Heaviside, ReLU and rectified powers, leaky ReLU and |z|, erf, polynomials (Hermite ones among them), sin, cos, exp and
exp(-z^2) have closed forms (`closed_duals`, `smooth_duals`); anything else goes by quadrature (`dual_quadrature`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivations.infinite_width import closed_duals as closed
from theorylab.derivations.infinite_width import smooth_duals as smooth
from theorylab.derivations.infinite_width.closed_duals import Dual
from theorylab.derivations.infinite_width.dual_quadrature import Gelu, GeluSlope, Quadrature
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs
from theorylab.errors import DomainError, UnknownNameError, UsageError
from theorylab.expressions import parse
from theorylab.prediction import Value
from theorylab.symbolic import compile_expression

z = sp.Symbol("z", real=True)
GELU = z * (1 + sp.erf(z / sp.sqrt(2))) / 2
# Size of a jump, relative to the function near it, that rounding does not explain.
JUMP = 1e-7


class Activation:
    """An activation function with its dual and the dual of its slope.

    Parameters
    ----------
    expr
        SymPy expression of `z`.
    name
        How it is called.
    dual, slope_dual
        Closed forms where there are any; None leaves it to quadrature.

    Raises
    ------
    DomainError
        When it has no finite second moment under a Gaussian of unit variance.
    """

    def __init__(self, expr: sp.Expr, name: str = "", dual: Dual | None = None, slope_dual: Dual | None = None) -> None:
        self.expr, self.name = expr, name or str(expr)
        self._function = compile_expression(expr, [z])
        self._given = dual, slope_dual

    def __repr__(self) -> str:
        return f"activation({self.name!r})"

    def __call__(self, values: Any) -> np.ndarray:
        """phi at each value."""
        return np.asarray(self._function(np.asarray(values, dtype=float)))

    @cached_property
    def slope_expr(self) -> sp.Expr:
        """phi' where it exists."""
        found = sp.diff(self.expr, z)
        return found.replace(sp.DiracDelta, lambda *_: sp.S.Zero).doit()

    @cached_property
    def _slope(self) -> Callable[..., Any]:
        return compile_expression(self.slope_expr, [z])

    def slope(self, values: Any) -> np.ndarray:
        """phi' at each value; at a kink, what SymPy makes of it."""
        return np.asarray(self._slope(np.asarray(values, dtype=float)))

    @property
    def closed(self) -> bool:
        """Whether its dual is a closed form."""
        return self._given[0] is not None

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        """Where the expression changes its form: zeros of what is inside Abs, sign, Heaviside, Max, Min, Piecewise."""
        return tuple(sorted(set(_kinks(self.expr))))

    @cached_property
    def jumps(self) -> tuple[float, ...]:
        """The kinks at which the function itself jumps."""
        out = []
        for k in self.kinks:
            step = 1e-10 * max(1.0, abs(k))
            low, high = self(k - step), self(k + step)
            if abs(high - low) > JUMP * (1 + abs(low) + abs(high)):
                out.append(k)
        return tuple(out)

    @cached_property
    def kernel(self) -> Dual:
        """The dual of phi."""
        if self._given[0] is not None:
            return self._given[0]
        slope = None if self.jumps else self.slope
        kind = Gelu if self.expr == GELU else Quadrature
        out = kind(self, slope, self.kinks, self.name)
        out.parity = _parity(self.expr)
        out.norms(np.ones(1))
        return out

    @cached_property
    def slope_kernel(self) -> Dual:
        """The dual of phi'.

        Raises
        ------
        DomainError
            When phi jumps: phi' has no finite second moment then.
        """
        if self._given[1] is not None:
            return self._given[1]
        if isinstance(self.kernel, Gelu):
            slope = Activation(self.slope_expr)
            return GeluSlope(self.slope, slope.slope, (), f"the slope of {self.name}")
        if self.jumps or (self.expr.has(sp.Heaviside) and self._given[0] is not None):
            raise DomainError(
                f"{self.name} jumps, so that its slope has no finite second moment and its tangent kernel is infinite: "
                "ask for the kernel of the network at initialisation alone"
            )
        second = Activation(self.slope_expr, f"the slope of {self.name}")
        # One closed form may be the slope of another, up to a factor.
        out = Quadrature(self.slope, None if second.jumps else second.slope, self.kinks, second.name)
        out.parity = {"odd": "even", "even": "odd", None: None}[_parity(self.expr)]
        out.norms(np.ones(1))
        return out

    def dual(self, a: Any, b: Any, c: Any) -> np.ndarray:
        """E phi(u) phi(v) at Var u = a, Var v = b, Cov(u, v) = c, broadcasting."""
        return self.kernel.value(Pairs.of(a, b, c))

    def dual_slope(self, a: Any, b: Any, c: Any) -> np.ndarray:
        """E phi'(u) phi'(v), broadcasting."""
        return self.slope_kernel.value(Pairs.of(a, b, c))

    def dual_with_error(self, a: Any, b: Any, c: Any) -> Value:
        """E phi(u) phi(v) and a bound on its numerical error."""
        return _with_error(self.kernel, Pairs.of(a, b, c))

    def dual_slope_with_error(self, a: Any, b: Any, c: Any) -> Value:
        """E phi'(u) phi'(v) and a bound on its numerical error."""
        return _with_error(self.slope_kernel, Pairs.of(a, b, c))


def _with_error(kernel: Dual, pairs: Pairs) -> Value:
    if isinstance(kernel, Quadrature):
        found, error = kernel.measured(pairs)
        return Value(found.c, error)
    out = kernel(pairs)
    return Value(out.c, 1e-14 * np.sqrt(out.a * out.b))


def _rectified(power: int) -> Activation:
    expr = sp.Heaviside(z, 0) * z**power if power else sp.Heaviside(z, 0)
    slope = closed.Scaled(closed.Rectified(power - 1), power) if power else None
    return Activation(expr if power != 1 else sp.Max(z, 0), f"rectified_power({power})", closed.Rectified(power), slope)


def _leaky(alpha: float) -> Activation:
    exact = sp.nsimplify(alpha, rational=True)
    expr = sp.Piecewise((z, z > 0), (exact * z, True))
    return Activation(expr, f"leaky_relu({alpha})", closed.Leaky(alpha), closed.LeakySlope(alpha))


def _polynomial(expr: sp.Expr, name: str = "") -> Activation:
    def weights(e: sp.Expr) -> list[float]:
        return [float(w) for w in reversed(sp.Poly(e, z).all_coeffs())]

    return Activation(expr, name, smooth.Polynomial(weights(expr)), smooth.Polynomial(weights(sp.diff(expr, z))))


def _hermite(degree: int) -> Activation:
    value, before = sp.Integer(1), sp.Integer(0)
    for k in range(degree):
        value, before = sp.expand(z * value - k * before), value
    return _polynomial(value / sp.sqrt(sp.factorial(degree)), f"hermite({degree})")


def _erf() -> Activation:
    return Activation(sp.erf(z), "erf", smooth.Erf(), closed.Scaled(smooth.Bump(), 2 / np.sqrt(np.pi)))


def _named(text: str) -> Callable[[], Activation]:
    return lambda: Activation(sp.sympify(text, {"z": z}), text)


NAMES: dict[str, Callable[..., Activation]] = {
    "linear": lambda: _polynomial(z, "linear"),
    "relu": lambda: Activation(sp.Max(z, 0), "relu", closed.Rectified(1), closed.Rectified(0)),
    "heaviside": lambda: Activation(sp.Heaviside(z, 0), "heaviside", closed.Rectified(0)),
    "rectified_power": lambda power: _rectified(power),
    "leaky_relu": lambda alpha=0.01: _leaky(alpha),
    "abs": lambda: Activation(sp.Abs(z), "abs", closed.Leaky(-1.0), closed.LeakySlope(-1.0)),
    "erf": _erf,
    "monomial": lambda power: _polynomial(z**power, f"monomial({power})"),
    "hermite": lambda degree: _hermite(degree),
    "sin": lambda: Activation(sp.sin(z), "sin", smooth.Sine(), smooth.Cosine()),
    "cos": lambda: Activation(sp.cos(z), "cos", smooth.Cosine(), smooth.Sine()),
    "exp": lambda: Activation(sp.exp(z), "exp", smooth.Exponential(), smooth.Exponential()),
    "bump": lambda: Activation(sp.exp(-(z**2)), "bump", smooth.Bump(), smooth.BumpSlope()),
    "tanh": _named("tanh(z)"),
    "sigmoid": _named("1/(1 + exp(-z))"),
    "softplus": _named("log(1 + exp(-Abs(z))) + Max(z, 0)"),
    "gelu": lambda: Activation(GELU, "gelu"),
    "swish": _named("z/(1 + exp(-z))"),
}


def activation(what: str | sp.Expr | Activation, **parameters: Any) -> Activation:
    """An activation by name, from a SymPy expression of one symbol, or from a string of one.

    Parameters
    ----------
    what
        A name of `NAMES`, an expression such as `sp.tanh(z)` or "z*exp(-z**2)"; an `Activation` is returned as it is.
    **parameters
        Of a named activation: `alpha` of leaky_relu, `power` of rectified_power and monomial, `degree` of hermite.

    Raises
    ------
    DomainError
        When it has no finite second moment under a Gaussian.
    UsageError
        When it is not a function of one real variable, or a name that is not known.
    """
    if isinstance(what, Activation):
        return what
    if isinstance(what, str) and what in NAMES:
        return _from_name(what, parameters)
    if parameters:
        raise UsageError(f"only named activations take parameters; {what!r} is not one of {', '.join(NAMES)}")
    expr = _parsed(what)
    for name in ("linear", "relu", "heaviside", "abs", "erf", "sin", "cos", "exp", "bump"):
        known = _from_name(name, {})
        if known.expr == expr:
            return known
    if expr.is_polynomial(z):
        return _polynomial(expr)
    out = Activation(expr)
    out.kernel  # noqa: B018 - refuses what has no second moment
    return out


def _from_name(name: str, parameters: dict[str, Any]) -> Activation:
    make = NAMES[name]
    try:
        inspect.signature(make).bind(**parameters)
    except TypeError as error:
        raise UsageError(f"activation {name}: {error}") from None
    return make(**parameters)


def _parsed(what: str | sp.Expr) -> sp.Expr:
    if isinstance(what, str):
        if what.isidentifier() and what != z.name:
            raise UnknownNameError("activation", what, list(NAMES))
        what = parse(what, z)
    if not isinstance(what, sp.Expr) or len(what.free_symbols) != 1:
        of = sorted(map(str, getattr(what, "free_symbols", ())))
        raise UsageError(f"an activation is an expression of {z} alone; {what} has {of}")
    return what.xreplace(dict.fromkeys(what.free_symbols, z))


def _parity(expr: sp.Expr) -> Any:
    mirrored = expr.xreplace({z: -z})
    points = [0.1234, 0.777, 1.618, 3.21]
    here, there = (compile_expression(e, [z])(np.array(points)) for e in (expr, mirrored))
    if np.allclose(here, -there, rtol=1e-12, atol=0) and sp.simplify(expr + mirrored) == 0:
        return "odd"
    return "even" if np.allclose(here, there, rtol=1e-12, atol=0) and sp.simplify(expr - mirrored) == 0 else None


def _kinks(expr: sp.Expr) -> list[float]:
    inside: list[sp.Expr] = []
    for e in expr.atoms(sp.Abs, sp.sign, sp.Heaviside):
        inside.append(e.args[0])
    for e in expr.atoms(sp.Max, sp.Min):
        inside += [x - y for i, x in enumerate(e.args) for y in e.args[:i]]
    for e in expr.atoms(sp.Piecewise):
        inside += [r.lhs - r.rhs for _, c in e.args for r in c.atoms(sp.core.relational.Relational)]
    return [root for e in inside for root in _real_roots(e)]


def _real_roots(expr: sp.Expr) -> list[float]:
    if expr.is_polynomial(z):
        return [float(r) for r in sp.Poly(expr, z).nroots() if abs(sp.im(r)) < 1e-12] if expr.has(z) else []
    from scipy.optimize import brentq

    function = compile_expression(expr, [z])
    grid = np.linspace(-40.0, 40.0, 8001)
    values = function(grid)
    change = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    return [float(brentq(lambda x: float(function(x)), grid[i], grid[i + 1], xtol=1e-15)) for i in change]
