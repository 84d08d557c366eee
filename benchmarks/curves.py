"""Time and memory of a gradient against m, n and r, for every ensemble, beside the formula of the ensemble.

`python benchmarks/curves.py [--only entries] [--quick] [--write]`. About eight minutes on one thread, and 4 GB; memory
is measured on Linux only. `--quick` takes the two smallest sizes of each curve.

Each ensemble has a formula for time and one for memory, up to constants. Exponents are slopes of least-squares lines
through the logarithms. Those of the formula are fitted to its values at the same sizes, so that a formula of two terms
has its local exponent.
"""

import ctypes
import dataclasses
import gc
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from common import arguments, show
from scipy.sparse import csr_array

import wnsense as wn
from wnsense.sensing.operator import RowDual

_REPEATS = 5
_SECONDS = 0.2
_MOST_REPEATS = 50
_SIZES = 5
# The peak memory of a process is no measure of smaller amounts.
_PAGES = 2**20
_EFFECTS = torch.stack(
    [
        torch.tensor([1, 0], dtype=torch.complex128),
        torch.tensor([1, math.sqrt(2)], dtype=torch.complex128) / math.sqrt(3),
        torch.tensor([1, math.sqrt(2) * np.exp(2j * math.pi / 3)], dtype=torch.complex128) / math.sqrt(3),
        torch.tensor([1, math.sqrt(2) * np.exp(-2j * math.pi / 3)], dtype=torch.complex128) / math.sqrt(3),
    ]
) / math.sqrt(2)


class Drawn(Protocol):
    """Ensemble that is drawn from `n` and `m` alone."""

    def draw(self, n: int, size: int, *, generator: torch.Generator | None = None) -> wn.Operator:
        """Draw the operator."""
        ...


@dataclasses.dataclass(frozen=True)
class Term:
    """Term `m^a n^b r^c (log_2 m)^d` with the exponents `m`, `n`, `r`, `log`."""

    m: int = 0
    n: int = 0
    r: int = 0
    log: int = 0

    def __call__(self, m: int, n: int, r: int) -> float:
        """Return the value of the term."""
        return float(m**self.m * n**self.n * r**self.r * math.log2(m) ** self.log)

    def __str__(self) -> str:
        """Return the text of the term."""
        powers = {"n": self.n, "m": self.m, "log m": self.log, "r": self.r}
        return " ".join(name if power == 1 else f"{name}^{power}" for name, power in powers.items() if power)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Ensemble with its sizes and formulas.

    Attributes:
        name: Name in the table.
        build: Function that returns the operator of an `m` and an `n`.
        m: Sides of the unknown; the middle one is taken while `n` or `r` varies.
        n: Numbers of measurements, in the unit of the ensemble (patterns, blocks); the middle one as above.
        time: Terms of the number of operations, each up to a constant.
        memory: Terms of the number of stored numbers, each up to a constant.
    """

    name: str
    build: Callable[[int, int, torch.Generator], wn.Operator]
    m: tuple[int, ...]
    n: tuple[int, ...]
    time: tuple[Term, ...]
    memory: tuple[Term, ...]

    @property
    def formula(self) -> str:
        """Text of both formulas."""
        return "; ".join(" + ".join(map(str, terms)) for terms in (self.time, self.memory))

    @property
    def base(self) -> tuple[int, int, int]:
        """Values of `m`, `n` and `r` that stay while another one varies."""
        return self.m[len(self.m) // 2], self.n[len(self.n) // 2], 4


def doubling(first: int, count: int = _SIZES) -> tuple[int, ...]:
    """Return `first`, `2 first`, `4 first`, ..."""
    return tuple(first * 2**i for i in range(count))


_RANKS = doubling(2, 4)
_SIDES = (40, 56, 80, 112, 160)
_WIDE_SIDES = (80, 112, 160, 224, 320)

_DENSE = (Term(m=2, n=1),)
_VECTORS = (Term(m=1, n=1, r=1),)
_VECTORS_HELD = (Term(m=1, n=1), Term(n=1, r=1))
_GATHERED = (Term(n=1, r=1),)
_TRANSFORMED = (Term(n=1, r=1), Term(m=1, r=1, log=1))
_POSITIONS_HELD = (Term(n=1), Term(m=1, r=1))


def _sparse(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    columns = torch.randint(m * m, (8 * n,), generator=rng).numpy()
    values = torch.randn(8 * n, generator=rng, dtype=torch.float64).numpy()
    rows = csr_array((values, columns, np.arange(0, 8 * n + 1, 8)), shape=(n, m * m))
    return wn.operators.SparseSensing.from_matrix(rows, (m, m), kind="rectangular")


def _seeded(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    return wn.operators.SeededSensing.draw(n, m, seed=rng.initial_seed())


def _diffraction(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    side = math.isqrt(m)
    return wn.operators.CodedDiffractionSensing.draw(n, (side, side), kind="psd", generator=rng)


def _fourier(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    return wn.operators.PartialFourierSensing.draw(n, m, kind="hermitian", generator=rng)


def _pauli(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    return wn.operators.PauliSensing.draw(n, m.bit_length() - 1, generator=rng)


def _povm(m: int, n: int, rng: torch.Generator) -> wn.Operator:
    return wn.operators.PovmProductSensing.draw(n, _EFFECTS, m.bit_length() - 1, generator=rng)


def _drawn(ensemble: Drawn) -> Callable[[int, int, torch.Generator], wn.Operator]:
    return lambda m, n, rng: ensemble.draw(n, m, generator=rng)


ENSEMBLES = [
    Ensemble("Gaussian, stored", _drawn(wn.GaussianSensing), _SIDES, doubling(2500), _DENSE, _DENSE),
    Ensemble("Rademacher, bits", _drawn(wn.operators.RademacherSensing), _WIDE_SIDES, doubling(5000), _DENSE, _DENSE),
    Ensemble("Gaussian, from a seed", _seeded, _SIDES, doubling(1000), _DENSE, (Term(m=2), Term(n=1))),
    Ensemble("rank-one", _drawn(wn.RankOneSensing), doubling(64), doubling(5000), _VECTORS, _VECTORS_HELD),
    Ensemble(
        "paired", _drawn(wn.operators.PairedRankOneSensing), doubling(64), doubling(5000), _VECTORS, _VECTORS_HELD
    ),
    Ensemble(
        "block-rank", _drawn(wn.operators.BlockRankSensing), doubling(64), doubling(5000), _VECTORS, _VECTORS_HELD
    ),
    Ensemble(
        "rank-one, rectangular",
        _drawn(wn.operators.RectangularRankOneSensing),
        doubling(64),
        doubling(5000),
        _VECTORS,
        _VECTORS_HELD,
    ),
    Ensemble("entries", _drawn(wn.EntrySensing), doubling(20_000), doubling(250_000), _GATHERED, _POSITIONS_HELD),
    Ensemble(
        "sub-blocks of 32 x 32 (n: blocks)",
        lambda m, n, rng: wn.operators.SubBlockSensing.draw(n, (32, 32), m, generator=rng),
        doubling(20_000),
        doubling(250),
        _GATHERED,
        _POSITIONS_HELD,
    ),
    Ensemble("sparse rows, 8 numbers each", _sparse, doubling(2000), doubling(60_000), _GATHERED, _POSITIONS_HELD),
    Ensemble(
        "DCT", _drawn(wn.operators.DCTSensing), doubling(20_000), doubling(250_000), _TRANSFORMED, _POSITIONS_HELD
    ),
    Ensemble(
        "Walsh-Hadamard",
        _drawn(wn.operators.HadamardSensing),
        doubling(2**14),
        doubling(250_000),
        _TRANSFORMED,
        _POSITIONS_HELD,
    ),
    Ensemble("partial Fourier", _fourier, doubling(20_000), doubling(250_000), _TRANSFORMED, _POSITIONS_HELD),
    Ensemble(
        "diffraction (n: masks)",
        _diffraction,
        tuple(4**k for k in (7, 8, 9, 10)),
        doubling(2, 4),
        (Term(m=1, n=1, r=1, log=1),),
        (Term(m=1, n=1), Term(m=1, r=1)),
    ),
    Ensemble(
        "Pauli strings, n < m",
        _pauli,
        doubling(2**9),
        doubling(32),
        (Term(m=1, n=1, r=1), Term(m=1, n=1, log=1)),
        _POSITIONS_HELD,
    ),
    Ensemble("POVM products", _povm, doubling(2**7), doubling(250), _VECTORS, _POSITIONS_HELD),
]


def stored(operator: wn.Operator) -> int:
    """Return the bytes of the tensors that an operator holds."""
    held = [getattr(operator, field.name) for field in dataclasses.fields(operator)]
    tensors = {value.data_ptr(): value for value in held if isinstance(value, torch.Tensor)}
    inner = [value for value in held if dataclasses.is_dataclass(value)]
    return sum(t.numel() * t.element_size() for t in tensors.values()) + sum(stored(value) for value in inner)


def _resident(which: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024
    return 0


def scratch(work: Callable[[], object]) -> int:
    """Return the growth of the process during a call in bytes, its result included."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    result = work()
    after = _resident("VmHWM")
    del result
    return max(after - before, 0)


def cost(ensemble: Ensemble, m: int, n: int, r: int) -> tuple[float, float]:
    """Return seconds and bytes of a gradient."""
    rng = torch.Generator().manual_seed(0)
    operator = ensemble.build(m, n, rng)
    rows, columns = operator.shape
    X = torch.randn((rows, r), generator=rng, dtype=operator.dtype)
    Y = None if operator.kind.is_symmetric else torch.randn((columns, r), generator=rng, dtype=operator.dtype)
    point = wn.LowRank(X, torch.eye(r, dtype=operator.dtype), Y)
    dual = RowDual(torch.ones(operator.count, dtype=operator.real_dtype))

    def gradient() -> object:
        return operator.pull_back(point, dual)

    gradient()
    grown = scratch(gradient)
    times: list[float] = []
    while len(times) < _REPEATS or (sum(times) < _SECONDS and len(times) < _MOST_REPEATS):
        began = time.perf_counter()
        gradient()
        times.append(time.perf_counter() - began)
    return statistics.median(times), float(stored(operator) + grown)


def exponent(sizes: tuple[int, ...], values: list[float]) -> float:
    """Return the slope of the line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def curve(ensemble: Ensemble, axis: str, ranks: tuple[int, ...]) -> list[object]:
    """Measure one curve and return its line of the table."""
    m, n, r = ensemble.base
    sizes = {"m": ensemble.m, "n": ensemble.n, "r": ranks}[axis]
    places = [(size if axis == "m" else m, size if axis == "n" else n, size if axis == "r" else r) for size in sizes]
    measured = [cost(ensemble, *place) for place in places]
    seconds, numbers = [s for s, _ in measured], [b for _, b in measured]
    small = numbers[0] < _PAGES
    return [
        ensemble.name if axis == "m" else "",
        {"m": f"n={n}, r={r}", "n": f"m={m}, r={r}", "r": f"m={m}, n={n}"}[axis],
        f"{axis} = {sizes[0]} to {sizes[-1]}",
        f"{1e3 * seconds[0]:.1f} to {1e3 * seconds[-1]:.1f}",
        f"{exponent(sizes, seconds):.2f}",
        f"{exponent(sizes, [sum(term(*place) for term in ensemble.time) for place in places]):.2f}",
        f"{numbers[0] / 1e6:.1f} to {numbers[-1] / 1e6:.1f}",
        "-" if small else f"{exponent(sizes, numbers):.2f}",
        f"{exponent(sizes, [sum(term(*place) for term in ensemble.memory) for place in places]):.2f}",
        ensemble.formula if axis == "m" else "",
    ]


def main() -> None:
    """Measure all curves, or those of the ensembles whose name contains `--only`, and print the table."""
    options = arguments(__doc__ or "", ("only", ""), ("_sizes", _SIZES), quick={"sizes": 2})
    torch.set_num_threads(1)
    head: list[object] = [
        "ensemble",
        "kept",
        "varied",
        "ms",
        "exponent",
        "of the formula",
        "MB, with what is stored",
        "exponent",
        "of the formula",
        "formula: operations; numbers",
    ]
    smallest = slice(options.sizes)
    rows = [
        curve(dataclasses.replace(ensemble, m=ensemble.m[smallest], n=ensemble.n[smallest]), axis, _RANKS[smallest])
        for ensemble in ENSEMBLES
        if options.only in ensemble.name
        for axis in ("m", "n", "r")
    ]
    show("cost_curves", "The cost of a gradient against m, n and r", [head, *rows], write=options.write)


if __name__ == "__main__":
    main()
