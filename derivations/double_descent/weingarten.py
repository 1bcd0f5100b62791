r"""Averages over Haar orthogonal matrices by Weingarten calculus, exact in the dimension.

For Q Haar in O(p) and index lists x, c of even length $2k$, with $k \le p$,

$$E \prod_l Q_{x_l c_l} = \sum_{\pi, \sigma} \delta_\pi(x) \delta_\sigma(c) \mathrm{Wg}_k(\pi, \sigma; p),$$

sums over the pairings of $2k$ legs. Wg inverts the Gram matrix $p^{\mathrm{loops}(\pi, \sigma)}$ and depends on the
coset type of the two pairings only: the half lengths of the loops that they make together, a partition of k.

Source: B. Collins, P. Sniady, "Integration with respect to the Haar measure on unitary, orthogonal and symplectic
group", arXiv:math-ph/0402073v1, Theorem 2.1 and section 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import sympy as sp

# The other leg of each.
Pairing = tuple[int, ...]
Type = tuple[int, ...]


@cache
def pairings(legs: int) -> tuple[Pairing, ...]:
    """All pairings of an even number of legs; the first pairs neighbours, 0-1, 2-3 and so on."""

    def built(left: tuple[int, ...]) -> Iterator[dict[int, int]]:
        if not left:
            yield {}
            return
        first, *others = left
        for partner in others:
            for rest in built(tuple(leg for leg in others if leg != partner)):
                yield {first: partner, partner: first, **rest}

    return tuple(tuple(p[leg] for leg in range(legs)) for p in built(tuple(range(legs))))


def pairing(*pairs: tuple[int, int]) -> Pairing:
    """The pairing with these pairs."""
    partner = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    return tuple(partner[leg] for leg in range(len(partner)))


def loops(one: Pairing, other: Pairing) -> list[list[int]]:
    """The loops that two pairings make together: the legs at which `other` is entered, then left, in turn."""
    seen: set[int] = set()
    found = []
    for start in range(len(one)):
        if start in seen:
            continue
        loop, leg = [], start
        while leg not in seen:
            loop += [leg, other[leg]]
            seen.update(loop[-2:])
            leg = one[other[leg]]
        found.append(loop)
    return found


@cache
def coset_type(one: Pairing, other: Pairing) -> Type:
    """Half lengths of the loops, largest first."""
    return tuple(sorted((len(loop) // 2 for loop in loops(one, other)), reverse=True))


@cache
def weingarten(order: int, dimension: sp.Expr) -> dict[Type, sp.Expr]:
    """Wg by coset type, for pairings of 2 `order` legs; rational in the dimension, which is at least `order`."""
    every = pairings(2 * order)
    representatives = {coset_type(every[0], p): p for p in every}
    types = list(representatives)
    x = sp.Symbol("x")
    rows = []
    for p in representatives.values():
        row = dict.fromkeys(types, sp.S.Zero)
        for q in every:
            row[coset_type(every[0], q)] += x ** len(coset_type(p, q))
        rows.append([row[t] for t in types])
    right = [sp.S.One if t == (1,) * order else sp.S.Zero for t in types]
    (solution,) = sp.linsolve((sp.Matrix(rows), sp.Matrix(right)))
    return {t: w.subs(x, dimension) for t, w in zip(types, solution)}


@cache
def compression_counts(contraction: Pairing) -> Counter[tuple[int, Type, Type]]:
    r"""Terms of $E \prod_l (Q D Q^T)_{x_{2l} x_{2l+1}}$ with the legs x paired by `contraction`, indices up to d.

    Returns
    -------
    Counter
        How many pairs of pairings give $d^a$, a coset type of Wg, and a product of traces of powers of the orthogonal
        matrix D: {(a, type, powers): count}. D and its transpose cancel within a trace.
    """
    legs = len(contraction)
    every = pairings(legs)
    # Leg 2l is the row of the l-th D, leg 2l + 1 its column.
    ends = every[0]
    free = {p: len(coset_type(contraction, p)) for p in every}
    traces = {q: _powers(ends, q) for q in every}
    return Counter((free[p], coset_type(p, q), traces[q]) for p in every for q in every)


def _powers(ends: Pairing, columns: Pairing) -> Type:
    """Powers of D in the traces that the pairing of its indices makes, without their sign."""
    return tuple(
        sorted(
            (abs(sum(1 if leg % 2 == 0 else -1 for leg in loop[::2])) for loop in loops(columns, ends)), reverse=True
        )
    )


def trace_moment(powers: Sequence[int], dimension: sp.Expr) -> sp.Expr:
    r"""$E \prod_j \mathrm{tr}\, Q^{j}$ over the powers given, Q Haar of that dimension, at least half their sum."""
    legs = sum(powers)
    if legs % 2:
        return sp.S.Zero
    if legs == 0:
        return sp.S.One
    # Q_{x_l c_l} with c_l = x_{following(l)}: one cycle for each trace.
    following: dict[int, int] = {}
    start = 0
    for power in powers:
        cycle = list(range(start, start + power))
        following.update(zip(cycle, cycle[1:] + cycle[:1]))
        start += power
    total = sp.S.Zero
    values = weingarten(legs // 2, dimension)
    for p in pairings(legs):
        for q in pairings(legs):
            total += dimension ** _classes(legs, p, q, following) * values[coset_type(p, q)]
    return sp.cancel(total)


def _classes(legs: int, rows: Pairing, columns: Pairing, following: dict[int, int]) -> int:
    """Independent indices: x_l = x_{rows(l)} and c_l = c_{columns(l)} with c_l = x_{following(l)}."""
    # The columns' pairing as one of the rows' indices.
    carried = {following[leg]: following[columns[leg]] for leg in range(legs)}
    return len(loops(rows, tuple(carried[leg] for leg in range(legs))))
