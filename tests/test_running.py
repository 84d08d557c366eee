"""The loop: when it stops and why, what it writes down, what its clock counts, and what an interruption leaves."""

import math
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from cases.draws import generator, random_point
from cases.flavors import FOUR_KINDS, PSD, SYMMETRIC, Flavor
from cases.solvers import SOLVERS
from cases.watched import Alarm, watched
from wnsense.checks import InputError
from wnsense.running import loop
from wnsense.running.loop import Snapshot, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import Evaluation, SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

EPS = torch.finfo(torch.float64).eps


def gaussian_problem(flavor: Flavor = PSD, n=300, m=10, rank=2) -> Problem:
    rng = generator()
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": rng}
    size = m if flavor.kind.is_symmetric else (m, m - 2)
    operator = GaussianSensing.draw(n, size, **settings)
    return Problem.measure(operator, low_rank(size, rank, 2.0, **settings))


def split_objective() -> SensingObjective:
    """Every fifth row held out."""
    fitted = torch.ones(300, dtype=torch.float64)
    fitted[::5] = 0
    return SensingObjective(gaussian_problem(), fitted)


def started(objective: SensingObjective, rank=4, batch=()) -> LowRank:
    return haar_start(objective, rank, batch=batch, generator=generator(1))


# --------------------------------------------------------------------------- a solver that follows a script


@dataclass(frozen=True)
class Scripted:
    """Its residuals are what the script says, fitted and held out; powers of two, so that they come out exactly.

    A step costs 2 applications, like one of `PreconditionedWN`. The last entry is repeated.
    """

    fitted: tuple[float, ...]
    held: tuple[float, ...] = (1.0,)
    each_step: Callable[[int], None] = lambda step: None

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        return State(self.evaluation(objective, point, 0), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        step = state.applications // 2
        self.each_step(step)
        return replace(
            state,
            evaluation=self.evaluation(objective, state.evaluation.point, step),
            applications=state.applications + 2,
        )

    def evaluation(self, objective: SensingObjective, point: LowRank, step: int) -> Evaluation:
        ones = torch.ones_like(objective.target)
        rows = ones if objective.fitted is None else objective.fitted
        fitted, held = (script[min(step, len(script) - 1)] for script in (self.fitted, self.held))
        residual = (fitted * rows + held * (1 - rows)) * objective.target
        return Evaluation(point, residual, residual * rows, point.X)


def follow(script, *, held=(1.0,), each_step=lambda step: None, objective=None, **options):
    objective = objective or SensingObjective(gaussian_problem())
    return solve(objective, Scripted(tuple(script), tuple(held), each_step), started(objective), **options)


HALVING = [2.0**-k for k in range(60)]


# --------------------------------------------------------------------------------------- every way to stop


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_converged_once_the_residual_is_at_most_the_tolerance(steps):
    result = follow(HALVING, stop=Stop(residual=2.0**-steps))
    assert (result.status, result.steps) == (Status.CONVERGED, steps)
    assert float(result.residual) == 2.0**-steps


def test_the_tolerance_is_1e_10_when_nobody_says():
    """2^-33 = 1.16e-10, 2^-34 = 5.8e-11."""
    assert follow(HALVING).steps == 34


def test_converged_waits_for_the_rows_held_out():
    held = [1.0] * 9 + [2.0**-6, 2.0**-7]
    result = follow(HALVING, held=held, objective=split_objective(), stop=Stop(residual=2.0**-7))
    assert (result.status, result.steps) == (Status.CONVERGED, 10)


def test_converged_waits_for_the_fitted_rows():
    held = [1.0, 2.0**-20]
    result = follow(HALVING, held=held, objective=split_objective(), stop=Stop(residual=2.0**-7))
    assert (result.status, result.steps) == (Status.CONVERGED, 7)


def test_the_noise_floor_is_where_the_fitted_residual_is_the_noise():
    stop = Stop(noise_level=2.0**-5)
    for objective in (None, split_objective()):
        result = follow(HALVING, objective=objective, stop=stop)
        assert (result.status, result.steps) == (Status.REACHED_NOISE_FLOOR, 5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_residual_that_is_no_number_has_diverged(value):
    result = follow([1.0, 0.5, value], stop=Stop())
    assert (result.status, result.steps) == (Status.DIVERGED, 2)


def test_stagnation_counts_steps_since_the_last_gain():
    """From 0.5 on nothing falls by 1%: 0.496 is a gain of 0.8%, and 0.4951 of 0.98%."""
    result = follow([1.0, 0.5, 0.496, 0.4951, 0.4951], stop=Stop(stagnation=3))
    assert (result.status, result.steps) == (Status.STAGNATED, 4)


def test_small_gains_add_up():
    """Each step gains 0.6%, every second one has gained 1% on the best so far: never idle for 2 steps."""
    script = [0.994**k for k in range(50)]
    result = follow(script, stop=Stop(stagnation=2, max_steps=40))
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, 40)
    result = follow(script, stop=Stop(stagnation=2, gain=0.02, max_steps=40))
    assert (result.status, result.steps) == (Status.STAGNATED, 2)


def test_the_gain_that_counts_is_strict():
    assert follow([1.0, 0.5, 0.25], stop=Stop(stagnation=1, gain=0.5)).steps == 1
    assert follow([1.0, 0.4999, 0.2499, 0.25], stop=Stop(stagnation=1, gain=0.5)).steps == 3


def test_stagnation_watches_the_rows_held_out():
    held = [1.0, 0.5, 0.25, 0.5, 1.0, 2.0]
    result = follow(HALVING, held=held, objective=split_objective(), stop=Stop(stagnation=2, max_steps=8))
    assert (result.status, result.steps) == (Status.STAGNATED, 4)
    assert (result.snapshot.best, result.snapshot.best_step) == (0.25, 2)


def test_stagnation_watches_what_is_minimized_when_told_to():
    held = [1.0, 0.5, 0.25, 0.5, 1.0, 2.0]
    stop = Stop(stagnation=2, max_steps=8, watch_holdout=False)
    result = follow(HALVING, held=held, objective=split_objective(), stop=stop)
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, 8)
    result = follow([1.0, 0.5], held=HALVING, objective=split_objective(), stop=stop)
    assert (result.status, result.steps) == (Status.STAGNATED, 3)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_budget_of_steps(steps):
    result = follow([1.0], stop=Stop(max_steps=steps))
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, steps)


@pytest.mark.parametrize(("budget", "steps"), [(0, 0), (6, 0), (7, 1), (8, 1), (9, 2), (16, 5)])
def test_a_budget_of_applications_counts_calibration_and_start(budget, steps):
    """4 for the calibration are in, then 2 for the start and 2 for each step: at least the budget, once."""
    objective = SensingObjective(gaussian_problem())
    result = follow([1.0], objective=objective, stop=Stop(max_applications=budget), applications_before=4)
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, steps)
    assert result.applications == 6 + 2 * steps


def test_applications_are_counted_from_the_calibration_when_nobody_says():
    objective = SensingObjective(gaussian_problem())
    # A declared ensemble needs no probes, but three steps of the power method for the scale.
    assert objective.calibration.applications == 3
    assert follow([1.0], objective=objective, stop=Stop(max_steps=2)).applications == 3 + 2 + 4


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_that_returns_true_stops(answer):
    result = follow(HALVING, stop=Stop(callback=lambda progress: bool(progress.step == 3) and answer))
    assert (result.status, result.steps) == (Status.STOPPED_BY_USER, 3)


def test_a_callback_is_told_of_the_progress():
    seen = []
    objective = split_objective()
    held = [1.0, 0.5, 2.0]
    follow(
        HALVING,
        held=held,
        objective=objective,
        stop=Stop(max_steps=2, callback=seen.append),
        stage="a stage",
        applications_before=10,
        seconds_before=1000.0,
    )
    assert [p.step for p in seen] == [0, 1, 2]
    assert [p.applications for p in seen] == [12, 14, 16]
    assert [p.residual for p in seen] == [1.0, 0.5, 0.25]
    assert [p.holdout_residual for p in seen] == held
    assert {p.stage for p in seen} == {"a stage"}
    assert 1000 < seen[0].seconds < seen[1].seconds < seen[2].seconds < 1010


def test_without_rows_held_out_there_is_nothing_to_tell_of_them():
    seen = []
    follow(HALVING, stop=Stop(max_steps=1, callback=seen.append))
    assert [p.holdout_residual for p in seen] == [None, None]


EVERY_REASON = Stop(
    residual=0.5,
    noise_level=0.6,
    callback=lambda progress: True,
    stagnation=5,
    max_steps=10,
    max_applications=100,
    max_seconds=1.0,
)
HERE = Progress("", 10, 100, 1.0, 0.4, 0.4)


def test_of_several_reasons_the_most_telling_is_given():
    stop = EVERY_REASON
    assert stop.verdict(replace(HERE, residual=math.nan), 5) == Status.DIVERGED
    assert stop.verdict(HERE, 5) == Status.CONVERGED
    stop = replace(stop, residual=0.1)
    assert stop.verdict(HERE, 5) == Status.REACHED_NOISE_FLOOR
    stop = replace(stop, noise_level=None)
    assert stop.verdict(HERE, 5) == Status.STOPPED_BY_USER
    stop = replace(stop, callback=None)
    assert stop.verdict(HERE, 5) == Status.STAGNATED
    for limit in ("max_steps", "max_applications", "max_seconds"):
        assert stop.verdict(HERE, 4) == Status.OUT_OF_BUDGET
        stop = replace(stop, **{limit: None})
    assert stop.verdict(HERE, 4) is None


def test_an_answer_within_the_tolerance_is_never_lost_to_a_budget_of_nothing():
    assert follow([0.0], stop=Stop(max_steps=0)).status == Status.CONVERGED


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"residual": -1e-3}, "a residual tolerance that is finite and at least 0, got -0.001"),
        ({"residual": math.nan}, "a residual tolerance that is finite and at least 0, got nan"),
        ({"noise_level": math.inf}, "a noise level that is finite and at least 0, got inf"),
        ({"stagnation": -1}, "stagnation of at least 0, got -1"),
        ({"max_applications": -1}, "max_applications of at least 0, got -1"),
        ({"max_steps": -1}, "max_steps of at least 0, got -1"),
        ({"max_seconds": math.nan}, "max_seconds of at least 0, got nan"),
        ({"check_every": 0}, "check_every of at least 1, got 0"),
    ],
)
def test_limits_that_no_run_can_meet_are_refused(limit, message):
    with pytest.raises(InputError, match=message):
        Stop(**limit)


@pytest.mark.parametrize("status", list(Status), ids=str)
def test_a_status_is_a_word_with_advice(status):
    assert str(status) == status.name.lower()
    assert len(status.advice) > 40
    assert status.advice.endswith(".")
    assert sum(status.advice == other.advice for other in Status) == 1


def test_two_statuses_say_that_the_matrix_can_be_trusted():
    assert {s for s in Status if s.is_success} == {Status.CONVERGED, Status.REACHED_NOISE_FLOOR}


# ------------------------------------------------------------------------------------------- how often it looks


@pytest.mark.parametrize(
    ("every", "looks"), [(None, list(range(13))), (1, list(range(13))), (5, [0, 5, 10, 12]), (40, [0, 12])]
)
def test_the_residual_is_looked_at_every_so_many_steps_and_at_the_last(every, looks):
    seen = []
    stop = Stop(max_steps=12, check_every=every, callback=lambda p: seen.append(p.step))
    result = follow([1.0], stop=stop)
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, 12)
    assert seen == looks
    assert result.trace["step"].tolist() == looks


def test_what_is_not_looked_at_cannot_stop():
    """Below the tolerance from step 3 on, seen at step 5."""
    result = follow([1.0, 1, 1, 2.0**-50], stop=Stop(check_every=5))
    assert (result.status, result.steps) == (Status.CONVERGED, 5)


# ------------------------------------------------------------------------------------------------- the trace


@pytest.mark.parametrize(
    ("every", "rows"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 3, 6, 7]), (7, [0, 7]), (100, [0, 7])]
)
def test_the_first_and_the_last_row_are_always_written(every, rows):
    result = follow(HALVING, stop=Stop(max_steps=7), trace=Trace(every=every))
    assert result.trace["step"].tolist() == rows
    assert result.trace["residual"].tolist() == [2.0**-k for k in rows]
    assert result.trace["applications"].tolist() == [5 + 2 * k for k in rows]


def test_named_steps_are_recorded_beside_the_first_and_the_last():
    result = follow(HALVING, stop=Stop(max_steps=7), trace=Trace(at=frozenset({2, 5})))
    assert result.trace["step"].tolist() == [0, 2, 5, 7]


def test_a_run_of_no_steps_has_one_row():
    assert follow([1.0], stop=Stop(max_steps=0)).trace["step"].tolist() == [0]


def test_columns_are_there_for_what_there_is():
    plain = follow(HALVING, stop=Stop(max_steps=2))
    assert list(plain.trace) == ["step", "applications", "seconds", "residual"]
    held = follow(HALVING, held=[0.5, 0.25, 0.125], objective=split_objective(), stop=Stop(max_steps=2))
    assert list(held.trace) == ["step", "applications", "seconds", "residual", "holdout_residual"]
    assert held.trace["holdout_residual"].tolist() == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_errors_and_metrics_are_those_of_the_point_of_their_row(flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    truth = objective.problem.truth.dense()
    points = []

    def keep(objective, point):
        points.append(objective.to_user(point).dense())
        return point.norm()

    trace = Trace(every=2, error=relative_error, metrics={"norm": keep, "width": lambda o, p: torch.tensor(p.width)})
    result = solve(objective, PreconditionedWN(), started(objective), stop=Stop(max_steps=5), trace=trace)
    assert result.trace["step"].tolist() == [0, 2, 4, 5]
    assert len(points) == 4
    errors = [float((Z - truth).norm() / truth.norm()) for Z in points]
    assert errors[-1] < 0.5 * errors[0]
    assert result.trace["error"].tolist() == pytest.approx(errors, rel=1e-10)
    norms = [float(Z.norm()) / objective.calibration.scale for Z in points]
    assert result.trace["norm"].tolist() == pytest.approx(norms, rel=1e-12)
    assert result.trace["width"].tolist() == [4] * 4


def test_an_interval_below_one_is_refused():
    with pytest.raises(InputError, match="needed a trace every 1 or more steps, got 0"):
        Trace(every=0)


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
@pytest.mark.parametrize(("solver", "cost"), [(PreconditionedWN(), 2), (WeightNormalizedGD(), 4)], ids=["pwn", "wn"])
def test_the_trace_counts_every_application(flavor, solver, cost):
    problem = gaussian_problem(flavor)
    calls, seen = [], []
    operator = watched(problem.operator, lambda: calls.append(1))
    objective = SensingObjective(replace(problem, operator=operator))
    before = objective.calibration.applications
    if flavor.kind.is_symmetric:
        assert len(calls) == before
    calls.clear()
    stop = Stop(max_steps=6, callback=lambda p: seen.append(before + len(calls)))
    result = solve(objective, solver, started(objective), stop=stop)
    assert result.trace["applications"].tolist() == seen
    assert seen == [before + 2 + cost * k for k in range(7)]
    assert result.applications == seen[-1]


# ------------------------------------------------------------------------------------------------- the clock


class Clock:
    """Time that passes only when somebody says so."""

    def __init__(self, monkeypatch):
        self.now = 5.0
        monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: self.now))

    def pass_by(self, seconds):
        self.now += seconds


def test_the_clock_counts_steps_and_stands_still_for_everything_else(monkeypatch):
    clock = Clock(monkeypatch)

    def metric(objective, point):
        clock.pass_by(100)
        return torch.tensor(0.0)

    result = follow(
        [1.0],
        each_step=clock.pass_by,
        stop=Stop(max_steps=4, callback=lambda p: clock.pass_by(1000)),
        trace=Trace(error=metric, metrics={"slow": metric}),
        seconds_before=0.5,
    )
    assert result.trace["seconds"].tolist() == [0.5, 1.5, 3.5, 6.5, 10.5]
    assert result.snapshot.seconds == 10


@pytest.mark.parametrize(("budget", "steps"), [(0.0, 0), (0.5, 1), (3.0, 3), (3.5, 4)])
def test_a_budget_of_seconds(monkeypatch, budget, steps):
    clock = Clock(monkeypatch)
    result = follow([1.0], each_step=lambda step: clock.pass_by(1), stop=Stop(max_seconds=budget))
    assert (result.status, result.steps) == (Status.OUT_OF_BUDGET, steps)


def test_a_budget_of_seconds_counts_what_was_spent_before(monkeypatch):
    clock = Clock(monkeypatch)
    stop = Stop(max_seconds=10.0)
    result = follow([1.0], each_step=lambda step: clock.pass_by(1), stop=stop, seconds_before=7.0)
    assert result.steps == 3


# ------------------------------------------------------------------------------------------------- columns


def test_columns_are_a_mapping_of_arrays_of_equal_length():
    columns = Columns.from_rows([{"step": 0, "a": torch.tensor(1.5)}, {"step": 2, "a": torch.tensor(2.5), "b": 3.0}])
    assert list(columns) == ["step", "a", "b"]
    assert len(columns) == 3
    assert columns["step"].tolist() == [0, 2]
    assert columns["a"].tolist() == [1.5, 2.5]
    assert np.isnan(columns["b"][0])
    assert columns["b"][1] == 3
    assert "c" not in columns


def test_columns_become_a_data_frame():
    pandas = pytest.importorskip("pandas")
    trace = follow(HALVING, stop=Stop(max_steps=5)).trace
    frame = trace.to_pandas()
    expected = pandas.DataFrame({name: trace[name] for name in ("step", "applications", "seconds", "residual")})
    pandas.testing.assert_frame_equal(frame, expected)
    assert frame["residual"].tolist() == HALVING[:6]


def test_without_pandas_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    trace = follow(HALVING, stop=Stop(max_steps=1)).trace
    with pytest.raises(InputError, match=r"needed pandas, got none installed; pip install 'wnsense\[pandas\]'"):
        trace.to_pandas()


# --------------------------------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_a_result_is_in_the_users_units(flavor):
    problem = gaussian_problem(flavor)
    problem = Problem(problem.operator, 1e3 * problem.measurements, problem.truth.scaled(1e3))
    objective = SensingObjective(problem)
    result = solve(objective, PreconditionedWN(), started(objective), stop=Stop(residual=1e-8))
    assert result.status == Status.CONVERGED
    missed = problem.operator.measure(result.answer) - problem.measurements
    relative = float(missed.norm() / problem.measurements.norm())
    assert relative <= 1e-8
    # Rounding of y itself is EPS of it.
    assert float(result.residual) == pytest.approx(relative, abs=100 * EPS)
    # Restricted to differences of matrices of rank 4 and 2 the operator shrinks nothing to a third.
    assert float(result.answer.distance(problem.truth) / problem.truth.norm()) <= 3e-8
    assert result.trace["residual"][-1] <= 1e-8


def test_the_answer_is_the_best_point_of_a_solver_that_remembers_one():
    """A step size that is absurd raises the misfit within what the safeguard allows."""
    objective = SensingObjective(gaussian_problem())
    solver = PreconditionedWN(step_size=3.0, magnitude_step_size=3.9, growth=10.0)
    worse = 0
    for steps in range(1, 8):
        result = solve(objective, solver, started(objective), stop=Stop(max_steps=steps))
        best, last = result.snapshot.state.best.misfit, result.snapshot.state.evaluation.misfit
        assert float(best) <= float(last)
        worse += float(best) < float(last)
        again = objective.evaluate(objective.from_user(result.answer))
        assert float(again.misfit) == pytest.approx(float(best), rel=1e-10)
    assert worse > 0


def test_of_a_batch_the_worst_decides():
    objective = SensingObjective(gaussian_problem())
    points = started(objective, batch=(3,))
    stop = Stop(residual=1e-6)
    together = solve(objective, PreconditionedWN(), points, stop=stop)
    alone = [solve(objective, PreconditionedWN(), LowRank(points.X[i], points.Theta[i]), stop=stop) for i in range(3)]
    steps = [result.steps for result in alone]
    assert len(set(steps)) > 1
    assert (together.status, together.steps) == (Status.CONVERGED, max(steps))
    assert together.residual.shape == (3,)
    assert float(together.residual.max()) <= 1e-6
    assert together.trace["residual"].shape == (max(steps) + 1, 3)
    # One application of a batch is counted as one point's.
    assert together.applications == alone[steps.index(max(steps))].applications


def test_one_lost_point_of_a_batch_is_told():
    objective = SensingObjective(gaussian_problem())
    points = started(objective, batch=(3,))
    Theta = points.Theta.clone()
    Theta[1] = torch.inf

    @dataclass(frozen=True)
    class Still:
        def start(self, objective: SensingObjective, point: LowRank) -> State:
            return State(objective.evaluate(point), 2)

        def step(self, objective: SensingObjective, state: State) -> State:
            return state

    assert solve(objective, Still(), points, stop=Stop(max_steps=3)).status == Status.OUT_OF_BUDGET
    result = solve(objective, Still(), LowRank(points.X, Theta), stop=Stop(max_steps=3))
    assert (result.status, result.steps) == (Status.DIVERGED, 0)


# --------------------------------------------------------------------------------------------- interruptions


def first_cases():
    """One of each kind of solver, with a flavor that each of them recovers."""
    names = ("conjugate-wn", "preconditioned-wn", "wn-polar", "gd", "gauss-newton")
    return [pytest.param(case, id=case.name) for case in SOLVERS if case.name in names]


def assert_same_state(left: State, right: State):
    for name in ("X", "Theta"):
        assert torch.equal(getattr(left.evaluation.point, name), getattr(right.evaluation.point, name))
    for name in ("residual", "balanced", "left"):
        assert torch.equal(getattr(left.evaluation, name), getattr(right.evaluation, name))
    assert left.applications == right.applications


@pytest.mark.parametrize("step", [0, 1, 4])
@pytest.mark.parametrize("case", first_cases())
def test_an_interruption_in_the_callback_leaves_the_last_whole_step(case, step):
    objective = SensingObjective(gaussian_problem())
    point = random_point(PSD, (10, 10), 2).positive_part()
    alarm = Alarm(step + 1)
    result = solve(objective, case.solver, point, stop=Stop(callback=lambda p: alarm()))
    assert (result.status, result.steps) == (Status.INTERRUPTED, step)
    whole = solve(objective, case.solver, point, stop=Stop(max_steps=step))
    assert_same_state(result.snapshot.state, whole.snapshot.state)
    assert torch.equal(result.answer.dense(), whole.answer.dense())
    assert result.trace["step"].tolist() == list(range(step + 1))
    assert result.trace["residual"].tolist() == whole.trace["residual"].tolist()


@pytest.mark.parametrize("case", first_cases())
def test_an_interruption_inside_the_operator_at_any_call_leaves_the_last_whole_step(case):
    problem = gaussian_problem()
    objective = SensingObjective(problem)
    point = random_point(PSD, (10, 10), 2).positive_part()
    calls = []
    counting = replace(problem, operator=watched(problem.operator, lambda: calls.append(1)))
    counted = SensingObjective(counting, given=objective.calibration)
    whole = [solve(counted, case.solver, point, stop=Stop(max_steps=k)) for k in range(4)]
    # The calls of the three runs before are in.
    calls_by_step = [result.snapshot.state.applications for result in whole]
    assert len(calls) == sum(calls_by_step)
    for call in range(calls_by_step[0] + 1, calls_by_step[-1] + 1):
        alarm = Alarm(call)
        interrupted = replace(problem, operator=watched(problem.operator, alarm))
        result = solve(SensingObjective(interrupted, given=objective.calibration), case.solver, point)
        steps = sum(call > before for before in calls_by_step) - 1
        assert (result.status, result.steps) == (Status.INTERRUPTED, steps)
        assert_same_state(result.snapshot.state, whole[steps].snapshot.state)
        assert result.trace["step"].tolist() == list(range(steps + 1))


def test_an_interruption_in_a_metric_leaves_the_last_whole_step():
    alarm = Alarm(3)

    def metric(objective, point):
        alarm()
        return torch.tensor(1.0)

    result = follow(HALVING, trace=Trace(metrics={"one": metric}))
    assert (result.status, result.steps) == (Status.INTERRUPTED, 2)
    # The row that was being written is the last one, written after all.
    assert result.trace["step"].tolist() == [0, 1, 2]


def test_the_last_row_of_an_interrupted_run_is_written_too():
    alarm = Alarm(6)
    result = follow(HALVING, stop=Stop(callback=lambda p: alarm()), trace=Trace(every=3))
    assert result.steps == 5
    assert result.trace["step"].tolist() == [0, 3, 5]


# ------------------------------------------------------------------------------------------------- checkpoints


@dataclass
class Notebook:
    """A checkpoint that keeps what it is given."""

    saved: list = field(default_factory=list)
    due_at: tuple[int, ...] = ()
    begin: tuple[Snapshot, Status | None] | None = None
    asked: int = -1

    def load(self):
        return self.begin

    def due(self):
        self.asked += 1
        return self.asked in self.due_at

    def save(self, snapshot, status):
        self.saved.append((snapshot.steps, [int(row["step"]) for row in snapshot.rows], status))


def test_a_recorder_is_given_what_is_due_and_the_end():
    notebook = Notebook(due_at=(2, 4))
    follow(HALVING, stop=Stop(max_steps=6), trace=Trace(every=2), checkpoint=notebook)
    assert notebook.saved == [
        (2, [0, 2], None),
        (4, [0, 2, 4], None),
        (6, [0, 2, 4, 6], Status.OUT_OF_BUDGET),
    ]


def test_a_recorder_is_given_an_interrupted_run_without_the_row_that_only_its_end_asked_for():
    notebook, alarm = Notebook(), Alarm(4)
    follow(HALVING, stop=Stop(callback=lambda p: alarm()), trace=Trace(every=2), checkpoint=notebook)
    assert notebook.saved == [(3, [0, 2], None)]


def test_a_run_that_had_ended_is_given_back_as_it_was():
    whole = follow(HALVING, stop=Stop(max_steps=4))
    notebook = Notebook(begin=(whole.snapshot, Status.STAGNATED))
    again = follow(HALVING, stop=Stop(max_steps=9), checkpoint=notebook)
    assert (again.status, again.steps, again.applications) == (Status.STAGNATED, 4, whole.applications)
    assert again.trace["step"].tolist() == [0, 1, 2, 3, 4]


def test_a_run_goes_on_from_what_a_recorder_holds():
    objective = SensingObjective(gaussian_problem(SYMMETRIC))
    point = started(objective)
    half = solve(objective, PreconditionedWN(), point, stop=Stop(max_steps=4))
    notebook = Notebook(begin=(half.snapshot, None))
    # The start is not asked for again.
    other = started(objective, rank=1)
    resumed = solve(objective, PreconditionedWN(), other, stop=Stop(max_steps=9), checkpoint=notebook)
    whole = solve(objective, PreconditionedWN(), point, stop=Stop(max_steps=9))
    assert_same_state(resumed.snapshot.state, whole.snapshot.state)
    assert resumed.trace["residual"].tolist() == whole.trace["residual"].tolist()
