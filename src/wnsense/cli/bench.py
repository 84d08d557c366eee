"""`wnsense bench`: every method on a grid of problems."""

import os

from wnsense.atomic import write_text
from wnsense.checks import require
from wnsense.cli.commands.bench import BenchOptions
from wnsense.cli.inputs import require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.cli.streams import complain
from wnsense.cli.terminal import say, say_files
from wnsense.lab.bench.comparison import PLENTY, compare_cells, summarize_ratios
from wnsense.lab.bench.grid import GRIDS
from wnsense.lab.bench.grid_files import read_facts
from wnsense.lab.bench.grid_run import GridFiles, run_grid
from wnsense.lab.bench.publication import page_names, publish
from wnsense.lab.bench.users.user_grid import USER_GRIDS, UserGrid
from wnsense.lab.bench.users.user_grid_run import UserFiles, run_user_grid
from wnsense.lab.bench.users.user_summary import user_summary, user_totals
from wnsense.running.progress_display import display

_JOBS = 2


def bench(options: BenchOptions) -> int:
    """Run the missing rows of a grid and write its table, page and picture; returns the exit code.

    Raises:
        InputError: If the directory holds another table or cannot be written, or an option is out of range.
    """
    if options.grid in USER_GRIDS:
        return _user_bench(USER_GRIDS[options.grid], options)
    grid = GRIDS[options.grid]
    jobs = min(_JOBS, os.cpu_count() or 1) if options.jobs is None else options.jobs
    require(jobs >= 1, "--jobs of at least 1", jobs)
    unknown = [name for name in options.rerun if name not in grid.methods]
    require(not unknown, f"--rerun of {', '.join(grid.methods)}", ", ".join(unknown))
    files = GridFiles(options.out, grid)
    require_writable(options.out, [files.table.name, files.facts.name, *page_names(grid)])
    with interruptible() as interrupts, display("starting") as shown:
        try:
            rows = run_grid(grid, options.out, jobs=jobs, anew=options.rerun, progress=shown.count)
        except KeyboardInterrupt:
            complain(f"interrupted; finished rows are kept in {files.table}, the same command resumes from there")
            return interrupts.exit_code
        shown.stage("writing the page")
        written = publish(grid, rows, read_facts(files.facts), options.out)
    comparisons = compare_cells(rows)
    for words, plenty in ((f"n at least {PLENTY:g} degrees of freedom", True), ("fewer measurements", False)):
        ratios = summarize_ratios(c for c in comparisons if (c.cell.oversampling >= PLENTY) == plenty)
        if ratios.cells and not grid.is_of_recover_alone:
            tuned = f", tuned {ratios.median_tuned:.2f}" if grid.tuning_seeds else ""
            say(f"{words}, {ratios.cells} cells: applications to 1e-10, of recover() over those of the best baseline")
            say(f"  median: as published {ratios.median_default:.2f}{tuned}")
    say_files((files.table, *written))
    return 0


def _user_bench(grid: UserGrid, options: BenchOptions) -> int:
    require(options.jobs in {None, 1}, "--jobs 1 for a grid whose runs are timed one at a time", options.jobs)
    unknown = [name for name in options.rerun if name not in grid.methods]
    require(not unknown, f"--rerun of {', '.join(grid.methods)}", ", ".join(unknown))
    files = UserFiles(options.out, grid)
    table, description = files.files.table, files.files.description
    require_writable(options.out, [table.name, description.name, files.page.name])
    with interruptible() as interrupts, display("starting") as shown:
        try:
            rows = run_user_grid(grid, options.out, anew=options.rerun, progress=shown.count)
        except KeyboardInterrupt:
            complain(f"interrupted; finished rows are kept in {table}, the same command resumes from there")
            return interrupts.exit_code
    write_text(files.page, user_summary(rows, read_facts(description)))
    say(user_totals(rows))
    say_files((table, files.page))
    return 0
