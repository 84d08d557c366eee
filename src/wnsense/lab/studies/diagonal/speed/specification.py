"""Parts of the study: the rate of a flow, and flows of multi-layer linear models."""

from dataclasses import dataclass

from wnsense.checks import require
from wnsense.lab.studies.diagonal.diagonal_parts import FlowPart
from wnsense.lab.studies.diagonal.sparse_drawing import Rates
from wnsense.lab.studies.diagonal.step_grid import GridPart
from wnsense.lab.studies.frame.parts import NumberedPart


@dataclass(frozen=True)
class RatePart(FlowPart):
    """Asymptotic rate of one flow, and its bound on the loss.

    Attributes:
        residual: Relative residual at which the flow ends.
    """

    residual: float


@dataclass(frozen=True)
class LayersPart(NumberedPart):
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


SpeedPart = GridPart | RatePart | LayersPart
