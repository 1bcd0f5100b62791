"""Verdicts: what was found, with everything needed to judge it and to run it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from theorylab.claim import Status


@dataclass(frozen=True)
class Finding:
    """What the samples say about one point (or one family of sizes) of a claim.

    `discrepancy` is the interval of estimate minus prediction on the scale of `margin`, widened by the
    prediction's own error: `holds` when it lies inside (-margin, margin), `fails` when it lies outside.

    Parameters
    ----------
    where
        The parameters, in words.
    status
        Decision at this point.
    estimate, interval, predicted, prediction_error
        In the observable's own unit.
    discrepancy, margin
        On the check's scale.
    detectable
        Smallest discrepancy that the full budget can see, on the same scale.
    notes
        Finite-size coefficients, counterexamples, reasons for `inconclusive`.
    behaves_as
        For `fails`: what the sample behaves like.
    cells
        Which samples it rests on.
    misfit
        Whether the discrepancies of several sizes do not change with the size as the claim says they do.
    """

    where: str
    status: Status
    estimate: float | None
    interval: tuple[float, float] | None
    predicted: float | None
    prediction_error: float | None
    discrepancy: tuple[float, float]
    margin: float
    detectable: float | None = None
    notes: tuple[str, ...] = ()
    behaves_as: str | None = None
    cells: tuple[int, ...] = ()
    misfit: bool = False

    def undecided(self, why: str) -> Finding:
        """The same evidence, which for a reason does not decide."""
        return replace(self, status="inconclusive", notes=(*self.notes, why))

    @property
    def strain(self) -> float:
        """Largest discrepancy that the interval admits, in margins: the point with the most decides the report."""
        return max(abs(self.discrepancy[0]), abs(self.discrepancy[1])) / self.margin if self.margin else 0.0


@dataclass(frozen=True)
class Verdict:
    """`holds`, `fails` or `inconclusive`, with the evidence.

    The estimate, interval, prediction and margin are those of the finding that decided: the failing one, the
    undecided one, or else the one nearest its margin. All are in `findings`.
    """

    claim: str
    status: Status
    expected: Status
    estimate: float | None
    interval: tuple[float, float] | None
    predicted: float | None
    prediction_error: float | None
    margin: float
    detectable: float | None
    mutants_rejected: tuple[int, int]
    samples: int
    seconds: float
    seed: int
    backend: str | None
    budget: str
    versions: dict[str, str]
    findings: tuple[Finding, ...] = ()
    mutants: dict[str, bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether the status is the one that is known to be right."""
        return self.status == self.expected

    def to_dict(self, findings: bool = True) -> dict[str, Any]:
        """Plain data with the fields of the class; intervals and counts as lists."""
        out: dict[str, Any] = {
            "claim": self.claim,
            "status": self.status,
            "expected": self.expected,
            "estimate": self.estimate,
            "interval": list(self.interval) if self.interval else None,
            "predicted": self.predicted,
            "prediction_error": self.prediction_error,
            "margin": self.margin,
            "detectable": self.detectable,
            "mutants_rejected": list(self.mutants_rejected),
            "samples": self.samples,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "backend": self.backend,
            "budget": self.budget,
            "versions": self.versions,
        }
        if findings:
            out["mutants"] = self.mutants
            out["notes"] = list(self.notes)
            out["findings"] = [
                {
                    "where": f.where,
                    "status": f.status,
                    "estimate": f.estimate,
                    "interval": list(f.interval) if f.interval else None,
                    "predicted": f.predicted,
                    "prediction_error": f.prediction_error,
                    "discrepancy": list(f.discrepancy),
                    "margin": f.margin,
                    "detectable": f.detectable,
                    "notes": list(f.notes),
                    "behaves_as": f.behaves_as,
                }
                for f in self.findings
            ]
        return out

    def to_json(self, **options: Any) -> str:
        """The verdict as one JSON object."""
        return json.dumps(self.to_dict(**options), allow_nan=False)

    def summary(self) -> str:
        """One line of text."""
        k, of = self.mutants_rejected
        parts = [f"{self.claim}: {self.status}"]
        if self.estimate is not None and self.predicted is not None:
            parts.append(f"measured {self.estimate:.5g}, predicted {self.predicted:.5g}")
        if self.interval is not None:
            parts.append(f"interval [{self.interval[0]:.5g}, {self.interval[1]:.5g}]")
        parts += [f"margin {self.margin:g}", f"mutants rejected {k}/{of}"]
        return "; ".join([*parts, *self.notes])

    def table(self) -> Table:
        """A rich table of the findings."""
        from theorylab.display import verdict_table

        return verdict_table(self)

    def __rich__(self) -> Table:
        return self.table()

    def _repr_html_(self) -> str:
        from theorylab.display import verdict_html

        return verdict_html(self)

    def __str__(self) -> str:
        return self.summary()


@cache
def versions() -> dict[str, str]:
    """Versions of Python, theorylab and the libraries that numbers depend on."""
    import platform
    from importlib.metadata import version

    import theorylab

    names = ("numpy", "scipy", "numba", "sympy")
    return {
        "python": platform.python_version(),
        "theorylab": theorylab.__version__,
        **{name: version(name) for name in names},
    }
