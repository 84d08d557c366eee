"""`wnsense sparse`: a sparse solution of `A z = y` from a file."""

import json
from pathlib import Path

import torch

from wnsense.atomic import write_together
from wnsense.cli.commands.sparse import SparseOptions
from wnsense.cli.exit_codes import EXIT_NOT_CONVERGED
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.cli.streams import complain
from wnsense.cli.terminal import say
from wnsense.files.sparse_problem import read_sparse_problem
from wnsense.files.tables import Table, table_bytes
from wnsense.running.progress_display import display
from wnsense.running.status import Status
from wnsense.sparse.sparse_recover import sparse_recover
from wnsense.sparse.sparse_recovery import SparseRecovery

_RESULTS = ("solution.npz", "solution.json")


def sparse(options: SparseOptions) -> int:
    """Find a sparse solution, write it and summarize it; returns the exit code.

    Raises:
        InputError: If the file or an option cannot be used; nothing has been written then.
    """
    require_seed(options.seed)
    if options.out is not None:
        require_writable(options.out, _RESULTS)
    with interruptible() as interrupts, display(f"reading {options.problem}", quiet=options.quiet) as shown:
        problem = read_sparse_problem(options.problem)

        def progress(words: str, products: int, misfit: float) -> None:
            interrupts.raise_again()
            shown.count(f"{words}: {products:,} products, misfit {misfit:.1e}", products, 0)

        recovery = sparse_recover(problem.A, problem.y, seed=options.seed, callback=progress)
        error = _error(recovery, problem.truth)
        if options.out is not None:
            with interrupts.held():
                _save(recovery, error, options.out)
    if not options.quiet:
        _summarize(recovery, error, problem.warnings, options.out)
    if recovery.status is Status.INTERRUPTED:
        complain("interrupted" + ("" if options.out is None else f"; {options.out} holds the last solution"))
        return interrupts.exit_code
    return 0 if recovery.status.is_success else EXIT_NOT_CONVERGED


def _error(recovery: SparseRecovery, truth: torch.Tensor | None) -> float | None:
    if truth is None or not bool((truth != 0).any()):
        return None
    return float((recovery.solution - truth).norm() / truth.norm())


def _save(recovery: SparseRecovery, error: float | None, directory: Path) -> None:
    table = recovery.table()
    header = {**table.header, "relative_error": error}
    facts = json.dumps(header, indent=2) + "\n"
    contents = (table_bytes(Table(header, table.arrays)), facts.encode())
    write_together({directory / name: content for name, content in zip(_RESULTS, contents, strict=True)})


def _summarize(recovery: SparseRecovery, error: float | None, warnings: tuple[str, ...], out: Path | None) -> None:
    first, _, details = str(recovery).partition("\n")
    say(first, style="green" if recovery.status.is_success else "yellow")
    say(details)
    if error is not None:
        say(f"  relative error against the truth {error:.2e}")
    for warning in warnings:
        say(f"  warning: {warning}")
    if out is not None:
        say(f"  written to {out}: {', '.join(_RESULTS)}")
