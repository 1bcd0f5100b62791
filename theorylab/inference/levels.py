"""How the chance of error is spent: over the suite, over a claim's findings, over its looks.

Looks are made at doubling sample sizes. By the union bound an interval that is valid at a fixed sample size
becomes valid under sequential looking when the level is split over the looks.
"""

from __future__ import annotations

# Chance of any false `holds` or false `fails` in a whole run of the suite, and its even split. The number of
# shares is a constant, not the number of claims selected, so that a verdict does not depend on what else ran.
SUITE_LEVEL = 1e-3
SHARES = 1000
CLAIM_LEVEL = SUITE_LEVEL / SHARES

MOST_LOOKS = 8


def looks(trials: int, block: int) -> list[int]:
    """Cumulative trials at each look: whole blocks, doubling, ending with `trials` rounded up to a block.

    Parameters
    ----------
    trials
        Most trials.
    block
        Trials per block.

    Returns
    -------
    list of int
        At most `MOST_LOOKS` increasing numbers, each a multiple of `block`.
    """
    last = -(-trials // block)
    counts = [last]
    while len(counts) < MOST_LOOKS and counts[-1] > 1:
        counts.append(-(-counts[-1] // 2))
    return [c * block for c in sorted(set(counts))]
