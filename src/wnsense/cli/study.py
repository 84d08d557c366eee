"""`wnsense study`: the figures of the paper, run, kept and shown."""

import shlex

from wnsense.checks import InputError, require
from wnsense.cli.commands.study import StudyListOptions, StudyRunOptions, StudyShowOptions
from wnsense.cli.exit_codes import EXIT_INTERRUPTED
from wnsense.cli.inputs import require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.cli.terminal import complain, display, say, say_files
from wnsense.files.tables import Table
from wnsense.lab.studies.forms import caption
from wnsense.lab.studies.frame.store import Scale, Store, Tell
from wnsense.lab.studies.registry import STUDIES


def list_studies(_options: StudyListOptions) -> int:
    """Show each study with its claim; returns the exit code."""
    for entry in STUDIES.values():
        study = entry.study
        say(f"{study.name}: {study.title}", style="bold")
        say(f"  {study.claim}")
    return 0


def run_study(options: StudyRunOptions) -> int:
    """Run the missing parts of a study and write its files; returns the exit code.

    Raises:
        InputError: If the directory holds another table, or nothing to resume from, or cannot be written.
    """
    store = _writable_store(options)
    require(
        store.has_begun or not options.resume,
        f"something of {store.study.name} in {options.out} to go on from",
        "nothing",
        "leave out --resume to begin",
    )
    with interruptible(), display("starting") as shown:
        try:
            table = _table(options, store, shown.count)
        except KeyboardInterrupt:
            command = shlex.join(["wnsense", *options.words()])
            complain(f"interrupted; what was done is kept in {options.out}, go on with: {command}")
            return EXIT_INTERRUPTED
        shown.stage("drawing")
        files = store.publish(table)
    say(caption(table).rstrip())
    say_files((store.table, *files))
    return 0


def show_study(options: StudyShowOptions) -> int:
    """Show the caption of a finished study and draw its pictures again; returns the exit code.

    Raises:
        InputError: If the directory holds no table of the study, or cannot be written.
    """
    # A missing table is reported before a directory that cannot be written.
    table = Store(options.out, STUDIES[options.name].study, Scale(options.scale)).written()
    store = _writable_store(options)
    files = store.publish(table)
    say(caption(table).rstrip())
    say_files(files)
    return 0


def _table(options: StudyRunOptions, store: Store, progress: Tell) -> Table:
    entry = STUDIES[options.name]
    if options.data is None:
        return entry.run(store, progress)
    if entry.run_on is None:
        raise InputError(f"needed no data for {options.name}, got --data {options.data}; leave it out")
    return entry.run_on(store, progress, options.data)


def _writable_store(options: StudyRunOptions | StudyShowOptions) -> Store:
    """Return the store of a study in a directory that can be written."""
    store = Store(options.out, STUDIES[options.name].study, Scale(options.scale))
    require_writable(options.out, [path.name for path in (store.table, store.picture(), store.caption)])
    require(not store.parts.is_file(), f"a place for the folder {store.parts}", "a file of that name")
    return store
