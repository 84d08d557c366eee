"""Three large recoveries, each of a matrix that could not be stored, with figures and pictures.

`python benchmarks/large.py --study photograph|distances|state [--quick] [--threads 2] [--write]`. Minutes and a few GB
each; `--quick` takes seconds. `--write` stores the table under benchmarks/results and the picture under docs/images.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import arguments, show

import wnsense as wn
from wnsense.lab.demos.large import large_picture as pictures
from wnsense.pages.picture_file import save
from wnsense.files.tables import Table
from wnsense.lab.demos.large.distances import DistanceStudy, map_from_distances
from wnsense.lab.demos.large.photograph import photograph, retrieve_photograph
from wnsense.lab.demos.large.quantum_state import StateStudy, reconstruct_state

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
Study = Callable[[bool, Callable[[wn.running.Progress], None]], tuple[wn.Recovery, Table]]

STUDIES: dict[str, tuple[str, Study, Callable[[Table], object], tuple[str, ...]]] = {
    "photograph": (
        "A photograph from coded diffraction patterns, its phase lost",
        lambda small, report: retrieve_photograph(photograph(side=64 if small else 1024), callback=report),
        pictures.photograph_picture,
        ("masks", "image_error"),
    ),
    "distances": (
        "Positions from sampled distances",
        lambda small, report: map_from_distances(DistanceStudy(2000, 120_000) if small else DistanceStudy(), report),
        pictures.distances_picture,
        ("share_of_pairs", "noise", "misplaced_root_mean_square", "spread_root_mean_square"),
    ),
    "state": (
        "A quantum state from Pauli expectation values",
        lambda small, report: reconstruct_state(StateStudy(qubits=5) if small else StateStudy(), report),
        pictures.state_picture,
        ("qubits", "shots", "noise_level", "fidelity"),
    ),
}
_COMMON = (
    *("size", "measurements", "status", "rank", "relative_residual", "holdout_residual", "relative_error"),
    *("applications", "seconds", "peak_memory_gb", "threads"),
)


def progress_printer() -> Callable[[wn.running.Progress], None]:
    """Return a callback that prints a line every few seconds, on a terminal only."""
    last = [time.monotonic()]

    def report(progress: wn.running.Progress) -> None:
        if sys.stderr.isatty() and time.monotonic() - last[0] > 5:
            last[0] = time.monotonic()
            sys.stderr.write(f"{progress.stage}: step {progress.step}, residual {progress.residual:.2e}\n")

    return report


def main() -> None:
    """Run one recovery, print its figures, and with `--write` store them and the picture."""
    options = arguments(__doc__ or "", ("study", "photograph"), ("threads", 2))
    if options.study not in STUDIES:
        raise SystemExit(f"needed --study of {', '.join(STUDIES)}, got {options.study}")
    torch.set_num_threads(options.threads)
    title, run, picture, own = STUDIES[options.study]
    recovery, table = run(options.quick, progress_printer())
    facts = [(name, table.header[name]) for name in (*own, *_COMMON)]
    rows: list[list[object]] = [["figure", "value"]]
    rows += [[name, f"{value:.4g}" if isinstance(value, float) else value] for name, value in facts]
    name = f"large_{options.study}"
    show(name, title, rows, write=options.write)
    sys.stdout.write(f"\n{recovery}\n")
    if options.write:
        save(picture(table), _IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
