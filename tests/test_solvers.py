"""Solvers: gradients against autograd, steps against dense computations, safeguards, and the small matrix of runs."""

import dataclasses
import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch

from cases.draws import generator, hermitian, normal, outer, random_point
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, HERMITIAN, PSD, QUADRATIC, RECTANGULAR, SYMMETRIC, Flavor, size_of
from cases.solvers import SOLVERS, solver_cases
from cases.watched import WatchedOperator
from wnsense.checks import InputError
from wnsense.linalg import haar_frame
from wnsense.manifolds.stiefel import Retraction, distance_to_stiefel
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.calibration import Calibration, calibrate
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import choose
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

EPS = torch.finfo(torch.float64).eps
# What some hundred additions and a few ill-scaled products may cost, relative to the largest entry.
ROUNDING = 5000 * EPS

# The shorter tests check every annotation; where hundreds of steps are run, that would take most of the time.
long_run = pytest.mark.usefixtures("as_users_run")
four_kinds = pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


def assert_close(actual, expected, tolerance=ROUNDING):
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    largest = float(expected.abs().max())
    assert float((actual - expected).abs().max()) <= tolerance * largest


def gaussian_problem(flavor: Flavor, n=800, size=(12, 9), *, rank=2, condition=2.0) -> Problem:
    rng = generator()
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": rng}
    operator = GaussianSensing.draw(n, size_of(flavor, *size), **settings)
    return Problem.measure(operator, low_rank(size_of(flavor, *size), rank, condition, **settings))


def unit_calibration(n: int, scale=1.0) -> Calibration:
    """Nothing balanced: solvers see M itself and y / scale."""
    return Calibration(torch.ones(n, dtype=torch.float64), None, 1.0, scale, 0)


def run(solver, objective, point, steps):
    state = solver.start(objective, point)
    for _ in range(steps):
        state = solver.step(objective, state)
    return state


# ------------------------------------------------------------------------------- the objective, literally


@dataclass(frozen=True)
class Literal:
    """The objective with everything formed: B_i and b such that q = <B_i, Z> - b_i, from the documented D and T."""

    objective: SensingObjective
    rows: torch.Tensor = field(init=False)
    target: torch.Tensor = field(init=False)

    def __post_init__(self):
        problem, found = self.objective.problem, self.objective.calibration
        n = problem.operator.count
        T = torch.eye(n, dtype=torch.float64)
        if found.trace_direction is not None:
            T -= (1 - found.trace_factor) * torch.outer(found.trace_direction, found.trace_direction)
        TD = T @ torch.diag(found.row_scale)
        M = problem.operator.adjoint(torch.eye(n, dtype=torch.float64))
        object.__setattr__(self, "rows", torch.einsum("ni,ijk->njk", TD.to(M.dtype), M))
        object.__setattr__(self, "target", TD @ problem.measurements / found.scale)

    def residual(self, Z):
        return torch.einsum("nij,ij->n", self.rows.conj(), Z).real - self.target

    def back_projection(self, Z):
        """R = (T D M)*(q)."""
        return torch.einsum("n,nij->ij", self.residual(Z).to(self.rows.dtype), self.rows)

    def value(self, Z):
        factor = 1 / 4 if self.objective.kind.is_symmetric else 1 / 2
        return factor * self.residual(Z).square().sum()


def full_objective(flavor: Flavor, n=60) -> SensingObjective:
    """Weights, rows held out and, for the symmetric kinds, a trace component to be shrunk."""
    rng = generator(3)
    weights = torch.rand(n, dtype=torch.float64, generator=rng) + 0.1
    weights[4] = 0
    if flavor.kind.is_symmetric:
        operator = RankOneSensing.from_vectors(normal(n, 6, dtype=flavor.dtype(), rng=rng), flavor.kind)
    else:
        operator = DenseSensing.from_matrices(normal(n, 6, 5, dtype=flavor.dtype(), rng=rng), flavor.kind)
    truth = low_rank(size_of(flavor, 6, 5), 2, 3.0, kind=flavor.kind, dtype=flavor.dtype(), generator=rng)
    problem = replace(Problem.measure(operator, truth.scaled(7.0)), weights=weights)
    fitted = (torch.rand(n, generator=rng) > 0.2).double()
    objective = SensingObjective(problem, fitted)
    assert (objective.calibration.trace_direction is not None) == flavor.kind.is_symmetric
    assert 0 < float(fitted.sum()) < n
    return objective


def frame_point(flavor: Flavor, rank=3, shape=(6, 5), seed=5) -> LowRank:
    """Orthonormal X and Y, and a core that is not diagonal."""
    rng = generator(seed)
    point = random_point(flavor, (shape[0], shape[0]) if flavor.kind.is_symmetric else shape, rank, rng=rng)
    X = haar_frame(shape[0], rank, generator=rng, dtype=flavor.dtype())
    Y = None if flavor.kind.is_symmetric else haar_frame(shape[1], rank, generator=rng, dtype=flavor.dtype())
    return LowRank(X, point.Theta, Y)


@flavors
def test_an_evaluation_is_the_literal_residual_and_back_projection(flavor):
    objective = full_objective(flavor)
    literal, point = Literal(objective), frame_point(flavor)
    at = objective.evaluate(point)
    R = literal.back_projection(point.dense())
    assert_close(at.balanced, literal.residual(point.dense()))
    assert_close(at.misfit, literal.residual(point.dense()).norm())
    assert_close(at.left, R @ point.right)
    if at.right is not None:
        assert_close(at.right, R.mH @ point.X)
    assert (at.right is None) == flavor.kind.is_symmetric
    # The residual itself is neither weighted nor rotated.
    y = objective.problem.operator.measure(point) - objective.problem.measurements / objective.calibration.scale
    assert_close(at.residual, y)


@flavors
def test_gradients_are_those_of_autograd(flavor):
    """grad_X = R X Theta, grad_Theta = X^H R X / 2; rectangular R Y Theta^H, R^H X Theta and X^H R Y."""
    objective = full_objective(flavor)
    literal, point = Literal(objective), frame_point(flavor)
    at = objective.evaluate(point)

    X, Theta = (f.clone().requires_grad_(True) for f in (point.X, point.Theta))
    Y = None if point.Y is None else point.Y.clone().requires_grad_(True)
    literal.value(X @ Theta @ (X if Y is None else Y).mH).backward()

    assert_close(at.left @ point.Theta.mH, X.grad)
    if Y is None:
        assert_close(point.X.mH @ at.left / 2, Theta.grad)
    else:
        assert_close(at.right @ point.Theta, Y.grad)
        assert_close(point.X.mH @ at.left, Theta.grad)


@flavors
def test_the_normal_operator_of_an_objective_is_the_balanced_matrices_twice(flavor):
    objective = full_objective(flavor)
    literal, direction = Literal(objective), frame_point(flavor, seed=6)
    image, left, right = objective.normal_times(direction, 1)
    expected = literal.residual(direction.dense()) + literal.target
    assert_close(image, expected)
    R = torch.einsum("n,nij->ij", expected.to(literal.rows.dtype), literal.rows)
    assert_close(left, R @ direction.right[:, :1])
    assert (right is None) == flavor.kind.is_symmetric
    if right is not None:
        assert_close(right, R.mH @ direction.X[:, :1])


def test_rows_held_out_and_rows_of_no_weight_move_nothing():
    objective = full_objective(PSD)
    silent = (objective.fitted == 0) | (objective.problem.weights == 0)
    assert int(silent.sum()) > 1
    y = objective.problem.measurements.clone()
    y[silent] = 1e6
    # The same scales, since they are part of what must not change.
    altered = SensingObjective(
        replace(objective.problem, measurements=y), objective.fitted, given=objective.calibration
    )
    point = frame_point(PSD)
    assert torch.equal(altered.evaluate(point).left, objective.evaluate(point).left)
    again = calibrate(altered.problem, objective.fitted)
    assert again.scale == objective.calibration.scale


def test_residuals_are_relative_to_what_they_are_residuals_of():
    objective = full_objective(PSD)
    point = frame_point(PSD)
    residual = objective.evaluate(point).residual
    y, w, fitted = objective.problem.measurements, objective.problem.weights, objective.fitted
    user = objective.problem.operator.measure(objective.to_user(point)) - y

    def relative(weights):
        return ((weights * user.square()).sum() / (weights * y.square()).sum()).sqrt()

    assert_close(objective.relative_residual(residual), relative(w * fitted))
    assert_close(objective.holdout_residual(residual), relative(w * (1 - fitted)))
    everything = SensingObjective(replace(objective.problem, weights=None), given=objective.calibration)
    assert_close(everything.relative_residual(residual), user.norm() / y.norm())
    assert everything.holdout_residual(residual) is None


def test_units_are_undone():
    objective = full_objective(HERMITIAN)
    Z = objective.problem.truth
    assert float(objective.to_user(objective.from_user(Z)).distance(Z)) <= 10 * EPS * float(Z.norm())
    assert float(relative_error(objective, objective.from_user(Z))) <= 20 * EPS
    # At the truth nothing is left, in the scaled units too.
    at = objective.evaluate(objective.from_user(Z))
    assert float(at.residual.norm()) <= 100 * EPS * float(objective.target.norm())


def test_errors_of_a_batch_are_told_one_by_one():
    objective = SensingObjective(gaussian_problem(PSD))
    truth = objective.from_user(objective.problem.truth)
    X = truth.X.expand(3, -1, -1)
    factors = torch.tensor([1.0, 1.5, 0.0], dtype=torch.float64)
    batch = LowRank(X, factors[:, None, None] * truth.Theta)
    assert relative_error(objective, batch).tolist() == pytest.approx([0, 0.5, 1], abs=1e-14)


def test_an_error_needs_a_truth():
    objective = SensingObjective(replace(gaussian_problem(PSD), truth=None))
    with pytest.raises(InputError, match="needed a problem with a truth, got one without"):
        relative_error(objective, frame_point(PSD, shape=(12, 9)))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InputError, match="needed the mask of fitted rows of size 800, got 799"):
        SensingObjective(gaussian_problem(PSD), torch.ones(799, dtype=torch.float64))


# ------------------------------------------------------------------------------------ one step, literally


def inverse_root(A):
    values, vectors = torch.linalg.eigh(A)
    return (vectors * values.rsqrt()) @ vectors.mH


def retracted_literally(retraction, X, step):
    """X moved by a tangent step, with m x m matrices and other factorizations than the library's."""
    identity, A = torch.eye(len(X), dtype=X.dtype), X + step
    if retraction == Retraction.POLAR:
        return A @ inverse_root(A.mH @ A)
    if retraction == Retraction.QR:
        return A @ torch.linalg.inv(torch.linalg.cholesky(A.mH @ A)).mH
    P = identity - X @ X.mH / 2
    W = P @ step @ X.mH - X @ step.mH @ P
    return torch.linalg.solve(identity - W / 2, (identity + W / 2) @ X)


def tangent_literally(X, E):
    """Line 1 of Algorithm 1."""
    return (torch.eye(len(X), dtype=X.dtype) - X @ X.mH) @ E + X @ (X.mH @ E - E.mH @ X) / 2


def assert_steps_to(objective, solver, point, expected: LowRank):
    """One step ends at the expected point, and what is known there belongs to it."""
    state = solver.step(objective, solver.start(objective, point))
    literal = Literal(objective)
    Z = expected.dense()
    assert_close(state.evaluation.point.dense(), Z)
    R = literal.back_projection(Z)
    assert_close(state.evaluation.balanced, literal.residual(Z))
    assert_close(state.evaluation.left, R @ state.evaluation.point.right)
    if expected.Y is not None:
        assert_close(state.evaluation.right, R.mH @ state.evaluation.point.X)
    assert float(state.evaluation.misfit) != float(objective.evaluate(point).misfit)
    return state


@pytest.mark.parametrize("retraction", list(Retraction), ids=str)
@flavors
def test_a_step_of_algorithm_1(flavor, retraction):
    objective, point, eta, mu = full_objective(flavor), frame_point(flavor), 0.3, 0.8
    R = Literal(objective).back_projection
    X, Theta, Y = point.X, point.Theta, point.Y
    if Y is None:
        X = retracted_literally(retraction, X, -eta * tangent_literally(X, R(point.dense()) @ X @ Theta))
        Theta = Theta - mu * X.mH @ R(X @ Theta @ X.mH) @ X / 2
    else:
        E_X, E_Y = R(point.dense()) @ Y @ Theta.mH, R(point.dense()).mH @ X @ Theta
        X = retracted_literally(retraction, X, -eta * tangent_literally(X, E_X))
        Y = retracted_literally(retraction, Y, -eta * tangent_literally(Y, E_Y))
        Theta = Theta - mu / 2 * X.mH @ R(X @ Theta @ Y.mH) @ Y
    state = assert_steps_to(objective, WeightNormalizedGD(eta, mu, retraction), point, LowRank(X, Theta, Y))
    assert float(distance_to_stiefel(state.evaluation.point.X)) <= 100 * EPS


@flavors
def test_a_step_of_preconditioned_wn(flavor):
    objective, eta, mu, c = full_objective(flavor), 0.3, 0.4, 0.2
    # Near the answer, where no safeguard comes in.
    truth = objective.from_user(objective.problem.truth)
    noise = frame_point(flavor, rank=2).scaled(0.05)
    point = truth.plus(noise).truncate(3)
    q, R = Literal(objective).residual(point.dense()), Literal(objective).back_projection(point.dense())
    X, Theta, Y = point.X, point.Theta, point.Y
    damping = (c * q.norm()) ** 2 * torch.eye(3, dtype=X.dtype)
    right_side = X if Y is None else Y
    K = X.mH @ R @ right_side
    P = Theta.mH @ torch.linalg.inv(Theta @ Theta.mH + damping)
    step_X = -eta * (R @ right_side - X @ K) @ P
    if Y is not None:
        P = Theta @ torch.linalg.inv(Theta.mH @ Theta + damping)
        step_Y = -eta * (R.mH @ X - Y @ K.mH) @ P
        Y = (Y + step_Y) @ inverse_root((Y + step_Y).mH @ (Y + step_Y))
    X = (X + step_X) @ inverse_root((X + step_X).mH @ (X + step_X))
    solver = PreconditionedWN(eta, mu, c)
    state = assert_steps_to(objective, solver, point, LowRank(X, Theta - mu / 2 * K, Y))
    assert float(state.fraction) == 1
    assert torch.equal(state.answer.balanced, state.evaluation.balanced)


@pytest.mark.parametrize("flavor", [PSD, HERMITIAN, RECTANGULAR], ids=str)
def test_a_step_of_gradient_descent(flavor):
    """Y - eta R Y with Z = Y Y^H; rectangular Z = L Q^H with L - eta R Q and Q - eta R^H L, both from the old point."""
    objective, eta = full_objective(flavor), 0.1
    X = haar_frame(6, 3, generator=generator(5), dtype=flavor.dtype())
    Y = None if flavor.kind.is_symmetric else haar_frame(5, 3, generator=generator(6), dtype=flavor.dtype())
    values = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64).to(flavor.dtype())
    point = LowRank(X, torch.diag(values), Y)
    R = Literal(objective).back_projection(point.dense())
    L, Q = X * values.sqrt(), None if Y is None else Y * values.sqrt()
    moved = (L - eta * R @ (L if Q is None else Q), None if Q is None else Q - eta * R.mH @ L)
    identity = torch.eye(3, dtype=flavor.dtype())
    assert_steps_to(objective, GradientDescent(eta), point, LowRank(moved[0], identity, moved[1]))


@flavors
def test_a_step_of_gauss_newton(flavor):
    """The damped least-squares problem over a basis of the tangent space, solved densely, then truncated."""
    objective, damping, rank = full_objective(flavor), 0.05, 2
    truth = objective.from_user(objective.problem.truth)
    point = truth.plus(frame_point(flavor, rank=2).scaled(0.05)).truncate(rank)
    literal, kind = Literal(objective), flavor.kind
    X, Y = point.X, point.right

    def basis(rows, columns):
        units = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, rows, columns).to(flavor.dtype())
        return torch.cat([units, 1j * units]) if flavor.is_complex else units

    m1, m2 = point.shape
    if kind.is_symmetric:
        half = X @ basis(rank, m1)
        spanning = half + half.mH
    else:
        spanning = torch.cat([X @ basis(rank, m2), basis(m1, rank) @ Y.mH])
    packed = kind.pack(spanning)
    # An orthonormal basis of the tangent space, in packed coordinates.
    U, values, _ = torch.linalg.svd(packed.mT, full_matrices=False)
    U = U[:, values > 1e-10 * values[0]]
    assert U.shape[1] == kind.degrees_of_freedom((m1, m2), rank, is_complex=flavor.is_complex)
    J = kind.pack(literal.rows) @ U
    q = literal.residual(point.dense())
    xi = torch.linalg.solve(J.mT @ J + damping * torch.eye(U.shape[1], dtype=torch.float64), -J.mT @ q)
    moved = point.dense() + kind.unpack(U @ xi, (m1, m2), is_complex=flavor.is_complex)
    left, values, right = torch.linalg.svd(moved)
    best = (left[:, :rank] * values[:rank].to(flavor.dtype())) @ right[:rank]

    solver = GaussNewton(inner_steps=3 * U.shape[1], first_damping=damping)
    state = solver.step(objective, solver.start(objective, point))
    # Conjugate gradients stop at 1e-14 of the first residual.
    assert_close(state.evaluation.point.dense(), best, tolerance=1e-10)
    assert_close(state.evaluation.balanced, literal.residual(state.evaluation.point.dense()))
    assert float(state.damping) == damping / 4


@flavors
def test_a_step_of_gauss_newton_in_a_few_inner_steps_is_the_best_of_its_krylov_space(flavor):
    """More inner steps never raise the damped least-squares value; the cost is 2 (inner_steps + 1) applications."""
    objective = full_objective(flavor)
    point = objective.from_user(objective.problem.truth).plus(frame_point(flavor, rank=2).scaled(0.05)).truncate(2)
    misfits = []
    for inner in (1, 2, 4, 30):
        solver = GaussNewton(inner_steps=inner, first_damping=1e-9)
        start = solver.start(objective, point)
        state = solver.step(objective, start)
        misfits.append(float(state.evaluation.misfit))
        assert state.applications - start.applications == 2 * (inner + 1)
    assert misfits[0] < float(objective.evaluate(point).misfit)
    assert misfits[-1] < 0.5 * misfits[0]


# ------------------------------------------------------------------------------------- laws of every solver

SETTLED = 1e-12


def first_point(case, objective, *, batch=(), seed=1) -> LowRank:
    if not case.spectral:
        return haar_start(objective, case.rank, batch=batch, generator=generator(seed))
    operator, found = objective.problem.operator, objective.calibration
    Z = operator.adjoint(found.balance_transpose(found.balance(objective.target)))
    identity = [torch.eye(k, dtype=Z.dtype) for k in operator.shape]
    spectral = LowRank(identity[0], Z, None if objective.kind.is_symmetric else identity[1]).truncate(case.rank)
    # A batch of different points: the same one from a few sizes.
    sizes = torch.linspace(1.0, 1.3, math.prod(batch), dtype=operator.real_dtype).reshape(batch)
    return LowRank(
        spectral.X.expand(*batch, -1, -1),
        sizes[..., None, None] * spectral.Theta,
        None if spectral.Y is None else spectral.Y.expand(*batch, -1, -1),
    )


@long_run
@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_every_solver_recovers_every_kind(case, flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    state = run(case.solver, objective, first_point(case, objective), case.steps)
    assert float(relative_error(objective, state.answer.point)) <= SETTLED
    assert float(objective.relative_residual(state.answer.residual)) <= SETTLED


@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_a_batch_of_points_is_a_loop_over_points(case, flavor):
    objective = SensingObjective(gaussian_problem(flavor, n=300))
    points = first_point(case, objective, batch=(3,))
    # Gauss-Newton brings all of them to the answer within a few steps.
    steps = 1 if case.spectral else 4
    together = run(case.solver, objective, points, steps)
    assert float((together.evaluation.point.dense()[0] - together.evaluation.point.dense()[1]).norm()) > 1e-4
    for i in range(3):
        Y = None if points.Y is None else points.Y[i]
        alone = run(case.solver, objective, LowRank(points.X[i], points.Theta[i], Y), steps)
        assert_close(together.evaluation.point.dense()[i], alone.evaluation.point.dense(), tolerance=1e-10)
        assert_close(together.evaluation.misfit[i], alone.evaluation.misfit, tolerance=1e-8)
        # A batch asks for all of its points once one of them needs it.
        assert alone.applications <= together.applications <= alone.applications + (steps if case.asks else 0)


@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_a_start_is_the_point_that_was_given_however_it_was_factored(case, flavor):
    """Factors of a user need not be orthonormal; a direction in the solver is."""
    objective = SensingObjective(gaussian_problem(flavor))
    shape = objective.problem.operator.shape
    point = random_point(flavor, shape, 3).scaled(1e-2)
    if case.name == "gd":
        # Its points are Y Y^H.
        point = LowRank(point.X, torch.eye(3, dtype=point.dtype), point.Y)
    if flavor == PSD:
        point = point.positive_part()
        point = LowRank(2 * point.X, point.Theta / 4)
    state = case.solver.start(objective, point)
    assert_close(state.evaluation.point.dense(), point.dense())
    if case.name != "gd":
        assert float(distance_to_stiefel(state.evaluation.point.X)) <= 100 * EPS
        assert float(distance_to_stiefel(state.evaluation.point.right)) <= 100 * EPS
    assert_close(state.evaluation.misfit, objective.evaluate(point).misfit)


def counting(operator: Operator) -> tuple[WatchedOperator, list[int]]:
    """Return an operator that counts its applications, one for each point of a batch, and the count."""
    calls = [0]

    def count(batch: torch.Size) -> None:
        calls[0] += math.prod(batch)

    return WatchedOperator(operator, operator.space, operator.count, None, count), calls


def assert_applications_are_counted(case, objective: SensingObjective, point: LowRank, calls: list[int]):
    """A start costs two applications, and the state counts those of every step."""
    calls[0] = 0
    state = case.solver.start(objective, point)
    assert calls[0] == state.applications == 2
    state = case.solver.step(objective, case.solver.step(objective, state))
    assert calls[0] == state.applications


@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_every_application_is_counted(case, flavor):
    problem = gaussian_problem(flavor)
    operator, calls = counting(problem.operator)
    objective = SensingObjective(replace(problem, operator=operator))
    if flavor.kind.is_symmetric:
        assert calls[0] == objective.calibration.applications
    assert_applications_are_counted(case, objective, first_point(case, objective), calls)


def single_precision_objective(flavor: Flavor) -> SensingObjective:
    """Return the problem of `gaussian_problem` in single precision."""
    rng = generator()
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(torch.float32), "generator": rng}
    operator = GaussianSensing.draw(800, size_of(flavor, 12, 9), **settings)
    problem = Problem.measure(operator, low_rank(size_of(flavor, 12, 9), 2, 2.0, **settings))
    return SensingObjective(problem)


@long_run
@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_single_precision_is_kept(case, flavor):
    objective = single_precision_objective(flavor)
    state = run(case.solver, objective, first_point(case, objective), case.steps)
    assert state.evaluation.point.dtype == flavor.dtype(torch.float32)
    assert state.evaluation.misfit.dtype == torch.float32
    assert float(relative_error(objective, state.answer.point)) <= 100 * torch.finfo(torch.float32).eps


def test_gradient_descent_refuses_indefinite_unknowns():
    objective = SensingObjective(gaussian_problem(SYMMETRIC))
    with pytest.raises(InputError, match=r"needed kind psd, hermitian .* or rectangular .*, got symmetric"):
        GradientDescent().start(objective, haar_start(objective, 2))


def scaled_problem(flavor: Flavor, factor: float, n=800) -> Problem:
    """The same unknown measured by the same operator times a factor, nothing of which is declared."""
    problem = gaussian_problem(flavor, n)
    operator = DenseSensing.from_rows(problem.operator.rows * factor, problem.operator.shape, flavor.kind)
    return Problem(operator, problem.measurements * factor, problem.truth)


@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_the_scale_of_the_operator_does_not_matter(case, flavor):
    """A power of two changes not one bit; another factor changes rounding only, for as long as rounding stays small."""
    objectives = [SensingObjective(scaled_problem(flavor, f)) for f in (1.0, 2.0**-20, 2.0**20, 1e-6, 1e6)]
    states = [run(case.solver, o, first_point(case, o), 3) for o in objectives]
    points = [o.to_user(s.evaluation.point).dense() for o, s in zip(objectives, states, strict=True)]
    assert torch.equal(points[1], points[0])
    assert torch.equal(points[2], points[0])
    assert_close(points[3], points[0], tolerance=1e-11)
    assert_close(points[4], points[0], tolerance=1e-11)


@four_kinds
def test_the_scale_of_the_unknown_does_not_matter(flavor):
    problem = scaled_problem(flavor, 1.0)
    large = replace(problem, measurements=problem.measurements * 2.0**30)
    objectives = [SensingObjective(p) for p in (problem, large)]
    states = [run(PreconditionedWN(), o, haar_start(o, 5, generator=generator(1)), 10) for o in objectives]
    assert torch.equal(states[0].evaluation.point.dense(), states[1].evaluation.point.dense())
    assert objectives[1].calibration.scale == 2.0**30 * objectives[0].calibration.scale


# ----------------------------------------------------------------------------------- what is published


@four_kinds
def test_mu_of_two_gives_the_exact_magnitude_where_the_operator_is_an_isometry(flavor):
    """Theta+ = X+^H A X+ when M*M = I (specification, section 2): the rows are the packed unit matrices."""
    size = size_of(flavor, 7, 6)
    shape = (7, 7) if flavor.kind.is_symmetric else size
    d = flavor.kind.dimension(shape, is_complex=flavor.is_complex)
    operator = DenseSensing.from_rows(torch.eye(d, dtype=torch.float64), shape, flavor.kind, second_moment=(1.0, 0.0))
    truth = low_rank(size, 2, 5.0, kind=flavor.kind, generator=generator(2))
    objective = SensingObjective(Problem.measure(operator, truth), given=unit_calibration(d))
    point = frame_point(flavor, rank=3, shape=(7, 6))
    state = run(WeightNormalizedGD(step_size=0.4, magnitude_step_size=2.0), objective, point, 1)
    assert_close(
        state.evaluation.point.Theta, state.evaluation.point.X.mH @ truth.dense() @ state.evaluation.point.right
    )
    # And with a full frame that is the answer, in one step (figure 2c).
    full = haar_start(objective, min(shape), generator=generator(3))
    done = run(WeightNormalizedGD(), objective, full, 1)
    if flavor.kind.is_symmetric:
        assert_close(done.evaluation.point.dense(), truth.dense())


@pytest.mark.parametrize("condition", [10.0, 1e3, 1e5])
def test_preconditioned_wn_does_not_see_the_condition_number(condition):
    """m=50, r=9, r_A=3, n=3,000 (specification, section 4): never more than 45 iterations to 1e-10."""
    objective = SensingObjective(gaussian_problem(PSD, n=3000, size=(50, 50), rank=3, condition=condition))
    state = run(PreconditionedWN(), objective, haar_start(objective, 9, generator=generator(1)), 45)
    assert float(relative_error(objective, state.answer.point)) <= 1e-10


@long_run
def test_surplus_rank_makes_gradient_descent_sublinear_and_weight_normalization_not():
    """Where r = 5 > r_A = 2: WN is down to rounding when GD has not come to 1e-4 (arXiv 2310.01769, theorem 3.2)."""
    objective = SensingObjective(gaussian_problem(PSD))
    point = haar_start(objective, 5, generator=generator(1))
    wn = run(WeightNormalizedGD(), objective, point, 400)
    gd = run(GradientDescent(), objective, point, 800)
    assert gd.applications == wn.applications
    assert float(relative_error(objective, wn.evaluation.point)) <= SETTLED
    assert float(relative_error(objective, gd.evaluation.point)) >= 1e-4


# ----------------------------------------------------------------------------------------- safeguards


def far_from_isometry(kind_of_trouble: str):
    """Raw rank-one measurements whose trace nobody removed, and a step size that is absurd."""
    if kind_of_trouble == "trace":
        operator = RankOneSensing.draw(20 * 30 * 3, 30, generator=generator())
        problem = Problem.measure(operator, low_rank(30, 3, 10.0, generator=generator(1)))
        objective = SensingObjective(problem, given=unit_calibration(operator.count))
        return objective, PreconditionedWN()
    return SensingObjective(gaussian_problem(PSD)), PreconditionedWN(step_size=50.0, magnitude_step_size=40.0)


@long_run
@pytest.mark.parametrize("trouble", ["trace", "step size"])
def test_preconditioned_wn_is_kept_from_diverging(trouble):
    """The misfit never stands above `growth` times the least one so far, which never rises; without that it would."""
    objective, solver = far_from_isometry(trouble)
    point = haar_start(objective, 6, generator=generator(2))
    state = solver.start(objective, point)
    first = float(state.evaluation.misfit)
    best, fraction = first, 1.0
    for _ in range(100):
        state = solver.step(objective, state)
        misfit, least = float(state.evaluation.misfit), float(state.best.misfit)
        if float(state.fraction) < fraction:
            # Taken back, and to the best point rather than to the one before.
            assert torch.equal(state.evaluation.point.X, state.best.point.X)
            assert misfit == least
        fraction = float(state.fraction)
        assert misfit <= solver.growth * best
        assert least <= best
        best = least
    assert float(state.fraction) < 1
    assert best < 0.5 * first
    unguarded = replace(solver, growth=math.inf, patience=10**9)
    assert float(run(unguarded, objective, point, 8).evaluation.misfit) > 10 * first


def spoiled(problem: Problem, spoil, at: int) -> Problem:
    """The same problem through functions, the forward one of which is spoiled at one call."""
    operator, calls = problem.operator, [0]
    shape, kind = operator.shape, operator.kind
    identity = torch.eye(shape[1], dtype=operator.dtype)

    def forward(Z):
        calls[0] += 1
        y = operator.measure(LowRank(Z, identity)) if not kind.is_symmetric else measure_symmetric(operator, Z)
        return spoil(y) if calls[0] == at else y

    functions = from_functions(forward, operator.adjoint, n=operator.count, size=shape, kind=kind, dtype=operator.dtype)
    return replace(problem, operator=functions)


def measure_symmetric(operator, Z):
    return operator.measure(LowRank(torch.eye(len(Z), dtype=Z.dtype), hermitian(Z)))


@long_run
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_a_trial_of_preconditioned_wn_that_is_not_a_number_is_taken_back(bad):
    problem = spoiled(gaussian_problem(PSD), lambda y: y * bad, at=4)
    objective = SensingObjective(problem, given=unit_calibration(800))
    solver = PreconditionedWN()
    state = run(solver, objective, haar_start(objective, 5, generator=generator(1)), 2)
    best = state.best
    after = solver.step(objective, state)
    assert torch.equal(after.evaluation.point.X, best.point.X)
    assert torch.equal(after.evaluation.point.Theta, best.point.Theta)
    assert torch.equal(after.evaluation.left, best.left)
    assert float(after.fraction) == 0.5
    assert float(after.waited) == 0
    # And the run goes on from there.
    on = run_on(solver, objective, after, 100)
    assert float(relative_error(objective, on.answer.point)) <= SETTLED


def run_on(solver, objective, state, steps):
    for _ in range(steps):
        state = solver.step(objective, state)
    return state


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_a_trial_of_gauss_newton_that_is_not_a_number_is_taken_back(bad):
    # The start measures once, the step once for each inner step and then its trial.
    problem = spoiled(gaussian_problem(PSD), lambda y: y * bad, at=1 + 3 + 1)
    objective = SensingObjective(problem, given=unit_calibration(800))
    solver = GaussNewton(inner_steps=3)
    state = solver.start(objective, first_point(SOLVERS[-1], objective))
    after = solver.step(objective, state)
    assert torch.equal(after.evaluation.point.dense(), state.evaluation.point.dense())
    assert float(after.damping) == 4 * float(state.damping)
    assert float(relative_error(objective, run_on(solver, objective, after, 12).evaluation.point)) <= SETTLED


@four_kinds
def test_gauss_newton_never_raises_the_misfit_and_moves_its_damping_by_fours(flavor):
    objective = SensingObjective(gaussian_problem(flavor, n=150))
    solver = GaussNewton(inner_steps=2, first_damping=0.1)
    states = [solver.start(objective, haar_start(objective, 2, generator=generator(4)))]
    for _ in range(30):
        states.append(solver.step(objective, states[-1]))
    for before, after in pairwise(states):
        lowered = float(after.evaluation.misfit) < float(before.evaluation.misfit)
        ratio = float(after.damping / before.damping)
        assert ratio == pytest.approx(0.25 if lowered else 4.0) or float(after.damping) == pytest.approx(1e-14)
        if not lowered:
            assert torch.equal(after.evaluation.point.X, before.evaluation.point.X)
        if flavor == PSD:
            assert (torch.diagonal(after.evaluation.point.Theta) >= 0).all()


def test_preconditioned_wn_stands_still_at_the_exact_answer():
    """With a surplus direction of magnitude zero and no residual, the preconditioner is 0/0, which must come to 0."""
    X = torch.eye(4, 2, dtype=torch.float64)
    answer = LowRank(X, torch.diag(torch.tensor([1.0, 0], dtype=torch.float64)))
    operator = DenseSensing.from_rows(torch.eye(10, dtype=torch.float64), (4, 4))
    objective = SensingObjective(Problem.measure(operator, answer), given=unit_calibration(10))
    state = run(PreconditionedWN(), objective, answer, 3)
    assert float(state.evaluation.misfit) == 0
    assert torch.equal(state.evaluation.point.dense(), answer.dense())


def test_one_of_a_batch_that_goes_wrong_does_not_touch_the_others():
    objective = SensingObjective(gaussian_problem(PSD))
    # The second start is so large that the full step overshoots.
    good = haar_start(objective, 5, generator=generator(1))
    points = LowRank(torch.stack([good.X, good.X]), torch.stack([good.Theta, 1e3 * torch.eye(5, dtype=torch.float64)]))
    solver = PreconditionedWN(magnitude_step_size=4.2)
    together, alone = run(solver, objective, points, 30), run(solver, objective, good, 30)
    assert_close(together.best.misfit[0], alone.best.misfit, tolerance=1e-6)
    assert float(together.fraction[0]) == float(alone.fraction)


@flavors
def test_choosing_takes_everything_from_the_same_side(flavor):
    objective = full_objective(flavor)
    first, second = (
        objective.evaluate(random_point(flavor, objective.problem.operator.shape, 2, batch=(2,), rng=generator(s)))
        for s in (1, 2)
    )
    chosen = choose(torch.tensor([True, False]), first, second)
    for name in ("residual", "balanced", "left", "right"):
        if getattr(first, name) is not None:
            assert torch.equal(getattr(chosen, name)[0], getattr(first, name)[0])
            assert torch.equal(getattr(chosen, name)[1], getattr(second, name)[1])
    for field_ in dataclasses.fields(LowRank):
        if getattr(first.point, field_.name) is not None:
            assert torch.equal(getattr(chosen.point, field_.name)[0], getattr(first.point, field_.name)[0])
            assert torch.equal(getattr(chosen.point, field_.name)[1], getattr(second.point, field_.name)[1])


# ---------------------------------------------------------------------------------------- calibration


def standard_vectors(n: int, m: int, flavor: Flavor):
    return normal(n, m, dtype=flavor.dtype(), rng=generator(9))


@pytest.mark.parametrize("size", [1.0, 1e-4, 1e4])
@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_the_gain_and_trace_of_literal_rank_one_vectors_are_found(flavor, size):
    """E M*M(Z) = n size^4 (2 Z + Tr(Z) I) for standard normal real vectors, n size^4 (Z + Tr(Z) I) for complex ones."""
    n, m = 3000, 20
    operator = RankOneSensing.from_vectors(size * standard_vectors(n, m, flavor), flavor.kind)
    problem = Problem.measure(operator, low_rank(m, 2, kind=flavor.kind, generator=generator(1)))
    found = calibrate(problem)
    alpha, beta = (1.0, 1.0) if flavor.is_complex else (2.0, 1.0)
    expected = n * size**4 * alpha
    # A probe of eigenvalues +-1 at rank 8 has squares of relative variance 3.5 (real; 2.75 complex) for each of n rows;
    # two probes share the rows, so count one.
    accuracy = 5 * math.sqrt(3.5 / n)
    gain = 1 / found.row_scale.square()
    assert torch.equal(gain, gain[:1].expand(n))
    assert float(gain[0]) == pytest.approx(expected, rel=accuracy)
    # ||M(I)||^2 / (alpha m) = 1 + beta m / alpha, up to the law of large numbers in ||a||^2 and the gain.
    excess = 1 + beta * m / alpha
    assert found.trace_factor == pytest.approx(excess**-0.5, rel=accuracy)
    assert_close(found.trace_direction, operator.traces() / operator.traces().norm())
    # The identity is now answered like any other matrix of its norm.
    identity = LowRank(torch.eye(m, dtype=flavor.dtype()), torch.eye(m, dtype=flavor.dtype()))
    answer = found.balance(operator.measure(identity))
    assert float(answer.norm()) == pytest.approx(math.sqrt(m), rel=1e-12)


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_what_is_declared_is_what_is_found(flavor):
    """A drawn ensemble and the same vectors taken as a stranger's agree to the accuracy of two probes."""
    n, m = 3000, 20
    declared = RankOneSensing.draw(n, m, kind=flavor.kind, generator=generator())
    unknown = RankOneSensing.from_vectors(declared.vectors, flavor.kind)
    truth = low_rank(m, 2, kind=flavor.kind, generator=generator(1))
    first, second = (calibrate(Problem.measure(operator, truth)) for operator in (declared, unknown))
    accuracy = 5 * math.sqrt(3.5 / n)
    assert torch.equal(first.row_scale, torch.ones(n, dtype=torch.float64))
    assert float(second.row_scale[0]) == pytest.approx(1.0, rel=accuracy / 2)
    assert second.trace_factor == pytest.approx(first.trace_factor, rel=accuracy)
    assert second.scale == pytest.approx(first.scale, rel=2 * accuracy)
    assert second.applications == first.applications + 2


@pytest.mark.parametrize("make", [GaussianSensing.draw, PairedRankOneSensing.draw], ids=["gaussian", "paired"])
def test_no_trace_component_is_seen_where_there_is_none(make):
    operator = make(2000, 20, generator=generator())
    unknown = replace(operator, second_moment=None)
    truth = low_rank(20, 2, generator=generator(1))
    for one in (operator, unknown):
        found = calibrate(Problem.measure(one, truth))
        assert found.trace_direction is None
        assert found.trace_factor == 1


@four_kinds
@pytest.mark.parametrize("declared", [True, False])
def test_the_balanced_operator_keeps_norms(flavor, declared):
    """E ||T D M(Z)||^2 = ||Z||^2 whatever weights and rows held out, of drawn ensembles and literal matrices alike."""
    n = 4000
    problem = gaussian_problem(flavor, n=n) if declared else scaled_problem(flavor, 1e3, n=n)
    weights = torch.rand(n, dtype=torch.float64, generator=generator(2)) * 50
    fitted = (torch.rand(n, generator=generator(3)) > 0.2).double()
    objective = SensingObjective(replace(problem, weights=weights), fitted)
    shape = problem.operator.shape
    probes = random_point(flavor, shape, 3, batch=(20,), rng=generator(4))
    probes = probes.scaled(1 / probes.norm())
    gains = objective.normal_times(probes, 1)[0].square().sum(-1)
    # Squares of Gaussian measurements have relative variance 2; uneven weights leave n (E w)^2 / E w^2 rows of them,
    # three quarters of 80%. Five standard errors, once for the probes that found the gain and once for these.
    assert ((gains - 1).abs() <= 2 * 5 * math.sqrt(2 / (0.6 * n))).all()


@four_kinds
@pytest.mark.parametrize("rank", [1, 3])
def test_the_scale_of_the_answer_is_found(flavor, rank):
    """||A||_2 to the accuracy of the back-projection, whose error has norm about ||A||_F sqrt((m1 + m2) / n)."""
    n = 4000
    rng = generator(4)
    operator = GaussianSensing.draw(n, size_of(flavor, 12, 9), kind=flavor.kind, generator=rng)
    truth = low_rank(size_of(flavor, 12, 9), rank, 3.0, kind=flavor.kind, generator=rng).scaled(250.0)
    found = calibrate(Problem.measure(operator, truth))
    accuracy = 2 * float(truth.norm()) / 250 * math.sqrt(sum(truth.shape) / n)
    assert accuracy < 0.4
    assert found.scale == pytest.approx(250.0, rel=accuracy)


def test_a_known_scale_is_not_searched_for():
    problem = gaussian_problem(PSD)
    found = calibrate(problem, scale=3.5)
    assert (found.scale, found.applications) == (3.5, 0)


def test_probes_come_from_the_seed():
    problem = scaled_problem(PSD, 1.0)
    first, again, other = (calibrate(problem, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.row_scale, again.row_scale)
    assert first.scale == again.scale
    assert not torch.equal(first.row_scale, other.row_scale)


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
@pytest.mark.parametrize("m", [1, 2])
def test_the_smallest_unknowns_are_calibrated(flavor, m):
    rng = generator()
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": rng}
    drawn = GaussianSensing.draw(50, size_of(flavor, m, m), **settings)
    operator = DenseSensing.from_rows(drawn.rows, drawn.shape, flavor.kind)
    objective = SensingObjective(Problem.measure(operator, low_rank(size_of(flavor, m, m), 1, **settings)))
    assert math.isfinite(objective.calibration.scale)
    assert bool(torch.isfinite(objective.calibration.row_scale).all())
    state = run(PreconditionedWN(), objective, haar_start(objective, m, generator=rng), 60)
    assert float(relative_error(objective, state.answer.point)) <= 1e-10


def test_balancing_and_its_transpose_belong_together():
    found = full_objective(PSD).calibration
    a, b = normal(2, 60, rng=generator(1)), normal(2, 60, rng=generator(2))
    left, right = (found.balance(a) * b).sum(-1), (a * found.balance_transpose(b)).sum(-1)
    assert_close(left, right, tolerance=1e-11)


def test_back_projected_trace_is_that_of_the_mean():
    """What `trace_direction` is for: balanced rank-one measurements have M*M(Z) near Z, not near Z + Tr(Z) I / 2."""
    n, m = 20_000, 8
    a = standard_vectors(n, m, PSD)
    operator = RankOneSensing.from_vectors(a)
    Z = low_rank(m, 2, generator=generator(1))
    found = calibrate(Problem.measure(operator, Z))
    v = found.balance_transpose(found.balance(operator.measure(Z)))
    back = torch.einsum("n,nij->ij", v, outer(a))
    deviatoric = back - back.trace() / m * torch.eye(m, dtype=torch.float64)
    expected = Z.dense() - Z.trace() / m * torch.eye(m, dtype=torch.float64)
    error = float((deviatoric - expected).norm() / expected.norm())
    assert error <= 0.15
    assert float(back.trace()) == pytest.approx(float(Z.trace()), rel=0.15)


# --------------------------------------------------------------------------------------------- starts


@flavors
def test_a_random_start_is_a_frame_with_small_signed_magnitudes(flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    point = haar_start(objective, 4, magnitude=0.2, batch=(3,), generator=generator(1))
    assert point.batch == (3,)
    assert point.is_symmetric == flavor.kind.is_symmetric
    assert point.dtype == flavor.dtype()
    assert (distance_to_stiefel(point.X) <= 50 * EPS).all()
    assert (distance_to_stiefel(point.right) <= 50 * EPS).all()
    signs = [1, -1, 1, -1] if flavor in {SYMMETRIC, HERMITIAN} else [1, 1, 1, 1]
    expected = 0.2 * torch.diag(torch.tensor(signs, dtype=torch.float64)).to(flavor.dtype())
    assert torch.equal(point.Theta, expected.expand(3, 4, 4))
    assert float((point.X[0] - point.X[1]).norm()) > 0.1


def test_a_random_start_of_an_impossible_rank_is_refused():
    objective = SensingObjective(gaussian_problem(RECTANGULAR))
    for rank in (0, 10):
        with pytest.raises(InputError, match=f"needed the working rank between 1 and 9, got {rank}"):
            haar_start(objective, rank)
