"""A pytest fixture, so that a paper's own repository can assert its claims.

def test_my_formula(verify):
    verify("double_descent/gaussian-ols-exact/excess-risk")     # a registered claim, by name
    verify(my_claim, budget="standard")                          # or a Claim of your own
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from theorylab.claim import Claim
    from theorylab.verdict import Verdict


@pytest.fixture
def verify() -> Callable[..., Verdict]:
    """Verify a claim and fail the test when its status is not the expected one; return the verdict."""

    def check(claim: Claim | str, budget: str = "quick", **options: Any) -> Verdict:
        from theorylab.engine import verify as run

        verdict = run(claim, budget, **options)
        if not verdict.as_expected:
            pytest.fail(f"expected {verdict.expected}: {verdict.summary()}", pytrace=False)
        return verdict

    return check
