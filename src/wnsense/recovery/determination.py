"""Determination of an answer: the test whether the measurements allow another matrix of its rank."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.recovery.evidence.restricted_singular_value import null_space_test
from wnsense.recovery.evidence.unidentified import Unidentified, blind_spot, conjugate, unidentified_lines
from wnsense.recovery.rank_fit import RankFit
from wnsense.recovery.session import EndedEarlyError, Session
from wnsense.running.status import Status
from wnsense.sensing import row_reductions
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.low_rank import LowRank

# Another matrix fits as well if its residual is at most this multiple, or a rounding error of the measurements.
_AS_GOOD, _ROUNDING = 1.5, 1e-9
# It is another one if its relative distance exceeds this, and the expected error by this factor.
_SAME, _BEYOND_ERROR = 1e-6, 10.0
# Most rows of which a reflection is tried.
_MOST_REFLECTIONS = 4


@dataclass(frozen=True)
class Determination:
    """Answer to the question whether the measurements allow another matrix of the same rank.

    Attributes:
        expected_error: Relative error `||Z - A||_F / ||A||_F` to expect from the noise, in root mean square.
        is_complete: True if no other matrix of the rank was found.
        unidentified: Rows and columns that all other matrices near this one are confined to; None if there are none.
        is_blind: True if the operator does not see a change that has nothing to do with the rank, as a transposition:
            no other rank can be determined either.
        alternative: Another matrix that explains the measurements as well, in the user's units; None without one.
        warnings: Warnings for the user, in words.
    """

    expected_error: float
    is_complete: bool = True
    unidentified: Unidentified | None = None
    is_blind: bool = False
    alternative: LowRank | None = None
    warnings: tuple[str, ...] = ()

    def limited(self, status: Status) -> Status:
        """Return the status that a success may have."""
        if self.is_complete:
            return status
        return Status.TOO_FEW_MEASUREMENTS if self.unidentified is None else Status.DETERMINED_IN_PART


def determination(session: Session, fit: RankFit, *, seed: int) -> Determination:
    """Return the determination of a fit.

    The restricted null space shows matrices near the fit. Distant ones are sought among its images under symmetries
    that operators often have: each costs one application, and can only be found where one of these symmetries holds.

    Args:
        session: Session that counts the cost.
        fit: Fit that explains its rows.
        seed: Seed of the random tangent vector.

    Raises:
        EndedEarlyError: If the budget is spent before the end.
    """
    size = float(fit.at.point.norm())
    variance = float(fit.at.misfit) ** 2 / max(fit.rows - fit.freedom, 1)
    # Along a direction of this gain, noise moves the matrix by its norm.
    test, cost = null_space_test(
        fit.objective, fit.at, seed=seed, least_gain=variance / size**2, budget=session.applications_left
    )
    session.applications += cost
    if test is None:
        raise EndedEarlyError(Status.OUT_OF_BUDGET)
    error = math.sqrt(max(variance * test.spread, 0.0)) / size
    if test.direction is not None:
        return _near(test.gain, test.direction.at(fit.at.point))
    if fit.rank == 1 and (parts := session.problem.operator.connected_parts()) > 1:
        warning = (
            f"the measurements fall into {parts} parts that no measurement connects: the sign of the vector in "
            "one part relative to another is not determined"
        )
        return Determination(error, is_complete=False, warnings=(warning,))
    other = _distant(session, fit, error)
    if other is None:
        return Determination(error)
    name, matrix = other
    warning = f"another matrix explains the measurements as well: {name}; see `alternative`"
    return Determination(error, is_complete=False, alternative=fit.objective.to_user(matrix), warnings=(warning,))


def _near(gain: float, direction: LowRank) -> Determination:
    """Return the determination of a fit with a direction of its restricted null space."""
    lines = unidentified_lines(direction)
    blind = None if lines is not None else blind_spot(direction)
    if lines is not None:
        warning = f"the measurements do not determine all entries of {lines}"
    else:
        reason = blind or "a change of all of it leaves them almost unchanged: take other measurements, or more"
        warning = (
            f"the matrix explains the measurements, but they do not determine it: {reason} (least squared restricted "
            f"singular value: {gain:.1e} of the average)"
        )
    return Determination(
        math.inf, is_complete=False, unidentified=lines, is_blind=blind is not None, warnings=(warning,)
    )


def _distant(session: Session, fit: RankFit, error: float) -> tuple[str, LowRank] | None:
    """Return another matrix that explains the measurements as well, with its name, or None if none was found."""
    size = float(fit.at.point.norm())
    allowed = max(_AS_GOOD * float(fit.at.misfit), _ROUNDING * size)
    for name, image in _images(fit):
        if float(image.distance(fit.at.point)) <= max(_SAME, _BEYOND_ERROR * error) * size:
            continue
        residual = fit.objective.residual(image)
        session.applications += 1
        if float(row_reductions.norm(fit.objective.calibration.balance(residual))) <= allowed:
            return name, image
    return None


def _images(fit: RankFit) -> list[tuple[str, LowRank]]:
    """Return the images of a fit under symmetries that its operator may have, each with its name."""
    point = fit.at.point
    images = []
    if point.X.is_complex():
        images.append(("the complex conjugate", conjugate(point)))
    if point.Y is not None and point.shape[0] == point.shape[1]:
        images.append(("the transpose", conjugate(point.mH)))
    if point.Y is None:
        reversed_order = LowRank(point.X.flip(-2), point.Theta)
        images.append(("the one with rows and columns in reversed order", reversed_order))
        if point.X.is_complex():
            images.append(("its conjugate with rows and columns in reversed order", conjugate(reversed_order)))
    operator = fit.objective.problem.operator
    if isinstance(operator, EntrySensing) and point.Y is None and not operator.is_complex:
        images += [
            (f"the one in which row {row} is reflected", _reflected(fit, row, others))
            for row, others in _loose(operator, fit.rank)
        ]
    return images


def _loose(operator: EntrySensing, rank: int) -> list[tuple[int, Tensor]]:
    """Return rows with a measured diagonal entry and one entry less than the rank besides, each with these places.

    The diagonal entry is the squared length of the row of a factor, the others are its inner products with `r - 1`
    rows: its reflection at their span has the same.
    """
    i, j = operator.rows, operator.columns
    is_diagonal = i == j
    ends = torch.cat([i[~is_diagonal], j[~is_diagonal]])
    others = torch.cat([j[~is_diagonal], i[~is_diagonal]])
    counts = row_reductions.group_sums(torch.ones_like(ends, dtype=operator.real_dtype), ends, operator.shape[0])
    has_diagonal = torch.zeros_like(counts, dtype=torch.bool)
    has_diagonal[i[is_diagonal]] = True
    rows = torch.nonzero((counts == rank - 1) & has_diagonal).flatten()[:_MOST_REFLECTIONS].tolist()
    return [(row, others[ends == row]) for row in rows]


def _reflected(fit: RankFit, row: int, others: Tensor) -> LowRank:
    """Return the point with a row of `B` in `Z = B J B^T`, `J` of signs, reflected at the span of others."""
    point = fit.at.point
    values = torch.diagonal(point.Theta)
    factor, signs = point.X * values.abs().sqrt(), values.sign()
    moved = factor.clone()
    span = factor[others]
    weighted = span * signs
    moved[row] = 2 * span.mT @ torch.linalg.pinv(weighted @ span.mT) @ (weighted @ factor[row]) - factor[row]
    return LowRank(moved, torch.diag(signs))
