"""Settings of a measurement: Lanczos steps, outputs, and the cone in which convexity is probed."""

from dataclasses import dataclass

from wnsense.checks import require


@dataclass(frozen=True)
class MeasurementSettings:
    """Cost and precision of `measure`.

    Attributes:
        steps: Largest number of Hessian products for each spectrum, at least 1.
        tolerance: Residual at which a spectrum is accepted, relative to its norm, between 0 and 1.
        output_samples: Number of samples for which the Hessian of one output is measured, each with another output.
        cosine: `kappa_c`, the least `|cos|` between a probed direction and the gradient, above 0 and at most 1.
        distance: Distance from the parameters at which strong convexity is probed, beside the parameters themselves.
        directions: Number of random directions of the cone, 0 for no probe. Two directions of least curvature are
            added; for them one vector is kept in memory for each step.
        seed: Seed of start vectors and directions, so that they are equal at each measurement.
    """

    steps: int = 16
    tolerance: float = 0.05
    output_samples: int = 2
    cosine: float = 0.5
    distance: float = 0.1
    directions: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        require(self.steps >= 1, "at least one step", self.steps)
        require(0 < self.tolerance < 1, "a tolerance between 0 and 1", self.tolerance)
        require(0 < self.cosine <= 1, "a cosine above 0 and at most 1", self.cosine)
        require(self.distance > 0, "a positive distance", self.distance)
        for name in ("output_samples", "directions"):
            require(getattr(self, name) >= 0, f"{name} of at least 0", getattr(self, name))
