"""Transform-based operators against the transforms that they are made of.

`python benchmarks/transforms.py [--seeds 7] [--write]`: seeds is the number of interleaved repetitions, of which medians
are shown. About five minutes on one thread.
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
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing, discrete_cosine, walsh_hadamard

SIDE, RANK, MASKS = 1024, 3, 8
QUBITS, STATE_RANK = 12, 4


def medians(repetitions: int, work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, one after the other in every repetition, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for repetition in range(repetitions + 1):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            if repetition > 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def gradient(operator: Operator, point: wn.LowRank) -> Callable[[], object]:
    """Least squares: y, and M*(y - target) X."""
    weight = torch.ones(operator.count, dtype=operator.real_dtype)
    dual = RowDual(weight, torch.zeros_like(weight))
    return lambda: operator.pull_back(point, dual)


def diffraction_rows(repetitions: int) -> list[list[object]]:
    """A gradient from coded diffraction patterns beside the FFTs that it needs, in the order in which it needs them.

    That is, the r images behind one mask, then the inverses of their transforms; no image is transformed twice. The
    same number of transforms of one image, again and again, finds it in the cache each time: the last column.
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
        generator = torch.Generator().manual_seed(0)
        operator = CodedDiffractionSensing.draw(MASKS, (SIDE, SIDE), kind=kind, dtype=dtype, generator=generator)
        X = torch.randn(SIDE**2, RANK, dtype=dtype, generator=generator)
        core = torch.randn(RANK, RANK, dtype=dtype, generator=generator)
        point = wn.LowRank(X, core + core.mH)
        behind = torch.randn(MASKS, RANK, SIDE, SIDE, dtype=dtype.to_complex(), generator=generator)

        def transforms(behind: torch.Tensor = behind) -> None:
            for images in behind:
                patterns = [torch.fft.fft2(image, norm="ortho") for image in images]
                for pattern in patterns:
                    torch.fft.ifft2(pattern, norm="ortho")

        def in_cache(image: torch.Tensor = behind[0, 0]) -> None:
            for _ in range(MASKS * RANK):
                torch.fft.ifft2(torch.fft.fft2(image, norm="ortho"), norm="ortho")

        taken = medians(
            repetitions,
            {
                "ffts": transforms,
                "gradient": gradient(operator, point),
                "general": lambda operator=operator, point=point: operator.pull_back(point, lambda y: y - 1),
                "in cache": in_cache,
            },
        )
        ffts = taken["ffts"]
        rows.append(
            [
                f"{kind}, {str(dtype)[6:]}",
                f"{1e3 * ffts:.0f}",
                f"{1e3 * taken['gradient']:.0f}",
                f"{taken['gradient'] / ffts:.2f}",
                f"{1e3 * taken['general']:.0f}",
                f"{taken['general'] / ffts:.2f}",
                f"{1e3 * taken['in cache']:.0f}",
            ]
        )
    return rows


def pauli_rows(repetitions: int) -> list[list[object]]:
    """All expectation values, and fewer, beside one Walsh-Hadamard transform of as many numbers as there are strings."""
    rows: list[list[object]] = [["strings", "M, s", "M*, s", "one transform of 4^q numbers, s", "to make, s"]]
    d = 1 << QUBITS
    generator = torch.Generator().manual_seed(0)
    truth = wn.low_rank(d, STATE_RANK, kind="hermitian", generator=generator)
    numbers = torch.randn(d, d, dtype=torch.float64, generator=generator)
    for count in (4**QUBITS, 100_000, 4 * STATE_RANK * d):
        start = time.perf_counter()
        full = count == 4**QUBITS
        operator = PauliSensing.complete(QUBITS) if full else PauliSensing.draw(count, QUBITS, generator=generator)
        made = time.perf_counter() - start
        y = operator.measure(truth)
        taken = medians(
            repetitions,
            {
                "forward": lambda operator=operator: operator.measure(truth),
                "backward": lambda operator=operator, y=y: operator.adjoint_times(y, truth.X),
                "transform": lambda: walsh_hadamard(numbers),
            },
        )
        name = f"all {count:,}" if full else f"{count:,}"
        rows.append([name, *(f"{taken[part]:.2f}" for part in ("forward", "backward", "transform")), f"{made:.2f}"])
    return rows


def entry_rows(repetitions: int) -> list[list[object]]:
    """A gradient of n = 10 m r entries of a transform beside transforms of the factor there and back."""
    rows: list[list[object]] = [["ensemble", "m", "n", "transforms alone, ms", "gradient, ms", "ratio", "to make, s"]]
    rank = 3
    for m in (2**14, 2**17, 2**20):
        for ensemble, transform in ((DCTSensing, discrete_cosine), (HadamardSensing, walsh_hadamard)):
            generator = torch.Generator().manual_seed(0)
            n = 10 * m * rank
            start = time.perf_counter()
            operator = ensemble.draw(n, m, generator=generator)
            made = time.perf_counter() - start
            X = torch.randn(m, rank, dtype=torch.float64, generator=generator)
            point, turned = wn.LowRank(X, torch.eye(rank, dtype=torch.float64)), X.mT.contiguous()
            taken = medians(
                max(1, repetitions // 2),
                {
                    "alone": lambda transform=transform, turned=turned: [transform(turned) for _ in range(2)],
                    "gradient": gradient(operator, point),
                },
            )
            alone, both = taken["alone"], taken["gradient"]
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
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    times = options.seeds
    image = f"{SIDE} x {SIDE} image, {MASKS} masks, rank {RANK}"
    show("diffraction", f"Coded diffraction: {image}", diffraction_rows(times), write=options.write)
    show("pauli", f"Pauli strings of {QUBITS} qubits, rank {STATE_RANK}", pauli_rows(times), write=options.write)
    show("transforms", "Entries of a transform, rank 3, psd, float64", entry_rows(times), write=options.write)


if __name__ == "__main__":
    main()
