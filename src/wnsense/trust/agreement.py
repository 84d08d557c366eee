"""Agreement of two recoveries from the same measurements with other held-out rows and other starts."""

from dataclasses import dataclass, replace

import torch

from wnsense.checks import require
from wnsense.recovery.arguments import problem_from_arguments, seed_from
from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.running.progress import watched
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.starts import haar_start
from wnsense.values import by_value

# Magnitude of the random start, relative to the answer's largest singular value.
_MAGNITUDE = 0.1
_START_RANK = 4
# Relative distances up to which two answers count as the same (exact problems) or nearly the same (noisy problems).
_SAME = 1e-6
_CLOSE = 0.1


@dataclass(frozen=True)
@by_value
class Agreement:
    """Two recoveries of one problem, with other held-out rows and other starts.

    Attributes:
        first: Recovery with the first seed, from a spectral start.
        second: Recovery with the second seed, from a random start.
        distance: `||Z_1 - Z_2||_F` over the larger of the two norms.
    """

    first: Recovery
    second: Recovery
    distance: float

    @property
    def same_verdict(self) -> bool:
        """True if both have the same status."""
        return self.first.status is self.second.status

    @property
    def applications(self) -> int:
        """Applications of both recoveries."""
        return self.first.applications + self.second.applications

    def __str__(self) -> str:
        """Return the comparison in two sentences."""
        one, two = self.first, self.second
        statuses = (
            f"Both recoveries have status {one.status}"
            if self.same_verdict
            else f"One recovery has status {one.status}, the other {two.status}"
        )
        ranks = f"rank {one.rank}" if one.rank == two.rank else f"ranks {one.rank} and {two.rank}"
        if self.distance <= _SAME:
            comparison = "The matrices are the same"
        elif self.distance <= _CLOSE:
            comparison = "The matrices are nearly the same"
        else:
            comparison = "The matrices differ, so that at most one is right"
        return f"{statuses}, with {ranks}. {comparison}: their relative distance is {self.distance:.1e}."


def agreement(
    operator: Operator | Problem,
    measurements: NumbersLike | None = None,
    *,
    max_rank: int | None = None,
    noise_level: float | None = None,
    weights: NumbersLike | None = None,
    tolerance: float = 1e-10,
    seeds: tuple[int, int] = (0, 1),
    progress: bool = False,
) -> Agreement:
    """Recover a matrix twice and compare the results.

    The recoveries hold out other measurements and start elsewhere: the first from a spectral start, the second from a
    random one, each with its own seed. If only one matrix of low rank fits, both give that matrix. If they differ, the
    measurements (or the search) do not determine the matrix, which neither verdict may show. Agreement is no proof:
    both recoveries can fail in the same way.

    Args:
        operator: Operator `M`, or a whole problem: measurements with their weights and noise level.
        measurements: Measurements `y`, (n,), in any form; None with a whole problem.
        max_rank: See `recover`.
        noise_level: See `recover`.
        weights: See `recover`.
        tolerance: See `recover`.
        seeds: Seeds of the two recoveries.
        progress: See `recover`.

    Raises:
        InputError: If the seeds are the same, or `recover` raises it.
    """
    given = problem_from_arguments(operator, measurements, truth=None, noise_level=noise_level, weights=weights)
    problem = given.problem
    seeds = (seed_from(seeds[0]), seed_from(seeds[1]))
    require(seeds[0] != seeds[1], "two different seeds", seeds, "the same seed gives the same start")
    objective = SensingObjective(problem, seed=seeds[1])
    generator = torch.Generator().manual_seed(seeds[1])
    rank = min(_START_RANK, *problem.operator.shape)
    point = haar_start(objective, rank, magnitude=_MAGNITUDE, generator=generator)
    with watched(None, progress=progress, budget=None) as callback:
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
                callback=callback,
            )
            for seed, start in zip(seeds, (None, objective.to_user(point)), strict=True)
        )
    first, second = (replace(one, warnings=(*given.warnings, *one.warnings)) for one in (first, second))
    size = max(float(first.matrix.norm()), float(second.matrix.norm()))
    distance = float(first.matrix.distance(second.matrix)) / size if size > 0 else 0.0
    return Agreement(first, second, distance)
