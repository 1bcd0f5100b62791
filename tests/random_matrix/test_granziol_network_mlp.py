"""Batch Hessians of small networks: Hessians by other routes, exact enumeration of batches, limits, bad input.

Every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import granziol_network_mlp as theory
from theorylab.derivations.random_matrix import granziol_network_mlp_hessians as network
from theorylab.errors import DomainError
from theorylab.prediction import Prediction
from theorylab.sims.random_matrix import perceptron_batches

AT = {"network": 3, "d": 3, "h": 2, "N": 8, "steps": 20}


@pytest.fixture(scope="module")
def each():
    return network.hessians(**AT)


def test_derivations_replay():
    for prediction in (theory.EXCESS, theory.TURNED, theory.GOE_SHIFT):
        prediction.derivation.replay()


def test_hessians_of_the_two_rooms_are_those_of_one_network(each):
    """The same network, trained and differentiated by code that is not shared; parameters are ordered differently."""
    mean = each.mean(axis=0)
    whole = perceptron_batches.population(**{k: AT[k] for k in ("network", "d", "h", "N", "steps")})
    np.testing.assert_allclose(np.linalg.eigvalsh(mean), whole.values, atol=1e-13)
    norms = np.linalg.norm(each - mean, axis=(1, 2))
    np.testing.assert_allclose(norms, np.linalg.norm(whole.deviations, axis=(1, 2)), rtol=1e-12)


def batches(each, B):
    """All batches of B, float64[count, P, P]."""
    return np.stack([each[list(some)].mean(axis=0) for some in itertools.combinations(range(len(each)), B)])


@pytest.mark.parametrize("B", [1, 3, 5, 7])
def test_means_over_all_batches_are_exact(each, B):
    """Norm, second and third order, against the enumeration of every batch."""
    mean = each.mean(axis=0)
    values, vectors = np.linalg.eigh(mean)
    noise = vectors.T @ (batches(each, B) - mean) @ vectors
    inverse = np.append(1.0 / (values[-1] - values[:-1]), 0.0)
    column = noise[:, :, -1]
    reach = column * inverse
    third = np.einsum("nj,njk,nk->n", reach, noise, reach) - column[:, -1] * np.sum(reach**2, axis=1)
    at = {**AT, "t": B / 8}
    assert theory.NORM(**at) == pytest.approx(np.mean(np.sum(noise**2, axis=(1, 2))), rel=1e-11)
    assert theory.SECOND(**at) == pytest.approx(np.mean(column**2 @ inverse), rel=1e-11)
    assert theory.THIRD(**at) == pytest.approx(np.mean(third), rel=1e-9)
    assert theory.VARIANCE(**at) == pytest.approx(np.mean(column[:, -1] ** 2), rel=1e-11)
    assert theory.TURNED(**at) == pytest.approx(np.mean(np.sum(reach**2, axis=1)), rel=1e-11)


@pytest.mark.parametrize("smallest", [False, True])
def test_the_orders_are_those_of_the_eigenvalue(smallest):
    """The eigenvalue of H + E, E = sum_n xi_n D_n/sqrt(N - 1) with few signs xi, averaged over all of them.

    For signs the fourth order differs from Gaussian pairings by the fourth cumulant, -2 times the sum of each sample's
    own fourth order, which is worked out here.
    """
    rng = np.random.default_rng(1)
    count, size = 7, 4
    each = rng.normal(size=(count, size, size))
    each = each + np.swapaxes(each, 1, 2) + 5.0 * np.diag([3.0, 1.0, 0.0, -2.0])
    found = network.orders(each, smallest)
    mean = each.mean(axis=0)
    deviation = (each - mean) / np.sqrt(count - 1)
    which = 0 if smallest else -1
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=count)))

    def even(scale, noise):
        """Even part of the eigenvalue's change in the scale."""
        up, down = (np.linalg.eigvalsh(mean + s * noise)[..., which] for s in (scale, -scale))
        return (up + down) / 2 - np.linalg.eigvalsh(mean)[which]

    def fourth(noise, second):
        # Even part = s^2 second + s^4 fourth + s^6 ...: two scales take off the sixth order.
        one, two = ((even(s, noise) - s**2 * second) / s**4 for s in (0.1, 0.2))
        return one - (two - one) / 3

    noise = np.einsum("sn,nij->sij", signs, deviation)
    values, vectors = np.linalg.eigh(mean)
    gap = values[which] - np.delete(values, which)

    def second(of):
        column = np.delete((vectors.T @ of @ vectors)[:, :, which], which % size, axis=1)
        return column**2 @ (1.0 / gap)

    assert found.s1 == pytest.approx(np.mean(second(noise)), rel=1e-11)
    own = fourth(deviation, second(deviation))
    assert found.c4 == pytest.approx(np.mean(fourth(noise, second(noise))) + 2.0 * np.sum(own), rel=2e-3)


def test_scales_and_limits(each):
    """Scaling the loss scales shifts alike; a batch of everything has none."""
    here, there = network.orders(each), network.orders(3.0 * each)
    assert there.s1 == pytest.approx(3.0 * here.s1, rel=1e-10)
    assert there.c3 == pytest.approx(3.0 * here.c3, rel=1e-10)
    assert there.c4 == pytest.approx(3.0 * here.c4, rel=1e-9)
    assert there.turned == pytest.approx(here.turned, rel=1e-10)
    whole = {**AT, "t": 1.0}
    for prediction in (theory.NORM, theory.SHIFT, theory.TURNED, theory.VARIANCE, theory.GOE_SHIFT):
        assert prediction(**whole) == 0.0
        assert prediction(**{**AT, "t": 0.25}) > prediction(**{**AT, "t": 0.5}) > 0.0
    assert theory.LOW_SHIFT(**{**AT, "t": 0.5}) < 0.0


def test_mirror_image(each):
    """The smallest eigenvalue of H is minus the largest of -H."""
    low, mirrored = network.orders(each, smallest=True), network.orders(-each)
    np.testing.assert_allclose(low[:4], [-mirrored.eigenvalue, -mirrored.s1, -mirrored.c3, -mirrored.c4], rtol=1e-9)
    np.testing.assert_allclose(low[4:], mirrored[4:], rtol=1e-9)


def test_goe_noise_has_the_idealised_shift():
    """Samples that make the noise GOE exactly in its second moments, about a single spike."""
    size, count = 5, 0
    basis = []
    for i in range(size):
        for j in range(i, size):
            one = np.zeros((size, size))
            one[i, j] = one[j, i] = 1.0 if i < j else np.sqrt(2.0)
            basis += [one, -one]
    count = len(basis)
    each = np.array(basis) + 40.0 * np.diag([1.0, 0, 0, 0, 0])
    found = network.summary(each)
    # The spike sees size - 1 others, the idealisation counts size.
    assert found.top.s1 == pytest.approx(theory.idealised(found, 1.0, 1e12) * (size - 1) / size, rel=1e-9)
    assert found.norm == pytest.approx(2.0 * size * (size + 1) / (count - 1))


def test_errors_are_those_of_rounding():
    for prediction in (p for p in vars(theory).values() if isinstance(p, Prediction)):
        value, error = prediction.evaluate(**AT, t=0.25)
        assert 0.0 <= error <= 1e-9 * abs(value)


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="less than one sample"):
        theory.SHIFT(**{**AT, "t": 0.01})
    with pytest.raises(DomainError, match="outside its domain"):
        theory.SHIFT(**{**AT, "t": 1.5})
    with pytest.raises(DomainError, match=r"take N P\^2"):
        theory.SHIFT(**{**AT, "N": 10**5, "d": 20, "h": 20, "t": 0.5})


@pytest.mark.parametrize("name", ["batches", "excess", "variance", "spectra"])
def test_twins(name):
    demand_twins(getattr(perceptron_batches, name), {**AT, "t": 0.5}, rtol=1e-7)
