"""What is measured of a network along training: slopes, curvature, row lengths, and restricted strong convexity."""

import math
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from wnsense.checks import require
from wnsense.networks.layers import normalized_layers
from wnsense.networks.measuring.lanczos import Extremes, extreme_eigenvalues, random_start
from wnsense.networks.measuring.surface import (
    Derivatives,
    LossFunction,
    LossSurface,
    flat,
    measuring,
    trained_parameters,
)
from wnsense.networks.network import Network
from wnsense.theory.networks import smoothness, strong_convexity

NAN = float("nan")


@dataclass(frozen=True)
class Measuring:
    """How much to measure.

    Attributes:
        steps: The most Hessian products for each spectrum.
        tolerance: The residual at which a spectrum is good enough, relative to its norm.
        output_samples: For how many of the samples the Hessian of an output is looked at, one output each in turn.
        cosine: kappa_c, the least |cos| to the gradient of the cone in which strong convexity is probed.
        distance: How far from the parameters it is probed, beside right at them.
        directions: How many directions of the cone are drawn; two of least curvature come on top, for whose sake a
            vector is kept in memory for each step. 0 for none.
        seed: What starts and directions are drawn from, the same at each measurement.
    """

    steps: int = 16
    tolerance: float = 0.05
    output_samples: int = 2
    cosine: float = 0.5
    distance: float = 0.1
    directions: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        require(self.steps >= 1, "at least one step", self.steps)
        require(0 < self.tolerance < 1, "a tolerance between 0 and 1", self.tolerance)
        require(0 < self.cosine <= 1, "a cosine above 0 and at most 1", self.cosine)
        require(self.distance > 0, "a positive distance", self.distance)
        for name in ("output_samples", "directions"):
            require(getattr(self, name) >= 0, f"{name} of at least 0", getattr(self, name))


@dataclass(frozen=True)
class ConvexityProbe:
    """The least alpha over directions d of the cone |cos(d, grad L)| >= cosine; alpha is that of strong convexity.

    Attributes:
        here: The least d^T grad^2 L d, what alpha is at distance 0.
        away: The least 2 (L(theta + r d) - L(theta) - r <d, grad L>) / r^2 at the distance r.
        probes: Directions looked at.
    """

    here: float
    away: float
    probes: int

    @property
    def lowest(self) -> float:
        """The least of all."""
        return min(self.here, self.away)


@dataclass(frozen=True)
class Measurement:
    """What a network is like at a moment of training, on given samples; NaN for what does not apply.

    Estimates put measured numbers where the theorems have bounds: a norm at the present parameters, and for a few
    samples, where the largest over a ball and all samples is meant. They show what the statement amounts to; a promise
    is what `wnsense.theory.networks` makes of `Network.stack`.

    Attributes:
        loss: L.
        gradient_norm: ||grad L||.
        gradient_to_loss: ||grad L||^2 / L.
        minimum_row_norm: W_min; of W without normalization.
        largest_row_norm: The length of the longest row.
        loss_curvature: The largest eigenvalue of grad^2 L: beta, at this point.
        loss_curvature_error: Its residual.
        least_curvature: The smallest eigenvalue of grad^2 L.
        least_curvature_error: Its residual.
        output_curvature: ||grad^2 f||_2, the largest over the outputs looked at.
        output_curvature_error: The residual of that one.
        output_slope: ||grad f||, likewise: varrho.
        smoothness_estimate: 2 varrho^2 + 2 sqrt(L) ||grad^2 f||, for the mean squared loss.
        convexity_here: The least alpha found at the parameters themselves; see `ConvexityProbe`.
        convexity_away: The least alpha found at the distance.
        convexity_estimate: What the formula for alpha gives, for the mean squared loss.
        cosine_to_gradient: cos(theta - theta_before, grad L(theta_before)); -1 is straight downhill.
        products: Hessian products that it took.
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
        """The same by name, as a table has it."""
        return asdict(self)


@dataclass(frozen=True)
class OutputCurvature:
    """||grad^2 f||_2 and ||grad f|| for some samples, f one of the outputs.

    Attributes:
        norms: Spectral norms, one for each sample looked at.
        errors: Their residuals.
        slopes: ||grad f||.
        products: Hessian products that it took.
    """

    norms: tuple[float, ...]
    errors: tuple[float, ...]
    slopes: tuple[float, ...]
    products: int


def measure(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    loss: LossFunction = functional.mse_loss,
    settings: Measuring | None = None,
    before: Float[Tensor, " p"] | None = None,
) -> Measurement:
    """Measure a model on samples, which pass all at once. The model is left as it was, gradients in `.grad` too.

    Args:
        model: Any model of one tensor.
        inputs: The samples; a few hundred, the same each time, show a trajectory.
        targets: What they should give.
        loss: Mean over samples; estimates of alpha and beta are for torch's `mse_loss` alone.
        settings: How much to measure.
        before: Parameters that were, `parameter_vector`, for the cosine.

    Raises:
        InputError: When nothing is trained, or something is not finite.
    """
    of = settings or Measuring()
    generator = torch.Generator().manual_seed(of.seed)
    with measuring(model):
        surface = LossSurface(model, loss, inputs, targets)
        at = surface.derivatives()
        spectrum = loss_curvature(at, of, generator)
        outputs = output_curvature(surface, of, generator)
        probe = probe_convexity(surface, at, of, generator, least=spectrum.smallest_vector)
        cosine = NAN if before is None else cosine_to_gradient(surface, before)
    products = spectrum.products + outputs.products + probe.probes
    return _gathered(
        model,
        loss=loss,
        at=at,
        spectrum=spectrum,
        outputs=outputs,
        probe=probe,
        settings=of,
        cosine=cosine,
        products=products,
    )


def loss_curvature(at: Derivatives, settings: Measuring, generator: torch.Generator) -> Extremes:
    """Both ends of the spectrum of a loss' Hessian, with the eigenvector of the lower end where a probe wants it.

    Args:
        at: The loss.
        settings: How precisely.
        generator: For the start.
    """
    start = random_start(at.gradient.numel(), generator, at.gradient)
    # The upper end leads: the lower one is often the edge of a dense part, which no small number of steps resolves.
    return extreme_eigenvalues(
        at.hessian_times,
        start,
        steps=settings.steps,
        tolerance=settings.tolerance,
        both=False,
        vectors=settings.directions > 0,
    )


def output_curvature(surface: LossSurface, settings: Measuring, generator: torch.Generator) -> OutputCurvature:
    """The Hessians of single outputs for single samples: of sample i, output i modulo the number of outputs.

    Args:
        surface: The model with its samples; the first ones are looked at.
        settings: How many and how precisely.
        generator: For the start, one for all samples.
    """
    count = min(settings.output_samples, len(surface.inputs))
    norms, errors, slopes, products = [], [], [], 0
    with torch.no_grad():
        outputs = surface.model(surface.inputs[:1]).numel()
    start = random_start(sum(p.numel() for p in surface.parameters), generator, surface.parameters[0])
    for sample in range(count):
        at = surface.output_derivatives(sample, sample % outputs)
        found = extreme_eigenvalues(
            at.hessian_times, start, steps=settings.steps, tolerance=settings.tolerance, both=False
        )
        norms.append(found.norm)
        errors.append(found.norm_error)
        slopes.append(float(torch.linalg.vector_norm(at.gradient)))
        products += found.products
    return OutputCurvature(tuple(norms), tuple(errors), tuple(slopes), products)


def probe_convexity(
    surface: LossSurface,
    at: Derivatives,
    settings: Measuring,
    generator: torch.Generator,
    *,
    least: Float[Tensor, " p"] | None = None,
) -> ConvexityProbe:
    """Look for the least alpha of restricted strong convexity along directions of the cone.

    A direction is c g + sqrt(1 - c^2) u with g along the gradient, u across it, and |c| from kappa_c, where the first
    two are, to 1; signs alternate. In many dimensions a random u sees average curvature, so that the eigenvector of the
    least eigenvalue is tried for u as well. Differences of the loss are resolved to about eps L / distance^2, eps being
    the precision of the parameters.

    Args:
        surface: The loss.
        at: Its derivatives at the present parameters.
        settings: The cone, the distance and the number of directions.
        generator: For the directions.
        least: A direction of little curvature.
    """
    size = float(torch.linalg.vector_norm(at.gradient))
    if settings.directions == 0 or size == 0:
        return ConvexityProbe(NAN, NAN, 0)
    g, p = at.gradient / size, at.gradient.numel()
    across = [] if least is None else [(least, settings.cosine), (least, -settings.cosine)]
    for index in range(settings.directions):
        spread = 0.0 if index < 2 else float(torch.rand((), generator=generator))
        c = settings.cosine + (1 - settings.cosine) * spread
        across.append((random_start(p, generator, g), c if index % 2 == 0 else -c))
    base, r = surface.at(torch.zeros_like(g)), settings.distance
    here, away = [], []
    for vector, c in across:
        u = vector - torch.dot(vector, g) * g
        length = torch.linalg.vector_norm(u)
        # Along the gradient itself there is nothing across it: with one parameter, or an eigenvector that is g.
        d = c * g + math.sqrt(1 - c**2) * u / length if length > 0 else math.copysign(1.0, c) * g
        here.append(float(torch.dot(d, at.hessian_times(d))))
        linear = r * float(torch.dot(d, at.gradient))
        away.append(2 * (surface.at(r * d) - base - linear) / r**2)
    return ConvexityProbe(min(here), min(away), len(across))


def cosine_to_gradient(surface: LossSurface, before: Float[Tensor, " p"]) -> float:
    """cos(theta - theta_before, grad L(theta_before)); NaN where one of them is zero.

    Args:
        surface: The loss, its model at theta.
        before: theta_before.
    """
    moved = flat(surface.parameters) - before
    gradient = surface.gradient_at(-moved)
    size = torch.linalg.vector_norm(moved) * torch.linalg.vector_norm(gradient)
    return float(torch.dot(moved, gradient) / size)


def parameter_vector(model: nn.Module) -> Float[Tensor, " p"]:
    """All parameters that are trained, as one vector, a copy."""
    return flat(trained_parameters(model))


def row_norm_range(model: nn.Module) -> tuple[float, float]:
    """The shortest and the longest row of weight-normalized layers; of W for a `Network` without; NaN for others."""
    norms = [layer.row_norms for layer in normalized_layers(model)]
    if not norms and isinstance(model, Network):
        norms = list(model.row_norms())
    if not norms:
        return NAN, NAN
    ends = torch.stack([torch.stack([rows.min(), rows.max()]) for rows in norms])
    return float(ends[:, 0].min()), float(ends[:, 1].max())


def _gathered(
    model: nn.Module,
    *,
    loss: LossFunction,
    at: Derivatives,
    spectrum: Extremes,
    outputs: OutputCurvature,
    probe: ConvexityProbe,
    settings: Measuring,
    cosine: float,
    products: int,
) -> Measurement:
    value, slope = float(at.value), float(torch.linalg.vector_norm(at.gradient))
    ratio = slope**2 / value if value > 0 else NAN
    hessian, hessian_error = max(zip(outputs.norms, outputs.errors, strict=True), default=(NAN, NAN))
    output_slope = max(outputs.slopes, default=NAN)
    beta = alpha = NAN
    if loss is functional.mse_loss and outputs.norms and value > 0:
        beta = smoothness(gradient=output_slope, hessian=hessian, loss=value)
        alpha = strong_convexity(
            gradient_to_loss=ratio,
            loss=value,
            hessian=hessian,
            gradient=output_slope,
            distance=settings.distance,
            cosine=settings.cosine,
        )
    shortest, longest = row_norm_range(model)
    return Measurement(
        loss=value,
        gradient_norm=slope,
        gradient_to_loss=ratio,
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
        products=products,
    )
