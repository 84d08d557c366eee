"""Studies by their names, and the study of a table."""

from collections.abc import Sequence
from importlib import import_module

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.registry import STUDY_FOLDERS


def study_named(name: str) -> Study:
    """Return the study of a name; its folder is imported here.

    Raises:
        InputError: If there is no study of that name.
    """
    if name not in STUDY_FOLDERS:
        raise InputError(f"needed the name of a study, one of {', '.join(STUDY_FOLDERS)}, got {name}")
    studies: Sequence[Study] = import_module(f"wnsense.lab.studies.{STUDY_FOLDERS[name]}.study").STUDIES
    return next(study for study in studies if study.name == name)


def all_studies() -> list[Study]:
    """Return all studies in the order of the registry."""
    return [study_named(name) for name in STUDY_FOLDERS]


def study_of(table: Table) -> Study:
    """Return the study that a table belongs to, by the name and the form in its head.

    Raises:
        InputError: If it is not the table of a study.
    """
    name, form = table.header.get("name"), table.header.get("form")
    study = study_named(name) if isinstance(name, str) and name in STUDY_FOLDERS else None
    if study is None or study.specification.form != form:
        raise InputError(f"needed the table of a study, got name {name} of form {form}; run the study again")
    return study
