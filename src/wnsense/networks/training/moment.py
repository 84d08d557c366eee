"""State of a training after a whole step, as a value, and the variable that holds the last one."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wnsense.networks.measuring.nonfinite import Trouble
from wnsense.networks.module_state import Buffers
from wnsense.networks.training.position import Position
from wnsense.networks.training.random_states import RandomStates
from wnsense.networks.training.training_task import TrainingTask
from wnsense.running.trace import Row


@dataclass(frozen=True)
class WindowStart:
    """Copy of all states from before a window of steps, to replay it.

    Attributes:
        model: State dict of the model.
        buffers: Buffers of the model.
        optimizer: State dict of the optimizer.
        random: States of the random generators.
    """

    model: Mapping[str, Tensor]
    buffers: Buffers
    optimizer: dict[str, Any]
    random: RandomStates

    @classmethod
    def of(cls, task: TrainingTask) -> "WindowStart":
        """Return a copy of the present states."""
        copies = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
        optimizer = copy.deepcopy(task.optimizer.state_dict())
        return cls(copies, Buffers.of(task.model), optimizer, RandomStates.present())

    def restore(self, task: TrainingTask) -> None:
        """Set model, optimizer and random generators to the copy."""
        task.model.load_state_dict(self.model)
        self.buffers.restore()
        task.optimizer.load_state_dict(self.optimizer)
        self.random.restore()


@dataclass(frozen=True)
class StepWindow:
    """Steps since losses were last read from the device.

    Attributes:
        readings: Loss, gradient norm, and 0 or NaN for the parameters after the update; one tensor (3,) for each step.
        batches: Batches of these steps, if they may have to be replayed.
        start: States before the first of them, if they may have to be replayed.
    """

    readings: tuple[Tensor, ...] = ()
    batches: tuple[tuple[Tensor, Tensor], ...] = ()
    start: WindowStart | None = None

    def with_step(self, reading: Tensor, batch: tuple[Tensor, Tensor], start: WindowStart | None) -> "StepWindow":
        """Return the window with one more step.

        Args:
            reading: Reading of the step.
            batch: Batch of the step.
            start: States before the window; None if steps need not be replayed.
        """
        batches = self.batches if start is None else (*self.batches, batch)
        return StepWindow((*self.readings, reading), batches, start)


@dataclass(frozen=True)
class Moment:
    """State of a training after a whole step, beside the model and the optimizer.

    Attributes:
        position: Counts, sums and time.
        rows: Records of the start and of finished epochs.
        random: States of the random generators.
        saved_at: Clock reading of the last checkpoint.
        window: Steps whose losses have not been read.
        is_loaded: True from the loading of a checkpoint until the generators have the states `random`.
        trouble: First NaN or infinity, if there was one.
    """

    position: Position
    rows: tuple[Row, ...]
    random: RandomStates
    saved_at: float
    window: StepWindow = StepWindow()
    is_loaded: bool = False
    trouble: Trouble | None = None


@dataclass
class TrainingState:
    """Last whole moment of a training: the one variable of its loop, apart from tensors.

    Attributes:
        moment: Moment to which an interrupted training returns.
        is_whole: False while the model is between two moments, so that an interruption must end the program.
    """

    moment: Moment
    is_whole: bool = True

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """Mark the state as not whole while this is open, and also after an exception."""
        self.is_whole = False
        yield
        self.is_whole = True
