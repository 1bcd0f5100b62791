"""Philox4x32-10 against the known answers of its authors, and its twins against each other."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit, uint32

from theorylab.kernels.philox import philox4x32, philox4x32_numba

# Random123 1.14, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@njit(error_model="numpy")
def compiled(counter, key):  # type: ignore[no-untyped-def]
    """The Numba twin over an array of counters."""
    out = np.empty_like(counter)
    for i in range(len(counter)):
        c = counter[i]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox4x32_numba(
            c[0], c[1], c[2], c[3], uint32(key[0]), uint32(key[1])
        )
    return out


@pytest.mark.parametrize("twin", [philox4x32, compiled])
@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(twin, counter, key, result):
    counter = np.array([counter], dtype=np.uint32)
    np.testing.assert_array_equal(twin(counter, np.array(key, dtype=np.uint32)), [result])


def test_twins_agree_to_the_bit():
    source = np.random.default_rng(1)
    counter = source.integers(0, 2**32, size=(5000, 4), dtype=np.uint32)
    key = source.integers(0, 2**32, size=2, dtype=np.uint32)
    np.testing.assert_array_equal(philox4x32(counter, key), compiled(counter, key))


def test_one_bit_of_the_counter_or_the_key_changes_half_of_the_result():
    # 192 flips of 128 bits each: mean 64, standard error 5.7 / sqrt(192) = 0.41; 5 of them: false alarm 6e-7.
    source = np.random.default_rng(2)
    inputs = source.integers(0, 2**32, size=6, dtype=np.uint32)
    flipped = np.repeat(inputs[None], 192, axis=0)
    for bit in range(192):
        flipped[bit, bit // 32] ^= np.uint32(1 << (bit % 32))
    before = philox4x32(inputs[:4], inputs[4:])
    after = philox4x32(flipped[:, :4], flipped[:, 4:])
    changed = np.unpackbits((before ^ after).view(np.uint8), axis=1).sum(axis=1)
    assert abs(changed.mean() - 64) < 5 * np.sqrt(32 / 192)
    assert changed.min() > 64 - 7 * np.sqrt(32)
