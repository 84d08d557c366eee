"""The program `wnsense`: its commands in one table, and how it starts and ends."""

import errno
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NoReturn

import typer

import wnsense
from wnsense.cli.commands import (
    bench,
    check,
    demo,
    demo_networks,
    recover,
    report,
    simulate,
    sparse,
    study,
)
from wnsense.cli.exit_codes import EXIT_BAD_INPUT, EXIT_NO_OUTPUT, interrupted_exit_code
from wnsense.cli.streams import complain, discard, open_closed_streams

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
studies = typer.Typer(help="Repeat the figures of the papers, and compare their claims with measurements.")

# Each command's name, its function, and the last paragraph of its help.
COMMANDS: Mapping[str, tuple[Callable[..., None], str | None]] = {
    "recover": (recover.recover, recover.EPILOG),
    "check": (check.check, check.EPILOG),
    "sparse": (sparse.sparse, sparse.EPILOG),
    "simulate": (simulate.simulate, simulate.EPILOG),
    "demo": (demo.demo, None),
    "demo-networks": (demo_networks.demo_networks, None),
    "bench": (bench.bench, bench.EPILOG),
    "report": (report.report, report.EPILOG),
}
STUDY_COMMANDS: Mapping[str, tuple[Callable[..., None], str | None]] = {
    "list": (study.study_list, None),
    "run": (study.study_run, study.RUN_EPILOG),
    "show": (study.study_show, study.SHOW_EPILOG),
}

for name, (command, epilog) in COMMANDS.items():
    app.command(name, epilog=epilog)(command)
for name, (command, epilog) in STUDY_COMMANDS.items():
    studies.command(name, epilog=epilog)(command)
app.add_typer(studies, name="study")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the program, and end the process with the exit code of the command.

    Args:
        argv: Words after the program's name; those of the process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    open_closed_streams()
    _listen_to_interrupts()
    try:
        code = app(words, prog_name="wnsense", standalone_mode=False)
    except typer.TyperException as error:
        # typer's "Value error" repeats its "invalid value".
        line = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
        complain(f"{line}; see {_help_command(words)}")
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt as interrupt:
        complain("interrupted")
        code = interrupted_exit_code(interrupt)
    except OSError as error:
        # Files of the library give an InputError. This is the output, or a file that a study or benchmark extends.
        code = _code_without_output(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _code_without_output(error)
        discard(sys.stdout)
    sys.exit(code)


def _code_without_output(error: OSError) -> int:
    """Return the exit code after output that could not be written, and say why in one line."""
    discard(sys.stdout)
    # A reader that has ended, as in `| head`, has all that it wanted.
    if error.errno != errno.EPIPE:
        place = "" if error.filename is None else f" for {error.filename}"
        complain(
            f"needed a place for the output, got: {error.strerror or error}{place}; free some space, or redirect it"
        )
    return EXIT_NO_OUTPUT


def _listen_to_interrupts() -> None:
    """Let SIGINT raise KeyboardInterrupt, also in a process that inherited it as ignored.

    A shell starts background jobs of a script in that way, and a run could then not be interrupted at all.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and not callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _help_command(words: list[str]) -> str:
    if words and (words[0] in COMMANDS or words[0] == "study"):
        return f"wnsense {words[0]} --help"
    return "wnsense --help"


@app.callback(invoke_without_command=True)
def _program(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Recover a low-rank matrix from linear measurements without its rank.

    Begin with `wnsense demo`, or with `wnsense simulate --out problem.npz` and `wnsense recover problem.npz`.
    """
    if version:
        typer.echo(f"wnsense {wnsense.__version__}")
        raise typer.Exit
