"""Measurement of a run of the study of Table 1: the relative error along its steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from wnsense.lab.analysis.reduced_population import in_own_units
from wnsense.lab.studies.rates.specification import RateMethod, RateRun, RateSetting, RateStart
from wnsense.linalg import FactorizationError, frobenius_norm
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.combining.compression import compress
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.alternating_gauss_newton import AlternatingGaussNewton
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import gaussian_start, haar_start, spectral_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Problems and starts are drawn from different seeds, so that starts are independent of the truth.
_DATA_SEED = 4_000_000
_STOP_AT = 1e-11
_LOOK_EVERY = 5

# Damping of the size of `sigma_{r_A}`, as the source of ScaledGD(lambda) asks; far below it surplus directions grow.
_DAMPING = 0.05


@dataclass(frozen=True)
class UnbalancedGD:
    """Gradient descent on `L Q^T` from unbalanced factors, as its analysis assumes.

    Attributes:
        step_size: Step size `eta`.
    """

    step_size: float

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the state at `L = X Theta^{1/2}` and `Q = Y Theta^{1/2}`, for a diagonal, nonnegative Theta."""
        root = point.Theta.sqrt()
        identity = torch.eye(point.width, dtype=point.dtype).expand_as(root)
        return State(objective.evaluate(LowRank(point.X @ root, identity, point.right @ root)), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one gradient step."""
        return GradientDescent(self.step_size).step(objective, state)


_SOLVERS: Mapping[RateMethod, Callable[[float], Solver[State]]] = {
    RateMethod.GD: GradientDescent,
    RateMethod.UNBALANCED: UnbalancedGD,
    RateMethod.SCALED: ScaledGD,
    RateMethod.DAMPED: lambda step_size: DampedScaledGD(step_size, _DAMPING),
    RateMethod.PRECONDITIONED: PreconditionedGD,
    RateMethod.AGN: AlternatingGaussNewton,
    RateMethod.WN: WeightNormalizedGD,
}


@dataclass(frozen=True)
class RateCourse:
    """Relative errors of a run.

    Attributes:
        step: Recorded steps, one in five, (rows,).
        error: Relative error `||Z - A||_F / ||A||_F`, (rows, starts).
        applications: Applications of M and M* in a step.
        diverged: True if a start diverged.
        seconds: Time of the steps, in seconds.
    """

    step: np.ndarray
    error: np.ndarray
    applications: int
    diverged: bool
    seconds: float

    def steps_to(self, level: float) -> np.ndarray:
        """Return for each start the first recorded step with an error of at most a level, NaN if there is none."""
        below = self.error <= level
        first = self.step[below.argmax(axis=0)].astype(float)
        return np.where(below.any(axis=0), first, np.nan)


@lru_cache(maxsize=2)
def objective_of(setting: RateSetting, kind: Kind, noise: float) -> SensingObjective:
    """Return compressed Gaussian measurements of a truth that has the same eigenvectors for every kind."""
    generator = torch.Generator().manual_seed(_DATA_SEED)
    truth = low_rank(setting.size, setting.true_rank, setting.condition, generator=generator)
    if kind is Kind.RECTANGULAR:
        truth = LowRank(truth.X, truth.Theta, truth.X)
    shape = (setting.size, setting.size)
    operator = GaussianSensing.draw(setting.measurements, shape, kind=kind, generator=generator)
    return in_own_units(compress(Problem.measure(operator, truth, noise, generator=generator)).problem)


def measure(run: RateRun, method: RateMethod) -> RateCourse:
    """Run a method and return its relative errors.

    Raises:
        KeyboardInterrupt: If interrupted.
    """
    objective = objective_of(run.setting, run.analysis.kind, run.analysis.noise)
    result: Result[State, LowRank] | None = None
    try:
        result = solve(
            objective,
            _SOLVERS[method](run.step_size),
            _starts(objective, run),
            stop=Stop(residual=_STOP_AT, max_steps=run.steps, check_every=_LOOK_EVERY),
            trace=Trace(every=_LOOK_EVERY, error=_error),
        )
    except FactorizationError:
        # A matrix with NaN or infinity was to be factorized.
        return RateCourse(np.zeros(1, int), np.full((1, len(run.seeds)), np.inf), 0, diverged=True, seconds=0.0)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    error = np.nan_to_num(result.trace["error"], nan=np.inf)
    spent = result.trace["applications"]
    each = int(spent[-1] - spent[0]) // max(result.steps, 1)
    # An error above that of the start is divergence, even if it is still finite.
    diverged = bool((error[-1] > error[0].max()).any())
    return RateCourse(result.trace["step"].astype(int), error, each, diverged, result.snapshot.seconds)


def _starts(objective: SensingObjective, run: RateRun) -> LowRank:
    """Return a start for each seed; it is the same in a batch and alone."""
    starts = [_start(objective, run, torch.Generator().manual_seed(seed)) for seed in run.seeds]
    Y = None if starts[0].Y is None else torch.stack([start.right for start in starts])
    return LowRank(torch.stack([start.X for start in starts]), torch.stack([start.Theta for start in starts]), Y)


def _start(objective: SensingObjective, run: RateRun, generator: torch.Generator) -> LowRank:
    if run.analysis.start is RateStart.HAAR:
        return haar_start(objective, run.width, generator=generator)
    if run.analysis.start is RateStart.GAUSSIAN:
        return gaussian_start(objective, run.width, magnitude=run.analysis.magnitude, generator=generator)
    return spectral_start(objective, run.width, generator=generator)[0]


def _error(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return the relative error, computed from the dense matrices because they are small.

    Raises:
        InputError: If the problem has no truth.
    """
    truth = require_truth(objective.problem)
    return frobenius_norm(point.dense() - truth.dense()) / truth.norm()
