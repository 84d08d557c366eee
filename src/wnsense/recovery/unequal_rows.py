"""Course of a recovery whose rows differ in size by decades, because of units or of weights.

An exact answer does not depend on the sizes of rows, so that it is sought with rows of one size. Under noise the errors
may be in proportion to the sizes, or as the weights say; the held-out rows show which.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.recovery.conclusion import Conclusion
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.rank_fit import RankFit
from wnsense.recovery.recovery_course import (
    completed,
    concluded,
    first_conclusion,
    may_be_exact,
    searched_for_exact,
)
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Session
from wnsense.running.status import Status
from wnsense.sensing import row_reductions
from wnsense.sensing.combining.equal_rows import EqualRows, equal_rows
from wnsense.sensing.combining.measurement_maps import with_own_factors
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

_ADVICE = "if you know the errors, pass weights=1 / error**2"
_CHECK_WEIGHTS = (
    "the errors of the held-out measurements do not follow the weights: they fit errors of one size, relative to the "
    "rows, better; check that weights are 1 / error**2"
)


def concluded_on_rows(
    session: Session, given: Problem, start: LowRank | None, holdout: float | None, settings: Settings
) -> Conclusion:
    """Return the conclusion on the measurements of a session, whatever the sizes of their rows are.

    Args:
        session: Session that makes the runs, with the problem without repeated rows.
        given: Problem as the user gave it.
        start: First point in the user's units; None for a spectral start.
        holdout: Fraction of the measurements to hold out; None for the default.
        settings: Settings of the recovery.
    """
    problem, has_weights = session.problem, _has_weights(given)
    equal = None if problem.noise_level else equal_rows(problem, has_weights=has_weights, seed=settings.seed)
    if equal is None:
        return concluded(session, start, holdout, settings)
    session.applications += equal.applications
    session.problem = equal.problem
    first = first_conclusion(session, start, holdout, settings)
    if first.fit.is_exact(settings.tolerance):
        return completed(session, first, settings)
    session.problem = problem
    if first.fit.objective.fitted is None:
        return concluded(session, start, holdout, settings)
    # Both conclusions hold out the same rows, of operators of one class.
    session.problem = problem = replace(problem, operator=with_own_factors(problem.operator))
    course = _TwoLaws(problem, equal, has_weights)
    begin = first.fit.objective.to_user(first.fit.at.point) if _predicts(first) else start
    second = first_conclusion(session, begin, holdout, settings)
    return course.concluded(session, first, second, settings)


def _has_weights(problem: Problem) -> bool:
    """Return True if the user has given weights that do more than leave out rows."""
    if problem.weights is None:
        return False
    used = problem.weights[problem.weights > 0]
    return not row_reductions.has_all(used == used[0])


def _with_warning(conclusion: Conclusion, warning: str) -> Conclusion:
    return replace(conclusion, warnings=(*conclusion.warnings, warning))


def _predicts(conclusion: Conclusion) -> bool:
    """Return True if the fit predicts held-out rows better than by chance, whatever the verdict on its rank is."""
    evidence = conclusion.evidence
    return evidence is not None and evidence.explained > 0 and evidence.score > THRESHOLDS.significance


@dataclass(frozen=True)
class _TwoLaws:
    """Two laws of the errors: as the weights of a problem say, or in proportion to the sizes of the rows.

    Attributes:
        problem: Problem with its weights.
        equal: Problem with rows of one size.
        has_weights: True if the weights are the user's.
    """

    problem: Problem
    equal: EqualRows
    has_weights: bool

    def by_sizes(self, session: Session, first: Conclusion, settings: Settings) -> Conclusion:
        """Return the conclusion of rows of one size, with its fit to all measurements."""
        session.problem = self.equal.problem
        conclusion = completed(session, first, settings)
        if conclusion.status is Status.CONVERGED:
            return conclusion
        return _with_warning(
            conclusion,
            f"the rows differ in size by a factor of {self.equal.ratio:.0e}, and their errors seem to do so too: "
            f"each row counts by its measurement over its size; {_ADVICE}",
        )

    def concluded(self, session: Session, first: Conclusion, second: Conclusion, settings: Settings) -> Conclusion:
        """Return the conclusion of two first ones.

        Args:
            session: Session that makes the runs.
            first: Conclusion of rows of one size; it is no exact one.
            second: Conclusion of the problem with its weights.
            settings: Settings of the recovery.
        """
        is_sound, is_second_sound = (one.status is Status.REACHED_NOISE_FLOOR for one in (first, second))
        if not self.has_weights and is_sound and self._is_likelier(first.fit, second.fit):
            return self.by_sizes(session, first, settings)
        if second.status is not Status.CONVERGED and may_be_exact(first) and may_be_exact(second):
            exact = self._exact(session, first, settings)
            if exact is not None:
                return exact
        if is_sound and not is_second_sound:
            second = self._carried(first, second)
        session.problem = self.problem
        is_doubtful = self.has_weights and is_sound and self._is_likelier(first.fit, second.fit)
        conclusion = completed(session, second, settings, seeks_exact=False, smooths=not is_doubtful)
        if self.has_weights:
            return _with_warning(conclusion, _CHECK_WEIGHTS) if is_doubtful else conclusion
        if conclusion.status.is_success:
            return conclusion
        factor = f"the rows differ in size by a factor of {self.equal.ratio:.0e}, and so may their errors"
        return _with_warning(conclusion, f"{factor}; {_ADVICE}")

    def _exact(self, session: Session, first: Conclusion, settings: Settings) -> Conclusion | None:
        """Return the conclusion of an exact answer, sought with rows of one size; None if none is found."""
        session.problem = self.equal.problem
        exact = searched_for_exact(session, first, range(THRESHOLDS.tries), settings, climbs=True)
        return None if exact is None else completed(session, exact, settings)

    def _carried(self, first: Conclusion, second: Conclusion) -> Conclusion:
        """Return the verdict of rows of one size, for the weighted fit of its rank if that predicts better.

        Weights over decades leave the weighted residuals of few rows to judge by; the rows of one size judge by all.
        """
        same = [fit for fit in second.fits if fit.rank == first.fit.rank]
        if not same or float(self._misfit(same[-1])) > float(self._misfit(first.fit)):
            return second
        return replace(first, fit=same[-1], fits=(*second.fits, same[-1]))

    def _is_likelier(self, first: RankFit, second: RankFit) -> bool:
        return row_reductions.mean(self._by_sizes(first)) > row_reductions.mean(self._by_weights(second))

    def _by_weights(self, fit: RankFit) -> Tensor:
        return _log_likelihoods(*self._held(fit, self._root))

    def _by_sizes(self, fit: RankFit) -> Tensor:
        weights = self.equal.problem.weights
        root = 1 / self.equal.sizes if weights is None else weights.sqrt() / self.equal.sizes
        return _log_likelihoods(*self._held(fit, root))

    def _misfit(self, fit: RankFit) -> Tensor:
        """Return the norm of the held-out residual with the weights of the problem."""
        residual, root = self._held(fit, self._root)
        return row_reductions.norm(root * residual)

    @property
    def _root(self) -> Tensor:
        weights = self.problem.weights
        return torch.ones_like(self.problem.measurements) if weights is None else weights.sqrt()

    def _held(self, fit: RankFit, root: Tensor) -> tuple[Tensor, Tensor]:
        """Return the held-out residuals of a fit in the user's units, and their part of a vector of rows."""
        objective = fit.objective
        residual = objective.calibration.scale * fit.at.residual
        if objective.problem is self.equal.problem:
            residual = residual * self.equal.sizes
        mask = torch.zeros_like(residual, dtype=torch.bool) if objective.fitted is None else objective.fitted == 0
        return residual[mask], root[mask]


def _log_likelihoods(residual: Float[Tensor, " k"], root: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Return the log-likelihoods of normal residuals of standard deviation `sigma / root_i`, up to a constant.

    `sigma` is that of largest likelihood.
    """
    weighted = root * residual
    sigma = row_reductions.root_mean_square(weighted).clamp(min=torch.finfo(weighted.dtype).tiny)
    return (root / sigma).log() - (weighted / sigma).square() / 2
