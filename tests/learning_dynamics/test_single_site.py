"""Single-site processes of deep networks: exact cases, every term in its place, errors, order, and what is refused.

Samples are fixed; a bound on an error is 4.4 standard errors of eight batches, exceeded by chance once in 300.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy as sp
from threadpoolctl import threadpool_limits

from theorylab.derivations.learning_dynamics import single_site_solution as solution
from theorylab.derivations.learning_dynamics.single_site import Sweep, Terms, bytes_of, kernels_of
from theorylab.derivations.learning_dynamics.single_site_particles import one_hidden_layer
from theorylab.derivations.learning_dynamics.single_site_points import LATTICE, Points
from theorylab.derivations.learning_dynamics.single_site_solution import Method, Network, NotConverged, descent, flow
from theorylab.errors import DomainError, LackOfMemory


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


TANH = Network("tanh", 2, 1.5, ((1.0,),), (1.0,))


def close(estimate, expected, most=0.02):
    """Within the stated error, which is small."""
    assert np.all(estimate.error <= most * np.max(np.abs(expected)))
    np.testing.assert_array_less(np.abs(estimate.value - expected), estimate.error + 1e-9)


def by_hand(gamma, rate, norm, label, steps):
    """f, H, G of two-layer linear networks under gradient descent, which close."""
    H, G, c, g, out = norm, 1.0, 0.0, rate * gamma, []
    for _ in range(steps + 1):
        out.append((c / gamma, H, G))
        d = label - c / gamma
        k = norm * d
        H, G, c = (
            H + 2 * g * c * k + g * g * G * k * k,
            G + 2 * g * c * d + g * g * d * H * d,
            c + g * (H * d + G * k) + g * g * k * c * d,
        )
    return np.array(out).T


@pytest.mark.parametrize("gamma", [0.4, 2.0])
def test_linear_networks_with_one_hidden_layer_are_known(gamma):
    found = descent(Network("linear", 1, gamma, ((0.8,),), (1.2,)), 0.1, 10)
    f, H, G = by_hand(gamma, 0.1, 0.8, 1.2, 10)
    close(found.f, f[:, None])
    t = np.arange(11)
    np.testing.assert_allclose(found.H.value[0, t, t], H, rtol=0.01)
    np.testing.assert_allclose(found.G.value[0, t, t], G, rtol=0.01)


def test_linear_networks_are_the_same_from_both_ends():
    """At K = 1, H_l(t, s) = G_{L+1-l}(t, s): inputs and readout change places."""
    found = descent(Network("linear", 3, 1.2, ((1.0,),), (1.0,)), 0.05, 8, Method(4096))
    for l in range(3):
        np.testing.assert_allclose(found.H.value[l], found.G.value[2 - l], atol=0.01)


@pytest.mark.parametrize("name", ["tanh", "relu"])
@pytest.mark.parametrize("two", [False, True])
def test_one_hidden_layer_is_a_quadrature_over_particles(name, two):
    gram, targets = (((1.0, 0.3), (0.3, 0.8)), (1.0, -0.6)) if two else (((0.9,),), (1.2,))
    network = Network(name, 1, 2.0, gram, targets)
    found = descent(network, 0.2, 6, Method(2048))
    expected, error = (np.reshape(x, (7, -1)) for x in one_hidden_layer(network, 0.2, 6))
    # Gauss-Hermite rules are for smooth functions: a kink leaves more than two of them differ by.
    error = error + (0.004 if name == "relu" else 1e-9)
    assert np.all(np.abs(found.f.value - expected) <= found.f.error + error)
    assert np.all(found.f.error < 0.01)


def mean(expr, *normals):
    """Exact expectation of a polynomial over standard normals."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expr), *normals).terms():
        if all(p % 2 == 0 for p in powers):
            total += coefficient * sp.prod([sp.factorial2(p - 1) if p else 1 for p in powers])
    return total


def test_one_update_of_a_cubic_network_is_exact():
    """phi = h + h^3/50, L = 2: all kernels and responses of t = 0, 1 are polynomial moments (Isserlis)."""
    c, gamma, eta = sp.Rational(1, 50), sp.Rational(3, 2), sp.Rational(1, 20)
    u, r = sp.symbols("u r")

    def phi(h):
        return h + c * h**3

    def slope(h):
        return 1 + 3 * c * h**2

    a = eta * gamma
    H1 = mean(phi(u) ** 2, u)
    root = sp.sqrt(H1)
    G2 = mean(slope(root * u) ** 2, u)
    later = u + a * slope(u) * sp.sqrt(G2) * r
    H1_later, H1_cross = mean(phi(later) ** 2, u, r), mean(phi(u) * phi(later), u, r)
    response = mean(sp.diff(phi(later), r), u, r) / sp.sqrt(G2)
    v, w = sp.symbols("v w")
    first = root * v
    second = H1_cross / root * v + sp.sqrt(H1_later - H1_cross**2 / H1) * w
    moved = second + (response + a * H1) * slope(first) * r
    f = mean(sp.diff(phi(moved), r), v, w, r) / gamma + eta * mean(phi(first) * phi(moved), v, w, r)
    found = descent(Network("z + z**3/50", 2, 1.5, ((1.0,),), (1.0,)), 0.05, 1, Method(4096))
    close(found.f, np.array([[0.0], [float(f)]]))
    np.testing.assert_allclose(found.H.value[0, 1, 1], float(H1_later), rtol=0.002)
    np.testing.assert_allclose(found.H.value[0, 0, 1], float(H1_cross), rtol=0.002)
    np.testing.assert_allclose(found.H.value[1, 1, 1], float(mean(phi(moved) ** 2, v, w, r)), rtol=0.004)
    np.testing.assert_allclose(found.G.value[1, 0, 0], float(G2), rtol=0.002)


# Means of trained networks (tanh, N = 800 and 400, pairs of opposite readouts), with standard errors: what fails
# without the right term.
TRAINED = {
    "L = 2": (Network("tanh", 2, 1.5, ((1.0,),), (1.0,)), 0.15, 16, (0.5488, 0.0008)),
    "L = 3": (Network("tanh", 3, 2.0, ((1.0,),), (1.4,)), 0.1, 14, (0.5329, 0.0012)),
}


@pytest.mark.parametrize("case", TRAINED)
def test_first_kernel_needs_both_pieces_at_equal_times(case):
    network, rate, steps, (expected, error) = TRAINED[case]
    wrong = {"L = 2": ["none"], "L = 3": ["none", "first"]}[case]
    for kept in ["all", *wrong]:
        found = descent(network, rate, steps, Method(2048, terms=Terms(equal_time=kept)))
        distance = abs(found.H.value[0, -1, -1] - expected)
        assert (distance < 4 * error + found.H.error[0, -1, -1]) == (kept == "all")
        assert kept == "all" or distance > 0.05


@pytest.mark.parametrize(
    ("terms", "least"), [(Terms(above=False), 0.02), (Terms(slope=False), 0.2), (Terms(responses=False), 0.2)]
)
def test_output_needs_the_kernel_above_and_the_responses(terms, least):
    """Against trained networks of width 250 to 1000, f = 0.1145, 0.2830, 0.4675, 0.7203 after 1, 3, 6, 12 updates."""
    trained, at = np.array([0.1145, 0.2830, 0.4675, 0.7203]), [1, 3, 6, 12]
    right, wrong = (descent(TANH, 0.15, 16, Method(2048, terms=x)).f.value[at, 0] for x in (Terms(), terms))
    np.testing.assert_allclose(right, trained, rtol=0.007)
    assert np.max(np.abs(wrong / trained - 1)) > least


def test_part_at_equal_times_vanishes_where_it_should():
    """For linear activations, and at the start."""
    linear = Network("linear", 3, 2.0, ((1.0,),), (1.0,))
    kept, dropped = (descent(linear, 0.05, 5, Method(64, terms=Terms(equal_time=x))) for x in ("all", "none"))
    np.testing.assert_allclose(kept.f.value, dropped.f.value, rtol=1e-12)
    kept, dropped = (descent(TANH, 0.15, 1, Method(1024, terms=Terms(equal_time=x))) for x in ("all", "none"))
    np.testing.assert_allclose(kept.f.value, dropped.f.value, rtol=1e-12)
    assert np.abs(kept.G.value[0, 1, 1] / dropped.G.value[0, 1, 1] - 1) > 0.005


def test_responses_by_tangents_and_by_correlations_agree():
    network = Network("tanh", 3, 2.0, ((1.0, 0.2), (0.2, 0.9)), (1.0, -0.5))
    one, other = (descent(network, 0.1, 4, Method(512, tangents=x)) for x in (False, True))
    for name in ("f", "H", "G"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_array_less(np.abs(a.value - b.value), a.error + b.error + 1e-12)
    # Derivatives are less noisy.
    assert other.f.error[2, 0] < 0.5 * one.f.error[2, 0]


def test_a_user_s_expression_is_an_activation():
    named, spelt = (descent(Network(x, 2, 1.5, ((1.0,),), (1.0,)), 0.15, 3, Method(64)) for x in ("tanh", "tanh(z)"))
    np.testing.assert_allclose(named.f.value, spelt.f.value, rtol=1e-12)
    assert descent(Network("sin(z) + z/3", 2, 1.5, ((1.0,),), (1.0,)), 0.1, 3, Method(64)).f.value[3, 0] > 0


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_labels_mirror_the_outputs(name):
    a, b = (descent(Network(name, 2, 1.5, ((1.0,),), (y,)), 0.1, 4, Method(256)) for y in (0.8, -0.8))
    np.testing.assert_allclose(a.f.value, -b.f.value, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(a.H.value, b.H.value, rtol=1e-10)


def test_copies_of_a_pattern_are_one_pattern():
    """With half the rate each: the Gram matrix is singular."""
    two = Network("tanh", 2, 1.5, ((1.0, 1.0), (1.0, 1.0)), (1.0, 1.0))
    a, b = descent(two, 0.1, 4, Method(1024)), descent(TANH, 0.2, 4, Method(1024))
    np.testing.assert_allclose(a.f.value[:, 0], a.f.value[:, 1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.f.value[:, 0], b.f.value[:, 0], rtol=0.01)


def test_error_bounds_are_met_and_fall_with_the_samples():
    reference = descent(TANH, 0.3, 4, Method(4096, seed=9))
    bounds = []
    for samples in (32, 256, 2048):
        found = descent(TANH, 0.3, 4, Method(samples))
        inside = np.abs(found.f.value - reference.f.value) <= found.f.error + reference.f.error
        assert np.all(inside)
        bounds.append(found.f.error[1:].max())
    assert bounds[0] > 2 * bounds[1] > 4 * bounds[2]


def test_lattice_beats_independent_points():
    regular, independent = (descent(TANH, 0.3, 4, Method(1024, lattice=x)) for x in (True, False))
    assert regular.f.error[1:].max() < 0.4 * independent.f.error[1:].max()
    np.testing.assert_array_less(
        np.abs(regular.f.value - independent.f.value), regular.f.error + independent.f.error + 1e-12
    )


def test_sweep_solves_the_equations_and_iteration_finds_the_same():
    method = Method(64)
    swept = solution.sweep(TANH, 0.15, 6, method)
    assert solution.residual(TANH, 0.15, 6, method) < 1e-12
    for damping in (1.0, 0.6):
        order, residual = solution.iterate(TANH, 0.15, 6, method, damping)
        assert residual <= solution.RESIDUAL
        np.testing.assert_allclose(order.f, swept.f, atol=1e-9)
        np.testing.assert_allclose(kernels_of(order.C), kernels_of(swept.C), atol=1e-8)


def test_residual_sees_a_wrong_solution():
    """The map moves away from order parameters that are off by a thousandth."""
    swept = solution.sweep(TANH, 0.15, 6, Method(64))
    swept.A[1] *= 1.001
    moved = solution.sweep(TANH, 0.15, 6, Method(64), given=swept)
    assert solution._change(swept, moved) > 1e-5


def test_iteration_that_does_not_converge_says_so():
    wild = Network("relu", 3, 6.0, ((1.0,),), (3.0,))
    with pytest.raises(NotConverged, match=r"residual .* at damping = 1, .* try damping = 0\.5, or a smaller rate"):
        solution.iterate(wild, 0.5, 24, Method(16), damping=1.0)


def linear_flow(gamma, label, t):
    """Closed form for two-layer linear networks with K = 1 (arXiv:2205.09653, whitened data)."""
    A = gamma * label
    B = np.sqrt(1 + A * A)
    v = (B * np.tanh(B * t + np.arctanh(1 / B)) - 1) / A
    return 2 * v / (1 - v * v) / gamma


def test_flow_meets_the_closed_form_within_its_errors():
    network = Network("linear", 1, 1.5, ((1.0,),), (1.0,))
    found = flow(network, 1.2, 8, Method(256))
    expected = linear_flow(1.5, 1.0, np.linspace(0.0, 1.2, 9))[:, None]
    np.testing.assert_array_less(np.abs(found.f.value - expected), found.f.error + 1e-12)
    assert 0 < found.f.discretisation.max() < 0.002


def test_order_of_accuracy_in_the_step():
    """Descents are of first order; the error of extrapolated flow falls like the cube of the step."""
    network, expected = Network("linear", 1, 1.5, ((1.0,),), (1.0,)), linear_flow(1.5, 1.0, 1.2)
    off = [descent(network, 1.2 / n, n, Method(1024)).f.value[-1, 0] - expected for n in (8, 16, 32)]
    assert all(1.8 < a / b < 2.3 for a, b in itertools.pairwise(off))
    estimates = [flow(network, 1.2, n, Method(1024)).f.discretisation.max() for n in (4, 8)]
    assert estimates[0] / estimates[1] > 4.5


def test_lattice_is_what_its_construction_gives():
    k, candidates = np.arange(1024), np.arange(1, 512, 2)
    x = k / 1024
    kernel = 2 * np.pi**2 * (x * x - x + 1 / 6)
    product, found = np.ones(1024), []
    for j in range(len(LATTICE)):
        errors = [product @ kernel[k * c % 1024] for c in candidates]
        found.append(int(candidates[np.argmin(errors)]) if j else 1)
        product *= 1 + (1 + j / 2) ** -2.0 * kernel[k * found[-1] % 1024]
    assert tuple(found) == LATTICE


def test_points_are_normal_mirrored_and_of_their_batch():
    points = Points(1024, False, batch=3)
    u, r = points.normals(1, 0, 2), points.normals(1, 1, 2)
    assert u.shape == (4096,) == (points.size,)
    np.testing.assert_allclose([u.mean(), r.mean(), (u * r).mean()], 0.0, atol=1e-15)
    np.testing.assert_allclose([(u * u).mean(), (r * r).mean()], 1.0, atol=0.02)
    assert not np.array_equal(u, Points(1024, False, batch=4).normals(1, 0, 2))
    assert not np.array_equal(u, Points(1024, False, batch=3, seed=1).normals(1, 0, 2))
    np.testing.assert_array_equal(
        Points(1024, True, 0, part=2).normals(1, 0, 0)[:512], Points(1024, True, 0).normals(1, 0, 0)[:1024:2]
    )
    # Beyond the lattice, too.
    assert abs(points.normals(1, 0, 40).std() - 1) < 0.1


def test_sweeps_keep_within_the_memory_that_is_stated():
    import tracemalloc

    for tangents in (False, True):
        tracemalloc.start()
        solution.sweep(TANH, 0.15, 10, Method(512, tangents=tangents))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.1 * bytes_of(2, 11, 1024, tangents) + 1e6


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (lambda: descent(TANH, 3.0, 4), DomainError, r"rate = 3 is beyond stability at the start: take rate < 2\.5"),
        (lambda: descent(Network("relu", 3, 4.0, ((1.0,),), (3.0,)), 0.3, 9, Method(64)), DomainError, "diverge"),
        (lambda: flow(TANH, 2.4, 4, Method(64), tolerance=1e-5), DomainError, "too coarse: .* take steps of .*, steps"),
        (lambda: flow(TANH, 40.0, 4, Method(64)), DomainError, "beyond stability for the coarsest"),
        (lambda: descent(TANH, 0.1, 4, Method(1000)), DomainError, "samples = 1000: take a power of two"),
        (lambda: descent(Network("relu", 2, 1.0, ((1.0,),), (1.0,)), 0.1, 4, Method(tangents=True)), DomainError,
         "no second derivative at z = 0"),
        (lambda: descent(Network("heaviside", 2, 1.0, ((1.0,),), (1.0,)), 0.1, 4), DomainError, "jumps at z = 0"),
        (lambda: descent(Network("exp(z**2)", 2, 1.0, ((1.0,),), (1.0,)), 0.1, 4), DomainError, "second moment"),
        (lambda: descent(TANH, 0.1, 2000, Method(2**16)), LackOfMemory, "take samples < "),
        (lambda: one_hidden_layer(TANH, 0.1, 4), DomainError, "one hidden layer"),
    ],
)  # fmt: skip
def test_mistakes_are_named_in_one_line(what, error, message):
    with pytest.raises(error, match=message) as caught:
        what()
    assert "\n" not in str(caught.value)


def test_the_sweep_is_causal():
    """More steps change nothing of what was before."""
    short, long = (Sweep(
        Points(64, True, 0), solution.jet_of("tanh")[1], np.eye(1), np.ones(1), depth=2, gamma=1.5, rate=0.2, steps=n
    ).run() for n in (3, 6))  # fmt: skip
    np.testing.assert_array_equal(long.f[:4], short.f)
    np.testing.assert_array_equal(kernels_of(long.C)[:, :4, :4], kernels_of(short.C))
