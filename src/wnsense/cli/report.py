"""`wnsense report`: the table of a study or a recovery as a page, as pictures, or as a long table."""

from pathlib import Path

from wnsense.atomic import write_bytes, write_text
from wnsense.checks import InputError, require
from wnsense.cli.commands.choices import ReportFormat
from wnsense.cli.commands.report import ReportOptions
from wnsense.cli.inputs import require_writable
from wnsense.cli.terminal import say, say_command
from wnsense.files.tables import Table, read_table
from wnsense.lab.studies.interactive import comma_separated, drawn, interactive_page, pictures, source_of
from wnsense.running.progress_display import display

_RESULT = "result.npz"


def report(options: ReportOptions) -> int:
    """Read a table, draw it and write the files; returns the exit code.

    Raises:
        InputError: If there is no such table, the format contradicts the file's name, or a file cannot be written.
    """
    kind = _kind(options)
    path = _table_path(options.source)
    require(
        not (options.out.exists() and options.out.samefile(path)),
        "a file to write other than the table that is read",
        str(options.out),
    )
    require_writable(options.out.parent, [options.out.name])
    with display(f"reading {path}") as shown:
        table = read_table(path)
        require(
            source_of(table) is not None,
            f"the table of a study or the result of a recovery at {path}",
            "another table",
            "make one with wnsense study run or wnsense recover --out",
        )
        shown.stage("drawing")
        written = _write(table, kind, options.out)
    say(f"{path} as {kind}, written to:")
    for file in written:
        say_command(str(file))
    return 0


def _write(table: Table, kind: ReportFormat, out: Path) -> list[Path]:
    """Draw all files, then write them; returns their paths."""
    if kind is ReportFormat.HTML:
        write_text(out, interactive_page(table))
        return [out]
    if kind is ReportFormat.CSV:
        write_text(out, comma_separated(table))
        return [out]
    contents = {
        out.with_name(f"{out.stem}{suffix}{out.suffix}"): drawn(figure, str(kind))
        for suffix, figure in pictures(table).items()
    }
    require_writable(out.parent, [path.name for path in contents])
    for path, content in contents.items():
        write_bytes(path, content)
    return list(contents)


def _kind(options: ReportOptions) -> ReportFormat:
    """Return the format that was asked for, or the one that the file's name ends in."""
    suffix = options.out.suffix.lower().removeprefix(".")
    endings = ", ".join(f".{one}" for one in ReportFormat)
    if options.format is None:
        require(
            suffix in set(ReportFormat),
            f"--out ending in one of {endings}",
            options.out,
            "or give the format with --format",
        )
        return ReportFormat(suffix)
    require(
        suffix == options.format,
        f"--out ending in .{options.format}, the format of --format",
        options.out,
        f"name a file that ends in .{options.format}, or leave out --format",
    )
    return options.format


def _table_path(source: Path) -> Path:
    """Return the path of the table: the source itself, or the only table in a directory."""
    if not source.is_dir():
        require(source.exists(), f"a table, or a directory with one, at {source}", "nothing there")
        return source
    if (source / _RESULT).is_file():
        return source / _RESULT
    tables = sorted(path for path in source.glob("*.npz") if _is_ours(path))
    require(
        len(tables) == 1,
        f"one table of a study or a recovery in {source}",
        ", ".join(path.name for path in tables) or "none",
        "name the file" if tables else "make one with wnsense study run or wnsense recover --out",
    )
    return tables[0]


def _is_ours(path: Path) -> bool:
    try:
        return source_of(read_table(path)) is not None
    except InputError:
        return False
