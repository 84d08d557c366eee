"""Part of the study: limits of flows on one problem."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.diagonal_parts import DiagonalPart
from wnsense.lab.studies.diagonal.sparse_drawing import Rates


@dataclass(frozen=True)
class BoundPart(DiagonalPart):
    """Limits of flows on one problem, for a comparison of their l1 norms with the bounds.

    Attributes:
        spread: Standard deviation of the logarithms of the start's entries; 0 is an equal start.
        scales: Scales `alpha`, the geometric mean of the entries.
        ratios: Ratios `eta`; None is plain flow.
        signed: True for a signed network; otherwise the truth is positive, with a dense part of a tenth of its size.
    """

    spread: float
    scales: tuple[float, ...]
    ratios: Rates
    signed: bool = True
