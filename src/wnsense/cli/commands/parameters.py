"""Parameters that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ProblemFile = Annotated[
    Path,
    typer.Argument(
        metavar="PROBLEM",
        help="A .npz, MATLAB .mat (v5 or v7.3) or .safetensors file with y and the operator: matrices, svec, "
        "vectors, left_vectors, blocks, entries, paulis, effects or masks.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show neither summary nor progress.")]
DemoDirectory = Annotated[Path, typer.Option(metavar="DIR", help="Directory for the table and the page.")]
