"""An operator whose products are counted or interrupted, and the test that a problem is recovered."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cases.flavors import Flavor
from wnsense.recovery import recover
from wnsense.running.status import Status
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import low_rank
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class WatchedOperator(Operator):
    """Operator that reports each product of another one before it is computed.

    Attributes:
        inner: The other operator.
        space: Space of the unknown, that of the other operator.
        count: Number of measurements, that of the other operator.
        second_moment: See `Operator`.
        before: Function of the batch shape of the product.
        before_transpose: Function of the batch shape of a product with `M*(v)^H`, the second half of one application.
    """

    inner: Operator
    space: Space
    count: int
    second_moment: tuple[float, float] | None
    before: Callable[[torch.Size], None]
    before_transpose: Callable[[torch.Size], None] = lambda batch: None

    def _measure(self, point: LowRank) -> Tensor:
        self.before(torch.Size(point.batch))
        return self.inner.measure(point)

    def _adjoint_times(self, v: Tensor, V: Tensor) -> Tensor:
        self.before(v.shape[:-1])
        return self.inner.adjoint_times(v, V)

    def _adjoint_transpose_times(self, v: Tensor, U: Tensor) -> Tensor:
        self.before_transpose(v.shape[:-1])
        return self.inner.adjoint_transpose_times(v, U)


@dataclass
class Alarm:
    """Function that raises KeyboardInterrupt at the call of number `at`, from 1 on; never if that is 0."""

    at: int
    rung: int = 0

    def __call__(self, *anything: object) -> None:
        self.rung += 1
        if self.rung == self.at:
            raise KeyboardInterrupt


def watched(inner: Operator, before: Callable[[], None]) -> WatchedOperator:
    """Return an operator that calls a function before each application, and declares what the other one does."""
    return WatchedOperator(inner, inner.space, inner.count, inner.second_moment, lambda batch: before())


def assert_is_recovered(
    operator: Operator, flavor: Flavor, condition: float, rng: torch.Generator, tolerance: float = 1e-8
) -> None:
    """Recover a drawn matrix of rank 2 from its measurements."""
    size = operator.shape[0] if flavor.kind.is_symmetric else operator.shape
    truth = low_rank(size, 2, condition, kind=flavor.kind, dtype=operator.dtype, generator=rng)
    recovery = recover(operator, operator.measure(truth), truth=truth)
    assert recovery.status == Status.CONVERGED
    assert float(recovery.matrix.distance(truth) / truth.norm()) <= tolerance
