"""Measurements of networks at their start: Hessians beside their bounds, and second differences over kinks."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wnsense.lab.studies.networks.design import build_network
from wnsense.lab.studies.networks.specification import CurvaturePart, KinkPart
from wnsense.networks.data.labelled_images import Samples
from wnsense.networks.layers import parameter_matrix
from wnsense.networks.measuring.curvature import loss_curvature, output_curvature
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import LossSurface, measurement_mode
from wnsense.networks.network import Network
from wnsense.theory.networks import gradient_bound, hessian_bound

_MEASURING_SEED = 5_000_000
# Largest width at which bounds without normalization are computed: they need all singular values, which take minutes.
_WIDEST_PLAIN = 1024


def measure_curvature(part: CurvaturePart, samples: Samples) -> Mapping[str, np.ndarray]:
    """Measure the Hessians at a start.

    Args:
        part: Specification of the part.
        samples: Images of the part.

    Returns:
        Arrays `norms`, `errors` (residuals of Lanczos) and `slopes`, a number for each image. Arrays of one number:
        `hessian_bound` (NaN if the activation is not smooth) and `slope_bound`, for the longest of these images;
        `loss_curvature`, NaN without images in the loss; `shortest`. Both bounds are NaN without normalization above a
        width of 1024.
    """
    x, y = samples.train[: max(part.probes, part.samples)]
    dtype = torch.float64 if part.is_double else torch.float32
    x, y = x.to(dtype), y.to(dtype)
    model = build_network(part.design, part.seed, int(x.shape[1]), dtype=dtype)
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
    """Measure second differences of the first output in double precision.

    For each image, `d` is the direction, of norm 1, of the gradient of the unit of the first layer that is nearest to
    0. The second difference is `|f(theta + r d) + f(theta - r d) - 2 f(theta)| / r^2`. If `f` is smooth, it is at most
    the largest `||grad^2 f||` between both points.

    Args:
        part: Specification of the part.
        samples: Images of the part.

    Returns:
        Arrays `differences` (images, distances); `gaps`, the distance along `d` at which that unit is 0; `bound`,
        `hessian_bound` over all points within each distance, NaN if there is none.
    """
    x = samples.train[: part.samples][0].double()
    model = build_network(part.design, part.seed, int(x.shape[1]), outputs=1, dtype=torch.float64)
    measured = [_differences(model, image, part.distances) for image in x]
    longest = float(torch.linalg.vector_norm(x, dim=1).max())
    return {
        "differences": np.stack([differences for differences, _ in measured]),
        "gaps": np.array([gap for _, gap in measured]),
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
    """Return the bound over a ball, where rows of the first layer may be shorter by the distance.

    The bound is NaN if a row may vanish or the activation is not smooth.
    """
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
