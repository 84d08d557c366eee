"""Transform-based operators beside the plain transforms that they consist of.

`python benchmarks/transforms.py [--seeds 7] [--quick] [--write]`: seeds is the number of interleaved repetitions; the
tables have their medians. About five minutes on one thread.
"""

import statistics
import time
from collections.abc import Callable

import torch
from common import arguments, show

import wnsense as wn
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.operator import Operator, RowDual
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.ensembles.fast_transforms import discrete_cosine, walsh_hadamard

RANK, MASKS, STATE_RANK = 3, 8, 4


def medians(repetitions: int, work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each call; calls alternate, and the first repetition does not count."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for repetition in range(repetitions + 1):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            if repetition > 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(durations) for name, durations in times.items()}


def gradient(operator: Operator, point: wn.LowRank) -> Callable[[], object]:
    """Return the call of a least-squares gradient: `y`, and `M*(y - target) X`."""
    weight = torch.ones(operator.count, dtype=operator.real_dtype)
    dual = RowDual(weight, torch.zeros_like(weight))
    return lambda: operator.pull_back(point, dual)


def diffraction_rows(side: int, repetitions: int) -> list[list[object]]:
    """Time a gradient of coded diffraction patterns beside its FFTs alone, in the same order.

    The order is the `r` images behind one mask, then the inverses of their transforms; no image is transformed twice.
    The last column is the same number of transforms of one image, which stays in the cache.
    """
    rows: list[list[object]] = [
        [
            "unknown",
            "its FFTs alone, ms",
            "gradient, ms",
            "ratio",
            "with a general dual, ms",
            "ratio",
            "FFTs of one image, ms",
        ]
    ]
    for kind, dtype in (
        ("psd", torch.float64),
        ("psd", torch.float32),
        ("hermitian", torch.complex128),
        ("hermitian", torch.complex64),
    ):
        rows.append(_diffraction_row(kind, dtype, side, repetitions))
    return rows


def _diffraction_row(kind: str, dtype: torch.dtype, side: int, repetitions: int) -> list[object]:
    generator = torch.Generator().manual_seed(0)
    operator = CodedDiffractionSensing.draw(MASKS, (side, side), kind=kind, dtype=dtype, generator=generator)
    X = torch.randn(side**2, RANK, dtype=dtype, generator=generator)
    core = torch.randn(RANK, RANK, dtype=dtype, generator=generator)
    point = wn.LowRank(X, core + core.mH)
    behind = torch.randn(MASKS, RANK, side, side, dtype=dtype.to_complex(), generator=generator)

    def transforms() -> None:
        for images in behind:
            patterns = [torch.fft.fft2(image, norm="ortho") for image in images]
            for pattern in patterns:
                torch.fft.ifft2(pattern, norm="ortho")

    def in_cache() -> None:
        for _ in range(MASKS * RANK):
            torch.fft.ifft2(torch.fft.fft2(behind[0, 0], norm="ortho"), norm="ortho")

    seconds = medians(
        repetitions,
        {
            "ffts": transforms,
            "gradient": gradient(operator, point),
            "general": lambda: operator.pull_back(point, lambda y: y - 1),
            "in cache": in_cache,
        },
    )
    ffts = seconds["ffts"]
    return [
        f"{kind}, {str(dtype)[6:]}",
        f"{1e3 * ffts:.0f}",
        f"{1e3 * seconds['gradient']:.0f}",
        f"{seconds['gradient'] / ffts:.2f}",
        f"{1e3 * seconds['general']:.0f}",
        f"{seconds['general'] / ffts:.2f}",
        f"{1e3 * seconds['in cache']:.0f}",
    ]


def pauli_rows(qubits: int, repetitions: int) -> list[list[object]]:
    """Time all expectation values, and fewer, beside one Walsh-Hadamard transform of as many numbers."""
    rows: list[list[object]] = [["strings", "M, s", "M*, s", "one transform of 4^q numbers, s", "to make, s"]]
    d = 1 << qubits
    generator = torch.Generator().manual_seed(0)
    truth = wn.low_rank(d, STATE_RANK, kind="hermitian", generator=generator)
    numbers = torch.randn(d, d, dtype=torch.float64, generator=generator)
    for count in (4**qubits, min(100_000, 4**qubits // 2), 4 * STATE_RANK * d):
        start = time.perf_counter()
        full = count == 4**qubits
        operator = PauliSensing.complete(qubits) if full else PauliSensing.draw(count, qubits, generator=generator)
        made = time.perf_counter() - start
        y = operator.measure(truth)
        seconds = medians(
            repetitions,
            {
                "forward": lambda operator=operator: operator.measure(truth),
                "backward": lambda operator=operator, y=y: operator.adjoint_times(y, truth.X),
                "transform": lambda: walsh_hadamard(numbers),
            },
        )
        name = f"all {count:,}" if full else f"{count:,}"
        rows.append([name, *(f"{seconds[part]:.2f}" for part in ("forward", "backward", "transform")), f"{made:.2f}"])
    return rows


def entry_rows(exponents: tuple[int, ...], repetitions: int) -> list[list[object]]:
    """Time a gradient of `n = 10 m r` entries of a transform, `m = 2^k`, beside two transforms of the factor."""
    rows: list[list[object]] = [["ensemble", "m", "n", "transforms alone, ms", "gradient, ms", "ratio", "to make, s"]]
    rank = 3
    for m in (2**exponent for exponent in exponents):
        for ensemble, transform in ((DCTSensing, discrete_cosine), (HadamardSensing, walsh_hadamard)):
            generator = torch.Generator().manual_seed(0)
            n = 10 * m * rank
            start = time.perf_counter()
            operator = ensemble.draw(n, m, generator=generator)
            made = time.perf_counter() - start
            X = torch.randn(m, rank, dtype=torch.float64, generator=generator)
            point, turned = wn.LowRank(X, torch.eye(rank, dtype=torch.float64)), X.mT.contiguous()
            seconds = medians(
                max(1, repetitions // 2),
                {
                    "alone": lambda transform=transform, turned=turned: [transform(turned) for _ in range(2)],
                    "gradient": gradient(operator, point),
                },
            )
            alone, both = seconds["alone"], seconds["gradient"]
            rows.append(
                [
                    ensemble.__name__,
                    m,
                    n,
                    f"{1e3 * alone:.1f}",
                    f"{1e3 * both:.1f}",
                    f"{both / alone:.1f}",
                    f"{made:.1f}",
                ]
            )
    return rows


def main() -> None:
    """Print the three tables."""
    sizes = (("_side", 1024), ("_qubits", 12), ("_largest", 20))
    options = arguments(__doc__ or "", *sizes, quick={"side": 32, "qubits": 5, "largest": 14})
    torch.set_num_threads(1)
    times, side, qubits = options.seeds, options.side, options.qubits
    image = f"{side} x {side} image, {MASKS} masks, rank {RANK}"
    exponents = tuple(exponent for exponent in (14, 17, 20) if exponent <= options.largest)
    show("diffraction", f"Coded diffraction: {image}", diffraction_rows(side, times), write=options.write)
    show(
        "pauli", f"Pauli strings of {qubits} qubits, rank {STATE_RANK}", pauli_rows(qubits, times), write=options.write
    )
    show(
        "transforms", "Entries of a transform, rank 3, psd, float64", entry_rows(exponents, times), write=options.write
    )


if __name__ == "__main__":
    main()
