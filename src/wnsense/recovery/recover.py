"""Recovery in five stages: overparameterized run, rank search, verdict, final fit and report."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require, require_finite, require_level, require_rank, require_size
from wnsense.recovery.arguments import problem_from_arguments
from wnsense.recovery.evidence.hold_out import Evidence, fitted_mask, held_out_count, held_out_evidence
from wnsense.recovery.evidence.restricted_singular_value import NULL_SPACE_GAIN, least_restricted_gain
from wnsense.recovery.evidence.spectral_rank import (
    back_projection_level,
    largest_rank,
    missing_negative_part,
    plain_rank,
    residual_directions,
    visible_rank,
)
from wnsense.recovery.evidence.verdict import SMALL_RANK, VISIBLE_LEVEL, Findings, judged_share, verdict
from wnsense.recovery.rank_adaptation import RankAdaptation
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.result import Candidate, Recovery
from wnsense.recovery.search import RankSearch, plain_least_squares
from wnsense.recovery.session import Budget, EndedEarlyError, Session, resized
from wnsense.recovery.spectrum_columns import SPECTRUM
from wnsense.running.status import Status
from wnsense.running.stop import Callback, Stop
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.catalogue import solver_name
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import Evaluation, SensingObjective, relative_distance
from wnsense.solvers.solver import Solver

# The working rank leaves the model clearly fewer degrees of freedom than there are measurements. It also keeps
# `mu = 2` stable, for which `r (r + 1) / 2` must be small against `n`.
_WORKING_SHARE = 0.5
_STABLE_SHARE = 0.05
_LEAST_WORKING_RANK = 2
# Largest share of degrees of freedom in the fitted rows: a fit with more of them can hardly be refuted.
_FITTING_SHARE = 0.9
# Number of held-out rows that prove an exact fit: chance does not predict that many to ten digits.
_PROOF = 4
# Ranks tried above the user's bound: their fits may reach a solution that a fit of smaller rank does not.
_SURPLUS = 2
# The final fit has no rows held out; it ends when a step lowers the residual by less than this share.
_FINAL_GAIN = 0.05
_FINAL_STEPS = 20


def recover(
    operator: Operator | Problem,
    measurements: Tensor | np.ndarray | None = None,
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
    """Recover a low-rank matrix from its measurements: `recover(operator, y)` or `recover(problem)`.

    Some measurements are held out. An overparameterized run on the others shows the rank. Fits of ranks near it are
    compared on the held-out measurements. After the verdict the matrix is fitted to all measurements.

    Args:
        operator: Operator `M`, or a whole problem.
        measurements: Measurements `y`, (n,); None with a whole problem.
        max_rank: Largest rank to return.
        noise_level: Noise level `||noise|| / ||y||`, where it is known; it replaces the hold-out test. 0.01 is 1%. By
            default that of the problem, like weights and truth.
        weights: Weights of the measurements, (n,), at least 0.
        start: First point, in the units of the answer; by default a spectral start.
        solver: Solver of the overparameterized run; by default `ConjugateWN()`.
        tolerance: Relative residual, fitted and held out, at which the answer counts as exact.
        holdout: Fraction of the measurements to hold out; 0 holds out none.
        seed: Seed of the hold-out and of the starts.
        truth: True matrix, where it is known; used for the trace and the report only.
        max_applications: Budget in applications of `M` and `M*`.
        max_seconds: Budget in seconds.
        callback: Function called with the progress at every step; if it returns True, the recovery stops.
        checkpoint: File that holds the recovery; written on interruption and every half minute.
        resume: True to resume from that file.

    Returns:
        The matrix with its diagnosis. Its status is CONVERGED or REACHED_NOISE_FLOOR only if held-out measurements or a
        known noise level confirm it.

    Raises:
        InputError: If sizes do not agree or numbers are out of range.
    """
    problem = problem_from_arguments(operator, measurements, truth=truth, noise_level=noise_level, weights=weights)
    require_level("a tolerance", tolerance)
    if holdout is not None:
        require(0 <= holdout < 1, "a hold-out fraction from 0 to below 1", holdout)
    if max_rank is not None:
        require_rank("max_rank", max_rank, min(problem.operator.shape))
    if start is not None:
        require_size("the start", start.shape, problem.operator.shape)
        for factor in (start.X, start.Theta, start.right):
            require_finite("the start", factor)
    solver = solver or ConjugateWN()
    # The columns of the trace belong to the settings: a checkpoint without one of them cannot be resumed.
    settings = (solver, max_rank, problem.noise_level, tolerance, holdout, seed, start is None, SPECTRUM)
    runs = RecoveryCheckpoint(problem, settings, None if checkpoint is None else Path(checkpoint))
    if resume:
        runs.open()
    session = Session(problem, Budget(max_applications, max_seconds, callback), runs)
    return _Recovering(session, solver, max_rank, tolerance, seed).recover(start, holdout)


@dataclass
class _Recovering:
    """State of one recovery, from the first probe to the report."""

    session: Session
    solver: Solver[Any]
    max_rank: int | None
    tolerance: float
    seed: int
    search: RankSearch | None = None
    verdict_at: Evaluation | None = None
    evidence: Evidence | None = None
    warnings: list[str] = field(default_factory=list)

    def recover(self, start: LowRank | None, holdout: float | None) -> Recovery:
        """Run all stages and return the recovery."""
        problem = self.session.problem
        usable = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights
        count = int((usable > 0).sum())
        has_noise_level = bool(problem.noise_level)
        held = 0 if has_noise_level and holdout is None else held_out_count(count, holdout)
        rows = count - held
        working = self._working_rank(rows)
        try:
            objective, point = self._start(fitted_mask(usable, held, self.seed) if held else None, start, working)
            self.search = RankSearch(self.session, objective, self.tolerance, rows, self.seed)
            first = self._overparameterized(objective, point, rows, working)
            status, rank = self._rank_and_verdict(self.search, first)
            if held > _PROOF and status in {Status.TOO_FEW_MEASUREMENTS, Status.NO_LOW_RANK_FIT}:
                status, rank = self._with_all_but_a_few(usable, status, rank)
            status = self._warn(self.search, status, rank)
            point = self._final(self.search, rank)
        except KeyboardInterrupt:
            self.session.checkpoint.write()
            status, point = Status.INTERRUPTED, self._latest_answer()
        except EndedEarlyError as early:
            self.session.checkpoint.write()
            status, point = early.status, self._latest_answer()
        return self._report(point, status, working)

    def _working_rank(self, rows: int) -> int:
        """Return the rank of the overparameterized run, as large as the measurements allow."""
        operator = self.session.problem.operator
        stable = int(((1 + 8 * _STABLE_SHARE * rows) ** 0.5 - 1) / 2)
        rank = min(largest_rank(operator, _WORKING_SHARE * rows), stable)
        if self.max_rank is not None:
            rank = min(rank, max(2 * self.max_rank, self.max_rank + 2))
        return min(max(rank, _LEAST_WORKING_RANK), *operator.shape)

    def _start(self, fitted: Tensor | None, start: LowRank | None, working: int) -> tuple[SensingObjective, LowRank]:
        """Return the objective and the first point: the user's start, or a spectral one, which also gives the scale."""
        problem = self.session.problem
        if start is not None:
            objective = SensingObjective(problem, fitted, self.seed)
            self.session.applications += objective.calibration.applications
            return objective, objective.from_user(start)
        given = calibrate(problem, fitted, seed=self.seed, scale=1.0)
        objective = SensingObjective(problem, fitted, self.seed, given)
        spectral, cost = residual_directions(objective, -objective.target, working, seed=self.seed)
        self.session.applications += given.applications + cost
        # The norm of the balanced measurements is about the Frobenius norm of the matrix.
        balanced = float(torch.linalg.vector_norm(given.balance(problem.measurements)))
        scale = min(float(spectral.singular_values().max()), balanced) or balanced
        return SensingObjective(problem, fitted, self.seed, replace(given, scale=scale)), spectral.scaled(1 / scale)

    def _overparameterized(self, objective: SensingObjective, point: LowRank, rows: int, working: int) -> Evaluation:
        """Run weight normalization with more rank than needed, and return its last evaluation."""
        if isinstance(self.solver, ConjugateWN):
            limit = max(working, self._bound(rows, _FITTING_SHARE))
            drift = self.solver.drift
            return RankAdaptation(self.session, objective, self.tolerance, rows, working, limit, drift).run(point)
        stop = Stop(residual=self.tolerance, stagnation=200, gain=0.05)
        return self.session.run(objective, self.solver, resized(point, working), stop, "overparameterized")

    def _is_exact(self, objective: SensingObjective, at: Evaluation) -> bool:
        held = objective.holdout_residual(at.residual)
        fitted = float(objective.relative_residual(at.residual))
        return max(fitted, 0.0 if held is None else float(held)) <= self.tolerance

    def _rank_and_verdict(self, search: RankSearch, first: Evaluation) -> tuple[Status, int]:
        """Return the verdict and the rank.

        Unless the answer is exact, a thorough search is made before anything is reported.
        """
        level = back_projection_level(self.session.problem.operator, search.rows)
        judged = self._bound(search.rows, judged_share(level))
        shown = plain_rank(search.objective, first, search.rows)
        guess = min(shown or visible_rank(search.objective, first, search.rows), judged)
        if self._is_exact(search.objective, first):
            guess = first.point.width
        status, rank = self._judge(search, search.swift(first, guess, judged))
        explained = search.objective.fitted is None and status is Status.REACHED_NOISE_FLOOR
        few = status is not Status.CONVERGED and not explained and level > VISIBLE_LEVEL
        if few and not (status is Status.REACHED_NOISE_FLOOR and search.leaves_noise(rank)):
            # Once a known noise level is reached, nothing remains to be found. Otherwise, with few rows, first-order
            # steps can miss an exact answer, and the residual then looks like noise. With more rows, a missed
            # direction would have exceeded the noise level of the back-projected residual.
            status, rank = self._judge(search, search.from_below(self._bound(search.rows, _FITTING_SHARE)))
        return self._identifiable(search, status, rank)

    def _with_all_but_a_few(self, usable: Tensor, status: Status, rank: int) -> tuple[Status, int]:
        """Return the verdict and the rank of a search with all but a few of the held-out rows fitted.

        A few rows prove an exact fit. Where measurements are scarce, the other rows decide whether there is one. The
        result of this search counts only if it is exact.
        """
        search = self.search
        if (
            search is None
            or search.is_exact(rank)
            or back_projection_level(search.objective.problem.operator, search.rows) <= VISIBLE_LEVEL
        ):
            return status, rank
        problem = self.session.problem
        mask, rows = fitted_mask(usable, _PROOF, self.seed), int((usable > 0).sum()) - _PROOF
        given = calibrate(problem, mask, seed=self.seed, scale=search.objective.calibration.scale)
        self.session.applications += given.applications
        lean = RankSearch(
            self.session, SensingObjective(problem, mask, self.seed, given), self.tolerance, rows, self.seed
        )
        lean_rank = lean.from_below(self._bound(lean.rows, _FITTING_SHARE))
        if not lean.is_exact(lean_rank):
            return status, rank
        self.search = lean
        return self._identifiable(lean, *self._judge(lean, lean_rank))

    def _bound(self, rows: int, share: float) -> int:
        """Return the largest rank to try, by a share of the rows and by the user's bound plus a surplus."""
        limit = largest_rank(self.session.problem.operator, share * rows)
        return max(1, min(limit, (self.max_rank or limit) + _SURPLUS))

    def _identifiable(self, search: RankSearch, status: Status, rank: int) -> tuple[Status, int]:
        """Return the verdict and the rank after an exact fit was tested for identifiability.

        While the restricted null space is not trivial, the next lower rank is tried. Where it does not fit from there,
        the rank is grown from below once: the fit may have picked up a null-space direction on its way.
        """
        grown = False
        while status is Status.CONVERGED:
            gain, cost = least_restricted_gain(search.objective, search.fits[rank], seed=self.seed)
            self.session.applications += cost
            if gain >= NULL_SPACE_GAIN:
                break
            if rank > 1 and rank - 1 not in search.fits:
                search.quick(rank - 1, search.fits[rank].point)
            lower = rank - 1
            if rank > 1 and not search.is_exact(lower) and not grown:
                lower, grown = search.from_below(lower), True
            if rank == 1 or not search.is_exact(lower):
                self.warnings.append(
                    "the matrix explains all measurements, but is not identifiable: a change of it leaves them almost "
                    f"unchanged (least squared restricted singular value: {gain:.1e} of the average)"
                )
                return Status.TOO_FEW_MEASUREMENTS, rank
            status, rank = self._judge(search, lower)
        if status is Status.CONVERGED and rank == 1:
            parts = self.session.problem.operator.connected_parts()
            if parts > 1:
                self.warnings.append(
                    f"the measurements fall into {parts} parts that no measurement connects: the sign of the vector in "
                    "one part relative to another is not determined"
                )
                return Status.TOO_FEW_MEASUREMENTS, rank
        return status, rank

    def _judge(self, search: RankSearch, rank: int) -> tuple[Status, int]:
        """Return the verdict on a rank and the rank, without idle directions and within the user's bound."""
        rank = search.without_idle(rank)
        excluded = False
        if self.max_rank is not None and rank > self.max_rank:
            search.steady(self.max_rank, search.fits[rank].point)
            rank, excluded = self.max_rank, search.is_better(self.max_rank, rank)
        operator = self.session.problem.operator
        at = self.verdict_at = search.measured(rank)
        self.evidence = None if search.objective.fitted is None else held_out_evidence(search.objective, at)
        status = verdict(
            Findings(
                exact=search.is_exact(rank),
                residual=search.residual(at),
                evidence=self.evidence,
                noise_level=self.session.problem.noise_level or None,
                allowance=search.noise_allowance(rank),
                freedom=operator.degrees_of_freedom(rank),
                next_freedom=operator.degrees_of_freedom(min(rank + 1, *operator.shape)),
                small_freedom=operator.degrees_of_freedom(min(SMALL_RANK, *operator.shape)),
                fitted=search.rows,
                back_projection_level=back_projection_level(operator, search.rows),
                excluded=excluded,
            )
        )
        return status, rank

    def _warn(self, search: RankSearch, status: Status, rank: int) -> Status:
        """Add warnings that the status does not express, and return the status, which a warning may change."""
        if status is Status.CONVERGED:
            return status
        if search.objective.kind is Kind.PSD and not search.is_exact(rank):
            part, cost = missing_negative_part(search.objective, search.fits[rank], search.rows, seed=self.seed)
            self.session.applications += cost
            if part:
                self.warnings.append(
                    f"the unexplained part has a negative eigenvalue of {part:.0%} of the largest, which no "
                    "positive semidefinite matrix has; if the matrix may be indefinite, use kind symmetric"
                )
                if status is Status.REACHED_NOISE_FLOOR:
                    # As where the user's bound excludes a better rank: the residual is not noise.
                    status = Status.NO_LOW_RANK_FIT
        larger = [other for other in search.fits if other > rank]
        if self.max_rank is not None and rank == self.max_rank and larger:
            best = min(larger, key=lambda other: search.monitored(search.fits[other]))
            if search.is_better(rank, best):
                self.warnings.append(
                    f"rank {best} predicts the measurements better than the largest rank allowed, {rank}: a relative "
                    f"residual of {search.monitored(search.fits[best]):.2g} instead of "
                    f"{search.monitored(search.fits[rank]):.2g}"
                )
        return status

    def _final(self, search: RankSearch, rank: int) -> LowRank:
        """Return the fit to all measurements, in the user's units; the verdict no longer needs the held-out ones."""
        problem, objective = self.session.problem, search.objective
        matrix = objective.to_user(search.fits[rank].point)
        if objective.fitted is None:
            return matrix
        given = calibrate(problem, seed=self.seed, scale=objective.calibration.scale)
        everything = plain_least_squares(SensingObjective(problem, None, self.seed, given))
        self.session.applications += given.applications
        stop = Stop(residual=self.tolerance / 10, stagnation=3, gain=_FINAL_GAIN, max_steps=_FINAL_STEPS)
        at = self.session.run(everything, ConjugateWN(), everything.from_user(matrix), stop, f"final fit, rank {rank}")
        return everything.to_user(at.point)

    def _latest_answer(self) -> LowRank:
        """Return the latest answer, in the user's units, for a recovery that ended early."""
        latest = self.session.latest
        return _zero(self.session.problem.operator) if latest is None else latest

    def _report(self, point: LowRank, status: Status, working: int) -> Recovery:
        problem, search, at = self.session.problem, self.search, self.verdict_at
        operator = problem.operator
        matrix = point.positive_part() if operator.kind is Kind.PSD else point.orthonormal()
        if self.max_rank is not None and matrix.width > self.max_rank:
            matrix = matrix.truncate(self.max_rank)
        rank = matrix.rank(1e-14)
        matrix = matrix.truncate(max(rank, 1))
        truth = problem.truth
        return Recovery(
            status=status,
            matrix=matrix,
            rank=rank,
            relative_residual=_relative_residual(problem, matrix),
            holdout_residual=None if search is None or at is None else search.held(at),
            relative_error=None if truth is None else float(relative_distance(matrix, truth)),
            evidence=self.evidence,
            candidates=_candidates(search),
            trace=self.session.trace(),
            kind=operator.kind,
            measurements=operator.count,
            working_rank=working,
            solver=solver_name(self.solver),
            steps=self.session.steps,
            applications=self.session.applications + 1,
            seconds=self.session.seconds,
            seed=self.seed,
            warnings=tuple(self.warnings),
        )


def _candidates(search: RankSearch | None) -> tuple[Candidate, ...]:
    if search is None:
        return ()
    return tuple(Candidate(rank, search.residual(at), search.held(at)) for rank, at in sorted(search.fits.items()))


def _zero(operator: Operator) -> LowRank:
    m1, m2 = operator.shape

    def column(rows: int) -> Tensor:
        return torch.eye(rows, 1, dtype=operator.dtype, device=operator.device)

    nothing = torch.zeros(1, 1, dtype=operator.dtype, device=operator.device)
    return LowRank(column(m1), nothing, None if operator.kind.is_symmetric else column(m2))


def _relative_residual(problem: Problem, matrix: LowRank) -> float:
    root = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights.sqrt()
    missed = problem.operator.measure(matrix) - problem.measurements
    return float(torch.linalg.vector_norm(root * missed) / torch.linalg.vector_norm(root * problem.measurements))
