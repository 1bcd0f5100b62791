"""Fit L = E + A/N^a + B/D^b to a table of training runs: constants, compute-optimal allocation, intervals.

The fit minimises Huber's loss of the residuals of ln L, summed over the runs, from the 4500 starts of Hoffmann et al.
(2022). Intervals are estimate -+ z times the bootstrap's scale, in the logarithm of quantities that are positive and
range over decades; the claims below `scaling_laws/scaling-law-inference` say what they cover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.errors import UsageError
from theorylab.parameters import Choices, Integers, Interval, Parameter
from theorylab.tables import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POSITIVE = Interval(0, open_low=True)
RUNS = Table(
    "RUNS.csv",
    (
        Column("params", POSITIVE, "model size N", "parameters", ("N", "parameters", "n_params", "model_size")),
        Column("tokens", POSITIVE, "training tokens D", "tokens", ("D", "n_tokens", "training_tokens")),
        Column("loss", POSITIVE, "final loss L", "nats per token", ("L", "final_loss", "test_loss")),
        Column("flops", POSITIVE, "training compute C", "flops", ("C", "compute", "training_flops"), required=False),
    ),
    least=6,
    why="the law has five parameters",
)
# Where values lie when their units are right, and what is said of others.
PLAUSIBLE = {
    "params": (1e3, 1e16, "parameters are counted one by one; for a column in millions -p params_in=1e6"),
    "tokens": (1e4, 1e19, "tokens are counted one by one; for a column in billions -p tokens_in=1e9"),
    "loss": (0.0, 20.0, "more than 20 nats per token is worse than guessing; a perplexity is exp(loss)"),
}
PARAMETERS = (
    Parameter("delta", Interval(0, open_low=True), "residual of ln L from which Huber's loss is linear", 1e-3),
    Parameter("drop", Integers(0), "runs with the highest losses that are left out", 0),
    Parameter("level", Interval(0.5, 0.999), "nominal coverage of the intervals", 0.9),
    Parameter("resamples", Integers(19, 100_000), "bootstrap resamples", 999),
    Parameter("seed", Integers(0, 2**53), "names the random numbers of the bootstrap", 0),
    Parameter("compute", Interval(1, 1e40), "budgets C to allocate, one or a list", 5.76e23, "flops"),
    Parameter("cost", Interval(1e-3, 1e3), "flops for each parameter and token, C = cost N D", 6.0, "flops"),
    Parameter("params_in", Interval(0, open_low=True), "unit of the params column", 1.0, "parameters"),
    Parameter("tokens_in", Interval(0, open_low=True), "unit of the tokens column", 1.0, "tokens"),
    Parameter("loss_in", Choices(("nats", "bits")), "unit of the loss column, per token", "nats"),
)
MEANINGS = (
    ("E", "irreducible loss", "nats per token"),
    ("A", "coefficient of N^-a", ""),
    ("B", "coefficient of D^-b", ""),
    ("a", "exponent of the model size", ""),
    ("b", "exponent of the token count", ""),
)
# Flops beside 6 N D: a factor further away than this is a unit mixed up, or a column.
FLOPS_WITHIN = 5.0
# A share of the loss that is too small to be fitted.
VANISHED = 1e-6
# Part of the resamples that may end without a minimum before it is worth a note.
LOST = 0.01


@dataclass(frozen=True)
class Fit:
    """A fitted law with its bootstrap.

    Parameters
    ----------
    x, y, target : float64[n]
        ln N, ln D, ln L of the runs that were fitted.
    theta : float64[5]
        ln A, ln B, ln E, a, b.
    resampled : float64[resamples, 5]
        The same for runs drawn with replacement.
    """

    x: np.ndarray
    y: np.ndarray
    target: np.ndarray
    theta: np.ndarray
    resampled: np.ndarray
    level: float
    cost: float

    @property
    def residuals(self) -> np.ndarray:
        """ln L less that of the law, float64[n]."""
        from theorylab.sims.scaling_laws.loss_fits import log_loss

        return np.asarray(self.target - log_loss(self.x, self.y, self.theta))

    def interval(self, function: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Estimate and ends of the interval of a function of theta[..., 5] with one value, or several, for each."""
        from theorylab.sims.scaling_laws.loss_fits import symmetric

        value, values = np.asarray(function(self.theta)), np.asarray(function(self.resampled))
        low, high = symmetric(values[None], value[None], self.level)
        return value, low[0], high[0]

    def allocation(self, compute: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Best model size, token count, their ratio and loss above E at budgets float64[m], with intervals."""
        from theorylab.derivations.scaling_laws import chinchilla_allocation as theory

        forms = {
            "N*": theory.optimal_size,
            "D*": theory.optimal_tokens,
            "D*/N*": theory.tokens_per_parameter,
            "L*-E": theory.reducible_loss,
        }
        compute = np.asarray(compute, dtype=float)

        def logarithm(form: Any, theta: np.ndarray) -> np.ndarray:
            A, B, _, a, b = (theta[..., j, None] for j in range(5))
            found = form.on("numpy")(A=np.exp(A), B=np.exp(B), a=a, b=b, C=compute, k=np.float64(self.cost))
            return np.asarray(np.log(found))

        return {
            name: tuple(np.exp(part) for part in self.interval(lambda theta, form=form: logarithm(form, theta)))
            for name, form in forms.items()
        }


def fit_law(
    params: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
    *,
    delta: float = 1e-3,
    level: float = 0.9,
    resamples: int = 999,
    seed: int = 0,
    cost: float = 6.0,
) -> tuple[Fit, list[str]]:
    """Fit the law; return it with notes on what went less than well.

    Parameters
    ----------
    params, tokens, loss : float64[n]
        N, D and L in nats.

    Raises
    ------
    UsageError
        When the runs do not determine the law.
    """
    from theorylab.kernels.random import Stream
    from theorylab.sims.scaling_laws.loss_fits import bootstrap, fit, starts

    x, y, target = (np.log(np.asarray(v, dtype=float))[None] for v in (params, tokens, loss))
    start = starts()
    found = fit(x, y, target, np.zeros(len(start), dtype=np.int64), start, delta, "numba")
    best = int(np.argmin(np.where(np.isfinite(found.objective), found.objective, np.inf)))
    theta = found.parameters[best]
    _demand_law(x[0], y[0], theta, bool(found.converged[best]))
    pick = Stream.from_seed(seed).uniform(1, resamples, x.shape[1])
    values = bootstrap(x, y, target, theta[None], pick, delta, "numba")[0]
    sound = np.all(np.isfinite(values), axis=1) & np.all(values[:, 3:] > 0, axis=1)
    notes = []
    if np.mean(~sound) > LOST:
        notes.append(
            f"{np.sum(~sound)} of {resamples} resamples have no law of this form: the runs hardly determine it, and "
            "the intervals are those of the others"
        )
    if sound.sum() < 0.5 * resamples:
        raise UsageError("most resamples of these runs have no law of this form: more runs, or more varied, are needed")
    return Fit(x[0], y[0], target[0], theta, values[sound], level, cost), notes


def _demand_law(x: np.ndarray, y: np.ndarray, theta: np.ndarray, converged: bool) -> None:
    """Raise when a term plays no part, or has no exponent."""
    from theorylab.sims.scaling_laws.loss_fits import log_loss

    total = log_loss(x, y, theta)
    shares = {
        "A/N^a": np.max(np.exp(theta[0] - theta[3] * x - total)),
        "B/D^b": np.max(np.exp(theta[1] - theta[4] * y - total)),
        "E": np.max(np.exp(theta[2] - total)),
    }
    for name, share in shares.items():
        if share < VANISHED:
            raise UsageError(f"the best fit has no term {name}: these runs show no such part of the loss")
    for name, exponent, quantity in (("a", theta[3], "model size"), ("b", theta[4], "token count")):
        if exponent <= 0:
            raise UsageError(f"the best fit has {name} = {exponent:.3g}: the loss does not fall with the {quantity}")
    if not converged:
        raise UsageError("the fit has no minimum: these runs do not determine the law")


def prepared(
    runs: Mapping[str, np.ndarray], drop: int, cost: float, params_in: float, tokens_in: float, loss_in: str
) -> dict[str, np.ndarray]:
    """The runs in parameters, tokens and nats, without those of the highest losses.

    Raises
    ------
    UsageError
        When they are too few, too alike, or their units disagree.
    """
    params, tokens = runs["params"] * params_in, runs["tokens"] * tokens_in
    loss = runs["loss"] * (np.log(2.0) if loss_in == "bits" else 1.0)
    for name, values in (("params", params), ("tokens", tokens), ("loss", loss)):
        low, high, hint = PLAUSIBLE[name]
        if np.any(bad := (values < low) | (values > high)):
            first = int(np.argmax(bad))
            given = f"{RUNS.name}, run {first + 1}: {name} = {runs[name][first]:g}"
            raise UsageError(f"{given} is no {name} to fit: {hint}")
    if "flops" in runs:
        factor = runs["flops"] / (cost * params * tokens)
        middle = float(np.median(factor))
        if not 1 / FLOPS_WITHIN < middle < FLOPS_WITHIN:
            raise UsageError(
                f"{RUNS.name}: flops are {middle:.3g} times {cost:g} x params x tokens (median): "
                "a unit is mixed up (see -p params_in, tokens_in, cost), or a column"
            )
    if len(loss) - drop < RUNS.least:
        raise UsageError(f"drop = {drop} leaves {len(loss) - drop} runs; at least {RUNS.least} are needed: {RUNS.why}")
    kept = np.sort(np.argsort(loss, kind="stable")[: len(loss) - drop])
    for name, values in (("params", params[kept]), ("tokens", tokens[kept])):
        if (count := len(np.unique(values))) < 3:
            raise UsageError(
                f"{count} distinct value{'s' * (count > 1)} of {name}; at least 3 are needed: a power law and a "
                "constant are fitted along it"
            )
    if np.ptp(loss[kept]) == 0:
        raise UsageError("all losses are equal: there is nothing to fit")
    return {"params": params[kept], "tokens": tokens[kept], "loss": loss[kept]}


def fit_runs(
    runs: Mapping[str, np.ndarray],
    *,
    delta: float,
    drop: int,
    level: float,
    resamples: int,
    seed: int,
    compute: Any,
    cost: float,
    params_in: float,
    tokens_in: float,
    loss_in: str,
) -> Result:
    """The application: see `PARAMETERS`."""
    data = prepared(runs, drop, cost, params_in, tokens_in, loss_in)
    law, notes = fit_law(**data, delta=delta, level=level, resamples=resamples, seed=seed, cost=cost)
    budgets = np.atleast_1d(np.asarray(compute, dtype=float))
    spread = 1.4826 * float(np.median(np.abs(law.residuals)))
    notes = [
        f"intervals: {level:.0%} by the bootstrap ({resamples} resamples, seed {seed}), estimate -+ z times its scale",
        f"residuals of ln L: {spread:.2g} (scale of the middle half), largest {np.max(np.abs(law.residuals)):.2g}",
        *notes,
        *_reach(data, budgets, cost),
    ]

    def figure(name: str) -> Any:
        def draw() -> Figure:
            from theorylab.applications.scaling_laws import fit_plots

            drawn: Figure = getattr(fit_plots, name)(law)
            return drawn

        return draw

    count = len(data["loss"])
    dropped = f", {drop} with the highest losses left out" if drop else ""
    return Result(
        "scaling_laws/fit",
        f"L = E + A/N^a + B/D^b fitted to {count} runs{dropped}",
        [*_constants(law), *_budgets(law, budgets)],
        notes,
        {name: figure(name) for name in ("frontier", "residuals")},
        {"fit": law, **data},
    )


def _constants(law: Fit) -> list[Quantity]:
    value, low, high = law.interval(lambda theta: theta)
    order = {"A": 0, "B": 1, "E": 2, "a": 3, "b": 4}
    out = []
    for name, meaning, unit in MEANINGS:
        three = [float(v[order[name]]) for v in (value, low, high)]
        if name in "ABE":
            three = [float(np.exp(v)) for v in three]
        out.append(Quantity(name, three[0], (three[1], three[2]), meaning, unit))
    for name, which, meaning in (
        ("b/(a+b)", 4, "exponent of compute in the best model size"),
        ("a/(a+b)", 3, "exponent of compute in the best token count"),
    ):
        ends = law.interval(lambda theta, which=which: theta[..., which] / (theta[..., 3] + theta[..., 4]))
        out.append(Quantity(name, float(ends[0]), (float(ends[1]), float(ends[2])), meaning))
    return out


def _budgets(law: Fit, budgets: np.ndarray) -> list[Quantity]:
    units = {"N*": "parameters", "D*": "tokens", "D*/N*": "tokens per parameter", "L*-E": "nats per token"}
    meanings = {
        "N*": "compute-optimal model size",
        "D*": "compute-optimal tokens",
        "D*/N*": "their ratio",
        "L*-E": "compute-optimal loss above E",
    }
    found = law.allocation(budgets)
    return [
        Quantity(
            f"{name} at {budget:.4g}",
            float(parts[0][i]),
            (float(parts[1][i]), float(parts[2][i])),
            meanings[name],
            units[name],
        )
        for i, budget in enumerate(budgets)
        for name, parts in found.items()
    ]


def _reach(data: Mapping[str, np.ndarray], budgets: np.ndarray, cost: float) -> list[str]:
    """A note when a budget is far beyond the runs."""
    most = float(np.max(cost * data["params"] * data["tokens"]))
    far = float(np.max(budgets)) / most
    return [f"the largest budget is {far:.2g} times the compute of any run: an extrapolation"] if far > 10 else []


fit = Application(
    "scaling_laws/fit", "fit L = E + A/N^a + B/D^b to training runs", fit_runs, (RUNS,), PARAMETERS, ("compute",)
)
