"""Diagnosis of any model: weight-normalized layers, row lengths, slopes, curvature, and advice."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from wnsense.checks import InputError, require
from wnsense.networks.diagnosis.advice import advice_on, advice_on_zero_rows, trouble_advice
from wnsense.networks.diagnosis.diagnosis_samples import first_samples, loss_and_name, require_loss
from wnsense.networks.diagnosis.layer_report import LayerReport, layer_report, plain_layers
from wnsense.networks.layers import normalized_layers
from wnsense.networks.measuring.measurement import Measurement, measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.nonfinite import check_finite
from wnsense.networks.measuring.surface import LossFunction, measurement_mode, trained_parameters
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Diagnosis:
    """Result of `diagnose`; `print` shows it as a page of text.

    Attributes:
        layers: Weight-normalized layers.
        plain: Names of layers with a matrix that is not normalized.
        parameters: Number of trained parameters.
        samples: Number of samples.
        loss: Name of the loss.
        measurement: Measurement on the samples; None if numbers are not finite.
        advice: Advice, one or two sentences each.
    """

    layers: tuple[LayerReport, ...]
    plain: tuple[str, ...]
    parameters: int
    samples: int
    loss: str
    measurement: Measurement | None
    advice: tuple[str, ...]

    def __str__(self) -> str:
        """Return the diagnosis as a page of text."""
        head = (
            f"{len(self.layers)} weight-normalized layers, {len(self.plain)} others with a matrix; "
            f"{self.parameters:,} trained numbers, {self.samples} samples, {self.loss}"
        )
        width = max((len(layer.name) for layer in self.layers), default=0)
        lines = [
            f"  {layer.name:<{width}}  {layer.rows:>6} rows, lengths {layer.shortest:.3g} to {layer.longest:.3g}, "
            f"g {'trained' if layer.has_trained_length else 'fixed'}, {layer.kind}"
            for layer in self.layers
        ]
        if self.measurement is not None:
            lines += [f"  {text}" for text in _figures(self.measurement)]
        return "\n".join([head, *lines, *(f"- {text}" for text in self.advice)])


def diagnose(
    model: nn.Module,
    loader: Iterable[object],
    *,
    loss: LossFunction | None = None,
    samples: int = 256,
    settings: MeasurementSettings | None = None,
    learning_rate: float | None = None,
) -> Diagnosis:
    """Find the weight-normalized layers of a model, measure row lengths, slopes and curvature, and give advice.

    The model is not changed, and nothing is printed: `print(diagnose(model, loader))` shows the result. The loader
    gives as many batches as are needed, which advances the generator of a loader that shuffles.

    Args:
        model: Any model that returns one tensor.
        loader: Batches `(inputs, targets)`, such as a `DataLoader`.
        loss: Function (outputs, targets) -> mean loss. Without one it is cross-entropy for integer targets and the
            mean squared error for others.
        samples: Largest number of samples, all in one batch, at least 1.
        settings: Cost and precision of the measurement.
        learning_rate: Learning rate of plain gradient descent or SGD, for advice on it.

    Raises:
        InputError: If batches are not pairs of tensors, or no parameter is trained.
    """
    _check(model, samples, learning_rate)
    parameters = trained_parameters(model)
    # A loader draws a seed from torch's global generator even if it does not shuffle.
    with torch.random.fork_rng(devices=[]):
        inputs, targets = first_samples(loader, samples, parameters[0].device)
    objective, name = loss_and_name(loss, targets)
    with measurement_mode(model):
        layers = normalized_layers(model)
        reports = tuple(layer_report(layer) for layer in layers)
        plain = plain_layers(model, layers)
        require_loss(model, objective, inputs, targets, is_given=loss is not None)
    trouble = check_finite(model, objective, inputs, targets)
    measurement = None if trouble else measure(model, inputs, targets, loss=objective, settings=settings)
    rounding = 10 * torch.finfo(parameters[0].dtype).eps
    if measurement is None:
        advice = [trouble_advice(trouble), *advice_on_zero_rows(reports)]
    else:
        advice = list(advice_on(reports, measurement, learning_rate, rounding))
    count = sum(parameter.numel() for parameter in parameters)
    return Diagnosis(reports, plain, count, len(inputs), name, measurement, tuple(advice))


def _check(model: nn.Module, samples: object, learning_rate: float | None) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"needed a torch.nn.Module, got {type(model).__name__}")
    require(isinstance(samples, int) and samples >= 1, "a whole number of samples, at least one", samples)
    is_rate = learning_rate is None or (math.isfinite(learning_rate) and learning_rate > 0)
    require(is_rate, "a positive learning rate", learning_rate)
    require(not torch.is_inference_mode_enabled(), "a place where gradients can be taken", "torch.inference_mode()")
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise InputError("needed a model whose sizes are known, got a lazy one; pass it a batch first")


def _figures(at: Measurement) -> list[str]:
    low = _with_error(at.least_curvature, at.least_curvature_error)
    high = _with_error(at.loss_curvature, at.loss_curvature_error)
    output = _with_error(at.output_curvature, at.output_curvature_error)
    return [
        f"loss {at.loss:.4g}, gradient {at.gradient_norm:.3g}, squared over the loss {at.gradient_to_loss:.3g}",
        f"curvature of the loss from {low} to {high}",
        f"curvature of single outputs {output}, slope {at.output_slope:.3g}",
    ]


def _with_error(value: float, error: float) -> str:
    return f"{value:.3g} (+- {error:.1g})"
