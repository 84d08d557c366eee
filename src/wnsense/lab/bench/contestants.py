"""The methods of the benchmark: where each starts, its published setting, and those it may be tuned over."""

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

# Not a solver: it is given the measurements and what took them, and nothing else.
RECOVER = "recover"


@runtime_checkable
class Start(Protocol):
    """Where a run begins."""

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """The first point of a width, and what it costs in applications."""
        ...


@dataclass(frozen=True)
class Spectral:
    """The dominant part of the back-projected measurements."""

    start: str = "spectral"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """`spectral_start`, of twice the width for kind psd.

        Half of what dominates may be negative and is dropped there; without the others the point would have fewer
        directions than it is wide, which breaks methods that divide by its Gram matrix. The number of applications is
        the same.
        """
        generator = torch.Generator().manual_seed(seed)
        width = min(2 * rank, *objective.problem.operator.shape) if objective.kind is Kind.PSD else rank
        point, cost = spectral_start(objective, width, generator=generator)
        return point.truncate(rank), cost


@dataclass(frozen=True)
class SmallRandom:
    """Small Gaussian factors.

    Attributes:
        magnitude: alpha^2, against 1 for the answer's largest singular value.
    """

    magnitude: float = 1e-6
    start: str = "gaussian"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """`gaussian_start`."""
        generator = torch.Generator().manual_seed(seed)
        return gaussian_start(objective, rank, magnitude=self.magnitude, generator=generator), 0


@dataclass(frozen=True)
class RandomFrame:
    """A Haar-distributed frame with a multiple of the identity between.

    Attributes:
        magnitude: The multiple; 0 is the zero matrix.
    """

    magnitude: float = 0.1
    start: str = "haar"

    def begin(self, objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
        """`haar_start`."""
        generator = torch.Generator().manual_seed(seed)
        return haar_start(objective, rank, magnitude=self.magnitude, generator=generator), 0


@dataclass(frozen=True)
class Setting:
    """A solver with its parameters, and where it starts."""

    solver: Solver[Any]
    start: Start = Spectral()

    @property
    def parameters(self) -> str:
        """All of them, as JSON: what tells settings of one method apart in the table."""
        return json.dumps(vars(self.solver) | vars(self.start), sort_keys=True, default=str)


_ALL = tuple(Kind)
# What Y Y^H and L Q^H can hold.
_FACTORABLE = (Kind.PSD, Kind.HERMITIAN, Kind.RECTANGULAR)


@dataclass(frozen=True)
class Contestant:
    """A method.

    Attributes:
        default: The setting it was published with.
        tuning: The others that a careful user would try.
        kinds: The unknowns it takes.
        is_baseline: Whether it is one of those that recover() is judged against, which are tuned.
    """

    default: Setting
    tuning: tuple[Setting, ...] = ()
    kinds: tuple[Kind, ...] = _FACTORABLE
    is_baseline: bool = True

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All settings, the published one first, so that it wins where nothing is gained."""
        return (self.default, *self.tuning)


CONTESTANTS: Mapping[str, Contestant] = {
    "scaledgd": Contestant(
        Setting(ScaledGD()), (Setting(ScaledGD(0.2)), Setting(ScaledGD(0.35)), Setting(ScaledGD(0.65)))
    ),
    "scaledgd-lambda": Contestant(
        Setting(DampedScaledGD(), SmallRandom()),
        (
            Setting(DampedScaledGD(0.35, 1e-3), SmallRandom(1e-12)),
            Setting(DampedScaledGD(0.5, 1e-2), SmallRandom(1e-16)),
            Setting(DampedScaledGD(0.5, 1e-1), SmallRandom(1e-16)),
        ),
    ),
    "precgd": Contestant(
        Setting(PreconditionedGD()),
        (
            Setting(PreconditionedGD(0.35)),
            Setting(PreconditionedGD(0.65)),
            Setting(PreconditionedGD(0.5, 0.01)),
        ),
    ),
    "agn": Contestant(
        Setting(AlternatingGaussNewton(), SmallRandom()),
        (
            Setting(AlternatingGaussNewton(0.75), SmallRandom()),
            Setting(AlternatingGaussNewton(1.0), SmallRandom()),
            Setting(AlternatingGaussNewton(1.0)),
        ),
        _ALL,
    ),
    "risro": Contestant(
        Setting(RecursiveSketching()),
        (Setting(RecursiveSketching(5)), Setting(RecursiveSketching(20)), Setting(RecursiveSketching(40))),
        _ALL,
    ),
    "lmm": Contestant(
        Setting(LevenbergMarquardtGD()),
        (
            Setting(LevenbergMarquardtGD(0.6)),
            Setting(LevenbergMarquardtGD(1.4)),
            Setting(LevenbergMarquardtGD(1.0, 0.1)),
        ),
    ),
    "mifgd": Contestant(
        Setting(MomentumGradientDescent()),
        (
            Setting(MomentumGradientDescent(0.25, 0.9)),
            Setting(MomentumGradientDescent(0.5, 0.75)),
            Setting(MomentumGradientDescent(0.5, 0.9)),
        ),
    ),
    "svp": Contestant(
        Setting(SingularValueProjection(), RandomFrame(0.0)),
        (
            Setting(SingularValueProjection(0.3), RandomFrame(0.0)),
            Setting(SingularValueProjection(0.5), RandomFrame(0.0)),
            Setting(SingularValueProjection(1.0), RandomFrame(0.0)),
        ),
        _ALL,
    ),
    "gd": Contestant(Setting(GradientDescent()), is_baseline=False),
    "wn": Contestant(Setting(WeightNormalizedGD(), RandomFrame()), kinds=_ALL, is_baseline=False),
    "preconditioned-wn": Contestant(Setting(PreconditionedWN()), kinds=_ALL, is_baseline=False),
    "gauss-newton": Contestant(Setting(GaussNewton()), kinds=_ALL, is_baseline=False),
    "conjugate-wn": Contestant(Setting(ConjugateWN()), kinds=_ALL, is_baseline=False),
}
