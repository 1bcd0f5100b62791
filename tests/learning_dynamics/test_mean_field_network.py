"""Trained networks in the mean-field parametrisation: twins, definitions of the kernels, symmetries, norms.

The statistical test is of fixed draws at six standard errors: by chance it would fail once in 1e8 choices of the draws.
"""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import mean_field_network as sim

POINT = {"activation": "tanh", "L": 2, "N": 20, "gamma": 1.5, "rate": 0.1, "K": 1.3, "y": 0.8, "t": np.array([0, 1, 4])}
SECOND = {"rho": 0.4, "y2": -0.5}


@pytest.mark.parametrize("simulation", [sim.one_pattern, sim.two_times, sim.two_patterns])
def test_twins_and_batches(simulation):
    point = {**POINT, **SECOND}
    whole = simulation.run(6, Stream.from_seed(1, "numpy"), point)
    compiled = simulation.run(6, Stream.from_seed(1, "numba"), point)
    part = simulation.run(2, Stream(Stream.from_seed(1).key, "numba", first_trial=4), point)
    for name, value in whole.items():
        np.testing.assert_allclose(compiled[name], value, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(part[name], value[4:], rtol=1e-9, atol=1e-11)


def test_shapes():
    one, two = (
        sim.one_pattern(3, Stream.from_seed(1), **POINT),
        sim.two_patterns(3, Stream.from_seed(1), **POINT, **SECOND),
    )
    assert {k: v.shape for k, v in one.items()} == {
        "f": (3, 3), "ntk": (3, 3), "H": (3, 2, 3), "G": (3, 2, 3), "norms": (3, 3)
    }  # fmt: skip
    assert {k: v.shape for k, v in two.items()} == {
        "f": (3, 2, 3), "ntk": (3, 2, 2, 3), "H": (3, 2, 2, 2, 3), "G": (3, 2, 2, 2, 3), "norms": (3, 3)
    }  # fmt: skip


def test_kernels_are_those_of_the_fields():
    gram = np.array([[1.3, 0.4], [0.4, 0.9]])
    chosen = {"activation": "tanh", "L": 3, "N": 9, "gamma": 1.2, "rate": 0.1, "steps": 3}
    trained = sim.networks(2, Stream.from_seed(4), gram, np.array([1.0, -0.5]), **chosen)
    seen = sim.kernels(trained, gram, np.array([3]))
    H = np.einsum("rlhmi,rlhni->rlhmn", *[trained["forward"][:, :, :, 3]] * 2) / 9
    G = np.einsum("rlhmi,rlhni->rlhmn", *[trained["backward"][:, :, :, 3]] * 2) / 9
    ntk = gram * G[:, 0] + H[:, 0] * G[:, 1] + H[:, 1] * G[:, 2] + H[:, 2]
    np.testing.assert_allclose(seen["H"][..., 0], H.mean(axis=2), rtol=1e-12)
    np.testing.assert_allclose(seen["G"][..., 0], G.mean(axis=2), rtol=1e-12)
    np.testing.assert_allclose(seen["ntk"][..., 0], ntk.mean(axis=1), rtol=1e-12)


def test_tangent_kernel_is_the_slope_of_the_output():
    """A small step of each network moves its outputs by eta times NTK times error."""
    gram, targets = np.array([[1.3, 0.4], [0.4, 0.9]]), np.array([1.0, -0.5])
    chosen = {"activation": "erf", "L": 2, "N": 11, "gamma": 1.2, "rate": 1e-6, "steps": 1}
    trained = sim.networks(3, Stream.from_seed(5), gram, targets, **chosen)
    f = trained["f"]
    for head in range(2):
        alone = {**trained, **{k: trained[k][:, :, [head]] for k in ("forward", "backward")}, "f": f[:, [head]]}
        ntk = sim.kernels(alone, gram, np.array([0]))["ntk"][..., 0]
        slope = np.einsum("rmn,rn->rm", ntk, targets - f[:, head, 0])
        np.testing.assert_allclose((f[:, head, 1] - f[:, head, 0]) / 1e-6, slope, rtol=1e-4, atol=1e-5)


def test_first_outputs_of_a_pair_cancel():
    seen = sim.one_pattern(5, Stream.from_seed(1), **POINT)
    np.testing.assert_allclose(seen["f"][:, 0], 0.0, atol=1e-15)
    two = sim.two_times(5, Stream.from_seed(1), **POINT)
    np.testing.assert_allclose(np.diagonal(two["H"], axis1=2, axis2=3), seen["H"], rtol=1e-12)


def test_opposite_labels_mirror_the_outputs():
    """The pair with labels -y is the pair with labels y, its members exchanged."""
    a, b = (sim.one_pattern(4, Stream.from_seed(1), **{**POINT, "y": y}) for y in (0.8, -0.8))
    np.testing.assert_allclose(a["f"], -b["f"], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(a["H"], b["H"], rtol=1e-11)


def test_norms_have_mean_one():
    norms = sim.one_pattern(4000, Stream.from_seed(2), **{**POINT, "t": np.array([0])})["norms"]
    np.testing.assert_array_less(np.abs(norms.mean(axis=0) - 1.0), 6.0 * norms.std(axis=0) / np.sqrt(4000))


def test_copies_of_a_pattern_give_copies_of_the_output():
    """With a Gram matrix that is singular."""
    chosen = {k: v for k, v in POINT.items() if k != "rate"}
    two = sim.two_patterns(3, Stream.from_seed(3), **chosen, rate=0.1, rho=1.0, y2=0.8)
    np.testing.assert_allclose(two["f"][:, 0], two["f"][:, 1], rtol=1e-9)
