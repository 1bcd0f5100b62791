"""Exponential, hyperbolic tangent and error function of compiled loops against 40-digit values."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numba import njit

from theorylab.kernels.elementary import error_function, exponential, fused, tangent


@njit(error_model="numpy")
def exponentials(x):  # type: ignore[no-untyped-def]
    return np.array([exponential(y) for y in x])


@njit(error_model="numpy")
def tangents(x):  # type: ignore[no-untyped-def]
    return np.array([tangent(y) for y in x])


@njit(error_model="numpy")
def error_functions(x):  # type: ignore[no-untyped-def]
    out = np.empty((2, len(x)))
    for i in range(len(x)):
        out[0, i], out[1, i] = error_function(x[i])
    return out


@njit
def multiply_add(a, b, c):  # type: ignore[no-untyped-def]
    return fused(a, b, c)


def errors(got, function, x):
    """Errors in units in the last place of the exact value."""
    with mpmath.workdps(40):
        exact = [function(mpmath.mpf(float(y))) for y in x]
        return np.array([float(abs(float(g) - e) / math.ulp(float(e))) for g, e in zip(got, exact)])


def points(bound):
    source = np.random.default_rng(0)
    near = 10.0 ** source.uniform(-300, 0, 300)
    return np.concatenate([source.uniform(-bound, bound, 1500), source.uniform(-1.5, 1.5, 1500), near, -near])


def test_exponential_is_within_one_unit():
    x = np.concatenate([points(708), [-708.0, 709.0, math.log(2) / 2, -math.log(2) / 2]])
    assert errors(exponentials(x), mpmath.exp, x).max() < 1


def test_exponential_of_special_values():
    got = exponentials(np.array([0.0, -0.0, -708.1, -1e300, -np.inf, np.nan]))
    np.testing.assert_array_equal(got, [1, 1, 0, 0, 0, np.nan])


def test_tangent_is_within_three_units():
    x = np.concatenate([points(25), [39.9, 40.1, 1e3]])
    assert errors(tangents(x), mpmath.tanh, x).max() < 3


def test_error_function_is_within_two_units_and_its_gaussian_within_those_of_the_square():
    x = np.concatenate([points(8), [1 - 2**-53, 1.0, 1 + 2**-52, 6 - 2**-50, 6.0, 6 + 2**-50, 26.0]])
    value, gauss = error_functions(x)
    assert errors(value, mpmath.erf, x).max() < 2
    assert np.all(errors(gauss, lambda y: mpmath.exp(-y * y), x) < 1 + x * x)


@pytest.mark.parametrize("function", [tangents, lambda x: error_functions(x)[0]])
def test_odd_functions_keep_signs_and_limits(function):
    got = function(np.array([0.0, -0.0, np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(got, [0, 0, 1, -1, np.nan])
    assert not np.signbit(got[0])
    assert np.signbit(got[1])


def test_fused_rounds_once():
    tiny = 2.0**-30
    assert multiply_add(1 + tiny, 1 - tiny, -1.0) == -(2.0**-60)
