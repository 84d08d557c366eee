"""Reweighting: the equations against a dense solution, the fall of the smoothing, and recoveries of unknown rank."""

import math
from dataclasses import replace

import pytest
import torch

from cases.draws import generator
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, PSD, RECTANGULAR, size_of
from wnsense.checks import InputError
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.reweighted import ReweightedWN
from wnsense.solvers.smoothing import Climb, Smoothing, next_level
from wnsense.solvers.starts import haar_start
from wnsense.solvers.tangent import Tangent

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
EPS = torch.finfo(torch.float64).eps


def posed(flavor, count, *, size=(12, 9), rank=2, condition=3.0, seed=1, draw=GaussianSensing.draw) -> Problem:
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": generator(seed)}
    operator = draw(count, size_of(flavor, *size), **settings)
    return Problem.measure(operator, low_rank(size_of(flavor, *size), rank, condition, **settings))


def nothing(objective: SensingObjective) -> LowRank:
    """Return the matrix 0, of width 1."""
    point = haar_start(objective, 1)
    return LowRank(point.X, 0 * point.Theta, point.Y)


def basis(flavor, m1, m2) -> list[torch.Tensor]:
    """Return an orthonormal basis of the real space of the matrices of a kind."""
    dimension = flavor.kind.dimension((m1, m2), is_complex=flavor.is_complex)
    units = torch.eye(dimension, dtype=torch.float64)
    return list(flavor.kind.unpack(units, (m1, m2), is_complex=flavor.is_complex))


@flavors
def test_the_equations_are_those_of_weighted_least_squares(flavor):
    """Against `Z = W^{-1} B* (B W^{-1} B* + (eps^2 I - eps^2 B B*))^{-1} c` with everything formed.

    For `B B* = I` this is the least weighted norm that fits. Else `gamma + B* rho` solves the same equations with
    `eps^2 I` in place of the part outside of the tangent space.
    """
    m1, m2 = (7, 7) if flavor.kind.is_symmetric else (7, 6)
    objective = SensingObjective(posed(flavor, 22, size=(m1, m2)))
    state = ReweightedWN(2).start(objective, nothing(objective))
    point, level = state.evaluation.point, state.level
    gamma_seen = sharpened(objective, point, level).at(point).dense()

    units = basis(flavor, m1, m2)
    calibration = objective.calibration
    gain = 22 / len(units)
    B = torch.stack([unit_measured(objective, unit) for unit in units], dim=1) * math.sqrt(gain)
    c = calibration.balance(objective.target) * math.sqrt(gain)
    inverse = torch.stack([inverse_weight(point, level, unit) for unit in units])
    W = torch.stack([torch.stack([(a.conj() * b).sum().real for b in units]) for a in inverse])
    outside = level**2 * torch.eye(len(units), dtype=torch.float64)
    dual = torch.linalg.solve(B @ (W - outside) @ B.T + level**2 * torch.eye(22, dtype=torch.float64), c)
    gamma = sum(x * unit for x, unit in zip((W - outside) @ B.T @ dual, units, strict=True))
    assert float((gamma_seen - gamma).abs().max()) <= 1e-7 * float(gamma.abs().max())


def unit_measured(objective, unit):
    """Return `T D M` of a matrix that is given whole."""
    m1, m2 = unit.shape
    identity = torch.eye(m2, dtype=unit.dtype)
    matrix = (
        LowRank(identity, unit)
        if objective.kind.is_symmetric
        else LowRank(torch.eye(m1, dtype=unit.dtype), unit, identity)
    )
    return objective.calibration.balance(objective.problem.operator.measure(matrix))


def inverse_weight(point, level, Z):
    """Return `W^{-1} Z`, term by term from the definition."""
    X, Y = point.X, point.right
    th = point.Theta.diagonal().real.abs().clamp(min=level)
    S = X.mH @ Z @ Y
    P = Z @ Y - X @ S
    Q = Z.mH @ X - Y @ S.mH
    rest = Z - X @ S @ Y.mH - P @ Y.mH - X @ Q.mH
    core = (th[:, None] ** 2 + th[None, :] ** 2) / 2
    side = (th**2 + level**2) / 2
    return X @ (core * S) @ Y.mH + (P * side) @ Y.mH + X @ (Q * side).mH + level**2 * rest


def sharpened(objective, point, level):
    """Return the solution of the equations of a point to rounding, by the solver's own steps."""
    from wnsense.solvers import reweighted

    at = objective.evaluate(point)
    inner = reweighted._first_inner(objective, at, level)
    weights = reweighted._weights(point, level)
    for _ in range(400):
        if float(inner.slope) <= 1e-28 * float(inner.first) ** 2:
            break
        inner = reweighted._conjugate_step(objective, point, weights, inner)
    return inner.solution


@flavors
def test_the_leading_part_is_that_of_the_matrix_that_fits(flavor):
    """The spectrum after the start against the dense matrix `Z - (n / d) R`."""
    from wnsense.solvers import reweighted

    m1, m2 = (8, 8) if flavor.kind.is_symmetric else (8, 6)
    objective = SensingObjective(posed(flavor, 30, size=(m1, m2)))
    point = haar_start(objective, 2, magnitude=1.0, generator=generator(4))
    at = objective.evaluate(point)
    whole = objective.problem.operator.adjoint(objective.calibration.balance_transpose(at.balanced))
    dense = point.dense() - 30 / objective.problem.operator.dimension * whole
    block = torch.eye(m2, dtype=flavor.dtype())
    seen, cost = reweighted._spectrum(objective, point, at.balanced, block, 30)
    assert cost == 60
    values = seen.Theta.diagonal().real
    expected = torch.linalg.svdvals(dense)
    if flavor.kind is Kind.PSD:
        expected = torch.linalg.eigvalsh(dense).flip(0)
    size = float(expected.abs().max())
    assert (
        float((values if flavor.kind is Kind.PSD else values.abs()).sub(expected[: len(values)]).abs().max())
        <= 1e-9 * size
    )
    assert float((seen.dense() - dense).abs().max()) <= 1e-9 * size


def test_the_smoothing_falls_to_the_widest_gap():
    values = torch.tensor([1.0, 0.5, 1e-3, 9e-4, 8e-4], dtype=torch.float64)
    assert next_level(values, math.inf, 3) == pytest.approx(1e-3)
    # At least to 0.8 of itself, but not below the value after the bound, and never up.
    assert next_level(values, 1e-3, 3) == pytest.approx(9e-4)
    assert next_level(values, 8.5e-4, 3) == pytest.approx(8.5e-4)
    assert next_level(values, 7e-4, 3) == pytest.approx(7e-4)
    assert next_level(values, 1e-3, 4) == pytest.approx(8e-4)
    assert next_level(values[:2], 1e-2, 4) == pytest.approx(8e-3)
    assert next_level(0 * values, 1.0, 3) == 0.0
    exact = torch.tensor([1.0, 1e-20, 0.0], dtype=torch.float64)
    assert next_level(exact, 1e-9, 1) == pytest.approx(1e-15)


def test_a_climb_takes_a_larger_rank_when_its_smoothing_rests():
    values = torch.tensor([1.0, 0.5, 0.4, 1e-3, 9e-4], dtype=torch.float64)
    climb = Climb().after(values, 3)
    assert (climb.level, climb.rank) == (0.5, 1)
    # It never rises, and follows the value behind its rank down.
    assert climb.after(2 * values, 3).level == 0.5
    assert climb.after(values / 2, 3) == Climb(0.25, 1, 0.25, 0)
    # At rest for three reweightings, it goes to the widest gap among the larger ranks within the bound.
    for _ in range(2):
        climb = climb.after(values, 3)
        assert climb.rank == 1
    assert climb.after(values, 3) == Climb(1e-3, 3, 1e-3, 0)
    assert climb.after(values, 2) == Climb(0.4, 2, 0.4, 0)
    # At the bound it stays.
    last = Climb(0.4, 2, 0.4, 5)
    assert last.after(values, 2) == Climb(0.4, 2, 0.4, 6)
    assert Climb().after(0 * values, 3).level == 0


def test_penalties_are_the_ratios_of_the_definition():
    th, level = torch.tensor([2.0, 0.5], dtype=torch.float64), 0.1
    weights = Smoothing(level, th)
    vector = Tangent(
        torch.ones(2, 2, dtype=torch.float64),
        torch.ones(3, 2, dtype=torch.float64),
        torch.ones(4, 2, dtype=torch.float64),
    )
    seen = weights.penalized(vector)
    for i in range(2):
        for j in range(2):
            D = float(th[i] ** 2 + th[j] ** 2) / 2
            assert float(seen.S[i, j]) == pytest.approx(level**2 / (D - level**2), rel=1e-12)
        D = (float(th[i]) ** 2 + level**2) / 2
        assert float(seen.P[0, i]) == pytest.approx(level**2 / (D - level**2), rel=1e-12)
        assert float(seen.Q[3, i]) == float(seen.P[0, i])


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_matrices_of_unknown_rank_are_recovered_near_the_limit(flavor, condition):
    operator = posed(flavor, 1, size=(20, 16), rank=2).operator
    count = math.ceil(1.7 * operator.degrees_of_freedom(2))
    objective = SensingObjective(posed(flavor, count, size=(20, 16), rank=2, condition=condition))
    result = solve(objective, ReweightedWN(), nothing(objective), stop=Stop(residual=1e-13, max_steps=300))
    assert result.answer.width == 2
    assert float(relative_error(objective, result.snapshot.state.answer.point)) <= 1e-9


@pytest.mark.usefixtures("as_users_run")
def test_sampled_entries_are_completed_without_their_rank():
    problem = posed(RECTANGULAR, 900, size=(60, 50), rank=3, condition=100.0, draw=EntrySensing.draw)
    objective = SensingObjective(problem)
    result = solve(objective, ReweightedWN(), nothing(objective), stop=Stop(residual=1e-13, max_steps=300))
    assert result.answer.width == 3
    assert float(relative_error(objective, result.snapshot.state.answer.point)) <= 1e-9


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_a_climb_recovers_within_a_bound(condition):
    problem = posed(RECTANGULAR, 900, size=(60, 50), rank=3, condition=condition, draw=EntrySensing.draw)
    objective = SensingObjective(problem)
    solver = ReweightedWN(3, climbs=True)
    result = solve(objective, solver, nothing(objective), stop=Stop(residual=1e-13, max_steps=300))
    assert result.answer.width == 3
    assert float(relative_error(objective, result.snapshot.state.answer.point)) <= 1e-9


@pytest.mark.usefixtures("as_users_run")
def test_rows_held_out_and_weights_are_respected():
    problem = posed(PSD, 90)
    y = problem.measurements.clone()
    y[:10], y[10:20] = 1e3, -1e3
    weights, fitted = torch.ones(90, dtype=torch.float64), torch.ones(90, dtype=torch.float64)
    weights[:10], fitted[10:20] = 0, 0
    objective = SensingObjective(replace(problem, measurements=y, weights=weights), fitted)
    result = solve(objective, ReweightedWN(), nothing(objective), stop=Stop(max_steps=200, goal=is_exact(objective)))
    assert float(relative_error(objective, result.snapshot.state.answer.point)) <= 1e-9


def is_exact(objective):
    return lambda at: float(objective.relative_residual(at.residual)) <= 1e-12


def test_a_batch_and_an_impossible_rank_are_refused():
    objective = SensingObjective(posed(PSD, 60))
    with pytest.raises(InputError, match="one first point"):
        ReweightedWN().start(objective, haar_start(objective, 2, batch=(3,)))
    with pytest.raises(InputError, match="max_rank"):
        ReweightedWN(13).start(objective, haar_start(objective, 2))


def test_the_bound_leaves_surplus_rows():
    objective = SensingObjective(posed(PSD, 60))
    operator = objective.problem.operator
    bound = ReweightedWN().bound(objective)
    assert operator.degrees_of_freedom(bound) <= 0.92 * 60 < operator.degrees_of_freedom(bound + 1)
    assert ReweightedWN(3).bound(objective) == 3
