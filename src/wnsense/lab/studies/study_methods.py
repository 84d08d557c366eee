"""Methods that the studies compare, by their names in the catalogue of solvers."""

from enum import StrEnum


class StudyMethod(StrEnum):
    """Methods by their names in the catalogue of solvers: the two of the paper, and three later ones."""

    WN = "wn"
    GD = "gd"
    PRECGD = "precgd"
    SCALEDGD_LAMBDA = "scaledgd-lambda"
    PRECONDITIONED_WN = "preconditioned-wn"


PAPER_METHODS = (StudyMethod.WN, StudyMethod.GD)
