"""Part of the study: one flow, integrated to a time."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.sparse_drawing import Rate, SparseDrawing, rate_name


@dataclass(frozen=True)
class TrajectoryPart:
    """One flow, integrated to a time.

    Attributes:
        drawing: Problem; the network is signed.
        depth: Number of factors `L`.
        scale: Scale `alpha` of the equal start.
        ratio: Ratio `eta`; None is plain flow.
        time: Time of the end.
        tolerance: Tolerance of the integrator.
    """

    drawing: SparseDrawing
    depth: int
    scale: float
    ratio: Rate
    time: float
    tolerance: float = 1e-10

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        return f"flow, L = {self.depth}, {rate_name(self.ratio)}"
