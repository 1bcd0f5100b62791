"""Learning curves of a user's data: prediction without replacement, measurement, digits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import theorylab as tl
from theorylab.applications.double_descent.data_kernels import KERNELS, kernel_matrix
from theorylab.derivations.double_descent.eigenframework import solve_krr
from theorylab.derivations.double_descent.transductive import Population, errors
from theorylab.errors import DomainError, UsageError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import subsets

OPTIONS = {"length": 1.0, "degree": 2, "activation": "relu", "depth": 2, "bias": 0.1}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def general():
    """Kernel matrix, of rank 120 of 200, and labels whose eigenvectors are in general position."""
    random, N = np.random.default_rng(0), 200
    vectors = np.linalg.qr(random.normal(size=(N, N)))[0]
    values = N * np.arange(1.0, N + 1.0) ** -1.5
    values[120:] = 0.0
    labels = np.sqrt(N) * (vectors @ (np.arange(1.0, N + 1.0) ** -0.9 * random.choice([-1, 1], N)))
    return (vectors * values) @ vectors.T, labels


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_errors_without_replacement(general, ridge):
    """Six standard errors, and 2 % for the size: by chance once in a million seeds."""
    kernel, labels = general
    population = Population.of(kernel, labels)
    counts = [20, 60, 160]
    found = subsets.sizes(kernel, labels, counts, ridge, 150, Stream.from_seed(2))
    for i, n in enumerate(counts):
        theory = errors(population, n, ridge)
        for value, measured in ((theory.test, found.test[:, i]), (theory.train, found.train[:, i])):
            error = 6.0 * measured.std(ddof=1) / np.sqrt(len(measured)) + 0.02 * measured.mean()
            assert abs(value - measured.mean()) < error + 1e-15


def test_replacement_does_not_matter_in_a_large_population():
    values, power = np.arange(1.0, 1001.0) ** -1.5, np.arange(1.0, 1001.0) ** -2.0
    big = Population(20_000 * np.append(values, np.zeros(19_000)), np.append(power, np.full(19_000, 0.1 / 19_000)))
    plain = solve_krr(values, 40, 0.01)
    found = errors(big, 40, 0.01)
    assert found.test == pytest.approx(plain.test_risk(power, 0.1), rel=5e-3)
    assert found.train == pytest.approx(plain.train_error(power, 0.1), rel=5e-3)


def test_with_all_but_one_it_is_leaving_one_out(general):
    """The mean over i of ((A + ridge)^-1 y)_i^2 / ((A + ridge)^-1)_ii^2 where the diagonal is even."""
    kernel, labels = general
    population, ridge, N = Population.of(kernel, labels), 0.3, 200
    inverse = 1.0 / (population.eigenvalues + ridge)
    expected = N**2 * np.sum(population.power * inverse**2) / np.sum(inverse) ** 2
    assert errors(population, N - 1, ridge).test == pytest.approx(expected, rel=0.02)


def test_a_small_ridge_is_continuous_on_either_side_of_the_rank(general):
    population = Population.of(*general)
    assert population.rank == 120
    for n in (60, 160):
        without, little = errors(population, n, 0.0), errors(population, n, 1e-9)
        assert little.test == pytest.approx(without.test, rel=1e-5)
        assert little.train == pytest.approx(without.train, rel=1e-5, abs=1e-12)


def test_the_threshold_is_named(general):
    with pytest.raises(DomainError, match=r"zero ridge at the interpolation threshold.*the risk diverges there"):
        errors(Population.of(*general), 120, 0.0)


@pytest.mark.parametrize("n", [0, 200])
def test_sizes_that_leave_nothing_out_are_refused(general, n):
    with pytest.raises(DomainError, match="training points of 200: take 1 to 199"):
        errors(Population.of(*general), n, 0.1)


def test_a_matrix_that_is_no_kernel_is_refused():
    with pytest.raises(DomainError, match="a kernel has none below 0"):
        Population.of(np.diag([1.0, 0.5, -0.1]), np.ones(3))


def test_errors_for_many_ridges_are_those_for_each(general):
    kernel, labels = general
    many = subsets.ridges(kernel, labels, 30, [0.1, 2.0], 3, Stream.from_seed(1))
    for i, ridge in enumerate((0.1, 2.0)):
        one = subsets.sizes(kernel, labels, [30], ridge, 3, Stream.from_seed(1))
        np.testing.assert_allclose(many.test[:, i], one.test[:, 0], rtol=1e-8)
        np.testing.assert_allclose(many.train[:, i], one.train[:, 0], rtol=1e-8)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_positive_and_do_not_depend_on_units(name):
    x = np.random.default_rng(1).normal(size=(30, 4))
    matrix = kernel_matrix(x, {**OPTIONS, "kernel": name})
    assert np.trace(matrix) == pytest.approx(30.0)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-12
    np.testing.assert_allclose(kernel_matrix(7.0 * x, {**OPTIONS, "kernel": name}), matrix, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """400 of scikit-learn's digits, in the file of the README's command."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed: theorylab[digits]")
    found = datasets.load_digits()
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, x=found.data[:400], y=found.target[:400])
    return path


@pytest.mark.parametrize("kernel", ["rbf", "ntk"])
def test_learning_curves_of_digits(digits, kernel, tmp_path):
    """The spectrum says the error to a tenth: eigenvectors of data are not quite in general position."""
    result = tl.apply(
        "double_descent/learning-curve", digits, kernel=kernel, n=[40, 80, 160], draws=30, output=tmp_path / "out"
    )
    curve = result.data["curve"]
    np.testing.assert_allclose(curve.measured, curve.predicted, rtol=0.15)
    assert np.all(np.diff(curve.measured) < 0)
    assert result["measured at 80"].interval[0] < result["measured at 80"].value < result["measured at 80"].interval[1]
    assert (tmp_path / "out" / "learning-curve.png").stat().st_size > 10_000


def test_double_descent_of_a_linear_kernel_on_digits(digits):
    """Without ridge the error peaks where the number of rows is the rank, and that point itself is refused."""
    result = tl.apply("double_descent/learning-curve", digits, kernel="linear", ridge=0.0, n=[20, 50, 200], draws=20)
    rank = result.data["population"].rank
    assert 50 < rank <= 64
    curve = result.data["curve"]
    assert curve.predicted[1] > curve.predicted[0] > curve.predicted[2]
    assert curve.measured[1] > curve.measured[2]
    with pytest.raises(tl.TheorylabError, match="interpolation threshold"):
        tl.apply("double_descent/learning-curve", digits, kernel="linear", ridge=0.0, n=rank)


def test_the_best_fitting_ratio_of_digits(digits, tmp_path):
    """Noisy labels should not be fitted closely: theory and measurement agree how closely."""
    result = tl.apply("double_descent/fitting-ratio", digits, noise=0.5, n=100, draws=16, output=tmp_path / "out")
    low, high = result["measured R*"].interval
    assert low < result["measured R*"].value < high
    assert 0.75 * low < result["predicted R*"].value < 1.25 * high
    assert result["measured cost"].interval[0] > 1.0
    clean = tl.apply("double_descent/fitting-ratio", digits, kernel="ntk", n=100, draws=16)
    assert max(clean["predicted R*"].value, clean["measured R*"].value) < 1e-3
    assert any("no ridge may be best" in note for note in clean.notes)


X = np.random.default_rng(3).normal(size=(20, 3))
Y = X[:, 0] - X[:, 1] ** 2


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"x": X, "y": np.where(np.arange(20) == 3, np.nan, Y)}, {}, r"entry \[3\] is nan; finite numbers"),
        ({"x": X, "y": Y[:-1]}, {}, "20 rows of x and 19 labels y; equally many are expected"),
        ({"x": X, "y": np.ones(20)}, {}, "all labels are equal"),
        ({"x": 0 * X, "y": Y}, {"kernel": "linear"}, "all inputs are 0"),
        ({"x": 0 * X, "y": Y}, {"kernel": "rbf"}, "their median distance is 0"),
        ({"x": X, "y": Y}, {"n": 20}, "n = 20 training rows of 20: take 1 to 19"),
        ({"x": X, "y": Y}, {"kernel": "cubic"}, "cubic"),
        ({"x": X, "y": Y}, {"ridge": -1.0}, "ridge = -1 is outside"),
        ({"x": X, "y": Y}, {"kernel": "linear", "ridge": 0.0, "n": 3}, "interpolation threshold.*the risk diverges"),
    ],
)
def test_bad_input_is_one_line(data, options, message):
    with pytest.raises(tl.TheorylabError, match=message) as caught:
        tl.apply("double_descent/learning-curve", data, **options)
    assert "\n" not in str(caught.value)


def test_too_many_rows_are_refused():
    with pytest.raises(UsageError, match="6001 rows of data; at most 6000"):
        kernel_matrix(np.zeros((6001, 1)), {**OPTIONS, "kernel": "rbf"})


def test_an_empty_range_of_ridges_is_refused():
    with pytest.raises(UsageError, match="least = 2 is not below most = 1"):
        tl.apply("double_descent/fitting-ratio", {"x": X, "y": Y}, least=2.0, most=1.0)
