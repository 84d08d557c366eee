"""Conjugate weight normalization: steps against dense computations, what is carried along, and its safeguard."""

import math
from dataclasses import replace

import pytest
import torch

from cases.draws import generator
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, HERMITIAN, PSD, RECTANGULAR
from test_solvers import Literal, assert_close, frame_point, full_objective, gaussian_problem, spoiled, unit_calibration
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.starts import spectral_start
from wnsense.solvers.tangent import tangent_part, truncated

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
four_kinds = pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)


def near_point(objective, flavor, distance=0.05, rank=2) -> LowRank:
    truth = objective.from_user(objective.problem.truth)
    return truth.plus(frame_point(flavor, rank=2, shape=truth.shape).scaled(distance)).truncate(rank)


def projected(point: LowRank, R: torch.Tensor) -> torch.Tensor:
    """P_U R + R P_V - P_U R P_V."""
    left, right = point.X @ point.X.mH, point.right @ point.right.mH
    return left @ R + R @ right - left @ R @ right


def truncation(Z: torch.Tensor, rank: int, kind: Kind) -> torch.Tensor:
    """The best approximation of this rank, positive semidefinite for kind psd."""
    if kind is Kind.PSD:
        values, vectors = torch.linalg.eigh(Z)
        Z = (vectors * values.clamp(min=0)) @ vectors.mT
    U, values, Vh = torch.linalg.svd(Z)
    return (U[:, :rank] * values[:rank].to(Z.dtype)) @ Vh[:rank]


def inner(A: torch.Tensor, B: torch.Tensor) -> float:
    return float((A.conj() * B).sum().real)


@flavors
def test_two_steps_are_those_of_dense_matrices(flavor):
    """The gradient first, then beta of Hestenes and Stiefel, each with the exact step along it."""
    objective, rank = full_objective(flavor), 2
    literal = Literal(objective)
    point = near_point(objective, flavor, 0.3)
    solver = ConjugateWN(drift=0.0)
    states = [solver.start(objective, point)]
    for _ in range(2):
        states.append(solver.step(objective, states[-1]))

    Z, before, direction = states[0].evaluation.point.dense(), None, None
    for step, state in enumerate(states[1:], 1):
        at = LowRank(*_frames(Z, rank, flavor.kind))
        gradient = projected(at, literal.back_projection(Z))
        if before is None:
            direction = -gradient
        else:
            carried, change = projected(at, direction), gradient - projected(at, before)
            direction = -gradient + max(0.0, inner(gradient, change) / inner(carried, change)) * carried
        image = literal.residual(Z + direction) - literal.residual(Z)
        length = -float(literal.residual(Z) @ image) / float(image @ image)
        Z, before = truncation(Z + length * direction, rank, flavor.kind), gradient
        assert_close(state.evaluation.point.dense(), Z, tolerance=1e-10)
        assert_close(state.evaluation.balanced, literal.residual(Z), tolerance=1e-9)
        assert state.applications == states[0].applications + 3 * step


def _frames(Z, rank, kind):
    U, values, Vh = torch.linalg.svd(Z)
    if kind.is_symmetric:
        X = U[:, :rank]
        return X, X.mH @ Z @ X, None
    return U[:, :rank], torch.diag(values[:rank]).to(Z.dtype), Vh[:rank].mH


@four_kinds
def test_close_to_the_answer_it_is_linear_conjugate_gradients_on_the_tangent_space(flavor):
    """There nothing bends: misfits are those of conjugate gradients on the Jacobian, step by step."""
    objective = SensingObjective(gaussian_problem(flavor, n=150))
    point = near_point(objective, flavor, 1e-7)
    literal, solver = Literal(objective), ConjugateWN()
    state = solver.start(objective, point)
    at = state.evaluation.point

    def measured(V):
        return torch.einsum("nij,ij->n", literal.rows.conj(), V).real

    def back(q):
        return projected(at, torch.einsum("n,nij->ij", q.to(literal.rows.dtype), literal.rows))

    q = state.evaluation.balanced
    residual = direction = -back(q)
    for _ in range(6):
        image = measured(direction)
        length = inner(residual, residual) / float(image @ image)
        q = q + length * image
        new = residual - length * back(image)
        direction = new + inner(new, new) / inner(residual, residual) * direction
        residual = new
        state = solver.step(objective, state)
        assert float(state.evaluation.misfit) == pytest.approx(float(torch.linalg.vector_norm(q)), rel=1e-4)


@four_kinds
@pytest.mark.parametrize("part", [0.02, 0.1, 0.5])
def test_the_residual_that_is_carried_along_is_the_points_to_within_the_part(flavor, part):
    objective = SensingObjective(gaussian_problem(flavor, n=300))
    solver = ConjugateWN(drift=part)
    state = solver.start(objective, near_point(objective, flavor, 0.5))
    costs = set()
    for _ in range(12):
        before, state = state.applications, solver.step(objective, state)
        costs.add(state.applications - before)
        true = objective.calibration.balance(objective.residual(state.evaluation.point))
        missed = float(torch.linalg.vector_norm(state.evaluation.balanced - true))
        # M's gain on what the truncation took off: about 1, and never far above it at this many measurements.
        assert missed <= 1.7 * float(state.drift) + 1e-14
        assert float(state.drift) <= part * float(state.evaluation.misfit)
    assert costs == {2, 3}


@pytest.mark.parametrize("flavor", [PSD, HERMITIAN, RECTANGULAR], ids=str)
@pytest.mark.fast("psd")
def test_the_condition_number_is_not_seen(flavor):
    """And it takes fewer applications than the solvers that take fixed steps, or several inner ones."""
    spent = {}
    for condition in (1.0, 1e3, 1e6):
        for solver in (ConjugateWN(), PreconditionedWN(), GaussNewton()):
            rng = generator(3)
            settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": rng}
            size = 30 if flavor.kind.is_symmetric else (30, 30)
            operator = GaussianSensing.draw(6 * 174, size, **settings)
            objective = SensingObjective(Problem.measure(operator, low_rank(size, 3, condition, **settings)))
            point, _ = spectral_start(objective, 4)
            state = solver.start(objective, point)
            while float(relative_error(objective, state.answer.point)) > 1e-10 and state.applications < 400:
                state = solver.step(objective, state)
            spent[condition, type(solver)] = state.applications
    ours = [spent[condition, ConjugateWN] for condition in (1.0, 1e3, 1e6)]
    assert max(ours) <= 1.35 * min(ours)
    for other in (PreconditionedWN, GaussNewton):
        assert all(spent[c, ConjugateWN] < spent[c, other] for c in (1.0, 1e3, 1e6))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_image_that_is_not_a_number_moves_nothing(bad):
    # The start measures once, and so does the step, along its direction.
    problem = spoiled(gaussian_problem(PSD), lambda y: y * bad, at=2)
    objective = SensingObjective(problem, given=unit_calibration(800))
    solver = ConjugateWN()
    state = solver.start(objective, near_point(objective, PSD, 0.2))
    after = solver.step(objective, state)
    assert_close(after.evaluation.point.dense(), state.evaluation.point.dense(), tolerance=1e-14)
    assert float(after.evaluation.misfit) == pytest.approx(float(state.evaluation.misfit), rel=1e-12)
    for _ in range(30):
        after = solver.step(objective, after)
    assert float(relative_error(objective, after.evaluation.point)) <= 1e-12


@four_kinds
def test_a_step_that_raises_the_misfit_is_taken_back_and_the_next_one_is_half_as_long(flavor):
    """A direction too long to be flat, as if measured wrongly: three times the exact step."""
    objective = SensingObjective(gaussian_problem(flavor, n=150))
    solver = ConjugateWN(drift=0.0)
    state = solver.step(objective, solver.start(objective, near_point(objective, flavor, 0.3)))
    forced = replace(state, fraction=torch.full_like(state.fraction, 3.0))
    after = solver.step(objective, forced)
    assert torch.equal(after.evaluation.point.X, state.evaluation.point.X)
    assert float(after.fraction) == 1.5
    assert float(after.direction.squared_norm()) == 0
    # Down the gradient, since no direction is left.
    gradient = after.gradient
    again = solver.step(objective, replace(after, fraction=torch.ones_like(after.fraction)))
    assert float(again.evaluation.misfit) < float(state.evaluation.misfit)
    assert float(again.gradient.squared_norm()) < 1.1 * float(gradient.squared_norm())


@pytest.mark.parametrize("flavor", [RECTANGULAR, PSD], ids=str)
def test_a_truncation_keeps_steps_that_are_small_beside_the_norm(flavor):
    """LAPACK's SVD alone leaves out what is below 1e-14 beside the diagonal."""
    size = (60, 50) if flavor is RECTANGULAR else 60
    point = low_rank(size, 4, 1e10, kind=flavor.kind, spectrum="geometric", generator=generator(1)).orthonormal()
    g = generator(2)
    left = torch.randn(point.shape[0], 4, generator=g, dtype=torch.float64) * 4e-16
    right = None if point.Y is None else torch.randn(point.shape[1], 4, generator=g, dtype=torch.float64) * 4e-16
    step = tangent_part(point, left, right)
    straight = step.from_point(point)
    kept, _ = truncated(straight, 4, flavor.kind)
    moved = float(step.at(point).norm())
    assert 5e-15 < moved < 1e-14
    # An epsilon for each column of the product; without the last step it is 12 for rectangular matrices.
    assert float((kept.dense() - straight.dense()).norm()) < 8 * torch.finfo(torch.float64).eps


@flavors
def test_a_truncation_tells_its_distance(flavor):
    matrix = frame_point(flavor, rank=4, shape=(9, 7))
    kept, distance = truncated(matrix, 2, flavor.kind)
    assert float(distance) == pytest.approx(float((kept.dense() - matrix.dense()).norm()), rel=1e-12)
    nearest = truncation(matrix.dense(), 2, flavor.kind)
    assert torch.allclose(kept.dense(), nearest, rtol=0, atol=1e-12)
