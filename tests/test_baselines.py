"""The published methods: steps against dense computations, the laws of every solver, and what is published of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from cases.draws import generator, hermitian, random_point
from cases.flavors import COMPLEX_RECTANGULAR, FOUR_KINDS, HERMITIAN, PSD, RECTANGULAR, SYMMETRIC, Flavor, size_of
from cases.watched import WatchedOperator
from test_solvers import (
    Literal,
    assert_applications_are_counted,
    assert_close,
    full_objective,
    gaussian_problem,
    run,
    single_precision_objective,
    unit_calibration,
)
from wnsense.checks import InputError
from wnsense.linalg import haar_frame
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.alternating_gauss_newton import AlternatingGaussNewton, _gram_pseudo_inverse
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.catalogue import BASELINES, SOLVERS, make_solver, solver_name
from wnsense.solvers.levenberg_marquardt import LevenbergMarquardtGD
from wnsense.solvers.momentum import MomentumGradientDescent
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.recursive_sketching import RecursiveSketching
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.singular_value_projection import SingularValueProjection
from wnsense.solvers.starts import gaussian_start, haar_start, spectral_start

FACTORABLE = (PSD, HERMITIAN, RECTANGULAR, COMPLEX_RECTANGULAR)
ALL = (*FACTORABLE, SYMMETRIC)

factorable = pytest.mark.parametrize("flavor", FACTORABLE, ids=str)
all_flavors = pytest.mark.parametrize("flavor", ALL, ids=str)
long_run = pytest.mark.usefixtures("as_users_run")


# --------------------------------------------------------------------------------------- one step, literally


def factored_point(flavor: Flavor, rank=3, shape=(6, 5)) -> LowRank:
    """Orthonormal frames and falling positive values, so that the balanced factors are known."""
    X = haar_frame(shape[0], rank, generator=generator(5), dtype=flavor.dtype())
    Y = None
    if not flavor.kind.is_symmetric:
        Y = haar_frame(shape[1], rank, generator=generator(6), dtype=flavor.dtype())
    values = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)[:rank]
    return LowRank(X, torch.diag(values).to(flavor.dtype()), Y)


def factors_of(point: LowRank):
    root = torch.diagonal(point.Theta).real.sqrt()
    return point.X * root, None if point.Y is None else point.Y * root


def value(objective: SensingObjective, Z) -> torch.Tensor:
    """The objective by a loop over the matrices that it measures with."""
    literal = Literal(objective)
    total = torch.zeros((), dtype=torch.float64)
    for B, b in zip(literal.rows, literal.target, strict=True):
        total = total + ((B.conj() * Z).sum().real - b) ** 2
    return total * (1 / 4 if objective.kind.is_symmetric else 1 / 2)


def gradients(objective: SensingObjective, L, Q):
    """Of the objective by the factors, from autograd; the second is None where one factor serves both sides."""
    factors = [F.clone().requires_grad_(True) for F in (L, Q) if F is not None]
    value(objective, factors[0] @ factors[-1].mH).backward()
    return factors[0].grad, None if Q is None else factors[1].grad


def assert_at(objective, state, Z, tolerance=1e-9):
    """The state is at Z, what it knows belongs to that point, and the step has moved."""
    literal = Literal(objective)
    assert_close(state.evaluation.point.dense(), Z, tolerance)
    R = literal.back_projection(state.evaluation.point.dense())
    assert_close(state.evaluation.balanced, literal.residual(state.evaluation.point.dense()), 1e-11)
    assert_close(state.evaluation.left, R @ state.evaluation.point.right, 1e-11)
    if state.evaluation.point.Y is not None:
        assert_close(state.evaluation.right, R.mH @ state.evaluation.point.X, 1e-11)


def moved_by(solver, objective, point, steps=1):
    """The state after some steps, which must have moved it."""
    state = run(solver, objective, point, steps)
    assert float((state.evaluation.point.dense() - point.dense()).norm()) > 1e-3
    return state


@dataclass(frozen=True)
class Rule:
    """A member of the scaled family, with lambda as a function of the misfit."""

    solver: Any
    damping: Callable[[float], float]


SCALED = {
    "scaledgd": Rule(ScaledGD(0.3), lambda misfit: 0.0),
    "scaledgd-lambda": Rule(DampedScaledGD(0.3, 0.2), lambda misfit: 0.2),
    "precgd": Rule(PreconditionedGD(0.3, 0.15), lambda misfit: 0.15 * misfit),
}


@pytest.mark.parametrize("rule", SCALED.values(), ids=SCALED)
@factorable
def test_a_step_of_the_scaled_family(flavor, rule):
    objective, point = full_objective(flavor), factored_point(flavor)
    L, Q = factors_of(point)
    damping = rule.damping(float(Literal(objective).residual(point.dense()).norm()))
    identity = torch.eye(3, dtype=flavor.dtype())
    G, H = gradients(objective, L, Q)
    right = L if Q is None else Q
    moved = L - 0.3 * G @ torch.linalg.inv(right.mH @ right + damping * identity)
    moved_right = moved if Q is None else Q - 0.3 * H @ torch.linalg.inv(L.mH @ L + damping * identity)
    state = moved_by(rule.solver, objective, point)
    assert_at(objective, state, moved @ moved_right.mH)
    assert state.applications == 4


@all_flavors
def test_a_step_of_alternating_gauss_newton(flavor):
    """Against autograd on L Q^H, or on its symmetric part: 1/2 ||.||^2 of each."""
    objective, eta = full_objective(flavor), 0.4
    point = factored_point(flavor)
    if flavor in {SYMMETRIC, HERMITIAN}:
        point = LowRank(point.X, point.Theta * torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64))
    symmetric = flavor.kind.is_symmetric
    L, Q = factors_of(LowRank(point.X, point.Theta.abs().to(point.dtype), point.Y))
    Q = L * torch.diagonal(point.Theta).real.sign() if symmetric else Q

    def slope(L, Q, which):
        factors = [L.clone().requires_grad_(True), Q.clone().requires_grad_(True)]
        Z = factors[0] @ factors[1].mH
        # The factor of the symmetric objective is 1/4.
        (value(objective, hermitian(Z)) * 2 if symmetric else value(objective, Z)).backward()
        return factors[which].grad

    L = L - eta * slope(L, Q, 0) @ torch.linalg.pinv(Q.mH @ Q)
    Q = Q - eta * slope(L, Q, 1) @ torch.linalg.pinv(L.mH @ L)
    Z = L @ Q.mH
    state = moved_by(AlternatingGaussNewton(eta), objective, point)
    assert_at(objective, state, hermitian(Z) if symmetric else Z)
    assert state.applications == 6


def test_alternating_gauss_newton_takes_the_least_step_where_factors_are_singular():
    """Eq. 10 asks for the least-norm solution: a zero column of Q moves no column of L."""
    objective = full_objective(RECTANGULAR)
    point = factored_point(RECTANGULAR)
    Theta = point.Theta.clone()
    Theta[2, 2] = 0
    state = run(AlternatingGaussNewton(0.4), objective, LowRank(point.X, Theta, point.Y), 1)
    smaller = run(AlternatingGaussNewton(0.4), objective, LowRank(point.X[:, :2], Theta[:2, :2], point.Y[:, :2]), 1)
    assert_close(state.evaluation.point.dense(), smaller.evaluation.point.dense(), 1e-10)
    assert float(state.evaluation.point.singular_values()[2]) <= 1e-12


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_pseudo_inverse_of_a_gram_matrix_goes_with_the_unit(size):
    """Values far apart, and one that is zero up to rounding, at any size of the factors."""
    left, right = (
        torch.linalg.qr(torch.randn(side, 3, generator=generator(side), dtype=torch.float64))[0] for side in (8, 3)
    )
    F = size * left @ torch.diag(torch.tensor([1.0, 1e-4, 1e-18], dtype=torch.float64)) @ right.mT
    expected = torch.linalg.pinv(F, rtol=1e-10) @ torch.linalg.pinv(F, rtol=1e-10).mT
    error = torch.linalg.matrix_norm(_gram_pseudo_inverse(F) - expected)
    # Rounding moves the small value by epsilon of the large one, a relative 1e4 epsilon. Its inverse square moves by
    # twice that; 50 times as much is left for the constants of two decompositions.
    assert float(error) <= 1e6 * torch.finfo(torch.float64).eps * float(torch.linalg.matrix_norm(expected))


def spanning_tangents(flavor: Flavor, point: LowRank):
    """Matrices that span the tangent space at an orthonormal point."""
    rank, (m1, m2) = point.width, point.shape

    def units(rows, columns):
        basis = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, rows, columns).to(flavor.dtype())
        return torch.cat([basis, 1j * basis]) if flavor.is_complex else basis

    if flavor.kind.is_symmetric:
        return 2 * hermitian(point.X @ units(rank, m1))
    return torch.cat([point.X @ units(rank, m2), units(m1, rank) @ point.right.mH])


@all_flavors
def test_a_step_of_recursive_sketching(flavor):
    """Least squares over the tangent space, solved densely, and the best approximation of what comes out."""
    objective, rank = full_objective(flavor), 2
    truth = objective.from_user(objective.problem.truth)
    point = truth.plus(random_point(flavor, truth.shape, 2, rng=generator(7)).scaled(0.01)).truncate(rank)
    literal = Literal(objective)
    tangents = spanning_tangents(flavor, point)
    images = torch.stack([literal.residual(T) + literal.target for T in tangents], dim=-1)
    # Held-out rows and symmetric spanning sets leave it rank-deficient: the least-norm solution is the same matrix.
    c = torch.linalg.lstsq(images, -literal.residual(point.dense()).unsqueeze(-1), driver="gelsd").solution.squeeze(-1)
    moved = point.dense() + (c.to(flavor.dtype())[:, None, None] * tangents).sum(0)
    left, values, right = torch.linalg.svd(moved)
    best = (left[:, :rank] * values[:rank].to(flavor.dtype())) @ right[:rank]
    state = run(RecursiveSketching(inner_steps=100), objective, point, 1)
    assert_at(objective, state, best)
    assert state.applications == 2 + 202
    assert float(state.evaluation.misfit) < 0.5 * float(objective.evaluate(point).misfit)


def real_parts(A):
    return torch.view_as_real(A.resolve_conj()).flatten() if A.is_complex() else A.flatten()


def jacobian_literally(flavor: Flavor, factors):
    """The matrix of the differential of (L, Q) -> L Q^H, or Y -> Y Y^H, real, by autograd."""
    shapes = [F.shape for F in factors]

    def product(x):
        parts = torch.split(x, [math.prod(s) * (2 if flavor.is_complex else 1) for s in shapes])
        if flavor.is_complex:
            made = [torch.view_as_complex(p.reshape(*s, 2)) for p, s in zip(parts, shapes, strict=True)]
        else:
            made = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        return real_parts(made[0] @ made[-1].mH)

    x = torch.cat([real_parts(F) for F in factors])
    return torch.autograd.functional.jacobian(product, x)


@factorable
def test_a_step_of_the_levenberg_marquardt_method(flavor):
    """(J^T J + lambda I)^{-1} J^T R with J formed, and Polyak's step for the norm of the residual."""
    objective, point, c, tau = full_objective(flavor), factored_point(flavor), 0.3, 0.7
    factors = [F for F in factors_of(point) if F is not None]
    literal = Literal(objective)
    q, R = literal.residual(point.dense()), literal.back_projection(point.dense())
    J = jacobian_literally(flavor, factors)
    damped = J.mT @ J + c * q.norm() * torch.eye(J.shape[1], dtype=torch.float64)
    # The subgradient of the norm is R over the norm.
    d = torch.linalg.solve(damped, J.mT @ real_parts(R)) / q.norm()
    x = torch.cat([real_parts(F) for F in factors]) - tau * q.norm() / (J @ d).square().sum() * d
    made = []
    for F in factors:
        length = F.numel() * (2 if flavor.is_complex else 1)
        part, x = x[:length], x[length:]
        made.append(torch.view_as_complex(part.reshape(*F.shape, 2)) if flavor.is_complex else part.reshape(F.shape))
    state = moved_by(LevenbergMarquardtGD(tau, c), objective, point)
    assert_at(objective, state, made[0] @ made[-1].mH)
    assert state.applications == 4


def test_the_damping_is_that_of_the_authors_program():
    """`lambda = 1e-3 h`, beside the step size 1 of the paper (arXiv 2509.11486)."""
    assert LevenbergMarquardtGD() == LevenbergMarquardtGD(step_size=1.0, damping=1e-3)


@factorable
def test_steps_of_gradient_descent_with_momentum(flavor):
    objective, point, eta, mu = full_objective(flavor), factored_point(flavor), 0.05, 0.6
    U = [F for F in factors_of(point) if F is not None]
    Z = U
    for _ in range(3):
        slopes = gradients(objective, Z[0], None if len(Z) == 1 else Z[1])
        moved = [F - eta * G for F, G in zip(Z, slopes, strict=False)]
        Z = [new + mu * (new - old) for new, old in zip(moved, U, strict=True)]
        U = moved
    state = moved_by(MomentumGradientDescent(eta, mu), objective, point, steps=3)
    assert_at(objective, state, Z[0] @ Z[-1].mH)
    assert_close(state.previous.dense(), U[0] @ U[-1].mH, 1e-10)
    assert state.applications == 8


@all_flavors
def test_a_step_of_singular_value_projection(flavor):
    """With many steps of subspace iteration the truncation is the exact one."""
    objective, eta, rank = full_objective(flavor), 0.6, 2
    truth = objective.from_user(objective.problem.truth)
    point = truth.plus(random_point(flavor, truth.shape, 2, rng=generator(7)).scaled(0.1)).truncate(rank)
    B = point.dense() - eta * Literal(objective).back_projection(point.dense())
    left, values, right = torch.linalg.svd(B)
    best = (left[:, :rank] * values[:rank].to(flavor.dtype())) @ right[:rank]
    state = moved_by(SingularValueProjection(eta, subspace_steps=100), objective, point)
    assert_at(objective, state, best)
    assert state.applications == 4 + 100 * (1 if flavor.kind.is_symmetric else 2)


@all_flavors
def test_one_step_of_subspace_iteration_is_exact_where_the_operator_is_an_isometry(flavor):
    """Z - R = A then, whose range is in what is multiplied with: SVP with eta = 1 is there in two steps from zero."""
    objective = isometric_objective(flavor)
    zero = haar_start(objective, 2, magnitude=0.0, generator=generator(1))
    state = run(SingularValueProjection(step_size=1.0), objective, zero, 2)
    assert float(relative_error(objective, state.evaluation.point)) <= 1e-12


def isometric_objective(flavor: Flavor) -> SensingObjective:
    """Every coordinate of a matrix measured once."""
    size = size_of(flavor, 7, 6)
    shape = (7, 7) if flavor.kind.is_symmetric else size
    d = flavor.kind.dimension(shape, is_complex=flavor.is_complex)
    operator = DenseSensing.from_rows(torch.eye(d, dtype=torch.float64), shape, flavor.kind, second_moment=(1.0, 0.0))
    truth = low_rank(size, 2, 5.0, kind=flavor.kind, dtype=flavor.dtype(), generator=generator(2))
    return SensingObjective(Problem.measure(operator, truth), given=unit_calibration(d))


# ------------------------------------------------------------------------------------ laws of every baseline

SETTLED = 1e-11


def from_spectrum(objective, rank):
    return spectral_start(objective, rank, generator=generator(1))[0]


def from_little(objective, rank):
    return gaussian_start(objective, rank, generator=generator(1))


def from_zero(objective, rank):
    return haar_start(objective, rank, magnitude=0.0, generator=generator(1))


@dataclass(frozen=True)
class BaselineCase:
    """A baseline on a small Gaussian problem of rank 2.

    Attributes:
        name: Its name in the catalogue.
        begin: Its published start.
        steps: How many steps it is given to reach the answer: half as many again as it was seen to take.
        flavors: The unknowns it recovers.
    """

    name: str
    begin: Callable[[SensingObjective, int], LowRank]
    steps: int
    flavors: tuple[Flavor, ...] = FACTORABLE

    @property
    def solver(self) -> Any:
        return BASELINES[self.name]()


CASES = [
    BaselineCase("scaledgd", from_spectrum, 114),
    BaselineCase("scaledgd-lambda", from_little, 121),
    BaselineCase("precgd", from_spectrum, 114),
    BaselineCase("agn", from_little, 111, (RECTANGULAR, COMPLEX_RECTANGULAR)),
    BaselineCase("risro", from_spectrum, 6, ALL),
    BaselineCase("lmm", from_spectrum, 48),
    BaselineCase("mifgd", from_spectrum, 181),
    BaselineCase("svp", from_zero, 78, ALL),
]

every_baseline = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_case = pytest.mark.parametrize(
    ("case", "flavor"), [pytest.param(c, f, id=f"{c.name}-{f}") for c in CASES for f in c.flavors]
)


def test_every_baseline_is_among_the_cases():
    assert [case.name for case in CASES] == list(BASELINES)


@long_run
@every_case
def test_every_baseline_recovers_from_its_published_start(case, flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    state = run(case.solver, objective, case.begin(objective, 2), case.steps)
    assert float(relative_error(objective, state.answer.point)) <= SETTLED


@long_run
@every_case
def test_single_precision_is_kept(case, flavor):
    objective = single_precision_objective(flavor)
    state = run(case.solver, objective, case.begin(objective, 2), case.steps)
    assert state.evaluation.point.dtype == flavor.dtype(torch.float32)
    assert state.evaluation.misfit.dtype == torch.float32
    assert float(relative_error(objective, state.answer.point)) <= 100 * torch.finfo(torch.float32).eps


@every_case
def test_a_batch_of_points_is_a_loop_over_points(case, flavor):
    objective = SensingObjective(gaussian_problem(flavor, n=300))
    points = haar_start(objective, 3, magnitude=0.5, batch=(3,), generator=generator(2))
    together = run(case.solver, objective, points, 2)
    assert float((together.evaluation.point.dense()[0] - together.evaluation.point.dense()[1]).norm()) > 1e-4
    for i in range(3):
        Y = None if points.Y is None else points.Y[i]
        alone = run(case.solver, objective, LowRank(points.X[i], points.Theta[i], Y), 2)
        assert_close(together.evaluation.point.dense()[i], alone.evaluation.point.dense(), tolerance=1e-9)
        assert_close(together.evaluation.misfit[i], alone.evaluation.misfit, tolerance=1e-8)
        assert together.applications == alone.applications


@every_case
def test_a_start_is_the_point_that_was_given(case, flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    point = random_point(flavor, objective.problem.operator.shape, 3).scaled(1e-2)
    if case.flavors == FACTORABLE and flavor.kind.is_symmetric:
        # Its points are Y Y^H.
        point = LowRank(point.X, torch.eye(3, dtype=point.dtype))
    state = case.solver.start(objective, point)
    assert_close(state.evaluation.point.dense(), point.dense())
    assert_close(state.evaluation.misfit, objective.evaluate(point).misfit)


@dataclass(frozen=True)
class Passes(WatchedOperator):
    """An operator that reports a pass, in which a point is measured and pulled back, as two applications."""

    def _pull_back(self, point, dual, width):
        self.before(torch.Size(point.batch))
        self.before(torch.Size(point.batch))
        return self.inner.pull_back(point, dual, width=width)


def counting(operator: Operator) -> tuple[Operator, list[int]]:
    """Return an operator that counts its applications, and the count."""
    calls = [0]

    def count(batch: torch.Size) -> None:
        calls[0] += 1

    return Passes(operator, operator.space, operator.count, None, count, count), calls


@every_case
def test_every_application_is_counted(case, flavor):
    problem = gaussian_problem(flavor)
    operator, calls = counting(problem.operator)
    objective = SensingObjective(replace(problem, operator=operator))
    point = haar_start(objective, 2, magnitude=0.5, generator=generator(1))
    assert_applications_are_counted(case, objective, point, calls)


@every_baseline
@pytest.mark.parametrize("flavor", [RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
def test_resumed_is_uninterrupted(case, flavor, tmp_path):
    problem = gaussian_problem(flavor, n=200)
    objective = SensingObjective(problem)
    point = haar_start(objective, 3, magnitude=0.5, generator=generator(1))
    whole = solve(objective, case.solver, point, stop=Stop(max_steps=5))
    path = tmp_path / "run.npz"
    solve(objective, case.solver, point, stop=Stop(max_steps=2), checkpoint=Checkpoint(path, problem, case.solver))
    resumed = Checkpoint(path, problem, case.solver, resume=True)
    again = solve(objective, case.solver, point, stop=Stop(max_steps=5), checkpoint=resumed)
    assert again.steps == 5
    assert torch.equal(again.answer.dense(), whole.answer.dense())
    assert torch.equal(again.snapshot.state.evaluation.left, whole.snapshot.state.evaluation.left)
    assert again.applications == whole.applications


@every_baseline
def test_indefinite_unknowns_are_taken_or_refused_in_one_line(case):
    objective = SensingObjective(gaussian_problem(SYMMETRIC))
    point = haar_start(objective, 2, generator=generator(1))
    if case.name in {"agn", "risro", "svp"}:
        assert math.isfinite(float(run(case.solver, objective, point, 1).evaluation.misfit))
        return
    with pytest.raises(InputError, match=r"needed kind psd, hermitian .* or rectangular .*, got symmetric; .*") as told:
        case.solver.start(objective, point)
    assert "\n" not in str(told.value)


@long_run
@pytest.mark.parametrize("flavor", [PSD, RECTANGULAR], ids=str)
@pytest.mark.parametrize(
    "solver",
    [
        *(ScaledGD(20.0), PreconditionedGD(20.0), AlternatingGaussNewton(20.0), LevenbergMarquardtGD(20.0)),
        *(MomentumGradientDescent(20.0), SingularValueProjection(20.0)),
    ],
    ids=lambda solver: type(solver).__name__,
)
def test_a_baseline_that_diverges_is_told(flavor, solver):
    objective = SensingObjective(gaussian_problem(flavor, n=300))
    point = haar_start(objective, 3, magnitude=0.5, generator=generator(1))
    assert solve(objective, solver, point, stop=Stop(max_steps=400)).status == Status.DIVERGED


def test_baselines_have_names():
    for name, kind_of in BASELINES.items():
        assert solver_name(make_solver(name)) == name
        assert isinstance(make_solver(name), kind_of)
    assert not BASELINES.keys() & SOLVERS.keys()
    with pytest.raises(
        InputError, match=r"needed a solver out of .*gauss-newton, scaledgd.*svp, got 'newton'; choose one of"
    ):
        make_solver("newton")


# ------------------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize("flavor", [*FOUR_KINDS, COMPLEX_RECTANGULAR], ids=str)
def test_a_spectral_start_is_the_dominant_part_of_the_back_projection(flavor):
    objective = full_objective(flavor)
    literal = Literal(objective)
    back = torch.einsum("n,nij->ij", literal.target.to(literal.rows.dtype), literal.rows)
    if flavor == PSD:
        values, vectors = torch.linalg.eigh(back)
        back = (vectors * values.clamp(min=0)) @ vectors.mH
    left, values, right = torch.linalg.svd(back)
    best = (left[:, :2] * values[:2].to(flavor.dtype())) @ right[:2]
    point, cost = spectral_start(objective, 2, power_steps=7, generator=generator(3))
    # Four columns beyond the rank: of matrices of six rows, or five columns, all.
    assert_close(point.dense(), best, 1e-10)
    assert point.width == 2
    assert cost == (7 if flavor.kind.is_symmetric else 14)


@pytest.mark.parametrize("flavor", [PSD, RECTANGULAR], ids=str)
def test_power_steps_bring_a_spectral_start_to_the_dominant_part(flavor):
    objective = SensingObjective(gaussian_problem(flavor, size=(30, 25)))
    exact = spectral_start(objective, 2, power_steps=200, generator=generator(1))[0]
    gaps = [
        float(spectral_start(objective, 2, power_steps=k, generator=generator(1))[0].distance(exact))
        for k in (2, 6, 18)
    ]
    assert gaps[1] < 0.3 * gaps[0]
    assert gaps[2] < 0.1 * gaps[1]


def test_what_a_spectral_start_costs_is_counted():
    for flavor in (PSD, RECTANGULAR):
        problem = gaussian_problem(flavor)
        operator, calls = counting(problem.operator)
        objective = SensingObjective(replace(problem, operator=operator))
        calls[0] = 0
        assert spectral_start(objective, 2)[1] == calls[0]


@all_flavors
def test_a_gaussian_start_is_small_independent_factors(flavor):
    objective = SensingObjective(gaussian_problem(flavor, size=(200, 100), n=50))
    point = gaussian_start(objective, 3, magnitude=1e-4, batch=(40,), generator=generator(1))
    assert point.batch == (40,)
    assert point.dtype == flavor.dtype()
    assert point.is_symmetric == flavor.kind.is_symmetric
    identity = torch.eye(3, dtype=torch.float64).to(flavor.dtype())
    assert torch.equal(point.Theta, (1e-4 * identity).expand(40, 3, 3))
    for factor in (point.X, point.right):
        # 40 samples of 3 columns of at least 100 entries: squares of relative deviation sqrt(2 / 12,000).
        assert float(factor.abs().square().sum((-2, -1)).mean()) == pytest.approx(3, rel=5 * math.sqrt(2 / 12_000))
        assert float((factor[0] - factor[1]).norm()) > 1


@pytest.mark.parametrize("begin", [gaussian_start, spectral_start])
def test_a_start_of_an_impossible_rank_is_refused(begin):
    objective = SensingObjective(gaussian_problem(RECTANGULAR))
    for rank in (0, 10):
        with pytest.raises(InputError, match=f"needed the working rank between 1 and 9, got {rank}"):
            begin(objective, rank)


# ----------------------------------------------------------------------------------- what is published of them


def sensing(condition: float, *, flavor=PSD, n=1500, size=(20, 20), seed=0) -> SensingObjective:
    """Rank 2 with plenty of Gaussian measurements."""
    settings = {"kind": flavor.kind, "generator": generator(seed)}
    operator = GaussianSensing.draw(n, size_of(flavor, *size), **settings)
    return SensingObjective(Problem.measure(operator, low_rank(size_of(flavor, *size), 2, condition, **settings)))


def errors(solver, objective, point, steps) -> list[float]:
    """The relative error at each step, until there is nothing left."""
    state = solver.start(objective, point)
    seen = [float(relative_error(objective, state.evaluation.point))]
    while len(seen) <= steps and seen[-1] > 1e-13:
        state = solver.step(objective, state)
        seen.append(float(relative_error(objective, state.evaluation.point)))
    return seen


def steps_to(tolerance: float, seen: list[float]) -> int:
    """The first step at which the error is down to a tolerance."""
    return next(i for i, error in enumerate(seen) if error <= tolerance)


@long_run
def test_the_scaled_family_does_not_see_the_condition_number_where_gradient_descent_does():
    """Linear from a spectral start: 41 to 45 steps were seen to 1e-10, against 43, 488 and more than 600 of GD."""
    taken = {ScaledGD: [], PreconditionedGD: []}
    for condition in (1.0, 10.0, 100.0):
        objective = sensing(condition)
        point = from_spectrum(objective, 2)
        for method, counts in taken.items():
            seen = errors(method(), objective, point, 70)
            counts.append(steps_to(1e-10, seen))
            # Linear: the second half of the digits takes as many steps as the first.
            halfway = steps_to(1e-6, seen) - steps_to(1e-2, seen)
            assert steps_to(1e-10, seen) - steps_to(1e-6, seen) == pytest.approx(halfway, abs=5)
    for counts in taken.values():
        assert max(counts) <= 1.3 * min(counts)
    assert min(errors(GradientDescent(), sensing(100.0), point, 300)) > 1e-4


@long_run
def test_without_damping_surplus_rank_breaks_scaled_gradients():
    """From a start whose rank is below its width, and from a small random one, where the damped two converge."""
    objective = sensing(10.0)
    spectral = from_spectrum(objective, 2)
    wide = spectral.plus(random_point(PSD, (20, 20), 2).scaled(0.0)).truncate(4)
    small = gaussian_start(objective, 4, magnitude=1e-20, generator=generator(1))
    for point in (wide, small):
        state = run(ScaledGD(), objective, point, 40)
        assert not float(state.evaluation.misfit) < 1
    assert min(errors(PreconditionedGD(), objective, wide, 80)) <= 1e-10
    assert min(errors(DampedScaledGD(damping=0.05), objective, small, 150)) <= 1e-10


@long_run
def test_damped_scaled_gradients_take_steps_as_the_logarithm_of_their_start_and_end_as_far_down():
    """At surplus rank: as many steps more for each factor of alpha, and an error that falls with alpha."""
    objective = sensing(2.0, n=4000)
    taken, left = [], []
    for magnitude in (1e-4, 1e-8, 1e-12, 1e-16):
        point = gaussian_start(objective, 4, magnitude=magnitude, generator=generator(1))
        seen = errors(DampedScaledGD(damping=0.1), objective, point, 70)
        taken.append(steps_to(1e-2, seen))
        left.append(min(seen))
    more = [later - earlier for earlier, later in pairwise(taken)]
    assert min(more) >= 2
    assert max(more) <= min(more) + 2
    assert all(later < 1e-2 * earlier for earlier, later in pairwise(left))
    assert left[0] > 1e-5


@long_run
def test_preconditioned_gradients_do_not_see_surplus_rank():
    objective = sensing(100.0)
    exact = errors(PreconditionedGD(), objective, from_spectrum(objective, 2), 80)
    surplus = errors(PreconditionedGD(), objective, from_spectrum(objective, 6), 80)
    assert steps_to(1e-10, surplus) <= 1.3 * steps_to(1e-10, exact)
    assert min(errors(GradientDescent(), objective, from_spectrum(objective, 6), 160)) > 1e-4


@long_run
def test_alternating_gauss_newton_is_linear_whatever_the_condition_number_and_the_rank():
    """From a small random start. Without measurements that tell L Q^H from its transpose it is not."""
    taken = []
    for condition in (1.0, 10.0, 1000.0):
        objective = sensing(condition, flavor=RECTANGULAR, size=(20, 15))
        for rank in (2, 5):
            seen = errors(AlternatingGaussNewton(), objective, from_little(objective, rank), 80)
            taken.append(steps_to(1e-10, seen))
            halfway = steps_to(1e-6, seen) - steps_to(1e-2, seen)
            assert steps_to(1e-10, seen) - steps_to(1e-6, seen) == pytest.approx(halfway, abs=6)
    assert max(taken) <= 1.5 * min(taken)
    objective = sensing(1.0)
    seen = errors(AlternatingGaussNewton(), objective, from_little(objective, 2), 120)
    assert 1e-4 < seen[120] < seen[60] < seen[30] < 0.1
    assert seen[120] > 0.4 * seen[60]


@long_run
@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0])
def test_recursive_sketching_is_quadratic_at_the_end(condition):
    """Each error at most a constant times the square of the one before: a constant without kappa would be too much."""
    objective = sensing(condition)
    seen = errors(RecursiveSketching(inner_steps=40), objective, from_spectrum(objective, 2), 12)
    assert seen[-1] <= 1e-13
    ending = [(before, after) for before, after in pairwise(seen) if before < 0.2 / condition]
    assert len(ending) >= 2
    for before, after in ending:
        assert after <= max(20 * condition * before**2, 1e-13)
    # A linear method would need the digits of the last step but one all over again.
    assert ending[-1][1] < 1e-3 * ending[-1][0]


@long_run
def test_the_levenberg_marquardt_method_sees_neither_the_condition_number_nor_surplus_rank():
    taken = []
    for condition in (1.0, 10.0, 100.0):
        objective = sensing(condition)
        for rank in (2, 4):
            seen = errors(LevenbergMarquardtGD(), objective, from_spectrum(objective, rank), 40)
            taken.append((rank, steps_to(1e-10, seen)))
    for rank in (2, 4):
        counts = [count for r, count in taken if r == rank]
        assert max(counts) <= 1.3 * min(counts)
    assert max(count for _, count in taken) <= 36


@long_run
def test_momentum_makes_factored_gradients_faster():
    """At the same step size and cost: 169 steps were seen to 1e-10, against more than 600."""
    objective = sensing(10.0)
    point = from_spectrum(objective, 2)
    momentum = errors(MomentumGradientDescent(), objective, point, 250)
    plain = errors(GradientDescent(step_size=MomentumGradientDescent().step_size), objective, point, 250)
    assert steps_to(1e-10, momentum) <= 250
    assert min(plain) > 1e-6
    none = errors(MomentumGradientDescent(momentum=0.0), objective, point, 50)
    assert none == plain[:51]


@long_run
def test_singular_value_projection_is_linear_and_does_not_see_the_condition_number():
    """From zero, with many measurements; and little is lost by one step of subspace iteration for each truncation."""
    taken = []
    for condition in (1.0, 10.0, 1000.0):
        objective = sensing(condition)
        seen = errors(SingularValueProjection(), objective, from_zero(objective, 2), 60)
        exact = errors(SingularValueProjection(subspace_steps=20), objective, from_zero(objective, 2), 60)
        taken.append(steps_to(1e-10, seen))
        halfway = steps_to(1e-6, seen) - steps_to(1e-2, seen)
        assert steps_to(1e-10, seen) - steps_to(1e-6, seen) == pytest.approx(halfway, abs=4)
        assert steps_to(1e-10, seen) <= steps_to(1e-10, exact) + 5
    assert max(taken) <= 1.3 * min(taken)
