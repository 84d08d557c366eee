"""What is measured of networks at their start: Hessians beside their bounds, and second differences over kinks."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wnsense.lab.studies.networks.design import built
from wnsense.lab.studies.networks.specification import CurvaturePart, KinkPart
from wnsense.networks.data.labelled_images import Samples
from wnsense.networks.layers import parameter_matrix
from wnsense.networks.measuring.curvature import loss_curvature, output_curvature
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import LossSurface, measurement_mode
from wnsense.networks.network import Network
from wnsense.theory.networks import gradient_bound, hessian_bound

_MEASURING_SEED = 5_000_000
# Bounds without normalization need all singular values, which take minutes for matrices larger than this.
_WIDEST_PLAIN = 1024


def measure_curvature(part: CurvaturePart, samples: Samples) -> Mapping[str, np.ndarray]:
    """Hessians at a start.

    Args:
        part: Of what.
        samples: Its images.

    Returns:
        norms, errors (Lanczos' residuals) and slopes, one number for each image; hessian_bound (NaN where the
        activation is not smooth) and slope_bound, for the longest of these images, both NaN without normalization above
        a width of 1024; loss_curvature, NaN without images in the loss;
        shortest.
    """
    x, y = samples.train[: max(part.probes, part.samples)]
    dtype = torch.float64 if part.is_double else torch.float32
    x, y = x.to(dtype), y.to(dtype)
    model = built(part.design, part.seed, int(x.shape[1]), dtype=dtype)
    settings = MeasurementSettings(steps=part.steps, tolerance=0.02, output_samples=part.samples, directions=0)
    generator = torch.Generator().manual_seed(_MEASURING_SEED + part.seed)
    with measurement_mode(model):
        surface = LossSurface(model, functional.mse_loss, x, y)
        outputs = output_curvature(surface, settings, generator)
        probed = LossSurface(model, functional.mse_loss, x[: part.probes], y[: part.probes])
        beta = loss_curvature(probed.derivatives(), settings, generator).norm if part.probes else np.nan
    longest = float(torch.linalg.vector_norm(x[: part.samples], dim=1).max())
    bounded = part.design.normalized or part.design.width <= _WIDEST_PLAIN
    return {
        "norms": np.array(outputs.norms),
        "errors": np.array(outputs.errors),
        "slopes": np.array(outputs.slopes),
        "hessian_bound": np.array([_hessian_bound(model, longest) if bounded else np.nan]),
        "slope_bound": np.array([gradient_bound(model.stack(longest)) if bounded else np.nan]),
        "loss_curvature": np.array([beta]),
        "shortest": np.array([float(min(rows.min() for rows in model.row_norms()))]),
    }


def measure_kinks(part: KinkPart, samples: Samples) -> Mapping[str, np.ndarray]:
    """Second differences of the first output, in double precision.

    For each image the unit of the first layer nearest to 0 is found; along the direction d of its rows' gradient,
    of norm 1, the second difference is |f(theta + r d) + f(theta - r d) - 2 f(theta)| / r^2, which nowhere exceeds the
    largest ||grad^2 f|| on the way where f is smooth.

    Args:
        part: Of what.
        samples: Its images.

    Returns:
        differences (images, distances); gaps, how far along d that unit is from 0; bound, `hessian_bound` over all
        points within each distance, NaN where there is none.
    """
    x = samples.train[: part.samples][0].double()
    model = built(part.design, part.seed, int(x.shape[1]), outputs=1, dtype=torch.float64)
    found = [_differences(model, image, part.distances) for image in x]
    longest = float(torch.linalg.vector_norm(x, dim=1).max())
    return {
        "differences": np.stack([differences for differences, _ in found]),
        "gaps": np.array([gap for _, gap in found]),
        "bound": np.array([_bound_within(model, longest, distance) for distance in part.distances]),
    }


def _differences(model: Network, image: Tensor, distances: tuple[float, ...]) -> tuple[np.ndarray, float]:
    W = parameter_matrix(model.layers[0])
    z = model.layers[0](image)
    unit = int(z.abs().argmin())
    (gradient,) = torch.autograd.grad(z[unit], W)
    slope = torch.linalg.vector_norm(gradient)
    begun = W.detach().clone()

    @torch.no_grad()
    def f(offset: float) -> float:
        W.copy_(begun + offset * gradient / slope)
        value = float(model(image))
        W.copy_(begun)
        return value

    second = [abs(f(r) + f(-r) - 2 * f(0.0)) / r**2 for r in distances]
    return np.array(second), float(z[unit].detach().abs() / slope)


def _bound_within(model: Network, longest: float, distance: float) -> float:
    """The bound over a ball: rows of the first layer may be shorter there by the distance; NaN where one may vanish."""
    shortest = float(model.row_norms()[0].min())
    if distance >= shortest or not model.architecture.activation.is_smooth:
        return float("nan")
    W = parameter_matrix(model.layers[0])
    begun = W.detach().clone()
    with torch.no_grad():
        W.mul_((shortest - distance) / shortest)
        bound = hessian_bound(model.stack(longest))
        W.copy_(begun)
    return bound


def _hessian_bound(model: Network, longest: float) -> float:
    return hessian_bound(model.stack(longest)) if model.architecture.activation.is_smooth else float("nan")
