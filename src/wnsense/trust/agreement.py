"""Whether two recoveries that share nothing but the measurements come to the same matrix."""

from dataclasses import dataclass

import torch

from wnsense.checks import require
from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.sensing.problem import Problem
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.starts import haar_start

# Of the random start: against the answer's largest singular value.
_MAGNITUDE = 0.1
_START_RANK = 4
# Two answers of a noisy problem are as far apart as different rows held out make them; of an exact one, not at all.
_SAME = 1e-6
_CLOSE = 0.1


@dataclass(frozen=True)
class Agreement:
    """Two recoveries of one problem: other rows held out, other starts.

    Attributes:
        first: The recovery from the first seed, from a spectral start.
        second: The recovery from the second seed, from a random start.
        distance: ||Z_1 - Z_2||_F over the larger of the two norms.
    """

    first: Recovery
    second: Recovery
    distance: float

    @property
    def same_verdict(self) -> bool:
        """Whether both came to the same status."""
        return self.first.status is self.second.status

    @property
    def applications(self) -> int:
        """What both cost."""
        return self.first.applications + self.second.applications

    def __str__(self) -> str:
        """In words."""
        one, two = self.first, self.second
        told = (
            f"Both say {one.status}" if self.same_verdict else f"One says {one.status}, the other says {two.status}"
        ) + (f", of rank {one.rank}" if one.rank == two.rank else f", of ranks {one.rank} and {two.rank}")
        if self.distance <= _SAME:
            met = "They came to the same matrix"
        elif self.distance <= _CLOSE:
            met = "They came to nearly the same matrix"
        else:
            met = "They came to different matrices: at most one of them is right"
        return f"{told}. {met}: a relative distance of {self.distance:.1e}."


def agreement(
    problem: Problem, *, max_rank: int | None = None, tolerance: float = 1e-10, seeds: tuple[int, int] = (0, 1)
) -> Agreement:
    """Recover twice, and compare.

    The two hold out other measurements and begin elsewhere, the first at a spectral start and the second at a random
    one, each by its own seed. Where only one matrix of low rank fits they meet; where they do not, the measurements (or
    the search) leave a choice that neither verdict may see. That they meet is no proof: both could miss in one way.

    Args:
        problem: The measurements, with their weights and noise level.
        max_rank: See `recover`.
        tolerance: See `recover`.
        seeds: Of the two.

    Raises:
        InputError: If the seeds are the same, or `recover` refuses what it gets.
    """
    require(seeds[0] != seeds[1], "two different seeds", seeds, "the same seed gives the same start")
    objective = SensingObjective(problem, seed=seeds[1])
    generator = torch.Generator().manual_seed(seeds[1])
    rank = min(_START_RANK, *problem.operator.shape)
    point = haar_start(objective, rank, magnitude=_MAGNITUDE, generator=generator)
    first, second = (
        recover(
            problem.operator,
            problem.measurements,
            max_rank=max_rank,
            noise_level=problem.noise_level,
            weights=problem.weights,
            start=start,
            tolerance=tolerance,
            seed=seed,
            truth=problem.truth,
        )
        for seed, start in zip(seeds, (None, objective.to_user(point)), strict=True)
    )
    size = max(float(first.matrix.norm()), float(second.matrix.norm()))
    distance = float(first.matrix.distance(second.matrix)) / size if size > 0 else 0.0
    return Agreement(first, second, distance)
