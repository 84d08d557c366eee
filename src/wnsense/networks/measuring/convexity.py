"""Restricted strong convexity of a loss, probed along directions of a cone about the gradient."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.networks.measuring.lanczos import random_start
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import Derivatives, LossSurface
from wnsense.values import by_value

NAN = float("nan")


@dataclass(frozen=True)
@by_value
class ConvexityProbe:
    """Least constant `alpha` of strong convexity over directions `d` with `|cos(d, grad L)| >= cosine`.

    Attributes:
        here: Least `d^T grad^2 L d`, which is `alpha` at distance 0.
        away: Least `2 (L(theta + r d) - L(theta) - r <d, grad L>) / r^2` at distance `r`.
        probes: Number of directions.
    """

    here: float
    away: float
    probes: int

    @property
    def lowest(self) -> float:
        """Smaller one of `here` and `away`."""
        return min(self.here, self.away)


def probe_convexity(
    surface: LossSurface,
    at: Derivatives,
    settings: MeasurementSettings,
    generator: torch.Generator,
    *,
    least: Float[Tensor, " p"] | None = None,
) -> ConvexityProbe:
    """Search directions of the cone for the least `alpha` of restricted strong convexity.

    A direction is `c g + sqrt(1 - c^2) u`, with the unit vectors `g` along the gradient and `u` across it. `|c|` is
    between `kappa_c` and 1, and equal to `kappa_c` for the first two directions; signs alternate. In many dimensions
    a random `u` has average curvature. Therefore the eigenvector of the least eigenvalue is also used for `u`.
    Differences of the loss are resolved to about `eps L / distance^2`, with the `eps` of the parameters' dtype.

    Args:
        surface: Loss as a function of the parameters.
        at: Derivatives of the loss at the present parameters.
        settings: Cone, distance and number of directions.
        generator: Generator of the directions.
        least: Direction of little curvature, (p,).
    """
    size = float(torch.linalg.vector_norm(at.gradient))
    if settings.directions == 0 or size == 0:
        return ConvexityProbe(NAN, NAN, 0)
    g = at.gradient / size
    across = _parts_across(g, settings, generator, least)
    base, r = surface.at(torch.zeros_like(g)), settings.distance
    here, away = [], []
    for vector, c in across:
        u = vector - torch.dot(vector, g) * g
        length = torch.linalg.vector_norm(u)
        # `u` is zero if the vector is parallel to `g`: with one parameter, or with `g` as the eigenvector.
        d = c * g + math.sqrt(1 - c**2) * u / length if length > 0 else math.copysign(1.0, c) * g
        here.append(float(torch.dot(d, at.hessian_times(d))))
        linear = r * float(torch.dot(d, at.gradient))
        away.append(2 * (surface.at(r * d) - base - linear) / r**2)
    return ConvexityProbe(min(here), min(away), len(across))


def _parts_across(
    g: Float[Tensor, " p"],
    settings: MeasurementSettings,
    generator: torch.Generator,
    least: Float[Tensor, " p"] | None,
) -> list[tuple[Tensor, float]]:
    """Return pairs of a vector, not yet orthogonal to `g`, and the cosine `c` of its direction."""
    pairs = [] if least is None else [(least, settings.cosine), (least, -settings.cosine)]
    for index in range(settings.directions):
        spread = 0.0 if index < 2 else float(torch.rand((), generator=generator))
        c = settings.cosine + (1 - settings.cosine) * spread
        pairs.append((random_start(g.numel(), generator, g), c if index % 2 == 0 else -c))
    return pairs
