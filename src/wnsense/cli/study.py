"""`wnsense study`: the figures of the paper, run, kept and shown."""

import shlex

from wnsense.checks import InputError, require
from wnsense.cli.commands.study import StudyListOptions, StudyRunOptions, StudyShowOptions
from wnsense.cli.inputs import require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.cli.streams import complain
from wnsense.cli.terminal import say, say_files
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.lookup import all_studies, study_named
from wnsense.running.progress_display import display


def list_studies(_options: StudyListOptions) -> int:
    """Show each study with its claim; returns the exit code."""
    for study in all_studies():
        say(f"{study.name}: {study.specification.title}", style="bold")
        say(f"  the source: {study.specification.claim}")
    return 0


def run_study(options: StudyRunOptions) -> int:
    """Run the missing parts of a study and write its files; returns the exit code.

    Raises:
        InputError: If the directory holds another table, or nothing to resume from, or cannot be written.
    """
    study = _on_data(study_named(options.name), options)
    store = _writable_store(study, options)
    require(
        store.has_begun or not options.resume,
        f"something of {study.name} in {options.out} to resume from",
        "nothing",
        "leave out --resume to start from the beginning",
    )
    with interruptible() as interrupts, display("starting") as shown:
        try:
            table = study.run(options.out, store.scale, shown.count)
        except KeyboardInterrupt:
            command = shlex.join(["wnsense", *options.words()])
            complain(f"interrupted; finished parts are kept in {options.out}, resume with: {command}")
            return interrupts.exit_code
        shown.stage("drawing")
        files = study.publish(options.out, store.scale, table)
    say(study.caption(table).text().rstrip())
    say_files((store.table, *files))
    return 0


def show_study(options: StudyShowOptions) -> int:
    """Show the caption of a finished study and draw its pictures again; returns the exit code.

    Raises:
        InputError: If the directory holds no table of the study, or cannot be written.
    """
    study, scale = study_named(options.name), Scale(options.scale)
    # A missing table is reported before a directory that cannot be written.
    table = study.store(options.out, scale).written()
    _writable_store(study, options)
    files = study.publish(options.out, scale, table)
    say(study.caption(table).text().rstrip())
    say_files(files)
    return 0


def _on_data(study: Study, options: StudyRunOptions) -> Study:
    """Return the study on the data that the options name, if any."""
    if options.data is None:
        return study
    if study.on_data is None:
        raise InputError(f"needed no data for {options.name}, got --data {options.data}; leave it out")
    return study.on_data(options.data)


def _writable_store(study: Study, options: StudyRunOptions | StudyShowOptions) -> Store:
    """Return the files of a study in a directory that can be written."""
    store = study.store(options.out, Scale(options.scale))
    require_writable(options.out, [path.name for path in (store.table, store.picture(), store.caption)])
    require(not store.parts.is_file(), f"a place for the folder {store.parts}", "a file of that name")
    return store
