"""One measurement of a network: loss, slopes, curvature, row lengths and restricted strong convexity."""

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from wnsense.networks.measuring.convexity import NAN, ConvexityProbe, probe_convexity
from wnsense.networks.measuring.curvature import OutputCurvature, loss_curvature, output_curvature
from wnsense.networks.measuring.lanczos import Extremes
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import Derivatives, LossFunction, LossSurface, flat, measurement_mode
from wnsense.networks.row_norms import row_norm_range
from wnsense.theory.networks import smoothness, strong_convexity
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Measurement:
    """Measured numbers of a network at its present parameters, on given samples; NaN where one does not apply.

    The estimates of `alpha` and `beta` put measured numbers where the theorems have bounds. A measured number is a
    norm at the present parameters for a few samples; a bound holds for a ball of parameters and all samples. The
    estimates show the size of the statement. Proved bounds are those of `wnsense.theory.networks` for
    `Network.stack`.

    Attributes:
        loss: Loss `L`.
        gradient_norm: `||grad L||`.
        gradient_to_loss: `||grad L||^2 / L`.
        minimum_row_norm: `W_min`, length of the shortest row; of `W` in networks without normalization.
        largest_row_norm: Length of the longest row.
        loss_curvature: Largest eigenvalue of `grad^2 L`, which is `beta` at this point.
        loss_curvature_error: Residual of the largest eigenvalue.
        least_curvature: Smallest eigenvalue of `grad^2 L`.
        least_curvature_error: Residual of the smallest eigenvalue.
        output_curvature: Largest `||grad^2 f||_2` of the measured outputs.
        output_curvature_error: Residual of that norm.
        output_slope: Largest `||grad f||` of the measured outputs, `varrho`.
        smoothness_estimate: `2 varrho^2 + 2 sqrt(L) ||grad^2 f||`, for the mean squared error.
        convexity_here: Least `alpha` at the parameters; see `ConvexityProbe`.
        convexity_away: Least `alpha` at the distance.
        convexity_estimate: Value of the formula for `alpha`, for the mean squared error.
        cosine_to_gradient: `cos(theta - theta_before, grad L(theta_before))`; -1 is straight downhill.
        products: Number of Hessian products that were computed.
    """

    loss: float
    gradient_norm: float
    gradient_to_loss: float
    minimum_row_norm: float
    largest_row_norm: float
    loss_curvature: float
    loss_curvature_error: float
    least_curvature: float
    least_curvature_error: float
    output_curvature: float
    output_curvature_error: float
    output_slope: float
    smoothness_estimate: float
    convexity_here: float
    convexity_away: float
    convexity_estimate: float
    cosine_to_gradient: float
    products: int

    def row(self) -> dict[str, float]:
        """Return the numbers by name, as the columns of a table."""
        return asdict(self)


def measure(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    loss: LossFunction = functional.mse_loss,
    settings: MeasurementSettings | None = None,
    before: Float[Tensor, " p"] | None = None,
) -> Measurement:
    """Measure a model on samples, all in one batch. The model and its `.grad` are not changed.

    Args:
        model: Any model that returns one tensor.
        inputs: Samples, (N, ...). A few hundred, equal each time, show a trajectory.
        targets: Targets of the samples.
        loss: Mean loss over the samples. `alpha` and `beta` are estimated for torch's `mse_loss` only.
        settings: Cost and precision; the defaults of `MeasurementSettings` if None.
        before: Earlier parameters from `parameter_vector`, (p,), for the cosine.

    Raises:
        InputError: If no parameter is trained, or a number is not finite.
    """
    settings = settings or MeasurementSettings()
    generator = torch.Generator().manual_seed(settings.seed)
    with measurement_mode(model):
        surface = LossSurface(model, loss, inputs, targets)
        at = surface.derivatives()
        spectrum = loss_curvature(at, settings, generator)
        outputs = output_curvature(surface, settings, generator)
        probe = probe_convexity(surface, at, settings, generator, least=spectrum.smallest_vector)
        cosine = NAN if before is None else cosine_to_gradient(surface, before)
    beta, alpha = _estimates(loss, at, outputs, settings)
    return _measurement(model, at, spectrum, outputs, probe, beta=beta, alpha=alpha, cosine=cosine)


def cosine_to_gradient(surface: LossSurface, before: Float[Tensor, " p"]) -> float:
    """Return `cos(theta - theta_before, grad L(theta_before))`, NaN if one of the two vectors is zero.

    Args:
        surface: Loss, with the model at `theta`.
        before: Earlier parameters `theta_before`, (p,).
    """
    change = flat(surface.parameters) - before
    gradient = surface.gradient_at(-change)
    size = torch.linalg.vector_norm(change) * torch.linalg.vector_norm(gradient)
    return float(torch.dot(change, gradient) / size)


def _gradient_to_loss(at: Derivatives) -> float:
    value, slope = float(at.value), float(torch.linalg.vector_norm(at.gradient))
    return slope**2 / value if value > 0 else NAN


def _largest_output(outputs: OutputCurvature) -> tuple[float, float, float]:
    """Return the largest spectral norm with its residual, and the largest slope."""
    norm, error = max(zip(outputs.norms, outputs.errors, strict=True), default=(NAN, NAN))
    return norm, error, max(outputs.slopes, default=NAN)


def _estimates(
    loss: LossFunction, at: Derivatives, outputs: OutputCurvature, settings: MeasurementSettings
) -> tuple[float, float]:
    """Return the formulas for `beta` and `alpha` at measured numbers, NaN for other losses than `mse_loss`."""
    value = float(at.value)
    if loss is not functional.mse_loss or not outputs.norms or value <= 0:
        return NAN, NAN
    hessian, _, slope = _largest_output(outputs)
    beta = smoothness(gradient=slope, hessian=hessian, loss=value)
    alpha = strong_convexity(
        gradient_to_loss=_gradient_to_loss(at),
        loss=value,
        hessian=hessian,
        gradient=slope,
        distance=settings.distance,
        cosine=settings.cosine,
    )
    return beta, alpha


def _measurement(
    model: nn.Module,
    at: Derivatives,
    spectrum: Extremes,
    outputs: OutputCurvature,
    probe: ConvexityProbe,
    *,
    beta: float,
    alpha: float,
    cosine: float,
) -> Measurement:
    hessian, hessian_error, output_slope = _largest_output(outputs)
    shortest, longest = row_norm_range(model)
    return Measurement(
        loss=float(at.value),
        gradient_norm=float(torch.linalg.vector_norm(at.gradient)),
        gradient_to_loss=_gradient_to_loss(at),
        minimum_row_norm=shortest,
        largest_row_norm=longest,
        loss_curvature=spectrum.largest,
        loss_curvature_error=spectrum.largest_error,
        least_curvature=spectrum.smallest,
        least_curvature_error=spectrum.smallest_error,
        output_curvature=hessian,
        output_curvature_error=hessian_error,
        output_slope=output_slope,
        smoothness_estimate=beta,
        convexity_here=probe.here,
        convexity_away=probe.away,
        convexity_estimate=alpha,
        cosine_to_gradient=cosine,
        products=spectrum.products + outputs.products + probe.probes,
    )
