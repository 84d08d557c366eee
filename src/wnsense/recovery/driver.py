"""The recovery: an overparameterized run, the rank it shows, refits around that rank, a verdict, a last fit to everything."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require, require_level, require_rank, require_size
from wnsense.diagnosis.hold_out import Evidence, fitted_mask, held_out_count, held_out_evidence, improvement_score
from wnsense.diagnosis.spectrum import largest_rank, residual_directions, significant_rank, visible_rank
from wnsense.diagnosis.verdict import SMALL_RANK, Findings, verdict
from wnsense.recovery.journal import Journal
from wnsense.recovery.result import Candidate, Recovery
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Callback, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.linalg import orthonormal_factor, random_normal
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.catalogue import solver_name
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import Evaluation, SensingObjective, relative_distance, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import Solver

# The working rank leaves the model clearly fewer degrees of freedom than there are measurements, and keeps mu = 2 stable
# (r (r + 1) / 2 small against n).
_WORKING_SHARE = 0.5
_STABLE_SHARE = 0.05
_LEAST_WORKING_RANK = 2
# A fit with more degrees of freedom than this share of the rows it fits has hardly anything left to be wrong about.
_FITTING_SHARE = 0.9
_REFIT_STEPS = 40
# The last fit has nothing held out to watch; it ends when a step lowers the residual by less than this part.
_FINAL_GAIN = 3e-3
_SURPLUS = 2


def recover(
    operator: Operator,
    measurements: Tensor | np.ndarray,
    *,
    max_rank: int | None = None,
    noise_level: float | None = None,
    weights: Tensor | np.ndarray | None = None,
    start: LowRank | None = None,
    solver: Solver[Any] | None = None,
    tolerance: float = 1e-10,
    holdout: float | None = None,
    seed: int = 0,
    truth: LowRank | None = None,
    max_applications: int | None = None,
    max_seconds: float | None = None,
    callback: Callback | None = None,
    checkpoint: Path | str | None = None,
    resume: bool = False,
) -> Recovery:
    """Recover a low-rank matrix from its measurements; nothing else needs to be given.

    Some measurements are held out, an overparameterized run on the others shows the rank, refits around that rank are
    judged by what was held out, and after the verdict the matrix is fitted to all measurements.

    Args:
        operator: What measured.
        measurements: y, (n,).
        max_rank: A bound on the rank returned.
        noise_level: ||noise|| / ||y|| where it is known; it replaces the hold-out test. 0.01 is 1%.
        weights: How much each measurement counts, (n,), at least 0.
        start: Where to begin, in the units of the answer; a spectral start by default.
        solver: Of the overparameterized run; `PreconditionedWN()` by default.
        tolerance: The relative residual, fitted and held out, at which the answer counts as exact.
        holdout: The fraction of measurements to hold out; 0 holds out none.
        seed: What the hold-out and the starts are drawn from.
        truth: The matrix that was measured, where it is known; traced and reported, never used.
        max_applications: A budget, in applications of M and M*.
        max_seconds: A budget, in seconds.
        callback: Told of the progress at every step; returning True stops.
        checkpoint: A file to keep the recovery in when it is interrupted, and every half minute.
        resume: Whether to go on from that file.

    Returns:
        The matrix with its diagnosis. It is never called CONVERGED or REACHED_NOISE_FLOOR unless measurements that it
        had not seen, or a noise level that was known, say so.

    Raises:
        InputError: When sizes do not agree or numbers are out of range.
    """
    require_level("a tolerance", tolerance)
    if holdout is not None:
        require(0 <= holdout < 1, "a hold-out fraction from 0 to below 1", holdout)
    if max_rank is not None:
        require_rank("max_rank", max_rank, min(operator.shape))
    if start is not None:
        require_size("the start", start.shape, operator.shape)
    problem = Problem(
        operator, _as_vector(measurements, operator), truth, noise_level, None if weights is None else _as_vector(weights, operator)
    )
    solver = solver or PreconditionedWN()
    settings = (solver, max_rank, noise_level, tolerance, holdout, seed, start is None)
    journal = Journal(problem, settings, None if checkpoint is None else Path(checkpoint))
    if resume:
        journal.open()
    session = _Session(problem, solver, max_rank, tolerance, seed, journal, _Budget(max_applications, max_seconds, callback))
    return session.recover(start, holdout)


def _as_vector(values: Tensor | np.ndarray, operator: Operator) -> Tensor:
    vector = torch.as_tensor(values)
    require(not vector.is_complex(), "real measurements", f"{vector.dtype}", "take the real part if the rest is zero")
    return vector.to(device=operator.device, dtype=operator.real_dtype)


@dataclass(frozen=True)
class _Budget:
    """What may be spent."""

    max_applications: int | None
    max_seconds: float | None
    callback: Callback | None

    def spent(self, applications: int, seconds: float) -> bool:
        """Whether nothing is left."""
        return (self.max_applications is not None and applications >= self.max_applications) or (
            self.max_seconds is not None and seconds >= self.max_seconds
        )


class _EndedEarlyError(Exception):
    """A run ended in a way that ends the recovery: interrupted, stopped, out of budget."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Session:
    """One recovery under way: what it has spent, and the fits it has made."""

    problem: Problem
    solver: Solver[Any]
    max_rank: int | None
    tolerance: float
    seed: int
    journal: Journal
    budget: _Budget
    applications: int = 0
    seconds: float = 0.0
    steps: int = 0
    traces: list[Columns] = field(default_factory=list)
    fits: dict[int, Evaluation] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    latest: LowRank | None = None
    chosen: int | None = None

    # -- the course of a recovery -------------------------------------------------------------------------------------

    def recover(self, start: LowRank | None, holdout: float | None) -> Recovery:
        """From the first probe to the verdict."""
        operator = self.problem.operator
        weights = self.problem.weights
        usable = torch.ones_like(self.problem.measurements) if weights is None else weights
        count = int((usable > 0).sum())
        known_noise = self.problem.noise_level or None
        held = 0 if known_noise is not None and holdout is None else held_out_count(count, holdout)
        mask = fitted_mask(usable, held, self.seed) if held else None
        fitted = count - held
        limit = largest_rank(operator, _FITTING_SHARE * fitted)
        # A little above the user's bound, since a larger rank may find the way that a smaller one does not.
        bound = max(1, min(limit, (self.max_rank or limit) + _SURPLUS))
        working = self._working_rank(fitted)
        objective: SensingObjective | None = None
        status: Status
        try:
            objective = SensingObjective(self.problem, mask, self.seed)
            self.applications += objective.calibration.applications
            first = self._overparameterized(objective, start, working)
            guess = min(visible_rank(objective, first, fitted), bound)
            rank = self._search(objective, first, guess, bound)
            rank = self._without_idle(objective, rank)
            excluded = False
            if self.max_rank is not None and rank > self.max_rank:
                self._fit(objective, self.max_rank, self.fits[rank].point.truncate(self.max_rank))
                rank, excluded = self.max_rank, self._is_better(objective, self.max_rank, rank)
            status = self._judge(objective, rank, fitted, excluded=excluded)
            point = self._final(objective, rank)
        except KeyboardInterrupt:
            self.journal.write()
            status, point = Status.INTERRUPTED, self._best_known()
        except _EndedEarlyError as early:
            self.journal.write()
            status, point = early.status, self._best_known()
        return self._report(objective, point, status, working)

    def _working_rank(self, fitted: int) -> int:
        """More than the truth can have, as far as the measurements bear it."""
        operator = self.problem.operator
        stable = int(((1 + 8 * _STABLE_SHARE * fitted) ** 0.5 - 1) / 2)
        rank = min(largest_rank(operator, _WORKING_SHARE * fitted), stable)
        if self.max_rank is not None:
            rank = min(rank, max(2 * self.max_rank, self.max_rank + 2))
        return min(max(rank, _LEAST_WORKING_RANK), *operator.shape)

    def _overparameterized(self, objective: SensingObjective, start: LowRank | None, working: int) -> Evaluation:
        """The run that nobody need tell the rank: weight normalization with more of it than needed."""
        if start is not None:
            point = objective.from_user(start)
        else:
            operator = self.problem.operator
            empty = _zero(operator)
            target = objective.calibration.balance(-objective.target)
            at = Evaluation(empty, -objective.target, target, empty.X)
            point, cost = residual_directions(objective, at, working, seed=self.seed)
            self.applications += cost
        default = isinstance(self.solver, PreconditionedWN)
        stop = Stop(
            residual=self.tolerance,
            noise_level=self.problem.noise_level or None,
            # The default solver hands over to second-order steps once ten of its own no longer quarter the residual.
            stagnation=10 if default else 200,
            gain=0.75 if default else 0.05,
            max_steps=100 if default else None,
        )
        result = self._run(objective, self.solver, _widened(point, working), stop, "overparameterized")
        return result.state.answer

    def _search(self, objective: SensingObjective, first: Evaluation, guess: int, bound: int) -> int:
        """The rank of the best fit, found from a guess by steps that double while they help."""
        self._fit(objective, guess, first.point.truncate(min(guess, first.point.width)))
        best = self._climb(objective, guess, bound)
        if best == guess:
            best = self._descend(objective, guess)
        return best

    def _climb(self, objective: SensingObjective, best: int, bound: int) -> int:
        step, misses = max(1, best // 6), 0
        while best + step <= bound and not self._is_exact(objective, best):
            rank = best + step
            self._grow(objective, best, rank)
            if self._is_better(objective, best, rank):
                best, step, misses = rank, step * 2, 0
            elif step > 1:
                step //= 2
            else:
                misses += 1
                if misses > 1 or best + 2 > bound:
                    break
                # One direction more may only help together with the next.
                step = 2
        return best

    def _descend(self, objective: SensingObjective, best: int) -> int:
        step = 1
        while best - step >= 1 and not self._is_exact(objective, best):
            rank = best - step
            if rank not in self.fits:
                self._fit(objective, rank, self.fits[best].point.truncate(rank))
            if not self._is_better(objective, rank, best):
                best, step = rank, step * 2
            elif step > 1:
                step //= 2
            else:
                break
        return best

    def _without_idle(self, objective: SensingObjective, rank: int) -> int:
        """The rank that is left of an exact fit once the directions that its residual could have made are dropped."""
        if not self._is_exact(objective, rank):
            return rank
        at = self.fits[rank]
        level = 100 * max(self._residual(objective, at), self._held(objective, at) or 0.0, 1e-14)
        left = min(rank, significant_rank(at.point, level))
        if left not in self.fits or not self._is_exact(objective, left):
            self._fit(objective, left, at.point.truncate(left))
        return left

    def _judge(self, objective: SensingObjective, rank: int, fitted: int, *, excluded: bool) -> Status:
        """The verdict."""
        at = self.fits[rank]
        operator = self.problem.operator
        findings = Findings(
            exact=self._is_exact(objective, rank),
            residual=self._residual(objective, at),
            evidence=self._evidence(objective, at),
            noise_level=self.problem.noise_level or None,
            allowance=self._noise_allowance(rank),
            freedom=operator.degrees_of_freedom(rank),
            next_freedom=operator.degrees_of_freedom(min(rank + 1, *operator.shape)),
            small_freedom=operator.degrees_of_freedom(min(SMALL_RANK, *operator.shape)),
            fitted=fitted,
            excluded=excluded,
        )
        self.chosen = rank
        return verdict(findings)

    def _final(self, objective: SensingObjective, rank: int) -> LowRank:
        """Fit to all measurements, once the verdict no longer needs those held out; in the user's units."""
        operator = self.problem.operator
        chosen = objective.to_user(self.fits[rank].point)
        if objective.fitted is None:
            return chosen
        everything = SensingObjective(self.problem, None, self.seed)
        self.applications += everything.calibration.applications
        begun = everything.from_user(chosen)
        stop = replace(self._refit_stop(), gain=_FINAL_GAIN)
        result = self._run(everything, self._refitter(rank, operator.count), begun, stop, f"final fit, rank {rank}")
        return result.matrix

    # -- fits of one rank ---------------------------------------------------------------------------------------------

    def _refit_stop(self) -> Stop:
        """Refits end when two steps in a row no longer predict held-out rows better: fitting on would be fitting noise."""
        return Stop(residual=self.tolerance / 10, stagnation=2, gain=1e-2, max_steps=_REFIT_STEPS)

    def _refitter(self, rank: int, rows: int) -> GaussNewton:
        """Gauss-Newton with as many inner steps as conjugate gradients need where n rows meet d degrees of freedom.

        There the singular values of the Jacobian spread over 1 +- sqrt(d / n) (Marchenko-Pastur).
        """
        spread = min(self.problem.operator.degrees_of_freedom(rank) / rows, 0.8) ** 0.5
        return GaussNewton(inner_steps=round(2 * (1 + spread) / (1 - spread)))

    def _fit(self, objective: SensingObjective, rank: int, point: LowRank) -> None:
        rows = objective.problem.operator.count if objective.fitted is None else int((objective.fitted > 0).sum())
        solver = self._refitter(rank, rows)
        result = self._run(objective, solver, _widened(point, rank), self._refit_stop(), f"rank {rank}")
        self.fits[rank] = result.state.answer

    def _grow(self, objective: SensingObjective, rank: int, larger: int) -> None:
        if larger in self.fits:
            return
        at = self.fits[rank]
        added, cost = residual_directions(objective, at, larger - rank, seed=self.seed + larger)
        self.applications += cost
        self._fit(objective, larger, at.point.plus(added))

    def _is_exact(self, objective: SensingObjective, rank: int) -> bool:
        at = self.fits[rank]
        return max(self._residual(objective, at), self._held(objective, at) or 0.0) <= self.tolerance

    def _is_better(self, objective: SensingObjective, rank: int, larger: int) -> bool:
        """Whether the larger rank is worth its extra degrees of freedom."""
        small, large = self.fits[rank], self.fits[larger]
        if self.problem.noise_level and objective.fitted is None:
            return self._residual(objective, small) > self._noise_allowance(rank) and self._residual(
                objective, large
            ) < self._residual(objective, small)
        if objective.fitted is None:
            return self._residual(objective, large) < 0.9 * self._residual(objective, small)
        return improvement_score(objective, small, large) > 1.0

    def _noise_allowance(self, rank: int) -> float:
        """The relative residual that noise of the known level leaves after a fit of this rank, with three deviations."""
        count = self.problem.operator.count
        left = max(count - self.problem.operator.degrees_of_freedom(rank), 1)
        return (self.problem.noise_level or 0.0) * math.sqrt(left / count) * (1 + 3 / math.sqrt(2 * left))

    def _residual(self, objective: SensingObjective, at: Evaluation) -> float:
        return float(objective.relative_residual(at.residual))

    def _held(self, objective: SensingObjective, at: Evaluation) -> float | None:
        held = objective.holdout_residual(at.residual)
        return None if held is None else float(held)

    # -- running and reporting ----------------------------------------------------------------------------------------

    def _run(self, objective: SensingObjective, solver: Solver[Any], point: LowRank, stop: Stop, stage: str) -> Result[Any]:
        """One run of the loop within what is left of the budget, kept in the journal and counted."""
        stop = replace(
            stop,
            max_applications=self.budget.max_applications,
            max_seconds=None if self.budget.max_seconds is None else max(self.budget.max_seconds - self.seconds, 0.0),
            callback=self.budget.callback,
        )
        trace = Trace(error=None if self.problem.truth is None else relative_error)
        result = solve(
            objective,
            solver,
            point,
            stop=stop,
            trace=trace,
            recorder=self.journal.run(solver),
            stage=stage,
            applications_before=self.applications,
            seconds_before=self.seconds,
        )
        self.applications = result.applications
        self.seconds += result.seconds
        self.steps += result.steps
        self.traces.append(_labelled(result.trace, len(self.traces), result.state.point.width))
        self.latest = result.matrix
        if result.status in {Status.INTERRUPTED, Status.STOPPED_BY_USER}:
            raise _EndedEarlyError(result.status)
        if self.budget.spent(self.applications, self.seconds):
            raise _EndedEarlyError(Status.OUT_OF_BUDGET)
        return result

    def _best_known(self) -> LowRank:
        """The latest point when a recovery ends before its time, in the user's units."""
        return self.latest if self.latest is not None else _zero(self.problem.operator)

    def _report(self, objective: SensingObjective | None, point: LowRank, status: Status, working: int) -> Recovery:
        operator = self.problem.operator
        matrix = point.orthonormal()
        if operator.kind is Kind.PSD:
            matrix = matrix.positive_part()
        if self.max_rank is not None and matrix.width > self.max_rank:
            matrix = matrix.truncate(self.max_rank)
        rank = matrix.rank(1e-14)
        matrix = matrix.truncate(max(rank, 1))
        residual = _relative_residual(self.problem, matrix)
        at = None if self.chosen is None else self.fits[self.chosen]
        truth = self.problem.truth
        return Recovery(
            status=status,
            matrix=matrix,
            rank=rank,
            relative_residual=residual,
            holdout_residual=None if objective is None or at is None else self._held(objective, at),
            relative_error=None if truth is None else float(relative_distance(matrix, truth)),
            evidence=None if objective is None or at is None else self._evidence(objective, at),
            candidates=self._candidates(objective),
            trace=_joined(self.traces),
            kind=operator.kind,
            measurements=operator.count,
            working_rank=working,
            solver=solver_name(self.solver),
            steps=self.steps,
            applications=self.applications + 1,
            seconds=self.seconds,
            seed=self.seed,
            warnings=tuple(self.warnings),
        )

    def _evidence(self, objective: SensingObjective, at: Evaluation) -> Evidence | None:
        return None if objective.fitted is None else held_out_evidence(objective, at)

    def _candidates(self, objective: SensingObjective | None) -> tuple[Candidate, ...]:
        if objective is None:
            return ()
        return tuple(
            Candidate(rank, self._residual(objective, at), self._held(objective, at))
            for rank, at in sorted(self.fits.items())
        )


def _zero(operator: Operator) -> LowRank:
    m1, m2 = operator.shape

    def column(rows: int) -> Tensor:
        return torch.eye(rows, 1, dtype=operator.dtype, device=operator.device)

    nothing = torch.zeros(1, 1, dtype=operator.dtype, device=operator.device)
    return LowRank(column(m1), nothing, None if operator.kind.is_symmetric else column(m2))


def _widened(point: LowRank, width: int) -> LowRank:
    """The point with orthonormal factors of exactly this width: truncated, or padded with directions of no weight."""
    if point.width > width:
        return point.truncate(width)
    Z = point.orthonormal()
    if Z.width == width:
        return Z
    generator = torch.Generator().manual_seed(width)

    def pad(Q: Tensor) -> Tensor:
        shape = (Q.shape[0], width - Q.shape[1])
        extra = random_normal(shape, generator=generator, dtype=Q.dtype, device=Q.device)
        return orthonormal_factor(torch.cat([Q, extra], dim=-1))

    Theta = torch.zeros(width, width, dtype=Z.dtype, device=Z.device)
    Theta[: Z.width, : Z.width] = Z.Theta
    return LowRank(pad(Z.X), Theta, None if Z.Y is None else pad(Z.Y))


def _relative_residual(problem: Problem, matrix: LowRank) -> float:
    root = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights.sqrt()
    missed = problem.operator.measure(matrix) - problem.measurements
    return float(torch.linalg.vector_norm(root * missed) / torch.linalg.vector_norm(root * problem.measurements))


def _labelled(trace: Columns, stage: int, rank: int) -> Columns:
    length = len(trace["step"])
    return Columns({"stage": np.full(length, stage), "rank": np.full(length, rank), **trace})


def _joined(traces: list[Columns]) -> Columns:
    """Traces end to end; a column that a stage lacks is NaN there."""
    names = list(dict.fromkeys(name for trace in traces for name in trace))
    missing = {name: next(trace[name] for trace in traces if name in trace) for name in names}

    def column(trace: Columns, name: str) -> np.ndarray:
        return trace[name] if name in trace else np.full((len(trace["step"]), *missing[name].shape[1:]), np.nan)

    return Columns({name: np.concatenate([column(trace, name) for trace in traces]) for name in names})
