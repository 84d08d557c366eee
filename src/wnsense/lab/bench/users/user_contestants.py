"""Methods of the grid `users`: `recover()`, which is not told the rank, and others, which are told it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from wnsense.checks import InputError
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER, Configuration
from wnsense.lab.bench.published import (
    R2RILS,
    DenseRows,
    GaussNewtonRecovery,
    LMaFit,
    MatrixIRLS,
    PublishedResult,
    ReweightedAmplitudeFlow,
    SampledEntries,
    TruncatedAmplitudeFlow,
    Variant,
)
from wnsense.lab.bench.users.user_cells import CellEnsemble, DrawnProblem, UserCell
from wnsense.recovery import recover
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Callback, Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.solvers.objective import SensingObjective

EnsembleOperator = TypeVar("EnsembleOperator", bound=Operator)

# A catalogue method has converged at the residual of the published methods. It ends where 200 steps gain less than 1%,
# or at three times the budget of the grid `full`, since entries take more.
_STOP = Stop(residual=1e-12, stagnation=200, gain=0.01, max_applications=4500)


@dataclass(frozen=True)
class UserAnswer:
    """Answer of a method.

    Attributes:
        status: Way in which the run ended.
        is_success: True if the method calls its answer a success. A method that is told the rank does so by its
            residual alone.
        matrix: The matrix.
        applications: Number of applications of the operator.
    """

    status: str
    is_success: bool
    matrix: LowRank
    applications: int


# A run without its input: the conversion of the data to a method's own form is not part of the run.
PreparedRun = Callable[[], UserAnswer]


@runtime_checkable
class UserMethod(Protocol):
    """Method of the grid."""

    @property
    def is_told_rank(self) -> bool:
        """True if the method is given the rank."""
        ...

    def takes(self, cell: UserCell) -> bool:
        """Return True if the method is for the problems of a cell."""
        ...

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run on a problem, which ends after about this many CPU seconds."""
        ...


@dataclass(frozen=True)
class RankFreeRecovery:
    """`recover()`, whose only inputs are the operator and the measurements."""

    @property
    def is_told_rank(self) -> bool:
        """False: the rank is found."""
        return False

    def takes(self, cell: UserCell) -> bool:
        """Return True if the kind of the cell is one of the library's, as it always is."""
        return cell.kind in set(Kind)

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run."""
        operator, measurements = drawn.problem.operator, drawn.problem.measurements

        def run() -> UserAnswer:
            recovery = recover(operator, measurements, seed=seed, callback=_is_over(seconds))
            if recovery.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            return UserAnswer(str(recovery.status), recovery.status.is_success, recovery.matrix, recovery.applications)

        return run


@dataclass(frozen=True)
class EntryCompletion:
    """Published method for sampled entries.

    Attributes:
        method: The method.
        kinds: Kinds of matrices; a symmetric one is given with both entries of each pair.
    """

    method: MatrixIRLS | GaussNewtonRecovery | R2RILS | LMaFit
    kinds: tuple[Kind, ...] = (Kind.RECTANGULAR,)

    @property
    def is_told_rank(self) -> bool:
        """True: the method is given the rank."""
        return True

    def takes(self, cell: UserCell) -> bool:
        """Return True for sampled entries of the method's kinds."""
        return cell.is_of_entries and cell.kind in self.kinds

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run; the seed is not used, since these methods draw nothing of their own."""
        del seed
        operator = _require(drawn, EntrySensing)
        rows, columns, values = (
            array.numpy() for array in (operator.rows, operator.columns, drawn.problem.measurements)
        )
        if drawn.cell.kind.is_symmetric:
            data = SampledEntries.mirrored(rows, columns, values, drawn.cell.shape[0])
        else:
            data = SampledEntries.from_entries(rows, columns, values, drawn.cell.shape)
        limited = replace(self.method, limits=replace(self.method.limits, seconds=seconds))
        complete = limited.recover if isinstance(limited, GaussNewtonRecovery) else limited.complete
        return lambda: _published(complete(data, drawn.cell.rank))


@dataclass(frozen=True)
class DenseRowsRecovery:
    """Published method for dense rows of a positive semidefinite matrix.

    Attributes:
        method: The method.
    """

    method: GaussNewtonRecovery

    @property
    def is_told_rank(self) -> bool:
        """True: the method is given the rank."""
        return True

    def takes(self, cell: UserCell) -> bool:
        """Return True for Gaussian rows of a positive semidefinite matrix."""
        return cell.ensemble is CellEnsemble.GAUSSIAN and cell.kind is Kind.PSD

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run; the seed is not used."""
        del seed
        operator = _require(drawn, GaussianSensing)
        rows = operator.packed_rows(0, operator.count)
        matrices = drawn.cell.kind.unpack(rows, drawn.cell.shape, is_complex=False)
        data = DenseRows(matrices.numpy(), drawn.problem.measurements.numpy())
        limited = replace(self.method, limits=replace(self.method.limits, seconds=seconds))
        return lambda: _published(limited.recover(data, drawn.cell.rank))


@dataclass(frozen=True)
class PhaseRetrieval:
    """Published method for the intensities of vectors.

    Attributes:
        method: The method.
    """

    method: ReweightedAmplitudeFlow | TruncatedAmplitudeFlow

    @property
    def is_told_rank(self) -> bool:
        """True: the unknown is a vector, so the rank is 1."""
        return True

    def takes(self, cell: UserCell) -> bool:
        """Return True for phase retrieval."""
        return cell.ensemble is CellEnsemble.INTENSITIES and cell.rank == 1

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run; the seed is not used."""
        del seed
        vectors = _require(drawn, RankOneSensing).vectors.numpy()
        # Rounding may leave an intensity of -1e-17.
        intensities = drawn.problem.measurements.clamp(min=0).numpy()
        limited = replace(self.method, limits=replace(self.method.limits, seconds=seconds))
        return lambda: _published(limited.recover(vectors, intensities))


@dataclass(frozen=True)
class CatalogueRun:
    """Method of the library's catalogue with its published configuration; it ends by its residual, not by the truth.

    Attributes:
        configuration: Solver and start.
        kinds: Kinds of matrices that it takes.
    """

    configuration: Configuration
    kinds: tuple[Kind, ...]

    @property
    def is_told_rank(self) -> bool:
        """True: the rank is the width of the start."""
        return True

    def takes(self, cell: UserCell) -> bool:
        """Return True for the kinds of the method."""
        return cell.kind in self.kinds

    def prepare(self, drawn: DrawnProblem, seed: int, seconds: float) -> PreparedRun:
        """Return the run."""
        # The solver must not see the truth, which an objective passes to traces.
        blind = replace(drawn.problem, truth=None)

        def run() -> UserAnswer:
            stop = replace(_STOP, callback=_is_over(seconds))
            objective = SensingObjective(blind, seed=seed)
            start, cost = self.configuration.start.begin(objective, drawn.cell.rank, seed)
            spent = objective.calibration.applications + cost
            result = solve(
                objective,
                self.configuration.solver,
                start,
                stop=stop,
                trace=Trace(at=frozenset()),
                applications_before=spent,
            )
            if result.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            return UserAnswer(str(result.status), result.status.is_success, result.answer, result.applications)

        return run


def _is_over(seconds: float) -> Callback:
    """Return a callback that ends a run after some CPU seconds from now; its status is then `stopped_by_user`."""
    end = time.process_time() + seconds
    return lambda _: time.process_time() > end


def _published(result: PublishedResult) -> UserAnswer:
    status = Status.CONVERGED if result.converged else Status.STAGNATED
    return UserAnswer(str(status), status.is_success, result.matrix, result.applications)


def _require(drawn: DrawnProblem, ensemble: type[EnsembleOperator]) -> EnsembleOperator:
    """Return the operator of a problem; raise `InputError` if it is of another ensemble."""
    operator = drawn.problem.operator
    if isinstance(operator, ensemble):
        return operator
    raise InputError(f"needed {ensemble.__name__}, got {type(operator).__name__}")


_SYMMETRIC_TOO = (Kind.RECTANGULAR, Kind.PSD, Kind.SYMMETRIC)
# The methods of the catalogue that were the best one in some cell of the grid `full`.
_BEST_OF_CATALOGUE = ("risro", "lmm", "gauss-newton", "conjugate-wn")

_PUBLISHED: Mapping[str, UserMethod] = {
    RECOVER: RankFreeRecovery(),
    "matrix-irls": EntryCompletion(MatrixIRLS(), _SYMMETRIC_TOO),
    "gnmr-setting": EntryCompletion(GaussNewtonRecovery(Variant.SETTING), _SYMMETRIC_TOO),
    "gnmr-updating": EntryCompletion(GaussNewtonRecovery(Variant.UPDATING), _SYMMETRIC_TOO),
    "r2rils": EntryCompletion(R2RILS()),
    "lmafit": EntryCompletion(LMaFit(), _SYMMETRIC_TOO),
    "gnmr-dense-setting": DenseRowsRecovery(GaussNewtonRecovery(Variant.SETTING)),
    "gnmr-dense-updating": DenseRowsRecovery(GaussNewtonRecovery(Variant.UPDATING)),
    "raf": PhaseRetrieval(ReweightedAmplitudeFlow()),
    "taf": PhaseRetrieval(TruncatedAmplitudeFlow()),
}
_CATALOGUE: Mapping[str, UserMethod] = {
    name: CatalogueRun(CONTESTANTS[name].default, CONTESTANTS[name].kinds) for name in _BEST_OF_CATALOGUE
}
USER_METHODS: Mapping[str, UserMethod] = {**_PUBLISHED, **_CATALOGUE}
