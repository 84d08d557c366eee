"""Recovery of a matrix whose rank is not known: input, course, and result."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wnsense.recovery.arguments import limits_from, problem_from_arguments, require_choices, solver_from, start_from
from wnsense.recovery.conclusion import Conclusion
from wnsense.recovery.failure_note import failure_noted
from wnsense.recovery.rank_fit import RankFit
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.result import Candidate, Recovery
from wnsense.recovery.session import Budget, EndedEarlyError, Session, zero_matrix
from wnsense.recovery.spectrum_columns import SPECTRUM
from wnsense.recovery.unequal_rows import concluded_on_rows
from wnsense.running.progress import watched
from wnsense.running.status import Status
from wnsense.running.stop import Callback
from wnsense.sensing import row_reductions
from wnsense.sensing.checking.operator_probes import require_adjoint
from wnsense.sensing.combining.plain_units import PlainUnits, in_plain_units
from wnsense.sensing.combining.repeated_rows import merge_repeated_rows
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.catalogue import solver_name
from wnsense.solvers.objective import relative_distance
from wnsense.solvers.solver import Solver


def recover(
    operator: Operator | Problem,
    measurements: NumbersLike | None = None,
    *,
    max_rank: int | None = None,
    noise_level: float | None = None,
    weights: NumbersLike | None = None,
    start: LowRank | NumbersLike | None = None,
    solver: Solver[Any] | str | None = None,
    tolerance: float = 1e-10,
    holdout: float | None = None,
    seed: int = 0,
    truth: LowRank | NumbersLike | None = None,
    max_applications: int | None = None,
    max_seconds: float | None = None,
    callback: Callback | None = None,
    checkpoint: Path | str | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Recovery:
    """Recover a low-rank matrix from its measurements: `recover(operator, y)` or `recover(problem)`.

    Repeated measurements of one row are replaced by their mean. Some measurements are held out. The rank grows on the
    others until larger ones predict the held-out measurements no better. After the verdict the matrix is fitted to all
    measurements, and a success is asked whether another matrix fits as well.

    Args:
        operator: Operator `M`, or a whole problem.
        measurements: Measurements `y`, (n,), in any form: tensor, array, series or list. Rows of a masked array that
            are masked get weight 0. None with a whole problem.
        max_rank: Largest rank to return.
        noise_level: Noise level `||noise|| / ||y||`, where it is known; it replaces the hold-out test. 0.01 is 1%. By
            default that of the problem, like weights and truth.
        weights: Weights of the measurements, (n,), at least 0: inverse variances. Exact answers do not depend on them.
        start: First point, in the units of the answer, by its factors or full; by default a spectral start.
        solver: Solver of the growth, or its name; by default `ConjugateWN()`. The other stages run with solvers that
            their task asks for: the ends of the ranks and the last fit with `ConjugateWN`, the search for an exact
            answer and the smoothing with reweighted least squares. `recovery.stages` says which ran.
        tolerance: Relative residual, fitted and held out, at which the answer counts as exact.
        holdout: Fraction of the measurements to hold out; 0 holds out none.
        seed: Seed of the hold-out and of the starts.
        truth: True matrix, by its factors or full, where it is known; used for the trace and the report only.
        max_applications: Budget in applications of `M` and `M*`.
        max_seconds: Budget in seconds.
        callback: Function called with the progress at every step; if it returns True, the recovery stops.
        checkpoint: File that holds the recovery; written on interruption and every half minute. It costs two
            applications, which are not counted.
        resume: True to resume from that file.
        progress: True to show a bar while it runs, in a terminal or a notebook; nothing is written elsewhere.

    Returns:
        The matrix with its diagnosis. Its status is CONVERGED or REACHED_NOISE_FLOOR only if held-out measurements or a
        known noise level confirm it, and no other matrix of its rank was found that fits as well.

    Raises:
        InputError: If sizes do not agree or numbers are out of range.
        Exception: If the operator or the callback raises one. It passes through unchanged, with notes of the stage and
            the step, after the checkpoint is written.
    """
    given = problem_from_arguments(operator, measurements, truth=truth, noise_level=noise_level, weights=weights)
    problem = given.problem
    limits = limits_from(
        problem.operator,
        max_rank=max_rank,
        tolerance=tolerance,
        seed=seed,
        max_applications=max_applications,
        max_seconds=max_seconds,
    )
    require_choices(holdout=holdout, callback=callback, checkpoint=checkpoint, resume=resume, progress=progress)
    point, solver = start_from(start, problem.operator), solver_from(solver)
    max_rank, seed = limits.max_rank, limits.seed
    # The columns of the trace belong to the settings: a checkpoint without one of them cannot be resumed.
    settings = (solver, max_rank, problem.noise_level, tolerance, holdout, seed, point, SPECTRUM)
    runs = RecoveryCheckpoint(problem, settings, None if checkpoint is None else Path(checkpoint))
    with failure_noted():
        runs.open(resume=resume)
    plain = in_plain_units(problem)
    first = None if point is None else plain.from_user(point)
    with watched(callback, progress=progress, budget=max_applications) as watching:
        budget = Budget(max_applications, max_seconds, watching)
        session = Session(plain.problem, budget, runs)
        with failure_noted(runs, session):
            recovery = _report(session, plain, first, holdout, Settings(solver, max_rank, tolerance, seed))
    return replace(recovery, warnings=(*given.warnings, *recovery.warnings))


def _concluded(
    session: Session, problem: Problem, start: LowRank | None, holdout: float | None, settings: Settings
) -> tuple[Status, LowRank, Conclusion | None]:
    """Return status and matrix, and the conclusion unless the recovery ended early."""
    try:
        session.applications += require_adjoint(problem.operator, seed=settings.seed)
        merged = merge_repeated_rows(problem)
        session.applications += merged.applications
        session.problem = merged.problem
        conclusion = concluded_on_rows(session, problem, start, holdout, settings)
    except KeyboardInterrupt:
        session.checkpoint.write()
        return Status.INTERRUPTED, _latest_answer(session), None
    except EndedEarlyError as early:
        session.checkpoint.write()
        return early.status, _latest_answer(session), None
    if conclusion.status is Status.CONVERGED and merged.contradiction > settings.tolerance:
        # The means of repeated measurements are explained exactly, and these differ by noise.
        return Status.REACHED_NOISE_FLOOR, conclusion.matrix, conclusion
    return conclusion.status, conclusion.matrix, conclusion


def _latest_answer(session: Session) -> LowRank:
    """Return the latest answer, in the user's units, of a recovery that ended early."""
    return zero_matrix(session.problem.operator) if session.latest is None else session.latest


def _report(
    session: Session, plain: PlainUnits, start: LowRank | None, holdout: float | None, settings: Settings
) -> Recovery:
    """Return the recovery of a problem: the conclusion with the cost and the trace of the session."""
    problem, operator = plain.problem, plain.problem.operator
    status, point, conclusion = _concluded(session, problem, start, holdout, settings)
    matrix = point.positive_part() if operator.kind is Kind.PSD else point.orthonormal()
    if settings.max_rank is not None and matrix.width > settings.max_rank:
        matrix = matrix.truncate(settings.max_rank)
    rank = matrix.rank(1e-14)
    matrix = matrix.truncate(max(rank, 1))
    candidates = () if conclusion is None else _candidates(conclusion.fits)
    test = None if conclusion is None else conclusion.determination
    return Recovery(
        status=status,
        matrix=plain.to_user(matrix),
        rank=rank,
        judged_rank=None if conclusion is None else conclusion.fit.rank,
        relative_residual=_relative_residual(problem, matrix),
        holdout_residual=None if conclusion is None else conclusion.held,
        relative_error=None if problem.truth is None else float(relative_distance(matrix, problem.truth)),
        evidence=None if conclusion is None else conclusion.evidence,
        expected_error=None if test is None or not test.is_complete else test.expected_error,
        unidentified=None if test is None else test.unidentified,
        alternative=None if test is None or test.alternative is None else plain.to_user(test.alternative),
        candidates=candidates,
        stages=tuple(session.stages),
        trace=session.trace(),
        kind=operator.kind,
        measurements=operator.count,
        working_rank=max((candidate.rank for candidate in candidates), default=rank),
        solver=solver_name(settings.solver),
        steps=session.steps,
        applications=session.applications + 1,
        seconds=session.seconds,
        seed=settings.seed,
        warnings=() if conclusion is None else conclusion.warnings,
    )


def _candidates(fits: tuple[RankFit, ...]) -> tuple[Candidate, ...]:
    """Return the ranks of the fits, each with the residuals of its last fit."""
    last = {fit.rank: fit for fit in fits}
    return tuple(Candidate(rank, last[rank].residual, last[rank].held) for rank in sorted(last))


def _relative_residual(problem: Problem, matrix: LowRank) -> float:
    root = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights.sqrt()
    missed = problem.operator.measure(matrix) - problem.measurements
    return float(row_reductions.norm(root * missed) / row_reductions.norm(root * problem.measurements))
