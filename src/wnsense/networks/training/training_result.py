"""Result of a training: its end, the model and the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from torch import nn

from wnsense.files.tables import Table, write_table
from wnsense.networks.measuring.nonfinite import Trouble
from wnsense.running.trace import Columns
from wnsense.values import by_value


class Ending(StrEnum):
    """End of a training; `advice` explains it."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"

    @property
    def advice(self) -> str:
        """Meaning of the end, and what to do."""
        return _ADVICE[self]


_ADVICE = {
    Ending.FINISHED: "All epochs were done.",
    Ending.INTERRUPTED: "The training was interrupted after a whole step. Its results are valid, and a checkpoint "
    "lets it go on.",
    Ending.DIVERGED: "Numbers became infinite or NaN. The model is as it was before the step that did it. Take a "
    "smaller learning rate and a new optimizer (the present one may hold infinite numbers), longer rows "
    "(`set_row_norms`), or look at the layer that is named.",
}


@dataclass(frozen=True)
@by_value
class Training:
    """Result of a training.

    Attributes:
        ending: End of the training.
        model: Model that was trained, the object that was given.
        records: One row for the start and one for each epoch: epoch, step, seconds, and mean loss and gradient norm
            over its steps. Evaluated epochs also have train_loss, train_accuracy, test_loss, test_accuracy and the
            measured columns.
        steps: Number of steps.
        seconds: Time spent in steps, without evaluations and measurements.
        trouble: First NaN or infinity, if there was one.
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
            path: File, `.npz`.
            header: Facts for the header of the table, beside those of the end.

        Raises:
            InputError: If the file cannot be written.
        """
        facts = {"ending": str(self.ending), "steps": self.steps, "trouble": str(self.trouble) if self.trouble else ""}
        write_table(path, Table({**facts, **(header or {})}, self.records.arrays))
