"""`wnsense sparse`: its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import Quiet, Seed

EPILOG = (
    "Exit codes: 0 converged or at the noise floor; 2 bad input; "
    "3 finished without either; 130 interrupted (143 by SIGTERM, 129 by SIGHUP)."
)


@dataclass(frozen=True)
class SparseOptions:
    """Options of `wnsense sparse`."""

    problem: Path
    out: Path | None
    seed: int
    quiet: bool


def sparse(
    problem: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .npz, .mat or .safetensors file with y and A. A is dense or given by its nonzeros: A_shape with "
            "A_values, A_rows and A_columns, or with SciPy's A_data, A_indices and A_indptr.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory for solution.npz and solution.json. Without it only the summary is shown.",
        ),
    ] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find a sparse z with A z = y, and say whether it can be trusted.

    Ctrl-C stops the search. With --out the last solution is kept.
    """
    from wnsense.cli.sparse import sparse as work

    execute(work, SparseOptions(problem, out, seed, quiet))
