"""Run of a demo, with the files that it writes."""

from collections.abc import Callable
from pathlib import Path

from wnsense.atomic import write_text
from wnsense.cli.commands.demo import DemoOptions
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.files.tables import Table, write_table
from wnsense.running.progress import ProgressCallback
from wnsense.running.progress_display import display


def write_demo(
    options: DemoOptions,
    name: str,
    first_stage: str,
    run: Callable[[int, ProgressCallback], Table],
    page: Callable[[Table], str],
) -> tuple[Table, Path]:
    """Run a demo, and write its table and its page.

    Args:
        options: Options of the command.
        name: Name of the files, without their endings.
        first_stage: Words that the display shows at first.
        run: Function of the seed and of a callback for progress that returns the table.
        page: Function of the table that returns the page.

    Returns:
        The table, and the path of the page.

    Raises:
        InputError: If the data of the demo are not installed or the directory cannot be written.
    """
    table_path, page_path = options.out / f"{name}.npz", options.out / f"{name}.html"
    require_seed(options.seed)
    require_writable(options.out, [table_path.name, page_path.name])
    with interruptible() as interrupts, display(first_stage) as shown:
        table = run(options.seed, shown.count)
        shown.stage("drawing the page")
        with interrupts.held():
            write_table(table_path, table)
            write_text(page_path, page(table))
    return table, page_path
