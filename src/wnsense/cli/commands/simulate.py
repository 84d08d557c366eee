"""`wnsense simulate`: its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.choices import Ensemble, Spectrum, Unknown
from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import Seed

EPILOG = (
    "Ensembles: gaussian and rademacher, <M, Z> with random matrices M; rank-one, a^H Z a, or a^H Z b if rectangular; "
    "paired, a^H Z a - b^H Z b, and block-rank, the trace of A^H Z A, neither rectangular; entries, and sub-blocks of "
    "4 x 4 entries; dct, hadamard and fourier, entries of a transform of the matrix; diffraction, intensities behind "
    "random masks, not rectangular; pauli, expectation values of Pauli strings, and povm, outcomes of tetrahedral "
    "measurements of single qubits, both hermitian."
)


@dataclass(frozen=True)
class SimulateOptions:
    """Options of `wnsense simulate`; None stands for the ensemble's default."""

    out: Path
    ensemble: Ensemble
    size: str | None
    rank: int
    condition: float
    spectrum: Spectrum
    measurements: int | None
    noise: float
    kind: Unknown | None
    seed: int
    matlab_73: bool


SizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="M|M1xM2",
        help="The matrix is M x M, or M1 x M2 and then rectangular. With diffraction the image has M or M1 x M2 "
        "pixels, and the matrix is pixels x pixels. By default 50, or 32 for hadamard, pauli and povm, which need "
        "powers of two.",
    ),
]
CountOption = Annotated[
    int | None,
    typer.Option(
        help="Number of measurements. By default 6 times the degrees of freedom of such a matrix; 10 times for "
        "entries, dct, hadamard and fourier; 20 times for sub-blocks, which overlap. At most as many as are "
        "different. With diffraction it is masks times pixels, with sub-blocks it is blocks times 16 (32 if "
        "hermitian)."
    ),
]
KindOption = Annotated[
    Unknown | None,
    typer.Option(
        help="Kind of the matrix: psd (positive semidefinite), symmetric with every second eigenvalue negative, "
        "hermitian (complex), or rectangular (real). By default psd; hermitian for pauli and povm, rectangular if "
        "the sides differ.",
        show_default=False,
    ),
]


def simulate(
    *,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="File to write: .npz, .mat or .safetensors.", show_default=False),
    ],
    ensemble: Annotated[
        Ensemble, typer.Option(help="Ensemble of the measurements; the list below explains each.")
    ] = Ensemble.GAUSSIAN,
    size: SizeOption = None,
    rank: Annotated[int, typer.Option(help="Rank of the matrix.")] = 3,
    condition: Annotated[
        float, typer.Option(help="Largest singular value of the matrix over its smallest nonzero one.")
    ] = 10.0,
    spectrum: Annotated[
        Spectrum, typer.Option(help="Singular values evenly spaced (linear) or in equal ratios (geometric).")
    ] = Spectrum.LINEAR,
    measurements: CountOption = None,
    noise: Annotated[
        float,
        typer.Option(help="Standard deviation of the noise over the root mean square of the measurements."),
    ] = 0.0,
    kind: KindOption = None,
    seed: Seed = 0,
    matlab_73: Annotated[bool, typer.Option("--v7.3", help="Write a .mat file as MATLAB's v7.3, not as v5.")] = False,
) -> None:
    """Draw a random low-rank matrix, measure it, and write a problem file that includes the matrix."""
    from wnsense.cli.simulate import simulate as work

    execute(
        work,
        SimulateOptions(
            out=out,
            ensemble=ensemble,
            size=size,
            rank=rank,
            condition=condition,
            spectrum=spectrum,
            measurements=measurements,
            noise=noise,
            kind=kind,
            seed=seed,
            matlab_73=matlab_73,
        ),
    )
