"""Steps are replayed by machine: what holds is proved or checked to 50 digits, what does not is refused."""

from __future__ import annotations

import pytest
import sympy as sp

from theorylab.derivation import Derivation, DerivationError, Step, is_zero

x, y = sp.symbols("x y", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
z = sp.Symbol("z", real=True)


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        ((x + y) ** 2, x**2 + 2 * x * y + y**2),
        (sp.sin(z) ** 2 + sp.cos(z) ** 2, sp.Integer(1)),
        (sp.Integral(sp.exp(-z * z), (z, -sp.oo, sp.oo)), sp.sqrt(sp.pi)),
        (sp.Sum(k, (k, 1, n)), n * (n + 1) / 2),
        (sp.Limit((1 + x / n) ** n, n, sp.oo), sp.exp(x)),
        (sp.Derivative(sp.log(x), x), 1 / x),
        (sp.log(x * y), sp.log(x) + sp.log(y)),
    ],
)
def test_equalities_are_proved(lhs: sp.Expr, rhs: sp.Expr) -> None:
    assert is_zero(lhs, rhs)
    assert Step("s", lhs, rhs, "because").replay() == "symbolic"


def test_formulas_of_many_cases_go_to_fifty_digits_without_being_simplified(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(one: sp.Expr, two: sp.Expr) -> sp.Expr:
        cases = [(one, sp.And(x <= i, y <= i, x >= i - 1)) for i in range(1, 5)]
        return sp.Piecewise(*cases, (two, x + y > 4), (one, True))

    monkeypatch.setattr(sp, "simplify", lambda *_: pytest.fail("simplified"))
    step = Step("cases", table(1 / (1 + x), y), table(1 - x / (1 + x), y), "the same in each case")
    assert step.replay() == "50 digits"


def test_what_sympy_cannot_prove_is_checked_to_fifty_digits() -> None:
    # A definite integral without an elementary antiderivative in SymPy's reach.
    step = Step("catalan", sp.Integral(sp.atan(z) / z, (z, 0, 1)), sp.Catalan + 0 * x, "the series", method="50 digits")
    assert step.replay() == "50 digits"


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (x, x + sp.Rational(1, 10**35)),
        (x * sp.Rational(1, 10**60), 2 * x * sp.Rational(1, 10**60)),
        (n / (n + 1), n / (n + 1) + sp.Rational(1, 10**30) / n),
        (sp.sqrt((z - 1) ** 2), z - 1),
    ],
)
def test_what_is_wrong_by_little_is_refused(lhs: sp.Expr, rhs: sp.Expr) -> None:
    assert not is_zero(lhs, rhs)
    with pytest.raises(DerivationError, match=r"step 'wrong' fails at .* = .*: .* != ") as caught:
        Step("wrong", lhs, rhs, "hope").replay()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(("lhs", "why"), [(1 / (n - n * sp.cos(2 * sp.pi * n)), "finite"), (sp.log(-x), "real")])
def test_what_has_no_value_is_no_proof(lhs: sp.Expr, why: str) -> None:
    step = Step("void", lhs, lhs + sp.Integer(1), "-", method="50 digits")
    with pytest.raises(DerivationError, match=f"step 'void' cannot be evaluated: .* is not {why}"):
        step.replay()


def test_a_step_may_demand_a_proof() -> None:
    lhs = sp.Integral(sp.atan(z) / z, (z, 0, 1))
    with pytest.raises(DerivationError, match="step 's': SymPy does not reduce"):
        Step("s", x, x + sp.Rational(1, 10**60), "proof wanted", method="symbolic").replay()
    assert Step("s", lhs, lhs, "the same", method="symbolic").replay() == "symbolic"


def test_points_come_from_the_assumptions_or_from_the_ranges() -> None:
    real = sp.Symbol("r", real=True)
    step = Step("s", x + n + k + real + y, sp.Integer(0), "-", where={y: (5, 6), k: [2, 4]})
    points = list(step._points(200))
    assert all(sp.Rational(1, 10) <= p[x] <= 3 for p in points)
    assert all(p[n].is_Integer and 1 <= p[n] <= 9 for p in points)
    assert {int(p[k]) for p in points} == {2, 4}
    assert all(5 <= p[y] <= 6 for p in points)
    assert all(-2 <= p[real] <= 2 for p in points)
    assert min(p[real] for p in points) < -1.5
    # The same points every time, so that a replay is reproducible.
    assert points == list(step._points(200))


def test_integer_ranges_give_integers() -> None:
    step = Step("s", n, n, "-", where={n: (3, 5)})
    assert {int(p[n]) for p in step._points(100)} == {3, 4, 5}


def test_a_derivation_is_built_once_and_replayed_in_order() -> None:
    built = []

    def build() -> list[Step]:
        built.append(1)
        return [Step("first", x, x, "same"), Step("second", 2 * x, x + x, "sum"), Step("third", x, 2 * x, "no")]

    derivation = Derivation("a book", build)
    assert built == []
    assert len(derivation) == 3
    assert [s.name for s in derivation] == ["first", "second", "third"]
    assert derivation[1].name == "second"
    with pytest.raises(DerivationError, match="step 'third'"):
        derivation.replay()
    assert built == [1]
    good = Derivation("a book", lambda: build()[:2])
    assert [(s.name, how) for s, how in good.replay()] == [("first", "symbolic"), ("second", "symbolic")]
