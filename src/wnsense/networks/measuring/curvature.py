"""Spectra of Hessians: of the loss, and of single outputs."""

from dataclasses import dataclass

import torch

from wnsense.networks.measuring.lanczos import Extremes, extreme_eigenvalues, random_start
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import Derivatives, LossSurface
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class OutputCurvature:
    """Norms `||grad^2 f||_2` and `||grad f||` of single outputs `f`, one for each measured sample.

    Attributes:
        norms: Spectral norms of the Hessians.
        errors: Residuals of the spectral norms.
        slopes: Gradient norms `||grad f||`.
        products: Number of Hessian products that were computed.
    """

    norms: tuple[float, ...]
    errors: tuple[float, ...]
    slopes: tuple[float, ...]
    products: int


def loss_curvature(at: Derivatives, settings: MeasurementSettings, generator: torch.Generator) -> Extremes:
    """Return both ends of the spectrum of the Hessian of the loss.

    The result holds eigenvectors if `settings.directions` is positive: the probe of convexity uses that of the
    smallest eigenvalue.

    Args:
        at: Derivatives of the loss.
        settings: Number of steps, tolerance and number of directions.
        generator: Generator of the start vector.
    """
    start = random_start(at.gradient.numel(), generator, at.gradient)
    # The iteration stops by the end of larger modulus. The other end is often the edge of a dense part of the spectrum,
    # which a small number of steps cannot resolve.
    return extreme_eigenvalues(
        at.hessian_times,
        start,
        steps=settings.steps,
        tolerance=settings.tolerance,
        both=False,
        vectors=settings.directions > 0,
    )


def output_curvature(
    surface: LossSurface, settings: MeasurementSettings, generator: torch.Generator
) -> OutputCurvature:
    """Measure the Hessians of single outputs: for sample `i`, of output `i` modulo the number of outputs.

    Args:
        surface: Model with its samples; the first `settings.output_samples` of them are measured.
        settings: Number of samples and steps, and tolerance.
        generator: Generator of the start vector, which all samples share.
    """
    count = min(settings.output_samples, len(surface.inputs))
    norms, errors, slopes, products = [], [], [], 0
    with torch.no_grad():
        outputs = surface.model(surface.inputs[:1]).numel()
    start = random_start(sum(p.numel() for p in surface.parameters), generator, surface.parameters[0])
    for sample in range(count):
        at = surface.output_derivatives(sample, sample % outputs)
        spectrum = extreme_eigenvalues(
            at.hessian_times, start, steps=settings.steps, tolerance=settings.tolerance, both=False
        )
        norms.append(spectrum.norm)
        errors.append(spectrum.norm_error)
        slopes.append(float(torch.linalg.vector_norm(at.gradient)))
        products += spectrum.products
    return OutputCurvature(tuple(norms), tuple(errors), tuple(slopes), products)
