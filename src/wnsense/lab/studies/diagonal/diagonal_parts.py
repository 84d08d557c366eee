"""Values that parts of the studies of diagonal networks share."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.sparse_drawing import Rate, SparseDrawing
from wnsense.lab.studies.frame.parts import NumberedPart


@dataclass(frozen=True)
class DiagonalPart(NumberedPart):
    """Part on one problem, with networks of one depth.

    Attributes:
        drawing: Problem.
        depth: Number of factors `L`.
    """

    drawing: SparseDrawing
    depth: int


@dataclass(frozen=True)
class FlowPart(DiagonalPart):
    """Part with one flow of a signed network.

    Attributes:
        scale: Scale `alpha` of the equal start.
        ratio: Ratio `eta`; None is plain flow.
    """

    scale: float
    ratio: Rate
