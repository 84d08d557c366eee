"""Sweeps of the study of generalization: trained networks that differ in width or in depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import WORDS, NetworkHead, NetworkKind, TrainingRuns, runs_of
from wnsense.theory.networks import generalization_bound


class Dimension(StrEnum):
    """Dimension of a network that a sweep varies."""

    WIDTH = "width"
    DEPTH = "depth"

    @property
    def other(self) -> "Dimension":
        """The dimension that stays."""
        return Dimension.DEPTH if self is Dimension.WIDTH else Dimension.WIDTH

    def of(self, run: TrainingRuns) -> int:
        """Return the value for a network."""
        return run.width if self is Dimension.WIDTH else run.depth


@dataclass(frozen=True)
class GapSweep:
    """Trained networks of one kind that differ in width or in depth.

    Attributes:
        variable: Dimension that differs.
        kind: Normalization and scaling of all networks.
        begun: All networks, by increasing dimension.
        runs: Networks of which no seed diverged.
    """

    variable: Dimension
    kind: NetworkKind
    begun: Sequence[TrainingRuns]
    runs: Sequence[TrainingRuns]

    def place(self, run: TrainingRuns) -> float:
        """Return the value of the variable for a network."""
        return self.variable.of(run)

    @property
    def diverged(self) -> list[float]:
        """Values of the variable at which a seed diverged."""
        return [self.place(run) for run in self.begun if run not in self.runs]

    @property
    def places(self) -> Float[np.ndarray, " places"]:
        """Values of the variable at which no seed diverged."""
        return np.array([self.place(run) for run in self.runs], dtype=float)

    def stack(self, values: Callable[[TrainingRuns], np.ndarray]) -> Float[np.ndarray, "places seeds"]:
        """Return a quantity of each seed, for the networks of which no seed diverged."""
        return np.stack([values(run) for run in self.runs])


def gap(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the test loss minus the training loss at the end."""
    return np.asarray(run.last("test_loss") - run.last("train_loss"))


def learned_share(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the share of the loss at the start that training removed."""
    return np.asarray(1 - run.last("train_loss") / run.first("train_loss"))


def start_complexity(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the bound on the Rademacher complexity of the class with the norms at the start."""
    return run.first("rademacher")


def end_complexity(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the bound on the Rademacher complexity of the class with the norms of the trained network."""
    return run.last("rademacher")


def gap_bound(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the bound on the gap; it holds for each output, and so for their mean.

    The loss of one output is at most `(|f| + 1)^2`.
    """
    n = run.part.sampling.train
    largest = run.last("largest_output") + 1
    return np.array(
        [
            generalization_bound(complexity, samples=n, loss_lipschitz=2 * most, loss_range=most**2)
            for complexity, most in zip(run.last("rademacher"), largest, strict=True)
        ]
    )


def read_sweeps(table: Table) -> list[GapSweep]:
    """Return, for each kind, the widths at a common depth and the depths at a common width, three at least.

    Raises:
        InputError: If it is not a table of this study.
    """
    runs = runs_of(table, TrainingPart, "rademacher")
    sweeps = []
    for variable in Dimension:
        for kind in dict.fromkeys(run.kind for run in runs):
            groups: dict[int, list[TrainingRuns]] = {}
            for run in runs:
                if run.kind == kind:
                    groups.setdefault(variable.other.of(run), []).append(run)
            sweeps += [_sweep(variable, kind, group) for group in groups.values() if len(group) >= 3]
    return sweeps


def _sweep(variable: Dimension, kind: NetworkKind, runs: Sequence[TrainingRuns]) -> GapSweep:
    ordered = sorted(runs, key=lambda run: (run.width, run.depth))
    return GapSweep(variable, kind, ordered, [run for run in ordered if np.isfinite(gap(run)).all()])


GapTable = TypedTable[NetworkHead, GapSweep]
GAP_TABLES = entries_reader(NetworkHead, WORDS, read_sweeps)
