"""Studies of curves (figures 2 and 3, and those beyond the paper), each as one object."""

from functools import partial

from wnsense.lab.studies.curves import settings_caption, settings_picture
from wnsense.lab.studies.curves.beyond import BEYOND_STUDIES
from wnsense.lab.studies.curves.caption import findings, paragraphs
from wnsense.lab.studies.curves.cases import CURVE_STUDIES
from wnsense.lab.studies.curves.page import curves_view
from wnsense.lab.studies.curves.picture import pictures
from wnsense.lab.studies.curves.run import run_curves
from wnsense.lab.studies.curves.specification import CurveSpecification
from wnsense.lab.studies.curves.table import CURVE_TABLES
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study

_CURVES = presented(CURVE_TABLES.read, pictures, findings, paragraphs, curves_view)
_SETTINGS = presented(CURVE_TABLES.read, settings_picture.pictures, settings_caption.findings, paragraphs, curves_view)


def curve_study(specification: CurveSpecification) -> Study:
    """Return the study of a specification, presented as curves or as their ends over many settings."""
    presentation = _SETTINGS if specification.form == "settings" else _CURVES
    return Study(specification, partial(run_curves, specification), presentation)


STUDIES = tuple(curve_study(specification) for specification in (*CURVE_STUDIES.values(), *BEYOND_STUDIES.values()))
