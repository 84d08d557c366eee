"""Part of the study: every start and rate on one problem."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.sparse_drawing import Rates, SparseDrawing


@dataclass(frozen=True)
class RecoveryPart:
    """Every start and rate on one problem at one depth, by discrete steps of the common rule.

    Attributes:
        drawing: Problem; the network is signed.
        depth: Number of factors `L`.
        scales: Scales `alpha` of the equal starts.
        ratios: Ratios `eta`; None is gradient descent.
        residual: Relative residual at which a cell rests.
        steps: Largest number of steps.
    """

    drawing: SparseDrawing
    depth: int
    scales: tuple[float, ...]
    ratios: Rates
    residual: float
    steps: int

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        return f"s = {self.drawing.sparsity}, L = {self.depth}, problem {self.drawing.seed}"
