"""Plan of a training, and plan of its checkpoints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from wnsense.checks import require
from wnsense.networks.measuring.surface import LossFunction
from wnsense.networks.training.losses import suited_loss
from wnsense.values import by_value

# (model, parameters when the epoch began) -> columns of the epoch's record.
Measure = Callable[[nn.Module, Float[Tensor, " p"] | None], Mapping[str, float]]


@dataclass(frozen=True)
@by_value
class TrainingPlan:
    """Length of a training, its loss, and what is recorded.

    Attributes:
        epochs: Number of passes through the data, at least 0.
        loss: Function (outputs, targets) -> mean over a batch. The default is cross-entropy for integer targets and
            the mean squared error for others.
        penalty: Function (model) -> number that is added to the loss of each step, such as a multiple of `path_norm`.
        evaluate_every: Number of epochs between evaluations on all training and test samples, at least 1. The start
            and the last epoch are always evaluated.
        measure: Function that is called at each evaluation, with the clock stopped; its numbers become columns. See
            `measure`.
        check_every: Number of steps after which losses are read and checked; 1 on a CPU and 20 elsewhere if None.
    """

    epochs: int
    loss: LossFunction = suited_loss
    penalty: Callable[[Any], Tensor] | None = None
    evaluate_every: int = 1
    measure: Measure | None = None
    check_every: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts that are too small."""
        require(self.epochs >= 0, "at least 0 epochs", self.epochs)
        require(self.evaluate_every >= 1, "an evaluation every 1 or more epochs", self.evaluate_every)
        require(self.check_every is None or self.check_every >= 1, "a check every 1 or more steps", self.check_every)


@dataclass(frozen=True)
class CheckpointPlan:
    """File and interval of the checkpoints of a training.

    Attributes:
        path: File of the checkpoint, `.npz`. An older checkpoint is overwritten, any other file never.
        resume: True to continue from the file, which must then exist.
        every_seconds: Interval between checkpoints; one more is written at the end of the run.
    """

    path: Path | str
    resume: bool = False
    every_seconds: float = 60.0
