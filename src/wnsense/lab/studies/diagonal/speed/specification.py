"""Parts of the study: the rate of a flow, and flows of multi-layer linear models."""

from dataclasses import dataclass

from wnsense.checks import require
from wnsense.lab.studies.diagonal.sparse_drawing import Rate, Rates, SparseDrawing, rate_name
from wnsense.lab.studies.diagonal.step_grid import GridPart


@dataclass(frozen=True)
class RatePart:
    """Asymptotic rate of one flow, and its bound on the loss.

    Attributes:
        drawing: Problem; the network is signed.
        depth: Number of factors `L`.
        scale: Scale `alpha` of the equal start.
        ratio: Ratio `eta`; None is plain flow.
        residual: Relative residual at which the flow ends.
    """

    drawing: SparseDrawing
    depth: int
    scale: float
    ratio: Rate
    residual: float

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        return f"rate, L = {self.depth}, alpha = {self.scale:g}, {rate_name(self.ratio)}"


@dataclass(frozen=True)
class LayersPart:
    """Gradient flow on a multi-layer linear model, for every ratio.

    Attributes:
        sizes: Sizes of the layers, from the product's rows to its columns.
        spread: Standard deviation of the noise that is added to parts of an identity, which unbalances the layers.
        seed: Seed of the layers and the target.
        ratios: Ratios `eta`; None is plain flow.
    """

    sizes: tuple[int, ...]
    spread: float
    seed: int
    ratios: Rates

    def __post_init__(self) -> None:
        """Check that the product can have full rank."""
        require(len(self.sizes) >= 3, "at least two layers", len(self.sizes) - 1)
        narrow = min(self.sizes[0], self.sizes[-1])
        require(min(self.sizes) >= narrow, "hidden layers as wide as the narrower side", self.sizes)

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        return f"{len(self.sizes) - 1} layers, seed {self.seed}"


SpeedPart = GridPart | RatePart | LayersPart
