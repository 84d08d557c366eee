"""Mini-batch training that survives: it records, checkpoints, resumes bit for bit, and says where numbers broke."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wnsense.checks import require
from wnsense.files.tables import Table, write_table
from wnsense.networks.measuring.nonfinite import Trouble
from wnsense.networks.measuring.surface import LossFunction, trained_parameters
from wnsense.networks.module_state import ModuleModes
from wnsense.networks.training.batch_source import Batches, pair
from wnsense.networks.training.losses import loss_value, right_answers, suited_loss
from wnsense.running.trace import Columns

# (model, parameters when the epoch began) -> columns of the epoch's record.
Measure = Callable[[nn.Module, Float[Tensor, " p"] | None], Mapping[str, float]]


class Ending(StrEnum):
    """How a training ended; `advice` says what it means and what to do."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"

    @property
    def advice(self) -> str:
        """What it means, and what to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Ending.FINISHED: "All epochs were done.",
    Ending.INTERRUPTED: "The training was interrupted after a whole step; what was computed is kept, and a checkpoint "
    "lets it go on.",
    Ending.DIVERGED: "Numbers left their range; the model is as it was before the step that did it: take a smaller "
    "learning rate and a new optimizer (the present one may hold what broke), larger rows (`set_row_norms`), or look "
    "at the layer that is named.",
}


@dataclass(frozen=True)
class TrainingPlan:
    """How long to train and what to write down.

    Attributes:
        epochs: Passes through the data.
        loss: (outputs, targets) -> mean over a batch; cross-entropy for integer targets and the mean squared error for
            others, if not given.
        penalty: (model) -> what is added to the loss of each step, such as a multiple of `path_norm`; none without.
        evaluate_every: Look at all training and test samples every so many epochs, at the first and last anyway.
        measure: Called as often, with the clock stopped; what it returns becomes columns. See `measure`.
        check_every: Look at the losses of so many steps at once; 1 on a CPU and 20 elsewhere where None.
    """

    epochs: int
    loss: LossFunction = suited_loss
    penalty: Callable[[Any], Tensor] | None = None
    evaluate_every: int = 1
    measure: Measure | None = None
    check_every: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts below their least."""
        require(self.epochs >= 0, "at least 0 epochs", self.epochs)
        require(self.evaluate_every >= 1, "an evaluation every 1 or more epochs", self.evaluate_every)
        require(self.check_every is None or self.check_every >= 1, "a check every 1 or more steps", self.check_every)


@dataclass(frozen=True)
class CheckpointPlan:
    """Where a training is kept.

    Attributes:
        path: The checkpoint, `.npz`. A checkpoint that is there is written over, another file never.
        resume: Whether to go on from it; a missing file is an error then.
        every_seconds: How often to write, beside the end of the run.
    """

    path: Path | str
    resume: bool = False
    every_seconds: float = 60.0


@dataclass(frozen=True)
class Training:
    """How a training ended.

    Attributes:
        ending: Why.
        model: The model, the one that was given, where it was left.
        records: A row for the start and each epoch: epoch, step, seconds, mean loss and gradient norm over its steps,
            and where it was looked at train_loss, train_accuracy, test_loss, test_accuracy and what was measured.
        steps: Steps taken.
        seconds: Time spent in steps, evaluation and measurements not counted.
        trouble: Where numbers broke.
    """

    ending: Ending
    model: nn.Module
    records: Columns
    steps: int
    seconds: float
    trouble: Trouble | None = None

    def save(self, path: Path, header: Mapping[str, object] | None = None) -> None:
        """Write the records as a table.

        Args:
            path: `.npz`.
            header: What to say of them, beside how it ended.

        Raises:
            InputError: When the place cannot be written.
        """
        told = {"ending": str(self.ending), "steps": self.steps, "trouble": str(self.trouble) if self.trouble else ""}
        write_table(path, Table({**told, **(header or {})}, self.records.arrays))


@torch.no_grad()
def evaluate(model: nn.Module, data: Batches, loss: LossFunction = suited_loss) -> tuple[float, float]:
    """Mean loss and accuracy over all samples, in evaluation mode; each module is in its own mode afterwards.

    Accuracy is the part of labels that are where the largest output is, or of targets (N, C) whose largest is; classes
    are in dimension 1, as torch has it: outputs (N, C, ...) and labels (N, ...). Labels below 0, which torch's losses
    can ignore, do not count. NaN where shapes are others and for a single output.

    Args:
        model: Any model.
        data: Batches.
        loss: Mean over a batch; cross-entropy for integer targets and the mean squared error for others, if not given.

    Raises:
        InputError: When batches are no pairs, or the loss does not go with the targets.
    """
    device = trained_parameters(model)[0].device
    total, right = (
        torch.zeros((), dtype=torch.float64, device=device),
        torch.zeros((), device=device, dtype=torch.int64),
    )
    count, labels = 0, 0
    modes = ModuleModes.of(model)
    model.eval()
    try:
        for batch in data:
            x, y = pair(batch, device)
            outputs = model(x)
            total += loss_value(loss, outputs, y).double() * len(x)
            count += len(x)
            answers = right_answers(outputs, y)
            if answers is not None:
                right += answers[0]
                labels += answers[1]
    finally:
        modes.restore()
    require(count > 0, "at least one sample", 0)
    return float(total) / count, float(right) / labels if labels else float("nan")
