"""`wnsense report`: its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.choices import ReportFormat
from wnsense.cli.commands.execution import execute

EPILOG = "Exit codes: 0 done; 2 bad input."


@dataclass(frozen=True)
class ReportOptions:
    """Options of `wnsense report`; without a format the ending of the file's name decides."""

    source: Path
    out: Path
    format: ReportFormat | None


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_STUDY",
            help="A table that `wnsense study run` or `wnsense recover --out` wrote, .npz, or a directory with one.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File to write; an existing one is replaced. Further pictures are written beside it.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format",
            help="html: one interactive page that needs no network; png, svg, pdf: pictures; csv: a row for each curve "
            "and step. By default the ending of FILE.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a study or a recovery as an interactive page, as pictures, or as one long table."""
    from wnsense.cli.report import report as work

    execute(work, ReportOptions(source, out, kind))
