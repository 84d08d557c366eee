"""Part of the study: limits of flows on one problem."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.sparse_drawing import Rates, SparseDrawing


@dataclass(frozen=True)
class BoundPart:
    """Limits of flows on one problem, for a comparison of their l1 norms with the bounds.

    Attributes:
        drawing: Problem.
        depth: Number of factors `L`.
        spread: Standard deviation of the logarithms of the start's entries; 0 is an equal start.
        scales: Scales `alpha`, the geometric mean of the entries.
        ratios: Ratios `eta`; None is plain flow.
        signed: True for a signed network; otherwise the truth is positive, with a dense part of a tenth of its size.
    """

    drawing: SparseDrawing
    depth: int
    spread: float
    scales: tuple[float, ...]
    ratios: Rates
    signed: bool = True

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        start = "unequal" if self.spread else "equal"
        return f"limits, L = {self.depth}, {start} start, problem {self.drawing.seed}"
