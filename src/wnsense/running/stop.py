"""Stopping rules of a run, and the progress that a callback receives."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from wnsense.checks import require, require_level
from wnsense.running.contract import AnyEvaluation
from wnsense.running.status import Status


@dataclass(frozen=True)
class Progress:
    """Progress of a run, as a callback receives it.

    Attributes:
        stage: Name of the stage.
        step: Number of steps taken in this stage.
        applications: Applications of `M` and `M*` so far, in all stages.
        seconds: Time spent so far, without the time for metrics.
        residual: `||M(Z) - y|| / ||y||` on the fitted rows, the largest of a batch.
        holdout_residual: The same ratio on the rows held out; None if there are none.
    """

    stage: str
    step: int
    applications: int
    seconds: float
    residual: float
    holdout_residual: float | None


Callback = Callable[[Progress], bool | None]


@dataclass(frozen=True)
class Stop:
    """Stopping rules of a run; each limit can be left out.

    Attributes:
        residual: Bound on the relative residual, fitted and held out, at which the run is CONVERGED.
        goal: Further test for CONVERGED, a function of the answer's `Evaluation`. It must depend on nothing else, so
            that a resumed run ends at the same step.
        noise_level: Bound on the relative residual at which the run is at REACHED_NOISE_FLOOR.
        stagnation: Number of steps without an improvement after which the run is STAGNATED.
        gain: Relative decrease of the monitored residual that counts as an improvement.
        watch_holdout: True to monitor the held-out residual, where there is one, instead of the minimized one.
        max_applications: Budget in applications, calibration included.
        max_steps: Budget in steps.
        max_seconds: Budget in seconds, without the time for metrics.
        callback: Function called at every check; if it returns True, the run stops.
        check_every: Steps between checks of the residual; by default 1 on a CPU and 10 on a GPU, where each check waits
            for the device.
    """

    residual: float = 1e-10
    goal: Callable[..., bool] | None = None
    noise_level: float | None = None
    stagnation: int | None = None
    gain: float = 0.01
    watch_holdout: bool = True
    max_applications: int | None = None
    max_steps: int | None = None
    max_seconds: float | None = None
    callback: Callback | None = None
    check_every: int | None = None

    def __post_init__(self) -> None:
        """Check that the limits are in range."""
        require_level("a residual tolerance", self.residual)
        if self.noise_level is not None:
            require_level("a noise level", self.noise_level)
        for name in ("stagnation", "max_applications", "max_steps", "max_seconds"):
            limit = getattr(self, name)
            require(limit is None or limit >= 0, f"{name} of at least 0", limit)
        require(self.check_every is None or self.check_every >= 1, "check_every of at least 1", self.check_every)

    def verdict(self, progress: Progress, idle: int, answer: AnyEvaluation[object] | None = None) -> Status | None:
        """Return the status with which the run ends here, or None if it goes on.

        Args:
            progress: Progress of the run.
            idle: Steps since the monitored residual last improved.
            answer: Evaluation that the goal tests.
        """
        status = self._status_by_residual(progress)
        if status is not None:
            return status
        if self.callback is not None and self.callback(progress):
            return Status.STOPPED_BY_USER
        if self.goal is not None and answer is not None and self.goal(answer):
            return Status.CONVERGED
        if self.stagnation is not None and idle >= self.stagnation:
            return Status.STAGNATED
        return Status.OUT_OF_BUDGET if self._is_spent(progress) else None

    def _status_by_residual(self, progress: Progress) -> Status | None:
        if not math.isfinite(progress.residual):
            return Status.DIVERGED
        if max(progress.residual, progress.holdout_residual or 0.0) <= self.residual:
            return Status.CONVERGED
        if self.noise_level is not None and progress.residual <= self.noise_level:
            return Status.REACHED_NOISE_FLOOR
        return None

    def _is_spent(self, progress: Progress) -> bool:
        return (
            (self.max_steps is not None and progress.step >= self.max_steps)
            or (self.max_applications is not None and progress.applications >= self.max_applications)
            or (self.max_seconds is not None and progress.seconds >= self.max_seconds)
        )
