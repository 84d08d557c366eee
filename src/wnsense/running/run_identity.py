"""Identity of a run: what a checkpoint and the run that resumes it have in common."""

import hashlib
import math
import platform
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from wnsense.checks import InputError
from wnsense.linalg import random_normal
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

# Largest number of entries that a fingerprint reads of each tensor, evenly spread; it then costs less than a step.
_SAMPLED_ENTRIES = 100_000
# Seed of the matrices and vectors that an operator is applied to. Another one would make all checkpoints others.
_PRODUCTS_SEED = 20_251_001
# Numbers in which a vector of products is compared. One would do, since another operator changes it almost surely.
_PRODUCTS = 2

# Address of an object in memory, as Python shows it.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@runtime_checkable
class MeasuringOperator(Protocol):
    """Operator, as far as a checkpoint uses it."""

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the unknown."""
        ...


@runtime_checkable
class MeasuredProblem(Protocol):
    """Problem, as far as a checkpoint uses it: `Problem`, or that of a diagonal network."""

    @property
    def operator(self) -> MeasuringOperator:
        """Operator; its tensors and a few products enter the identity."""
        ...

    @property
    def measurements(self) -> Tensor:
        """Measurements, (n,)."""
        ...

    @property
    def weights(self) -> Tensor | None:
        """Weights of the measurements, (n,)."""
        ...


@dataclass(frozen=True)
class RunIdentity:
    """Identity of a run of a problem with settings.

    Attributes:
        fingerprint: Hash of the data and the settings.
        products: Numbers that follow from applications of the operator; see `operator_products`.
        precision: Rounding unit of the dtype.
        machine: Facts on the machine that must agree for a resumed run to give the same bits.
    """

    fingerprint: str
    products: tuple[tuple[float, ...], ...]
    precision: float
    machine: Mapping[str, str]

    @classmethod
    def from_problem(cls, problem: MeasuredProblem, *settings: object) -> "RunIdentity":
        """Return the identity of a run. This applies the operator and its adjoint once each."""
        return cls(
            fingerprint(problem, *settings),
            operator_products(problem.operator),
            torch.finfo(problem.operator.dtype).eps,
            machine_facts(problem),
        )

    def facts(self) -> dict[str, object]:
        """Return the identity as values of a header."""
        return asdict(self)

    def check(self, header: Mapping[str, Any], path: Path) -> None:
        """Check that a checkpoint's header is that of this run; another machine gives a warning.

        Args:
            header: Header of the checkpoint.
            path: Its file, for the message.

        Raises:
            InputError: If the problem or the settings differ.
        """
        needed = f"needed the problem and settings that {path} was written with"
        advice = "run without resuming, or with the same file and options"
        if header["fingerprint"] != self.fingerprint:
            raise InputError(f"{needed}, got others; {advice}")
        if not self._has_products(header["products"], header["precision"]):
            raise InputError(f"{needed}, got others: the operator gives other products; {advice}")
        then = header["machine"]
        changed = [f"{name} {then.get(name)} -> {now}" for name, now in self.machine.items() if then.get(name) != now]
        if changed:
            warnings.warn(
                f"resumed on another set-up ({', '.join(changed)}): the result may differ in its last digits",
                stacklevel=3,
            )

    def _has_products(self, products: Sequence[Sequence[float]], precision: float) -> bool:
        """Return True if an operator has the same products, up to the rounding of both machines and dtypes."""
        # Half the digits: far above the rounding of a sum, and far below the effect of another operator.
        tolerance = math.sqrt(max(precision, self.precision))
        pairs = [
            (then, now)
            for before, after in zip(products, self.products, strict=True)
            for then, now in zip(before, after, strict=True)
        ]
        return not any(abs(then - now) > tolerance * max(1.0, abs(then)) for then, now in pairs)


def fingerprint(problem: MeasuredProblem, *settings: object) -> str:
    """Return a hash of a problem and of settings.

    Measurements, tensors of the operator and tensors among the settings (a start) enter in single precision, so that
    another dtype gives the same hash. Nothing else can be read of an operator made of functions.
    """
    texts = (str(problem.operator), *_texts(settings))
    digest = hashlib.sha256(repr(texts).encode())
    held = vars(problem.operator).values()
    for tensor in _tensors((problem.measurements, problem.weights, *held, settings)):
        flat = _real(tensor)
        stride = max(1, flat.numel() // _SAMPLED_ENTRIES)
        digest.update(flat[::stride].to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def operator_products(operator: MeasuringOperator) -> tuple[tuple[float, ...], ...]:
    """Return a few numbers that another operator would not give: of `M(Z)` and of `M*(v) V`, all three drawn once.

    They tell operators apart that are made of functions or of other operators. Rounding differs between machines, so
    that they are compared and not hashed. A problem that is not one of a matrix has none.
    """
    if not isinstance(operator, Operator):
        return ()
    rng = torch.Generator().manual_seed(_PRODUCTS_SEED)

    def drawn(rows: int, dtype: torch.dtype) -> Tensor:
        double = random_normal((rows, 1), generator=rng, dtype=torch.promote_types(dtype, torch.float64))
        return double.to(operator.device, dtype)

    m1, m2 = operator.shape
    X, Y = drawn(m1, operator.dtype), drawn(m2, operator.dtype)
    core = torch.ones(1, 1, dtype=operator.dtype, device=operator.device)
    y = operator.measure(LowRank(X, core, None if operator.kind.is_symmetric else Y))
    v = drawn(operator.count, operator.real_dtype).squeeze(-1)
    return _numbers(y, rng), _numbers(operator.adjoint_times(v, Y), rng)


def machine_facts(problem: MeasuredProblem) -> dict[str, str]:
    """Return the facts on the machine that must agree for a resumed run to give the same bits."""
    return {
        "processor": platform.processor() or platform.machine(),
        "device": problem.operator.device.type,
        "dtype": str(problem.operator.dtype),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }


def _texts(value: object) -> Iterator[str]:
    """Return the texts of a setting without its tensors, and without addresses in memory."""
    if isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, Tensor):
        yield repr(tuple(value.shape))
    elif is_dataclass(value):
        yield type(value).__name__
        yield from _texts(tuple(getattr(value, part.name) for part in fields(value)))
    else:
        yield _ADDRESS.sub("", repr(value))


def _tensors(value: object) -> Iterator[Tensor]:
    """Return the tensors of a setting or an operator, also those within dataclasses and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _tensors(part)
    elif is_dataclass(value):
        yield from _tensors(tuple(getattr(value, part.name) for part in fields(value)))


def _numbers(values: Tensor, rng: torch.Generator) -> tuple[float, ...]:
    """Return the largest magnitude of a tensor, and random combinations of its entries relative to it."""
    flat = _real(values).to("cpu", torch.float64)
    largest = float(flat.abs().max())
    relative = flat / largest if largest > 0 else flat
    weights = torch.randn(_PRODUCTS, len(flat), generator=rng, dtype=torch.float64) / math.sqrt(len(flat))
    return largest, *(weights @ relative).tolist()


def _real(values: Tensor) -> Tensor:
    """Return the entries of a tensor as one vector of real numbers."""
    detached = values.detach().resolve_conj()
    return (torch.view_as_real(detached) if detached.is_complex() else detached).reshape(-1)
