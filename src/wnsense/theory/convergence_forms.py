"""Forms that analyses of convergence distinguish: of the fitted matrix, and of the fall of the error."""

from enum import StrEnum


class FactorModel(StrEnum):
    """Form of the fitted matrix."""

    SYMMETRIC = "Y Y^T"
    RECTANGULAR = "L R^T"
    WEIGHT_NORMALIZED = "X Theta X^T"


class Decay(StrEnum):
    """Form of the fall of the error with the number of steps."""

    LINEAR = "linear"
    SUBLINEAR = "sublinear"
