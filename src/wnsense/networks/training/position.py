"""Position in a training: counts, sums over the present epoch, and time; the numbers that a checkpoint holds."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Stopwatch:
    """Time spent in steps. It stands still during evaluations and measurements.

    Attributes:
        seconds: Time up to the last stop.
        since: Clock reading of the last start; None if the watch is stopped.
    """

    seconds: float = 0.0
    since: float | None = None

    def started(self) -> "Stopwatch":
        """Return the watch, running from now on."""
        return Stopwatch(self.seconds, time.perf_counter())

    def stopped(self) -> "Stopwatch":
        """Return the watch, stopped now."""
        return Stopwatch(self.read())

    def read(self) -> float:
        """Return the time in seconds up to now."""
        return self.seconds + (0.0 if self.since is None else time.perf_counter() - self.since)


@dataclass(frozen=True)
class Position:
    """Position of a training after a whole step.

    Attributes:
        epoch: Number of finished epochs.
        in_epoch: Number of steps in the present epoch.
        step: Number of steps in all.
        watch: Time spent in steps.
        loss_sum: Sum of the losses of the present epoch's steps.
        slope_sum: Sum of the gradient norms of these steps.
        order: State of the data's generator when the present epoch began; None without a generator.
        before: Parameters when the present epoch began, (p,), if a measurement is planned.
    """

    epoch: int = 0
    in_epoch: int = 0
    step: int = 0
    watch: Stopwatch = Stopwatch()
    loss_sum: float = 0.0
    slope_sum: float = 0.0
    order: Tensor | None = None
    before: Float[Tensor, " p"] | None = None

    def moved(self, steps: int) -> "Position":
        """Return the position a number of steps later, or earlier if it is negative."""
        return replace(self, step=self.step + steps, in_epoch=self.in_epoch + steps)

    def with_losses(self, readings: Iterable[tuple[float, float]]) -> "Position":
        """Return the position with losses and gradient norms of further steps in its sums."""
        loss_sum, slope_sum = self.loss_sum, self.slope_sum
        # Added one after the other, so that the sums do not depend on the number of steps between two checks.
        for loss, slope in readings:
            loss_sum += loss
            slope_sum += slope
        return replace(self, loss_sum=loss_sum, slope_sum=slope_sum)

    def in_next_epoch(self, order: Tensor | None, before: Float[Tensor, " p"] | None) -> "Position":
        """Return the position at the start of the next epoch.

        Args:
            order: State of the data's generator.
            before: Present parameters.
        """
        return Position(self.epoch + 1, 0, self.step, self.watch, 0.0, 0.0, order, before)
