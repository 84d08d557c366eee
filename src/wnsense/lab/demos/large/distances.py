"""Map from distances: points on a rolled sheet in space, from a thousandth of the squared distances between them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.demos.large.recovery_table import with_recovery
from wnsense.recovery import Recovery, recover
from wnsense.running.stop import Callback
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.point_sets import moved_onto, positions, squared_distances
from wnsense.sensing.problem import Problem

_SHOWN = 6000


@dataclass(frozen=True)
class DistanceStudy:
    """Size, noise and seed of the map.

    Attributes:
        points: Number of points, `m`.
        samples: Number of pairs, `n`, drawn without replacement; a pair may be one point twice.
        noise: Standard deviation of the errors over the root mean square of the squared distances.
        seed: Seed of points, pairs, noise and recovery.
    """

    points: int = 100_000
    samples: int = 6_000_000
    noise: float = 0.01
    seed: int = 0


def rolled_sheet(points: int, generator: torch.Generator) -> Float[Tensor, "m 3"]:
    """Draw points uniformly on a rolled sheet in space, centred."""
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(points, generator=generator, dtype=torch.float64))
    width = 21 * torch.rand(points, generator=generator, dtype=torch.float64)
    P = torch.stack([angle * angle.cos(), width, angle * angle.sin()], dim=1)
    return P - P.mean(0)


def distance_problem(study: DistanceStudy) -> tuple[Problem, Float[Tensor, "m 3"]]:
    """Return the problem of sampled squared distances with noise, and the points.

    Raises:
        InputError: If there are fewer than five points.
    """
    require(study.points >= 5, "at least five points", study.points)
    generator = torch.Generator().manual_seed(study.seed)
    P = rolled_sheet(study.points, generator)
    operator = EntrySensing.draw(study.samples, study.points, kind="symmetric", generator=generator)
    return Problem.measure(operator, squared_distances(P), study.noise, generator=generator), P


def map_from_distances(study: DistanceStudy, callback: Callback | None = None) -> tuple[Recovery, Table]:
    """Sample distances, recover the matrix of all distances with `recover()`, and compute the points from it.

    Returns:
        The recovery, and a table with some points, true and recovered, the trace and the cost.
    """
    problem, P = distance_problem(study)
    recovery = recover(problem.operator, problem.measurements, truth=problem.truth, seed=study.seed, callback=callback)
    recovered = moved_onto(positions(recovery.matrix, 3), P)
    misplaced = (recovered - P).norm(dim=1)
    header = {
        "points": study.points,
        "share_of_pairs": study.samples / (study.points * (study.points + 1) / 2),
        "noise": study.noise,
        "misplaced_root_mean_square": float(misplaced.square().mean().sqrt()),
        "spread_root_mean_square": float(P.norm(dim=1).square().mean().sqrt()),
    }
    arrays = {"true": P[:_SHOWN].numpy(), "found": recovered[:_SHOWN].numpy()}
    return recovery, with_recovery(Table(header, arrays), recovery)
