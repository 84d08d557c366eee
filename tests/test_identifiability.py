"""The derivative along matrices of one rank, and its extreme singular values, beside dense ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cases.draws import generator, normal
from cases.flavors import ALL_FLAVORS, HERMITIAN, PSD, RECTANGULAR
from wnsense.checks import InputError
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.trust.identifiability import identifiability
from wnsense.trust.tangent_jacobian import TangentJacobian

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


def posed(flavor, n, m1=7, m2=5, rank=2, weighted=True, real=torch.float64):
    rng = generator(3)
    size = m1 if flavor.kind.is_symmetric else (m1, m2)
    truth = low_rank(size, rank, 3.0, kind=flavor.kind, generator=rng, dtype=flavor.dtype()).to(
        dtype=flavor.dtype(real)
    )
    operator = GaussianSensing.draw(n, size, kind=flavor.kind, generator=rng, dtype=flavor.dtype(real))
    problem = Problem.measure(operator, truth)
    return replace(problem, weights=torch.rand(n, generator=rng, dtype=real) + 0.2) if weighted else problem


def dense_values(problem):
    """From the packed matrices of everything: rows times an orthonormal basis of the tangent space."""
    operator, point = problem.operator, problem.truth.orthonormal()
    kind, d = operator.kind, operator.dimension
    units = kind.unpack(torch.eye(d, dtype=torch.float64), operator.shape, is_complex=operator.is_complex)
    P, Q = point.X @ point.X.mH, point.right @ point.right.mH
    projected = kind.pack(P @ units + units @ Q - P @ units @ Q)
    values, vectors = torch.linalg.eigh((projected + projected.mT) / 2)
    rows = kind.pack(operator.adjoint(torch.eye(operator.count, dtype=torch.float64)))
    weighted = rows if problem.weights is None else problem.weights.sqrt()[:, None] * rows
    return torch.linalg.svdvals(weighted @ vectors[:, values > 0.5])


@flavors
@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.fast(rank=[2])
def test_coordinates_are_an_isometry_onto_the_tangent_space(flavor, rank):
    """As many as degrees of freedom, lengths kept, and taking them of a vector gives them back; rank 5 leaves no Q."""
    jacobian = TangentJacobian.at(posed(flavor, 40, rank=rank), posed(flavor, 40, rank=rank).truth)
    d = jacobian.dimension
    basis = [jacobian.direction(unit) for unit in np.eye(d)]
    gram = torch.stack([torch.stack([a.inner(b) for b in basis]) for a in basis])
    assert float((gram - torch.eye(d)).abs().max()) <= 1e-13
    point = jacobian.point
    for k, vector in enumerate(basis):
        back = jacobian.coordinates(vector @ point.right, None if point.Y is None else vector.mH @ point.X)
        assert back == pytest.approx(np.eye(d)[k], abs=1e-13)


@flavors
def test_the_jacobian_is_the_derivative_and_its_normal_map_its_square(flavor):
    problem = posed(flavor, 60)
    jacobian = TangentJacobian.at(problem, problem.truth)
    v = np.random.default_rng(0).standard_normal(jacobian.dimension)
    direction, point, step = jacobian.direction(v), jacobian.point, 1e-6
    moved = [point.plus(direction.scaled(sign * step)).truncate(point.width) for sign in (1, -1)]
    ahead, behind = (jacobian.weighted(problem.operator.measure(Z)) for Z in moved)
    assert jacobian.times(v).numpy() == pytest.approx(((ahead - behind) / (2 * step)).numpy(), abs=1e-7)
    J = jacobian.dense()
    assert jacobian.normal_times(v) == pytest.approx(J.T @ (J @ v), rel=1e-11)
    assert jacobian.applications == 1 + jacobian.dimension + 2


@flavors
@pytest.mark.parametrize("weighted", [False, True])
def test_the_extremes_are_those_of_the_dense_jacobian(flavor, weighted):
    problem = posed(flavor, 60, weighted=weighted)
    values = dense_values(problem)
    said = identifiability(problem, problem.truth)
    assert said.degrees_of_freedom == len(values) == problem.operator.degrees_of_freedom(2)
    assert said.least == pytest.approx(float(values[-1]), rel=1e-10)
    assert said.largest == pytest.approx(float(values[0]), rel=1e-10)
    assert said.condition == pytest.approx(said.largest / said.least)
    assert said.measurements == 60


@flavors
@pytest.mark.fast("symmetric", "complex-rectangular")
def test_lanczos_finds_the_same_where_nothing_is_formed(flavor):
    """More than 100 degrees of freedom; the least one to the square root of ARPACK's tolerance at worst."""
    problem = posed(flavor, 700, m1=30, m2=30, rank=3)
    values = dense_values(problem)
    said = identifiability(problem, problem.truth)
    assert len(values) > 80
    assert said.least == pytest.approx(float(values[-1]), rel=1e-5)
    assert said.least >= float(values[-1]) * (1 - 1e-12)
    assert said.largest == pytest.approx(float(values[0]), rel=1e-5)
    assert said.applications < 2 * 2000


@pytest.mark.parametrize(("side", "n"), [(8, 14), (60, 170)])
def test_fewer_rows_than_directions_leave_one_unfelt(side, n):
    problem = posed(PSD, n, m1=side, rank=2 if side == 8 else 3, weighted=False)
    said = identifiability(problem, problem.truth)
    assert said.least == 0
    assert said.condition == float("inf")
    assert "without a change of the measurements" in str(said)


def test_rows_of_no_weight_feel_nothing():
    problem = posed(RECTANGULAR, 60)
    weights = problem.weights.clone()
    weights[12:] = 0
    said = identifiability(replace(problem, weights=weights), problem.truth)
    assert (said.measurements, said.least) == (12, 0)


def test_idle_directions_of_the_matrix_are_no_directions():
    """The tangent space is that of the rank that the matrix has."""
    problem = posed(HERMITIAN, 60)
    X = torch.cat([problem.truth.X, normal(7, 1, dtype=torch.complex128)], 1)
    wide = LowRank(X, torch.block_diag(problem.truth.Theta, torch.zeros(1, 1, dtype=torch.complex128)))
    assert identifiability(problem, wide).least == pytest.approx(identifiability(problem, problem.truth).least)


def test_lanczos_ends_in_single_precision():
    single, double = (posed(PSD, 700, m1=40, rank=3, real=real) for real in (torch.float32, torch.float64))
    said, known = (identifiability(problem, problem.truth) for problem in (single, double))
    # Other draws, of one law: the edges of their spectra are near each other.
    assert said.least == pytest.approx(known.least, rel=0.1)
    assert said.largest == pytest.approx(known.largest, rel=0.1)


def test_single_precision_is_enough_for_a_number_to_read():
    single, double = posed(PSD, 60, real=torch.float32), posed(PSD, 60)
    said = identifiability(single, single.truth)
    assert said.least == pytest.approx(
        float(torch.linalg.svdvals(torch.tensor(TangentJacobian.at(single, single.truth).dense()))[-1]), rel=1e-4
    )
    assert said.degrees_of_freedom == identifiability(double, double.truth).degrees_of_freedom


@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_be_asked_is_told():
    problem = posed(PSD, 60)
    for matrix, words in [
        (low_rank(5, 1), "the matrix of size 7 x 7, got 5 x 5"),
        (problem.truth.scaled(0.0), "a matrix that is not zero"),
        (LowRank(normal(2, 7, 1), normal(2, 1, 1)), "a batch"),
    ]:
        with pytest.raises(InputError, match=words):
            identifiability(problem, matrix)
