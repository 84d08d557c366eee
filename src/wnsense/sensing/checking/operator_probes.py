"""Random probes of an operator: its laws, and its effect on lengths."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wnsense.checks import InputError, require_rank
from wnsense.linalg import haar_frame, random_normal, symmetric_part
from wnsense.sensing.adapters import FunctionSensing
from wnsense.sensing.checking.operator_report import OperatorReport, adjoint_sentence
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

__all__ = ["OperatorReport", "check_operator", "require_adjoint"]

_LAW_PROBES = 4
_LAW_RANK = 3
_LENGTH_PROBES = 16
_GAIN_RANK = 8
# Bound of the rounding of a sum of N products, as a random walk, in units of sqrt(N) epsilon; it holds for FFTs too.
_ROUNDING = 16
# Relative difference of the two sides of the adjoint law from which an operator is refused; functions may compute in
# single precision.
_HALF_DIGITS = 1e-4
# Coefficients of a linear combination, of both signs.
_A, _B = 0.7, -1.3


def check_operator(operator: Operator, *, rank: int | None = None, seed: int = 0) -> OperatorReport:
    """Check the laws of an operator on random low-rank matrices, and measure its effect on lengths.

    The laws are those that solvers rely on:

    - `<M(Z), v> = Re <Z, M*(v)>`;
    - `adjoint_transpose_times` applies `M*(v)^H` (for the symmetric kinds: `M*(v)` is Hermitian);
    - both maps are real-linear;
    - a batch gives the results of a loop;
    - dtype and device are kept, and numbers are finite.

    Random probes show a broken law almost surely. They bound the restricted isometry constant only from below, since
    the worst matrix is hardly ever drawn. The cost is some 80 applications.

    Args:
        operator: Operator to check.
        rank: Rank of the matrices whose lengths are compared; by default 3, or the smaller side.
        seed: Seed of the probes.

    Returns:
        Results in numbers; `str()` of them is a text.

    Raises:
        InputError: If the rank is below 1 or above the smaller side, or a user's function returns a wrong size.
    """
    limit = min(operator.shape)
    rank = min(_LAW_RANK, limit) if rank is None else rank
    require_rank("the rank of the probes", rank, limit)
    probes = _Probes(operator, torch.Generator().manual_seed(seed))
    terms = max(operator.count, operator.shape[0] * operator.shape[1])
    report = OperatorReport(
        description=f"{operator}.",
        space=operator.space,
        count=operator.count,
        rank=rank,
        probes=_LENGTH_PROBES,
        tolerance=_ROUNDING * math.sqrt(terms) * torch.finfo(operator.real_dtype).eps,
        output_faults=_output_faults(probes),
    )
    if report.output_faults:
        return report
    adjoint_error, adjoint_cause = _adjoint(probes, report.tolerance)
    report = replace(
        report,
        adjoint_error=adjoint_error,
        adjoint_cause=adjoint_cause,
        transpose_error=_transpose(probes),
        linearity_error=_linearity(probes),
        adjoint_linearity_error=_adjoint_linearity(probes),
        batch_error=_batch(probes),
        second_moment=_second_moment(probes),
    )
    least, most = _stretch(probes, report)
    constant = max(abs(least**2 - 1), abs(most**2 - 1))
    return replace(report, stretch=(least, most), isometry_constant=constant)


def require_adjoint(operator: Operator, *, seed: int = 0) -> int:
    """Raise `InputError` unless an operator from outside has a right adjoint; return the cost in applications.

    Operators of this package are not tested, and cost nothing: their own tests do that.

    Args:
        operator: Operator.
        seed: Seed of the probe.

    Raises:
        InputError: If `<M(Z), v>` and `Re <Z, M*(v)>` differ by more than single precision explains.
    """
    if not _is_from_outside(operator):
        return 0
    probes = _Probes(operator, torch.Generator().manual_seed(seed))
    Z, v = probes.matrix(), probes.vector()
    y = operator.measure(Z)
    v = _mostly_along(v, y)
    difference = abs(float(y @ v) - _inner_with_adjoint(operator, Z, v))
    if difference > _HALF_DIGITS * _norm(y) * _norm(v):
        raise InputError(adjoint_sentence(check_operator(operator, seed=seed)))
    return 2


def _is_from_outside(operator: Operator) -> bool:
    """Return True if an operator, or a part of it, is made of functions or of a class of the user."""
    if isinstance(operator, FunctionSensing) or type(operator).__module__.split(".")[0] != __name__.split(".")[0]:
        return True
    parts = vars(operator).values()
    return any(_is_from_outside(part) for part in parts if isinstance(part, Operator))


def _mostly_along(v: Tensor, y: Tensor) -> Tensor:
    """Return `v / ||v|| + 2 y / ||y||`; against a random `v` the error of a wrong adjoint is only 1/sqrt(n)."""
    return v / _norm(v) + 2 * y / _norm(y)


@dataclass(frozen=True)
class _Probes:
    """Operator with random arguments for it."""

    operator: Operator
    generator: torch.Generator

    def normal(self, *shape: int) -> Tensor:
        operator = self.operator
        return random_normal(shape, generator=self.generator, dtype=operator.dtype, device=operator.device)

    def vector(self) -> Tensor:
        """Draw a vector v, (n,)."""
        operator = self.operator
        shape = (operator.count,)
        return random_normal(shape, generator=self.generator, dtype=operator.real_dtype, device=operator.device)

    def factor(self, side: int) -> Tensor:
        """Draw a few columns for `M*(v)` (side 1) or `M*(v)^H` (side 0)."""
        return self.normal(self.operator.shape[side], min(_LAW_RANK, *self.operator.shape))

    def matrix(self, rank: int | None = None) -> LowRank:
        """Draw a matrix of normal factors, of both signs if symmetric, of unit norm."""
        m1, m2 = self.operator.shape
        rank = min(_LAW_RANK, m1, m2) if rank is None else rank
        X, Theta = self.normal(m1, rank), self.normal(rank, rank)
        symmetric = self.operator.kind.is_symmetric
        Z = LowRank(X, symmetric_part(Theta)) if symmetric else LowRank(X, Theta, self.normal(m2, rank))
        return Z.scaled(1 / float(Z.norm()))

    def balanced_matrix(self) -> LowRank:
        """Draw a matrix of equal singular values in Haar frames, of zero trace if symmetric and larger than 1 x 1."""
        m1, m2 = self.operator.shape
        rank = min(_GAIN_RANK, m1, m2)
        symmetric = self.operator.kind.is_symmetric
        if symmetric and rank > 1:
            rank -= rank % 2
        values = torch.ones(rank)
        if symmetric:
            values[1::2] = -1
        Theta = torch.diag(values).to(self.operator.device, self.operator.dtype)
        return LowRank(self._frame(m1, rank), Theta, None if symmetric else self._frame(m2, rank))

    def _frame(self, rows: int, columns: int) -> Tensor:
        operator = self.operator
        return haar_frame(rows, columns, generator=self.generator, dtype=operator.dtype, device=operator.device)


def _output_faults(probes: _Probes) -> tuple[str, ...]:
    """Return the faults of outputs that make a comparison of their values useless."""
    operator = probes.operator
    y = operator.measure(probes.matrix())
    W = operator.adjoint_times(probes.vector(), probes.factor(1))
    U = operator.adjoint_transpose_times(probes.vector(), probes.factor(0))
    columns = min(_LAW_RANK, *operator.shape)
    m1, m2 = operator.shape
    return (
        *_faults("M(Z)", y, (operator.count,), operator.real_dtype, operator.device),
        *_faults("M*(v) V", W, (m1, columns), operator.dtype, operator.device),
        *_faults("M*(v)^H U", U, (m2, columns), operator.dtype, operator.device),
    )


def _faults(
    name: str, output: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[str, ...]:
    faults = []
    if tuple(output.shape) != shape:
        faults.append(f"{name} is of shape {tuple(output.shape)}, {shape} was needed")
    if output.dtype != dtype:
        faults.append(f"{name} is of {output.dtype}, {dtype} was needed")
    if output.device.type != device.type:
        faults.append(f"{name} lies on {output.device}, {device} was needed")
    bad = int((~torch.isfinite(output)).sum())
    if bad:
        faults.append(f"{name} holds NaN or infinity in {bad} of {output.numel()} entries")
    elif not bool((output != 0).any()):
        faults.append(f"{name} is zero for random arguments, nothing is measured")
    return tuple(faults)


def _adjoint(probes: _Probes, tolerance: float) -> tuple[float, str]:
    """Return the error of `<M(Z), v> = Re <Z, M*(v)>`, and the change that would remove it."""
    operator = probes.operator
    forward, backward, worst = [], [], 0.0
    cures = dict.fromkeys(_cures(operator), 0.0)
    for _ in range(_LAW_PROBES):
        Z, v = probes.matrix(), probes.vector()
        y = operator.measure(Z)
        v = _mostly_along(v, y)
        size = _norm(y) * _norm(v)
        forward.append(float(y @ v))
        backward.append(_inner_with_adjoint(operator, Z, v))
        worst = max(worst, abs(forward[-1] - backward[-1]) / size)
        for name, cure in _cures(operator).items():
            error = abs(forward[-1] - _inner_with_adjoint(operator, cure(Z), v)) / size
            cures[name] = max(cures[name], error)
    if worst <= tolerance:
        return worst, ""
    ratios = [after / before for before, after in zip(forward, backward, strict=True)]
    alike = max(ratios) - min(ratios) <= 1e3 * tolerance * max(map(abs, ratios))
    if alike and abs(ratios[0] - 1) > 1e3 * tolerance:
        return worst, f"it is (b): M*(v) is {ratios[0]:.4g} times what it should be, each time"
    right = [name for name, error in cures.items() if error <= tolerance]
    return worst, f"it is (a): M*(v) is right once {right[0]}" if right else ""


def _cures(operator: Operator) -> dict[str, Callable[[LowRank], LowRank]]:
    """Return possible omissions in `M*(v)`, each as its effect on the matrix on the other side."""

    def conjugate(Z: LowRank) -> LowRank:
        return LowRank(Z.X.conj(), Z.Theta.conj(), None if Z.Y is None else Z.Y.conj())

    cures: dict[str, Callable[[LowRank], LowRank]] = {"conjugated": conjugate} if operator.is_complex else {}
    if not operator.kind.is_symmetric and operator.shape[0] == operator.shape[1]:
        cures["transposed"] = lambda Z: conjugate(Z.mH)
        if operator.is_complex:
            cures["conjugated and transposed"] = lambda Z: Z.mH
    return cures


def _inner_with_adjoint(operator: Operator, Z: LowRank, v: Tensor) -> float:
    """Return `Re <Z, M*(v)>`, through `M*(v)` on the right factor."""
    left = Z.X @ Z.Theta
    return float((left.conj() * operator.adjoint_times(v, Z.right)).sum().real)


def _transpose(probes: _Probes) -> float:
    operator = probes.operator
    worst = 0.0
    for _ in range(_LAW_PROBES):
        v, U, V = probes.vector(), probes.factor(0), probes.factor(1)
        right, left = operator.adjoint_times(v, V), operator.adjoint_transpose_times(v, U)
        size = _norm(U) * _norm(right) + _norm(left) * _norm(V)
        worst = max(worst, _norm(U.mH @ right - left.mH @ V) / size)
    return worst


def _linearity(probes: _Probes) -> float:
    measure = probes.operator.measure
    worst = 0.0
    for _ in range(_LAW_PROBES):
        first, second = probes.matrix(), probes.matrix()
        together = measure(first.scaled(_A).plus(second.scaled(_B)))
        worst = max(worst, _combination_error(together, measure(first), measure(second)))
    return worst


def _adjoint_linearity(probes: _Probes) -> float:
    worst = 0.0
    for _ in range(_LAW_PROBES):
        first, second, V = probes.vector(), probes.vector(), probes.factor(1)
        together, one, other = (probes.operator.adjoint_times(v, V) for v in (_A * first + _B * second, first, second))
        worst = max(worst, _combination_error(together, one, other))
    return worst


def _combination_error(together: Tensor, first: Tensor, second: Tensor) -> float:
    first, second = _A * first, _B * second
    return _norm(together - first - second) / (_norm(first) + _norm(second))


def _batch(probes: _Probes) -> float:
    """Return the error of both maps on two points at once; infinite if that is refused."""
    operator = probes.operator
    points = [probes.matrix() for _ in range(2)]
    vectors, factors = [probes.vector() for _ in range(2)], [probes.factor(1) for _ in range(2)]
    Y = None if operator.kind.is_symmetric else torch.stack([Z.right for Z in points])
    batch = LowRank(torch.stack([Z.X for Z in points]), torch.stack([Z.Theta for Z in points]), Y)
    try:
        measured = operator.measure(batch)
        applied = operator.adjoint_times(torch.stack(vectors), torch.stack(factors))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return math.inf
    looped = torch.stack([operator.measure(Z) for Z in points])
    applied_loop = torch.stack([operator.adjoint_times(v, V) for v, V in zip(vectors, factors, strict=True)])
    if measured.shape != looped.shape or applied.shape != applied_loop.shape:
        return math.inf
    return max(_norm(measured - looped) / _norm(looped), _norm(applied - applied_loop) / _norm(applied_loop))


def _second_moment(probes: _Probes) -> tuple[float, float]:
    """Return (alpha, beta): alpha from matrices of zero trace, beta from the identity."""
    operator = probes.operator
    ratios = []
    for _ in range(_LENGTH_PROBES):
        Z = probes.balanced_matrix()
        ratios.append((_norm(operator.measure(Z)) / float(Z.norm())) ** 2)
    alpha = sum(ratios) / len(ratios)
    size = operator.shape[0]
    if not operator.kind.is_symmetric or size == 1:
        return alpha, 0.0
    # ||M(I)||^2 = <I, M*M(I)> = alpha m + beta m^2.
    return alpha, (_norm(operator.traces()) ** 2 / size - alpha) / size


def _stretch(probes: _Probes, report: OperatorReport) -> tuple[float, float]:
    """Return the least and greatest ratio of `||M(Z)||` to the prediction of the second moment."""
    alpha, beta = report.second_moment
    factors = []
    for _ in range(_LENGTH_PROBES):
        Z = probes.matrix(report.rank)
        predicted = alpha * float(Z.norm()) ** 2
        if report.has_trace_component:
            predicted += beta * float(Z.trace().real) ** 2
        factors.append(_norm(probes.operator.measure(Z)) / math.sqrt(predicted))
    return min(factors), max(factors)


def _norm(A: Tensor) -> float:
    return float(torch.linalg.vector_norm(A))
