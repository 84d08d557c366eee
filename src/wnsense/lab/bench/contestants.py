"""Methods of the benchmark with their starts, published configurations and the configurations tried in tuning."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.alternating_gauss_newton import AlternatingGaussNewton
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.levenberg_marquardt import LevenbergMarquardtGD
from wnsense.solvers.momentum import MomentumGradientDescent
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.recursive_sketching import RecursiveSketching
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.singular_value_projection import SingularValueProjection
from wnsense.solvers.solver import Solver
from wnsense.solvers.starts import gaussian_start, haar_start, spectral_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# The name of `recover()`, which is not a solver: its only inputs are the operator and the measurements.
RECOVER = "recover"


@runtime_checkable
class StartRule(Protocol):
    """Rule that gives the first point of a run."""

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """Return the first point, of width `rank`, and its cost in applications."""
        ...


@dataclass(frozen=True)
class Spectral:
    """Start at the dominant part of the back-projected measurements."""

    start: str = "spectral"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """Return the point of `spectral_start`, computed at twice the width for kind psd.

        Half of the dominant eigenvalues may be negative; kind psd drops these. A point of the plain width could then
        have a singular Gram matrix, which breaks methods that divide by it. The number of applications is the same.
        """
        generator = torch.Generator().manual_seed(seed)
        width = min(2 * rank, *objective.problem.operator.shape) if objective.kind is Kind.PSD else rank
        point, cost = spectral_start(objective, width, generator=generator)
        return point.truncate(rank), cost


@dataclass(frozen=True)
class SmallRandom:
    """Start at small Gaussian factors.

    Attributes:
        magnitude: Scale `alpha^2` of the point, relative to the largest singular value of the answer.
        start: Name of the start in the table.
    """

    magnitude: float = 1e-6
    start: str = "gaussian"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """Return the point of `gaussian_start`, which costs nothing."""
        generator = torch.Generator().manual_seed(seed)
        return gaussian_start(objective, rank, magnitude=self.magnitude, generator=generator), 0


@dataclass(frozen=True)
class RandomFrame:
    """Start at `X c I X^H` for a Haar-distributed frame `X`.

    Attributes:
        magnitude: Factor `c` of the identity; 0 is the zero matrix.
        start: Name of the start in the table.
    """

    magnitude: float = 0.1
    start: str = "haar"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """Return the point of `haar_start`, which costs nothing."""
        generator = torch.Generator().manual_seed(seed)
        return haar_start(objective, rank, magnitude=self.magnitude, generator=generator), 0


@dataclass(frozen=True, repr=False)
class Configuration:
    """Solver with its parameters, and its start."""

    solver: Solver[Any]
    start: StartRule = Spectral()

    @property
    def parameters(self) -> str:
        """All parameters as JSON; they identify the configurations of one method in the table."""
        return json.dumps(vars(self.solver) | vars(self.start), sort_keys=True, default=str)

    def __repr__(self) -> str:
        """Return the text that fingerprints of grids are made of; a change of it makes stored tables unusable."""
        return f"Setting(solver={self.solver!r}, start={self.start!r})"


_ALL = tuple(Kind)
# Kinds of matrices that factors `Y Y^H` or `L Q^H` represent.
_FACTORABLE = (Kind.PSD, Kind.HERMITIAN, Kind.RECTANGULAR)


@dataclass(frozen=True)
class Contestant:
    """Method of the benchmark.

    Attributes:
        default: Configuration that it was published with.
        tuning: Other configurations that a careful user would try.
        kinds: Kinds of matrices that it takes.
        is_baseline: True for the methods that `recover()` is compared with; only these are tuned.
    """

    default: Configuration
    tuning: tuple[Configuration, ...] = ()
    kinds: tuple[Kind, ...] = _FACTORABLE
    is_baseline: bool = True

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """All configurations; the published one is first, so that it wins a tie."""
        return (self.default, *self.tuning)


def _from(start: StartRule, *solvers: Solver[Any]) -> tuple[Configuration, ...]:
    """Return configurations of one method that all have the same start."""
    return tuple(Configuration(solver, start) for solver in solvers)


CONTESTANTS: Mapping[str, Contestant] = {
    "scaledgd": Contestant(
        Configuration(ScaledGD()),
        _from(Spectral(), ScaledGD(0.2), ScaledGD(0.35), ScaledGD(0.65)),
    ),
    "scaledgd-lambda": Contestant(
        Configuration(DampedScaledGD(), SmallRandom()),
        (
            *_from(SmallRandom(1e-12), DampedScaledGD(0.35, 1e-3)),
            *_from(SmallRandom(1e-16), DampedScaledGD(0.5, 1e-2), DampedScaledGD(0.5, 1e-1)),
        ),
    ),
    "precgd": Contestant(
        Configuration(PreconditionedGD()),
        _from(Spectral(), PreconditionedGD(0.35), PreconditionedGD(0.65), PreconditionedGD(0.5, 0.01)),
    ),
    "agn": Contestant(
        Configuration(AlternatingGaussNewton(), SmallRandom()),
        (
            *_from(SmallRandom(), AlternatingGaussNewton(0.75), AlternatingGaussNewton(1.0)),
            Configuration(AlternatingGaussNewton(1.0)),
        ),
        _ALL,
    ),
    "risro": Contestant(
        Configuration(RecursiveSketching()),
        _from(Spectral(), RecursiveSketching(5), RecursiveSketching(20), RecursiveSketching(40)),
        _ALL,
    ),
    "lmm": Contestant(
        Configuration(LevenbergMarquardtGD()),
        _from(Spectral(), LevenbergMarquardtGD(0.6), LevenbergMarquardtGD(1.4), LevenbergMarquardtGD(1.0, 0.1)),
    ),
    "mifgd": Contestant(
        Configuration(MomentumGradientDescent()),
        _from(
            Spectral(),
            *(MomentumGradientDescent(*rates) for rates in ((0.25, 0.9), (0.5, 0.75), (0.5, 0.9))),
        ),
    ),
    "svp": Contestant(
        Configuration(SingularValueProjection(), RandomFrame(0.0)),
        _from(RandomFrame(0.0), *(SingularValueProjection(size) for size in (0.3, 0.5, 1.0))),
        _ALL,
    ),
    "gd": Contestant(Configuration(GradientDescent()), is_baseline=False),
    "wn": Contestant(Configuration(WeightNormalizedGD(), RandomFrame()), kinds=_ALL, is_baseline=False),
    "preconditioned-wn": Contestant(Configuration(PreconditionedWN()), kinds=_ALL, is_baseline=False),
    "gauss-newton": Contestant(Configuration(GaussNewton()), kinds=_ALL, is_baseline=False),
    "conjugate-wn": Contestant(Configuration(ConjugateWN()), kinds=_ALL, is_baseline=False),
}
