"""Part of the study: every start and rate on one problem."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.diagonal_parts import DiagonalPart
from wnsense.lab.studies.diagonal.sparse_drawing import Rates


@dataclass(frozen=True)
class RecoveryPart(DiagonalPart):
    """Every start and rate on one problem at one depth, by discrete steps of the common rule; the network is signed.

    Attributes:
        scales: Scales `alpha` of the equal starts.
        ratios: Ratios `eta`; None is gradient descent.
        residual: Relative residual at which a cell rests.
        steps: Largest number of steps.
    """

    scales: tuple[float, ...]
    ratios: Rates
    residual: float
    steps: int
