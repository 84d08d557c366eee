"""When a run ends."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from wnsense.checks import require, require_level
from wnsense.running.contract import AnyEvaluation
from wnsense.running.status import Status


@dataclass(frozen=True)
class Progress:
    """What a callback is told.

    Attributes:
        stage: What is being done, in words.
        step: Steps taken in this stage.
        applications: Applications of M and M* so far, all stages.
        seconds: Time spent so far, metrics not counted.
        residual: ||M(Z) - y|| / ||y|| on the fitted rows, the worst of a batch.
        holdout_residual: The same on rows held out; None without them.
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
    """When a run ends; each limit can be left out.

    Attributes:
        residual: Converged once the relative residual, and the held-out one where rows are held out, are at most this.
        goal: Converged also once this says so of the answer, the objective's `Evaluation`; it may look at nothing else,
            so that a run that was interrupted ends where it would have.
        noise_level: At the noise floor once the relative residual is at most this.
        stagnation: Stagnated once the least residual (held-out where there is one) has not fallen by `gain` for so many
            steps.
        gain: The relative improvement that counts as one.
        watch_holdout: Whether stagnation looks at held-out rows, where there are some, instead of what is minimized.
        max_applications: The budget in applications, calibration included.
        max_steps: The budget in steps.
        max_seconds: The budget in seconds, metrics not counted.
        callback: Called at every check; returning True stops the run.
        check_every: Steps between looks at the residual. None is 1 on a CPU and 10 on a GPU, which each look halts.
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
        """Refuse limits that no run can meet."""
        require_level("a residual tolerance", self.residual)
        if self.noise_level is not None:
            require_level("a noise level", self.noise_level)
        for name in ("stagnation", "max_applications", "max_steps", "max_seconds"):
            limit = getattr(self, name)
            require(limit is None or limit >= 0, f"{name} of at least 0", limit)
        require(self.check_every is None or self.check_every >= 1, "check_every of at least 1", self.check_every)

    def verdict(self, progress: Progress, idle: int, answer: AnyEvaluation[object] | None = None) -> Status | None:
        """Why the run ends here, or None to go on.

        Args:
            progress: Where the run is.
            idle: Steps since the monitored residual last improved.
            answer: What the goal looks at.
        """
        reached = self._reached(progress)
        if reached is not None:
            return reached
        if self.callback is not None and self.callback(progress):
            return Status.STOPPED_BY_USER
        if self.goal is not None and answer is not None and self.goal(answer):
            return Status.CONVERGED
        if self.stagnation is not None and idle >= self.stagnation:
            return Status.STAGNATED
        return Status.OUT_OF_BUDGET if self._is_spent(progress) else None

    def _reached(self, progress: Progress) -> Status | None:
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
