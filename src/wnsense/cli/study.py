"""`wnsense study`: the figures of the paper, run, kept and shown."""

import shlex

from wnsense.checks import InputError, require
from wnsense.cli.inputs import require_writable
from wnsense.cli.interrupts import EXIT_INTERRUPTED, interruptible
from wnsense.cli.options import StudyListOptions, StudyOptions, StudyRunOptions, StudyShowOptions
from wnsense.cli.terminal import complain, display, say, say_command
from wnsense.files.tables import Table
from wnsense.lab.studies.forms import caption
from wnsense.lab.studies.frame.store import Scale, Store, Tell
from wnsense.lab.studies.registry import STUDIES


def study(options: StudyOptions) -> int:
    """Do what was asked for; returns the exit code.

    Raises:
        InputError: When the directory holds another table or none, or cannot be written.
    """
    if isinstance(options, StudyListOptions):
        return _list()
    if isinstance(options, StudyShowOptions):
        return _show(options)
    return _run(options)


def _list() -> int:
    for entry in STUDIES.values():
        known = entry.study
        say(f"{known.name}: {known.title}", style="bold")
        say(f"  {known.claim}")
    return 0


def _run(options: StudyRunOptions) -> int:
    store = _prepared(options)
    require(
        store.has_begun or not options.resume,
        f"something of {store.study.name} in {options.out} to go on from",
        "nothing",
        "leave out --resume to begin",
    )
    with interruptible(), display("starting") as shown:
        try:
            table = _made(options, store, shown.tell)
        except KeyboardInterrupt:
            command = shlex.join(["wnsense", *options.words()])
            complain(f"interrupted; what was done is kept in {options.out}, go on with: {command}")
            return EXIT_INTERRUPTED
        shown.stage("drawing")
        files = store.publish(table)
    say(caption(table).rstrip())
    say("What was written:")
    for path in (store.table, *files):
        say_command(str(path))
    return 0


def _made(options: StudyRunOptions, store: Store, tell: Tell) -> Table:
    entry = STUDIES[options.name]
    if options.data is None:
        return entry.run(store, tell)
    if entry.run_on is None:
        raise InputError(f"needed no data for {options.name}, got --data {options.data}; leave it out")
    return entry.run_on(store, tell, options.data)


def _show(options: StudyShowOptions) -> int:
    # Whether there is anything to show comes first: a place to write to is no news then.
    table = Store(options.out, STUDIES[options.name].study, Scale(options.scale)).written()
    store = _prepared(options)
    files = store.publish(table)
    say(caption(table).rstrip())
    say("What was written:")
    for path in files:
        say_command(str(path))
    return 0


def _prepared(options: StudyRunOptions | StudyShowOptions) -> Store:
    """Where the study is kept, once it is certain that it can be written."""
    store = Store(options.out, STUDIES[options.name].study, Scale(options.scale))
    require_writable(options.out, [path.name for path in (store.table, store.picture(), store.caption)])
    require(not store.parts.is_file(), f"a place for the folder {store.parts}", "a file of that name")
    return store
