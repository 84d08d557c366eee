"""Advice that follows from the row lengths and the curvature of a model."""

import math
from collections.abc import Iterable

from wnsense.networks.diagnosis.layer_report import LayerReport
from wnsense.networks.layers import LayerKind
from wnsense.networks.measuring.measurement import Measurement

# The bound on curvature has a term 1 / W_min^2 and a term 1 / W_min: below this row length the first is the larger.
_SHORT = 1.0
# A step of v turns its direction by the step over ||v||^2: at this ratio of lengths, rates differ by a factor of 100.
_UNEQUAL = 10.0
# Least ratio of downward to upward curvature that is reported.
_DOWNWARDS = 0.05


def advice_on(
    layers: tuple[LayerReport, ...], at: Measurement, learning_rate: float | None, rounding: float
) -> Iterable[str]:
    """Yield advice on a model with finite numbers, one or two sentences each.

    Args:
        layers: Weight-normalized layers.
        at: Measurement of the model.
        learning_rate: Learning rate to judge, if any.
        rounding: Loss below which nothing but rounding is left.
    """
    if not layers:
        yield (
            "No layer is weight-normalized. torch.nn.utils.parametrizations.weight_norm(layer) normalizes one; the "
            "bounds on curvature without an exponential in the depth hold only with it."
        )
    else:
        yield from _advice_on_rows(layers)
    yield from _advice_on_steps(at, learning_rate, rounding)
    if any(layer.kind is LayerKind.HOOKS for layer in layers):
        yield (
            "Hooks are torch's deprecated weight normalization. Its replacement is "
            "torch.nn.utils.parametrizations.weight_norm, which loads the same state dicts."
        )


def trouble_advice(trouble: str) -> str:
    """Return advice on numbers that are not finite.

    Args:
        trouble: Description of what is not finite.
    """
    return (
        f"{trouble[0].upper()}{trouble[1:]}: nothing was measured. Look there for an overflow, a row of length 0, or "
        "missing values in the data."
    )


def advice_on_zero_rows(layers: tuple[LayerReport, ...]) -> Iterable[str]:
    """Yield advice on layers that have a row of length 0."""
    for layer in layers:
        if layer.shortest == 0:
            yield f"A row of {layer.name} has length 0, and no direction: it is divided by 0. Give it other numbers."


def _advice_on_rows(layers: tuple[LayerReport, ...]) -> Iterable[str]:
    least = min(layers, key=lambda layer: layer.shortest)
    most = max(layers, key=lambda layer: layer.longest)
    if least.shortest < _SHORT:
        yield (
            f"The shortest row is {least.shortest:.3g} long (in {least.name}): curvature may grow as 1/length^2 there. "
            "wnsense.networks.set_row_norms(model, 1.0) lengthens the rows and does not change the outputs."
        )
    if least.shortest > 0 and most.longest > _UNEQUAL * least.shortest:
        rates = (most.longest / least.shortest) ** 2
        yield (
            f"Rows are from {least.shortest:.3g} (in {least.name}) to {most.longest:.3g} long (in {most.name}): under "
            f"one learning rate their directions turn at rates up to {rates:.0f} times apart. set_row_norms makes the "
            "lengths equal."
        )


def _advice_on_steps(at: Measurement, learning_rate: float | None, rounding: float) -> Iterable[str]:
    beta = at.loss_curvature
    if beta > 0:
        # The residual is added, since the true curvature may be larger by it.
        limit = 2 / (beta + at.loss_curvature_error)
        yield f"On these samples gradient descent is locally stable for learning rates below 2/curvature = {limit:.3g}."
        if learning_rate is not None and learning_rate > limit:
            yield (
                f"The learning rate {learning_rate:g} is above that limit: expect the loss to jump until the curvature "
                "falls."
            )
        elif learning_rate is not None and learning_rate < limit / 100:
            yield (
                f"The learning rate {learning_rate:g} is {limit / learning_rate:.0f} times smaller than that limit: a "
                "larger one may be faster."
            )
        gain = at.gradient_to_loss / (2 * beta)
        # Nothing follows from a loss that is only rounding.
        if math.isfinite(gain) and at.loss > rounding:
            yield (
                f"A gradient step of 1/curvature would lower the loss by about {100 * min(gain, 1):.2g} %, which is "
                f"the gradient-to-loss ratio over twice the curvature{_slowness(gain)}."
            )
    if at.least_curvature < -_DOWNWARDS * max(beta, 0.0):
        yield (
            f"The loss also curves downwards ({at.least_curvature:.3g}): the parameters are not near a minimum, and "
            "convexity does not explain the training here."
        )


def _slowness(gain: float) -> str:
    return ": a flat or badly scaled place" if gain < 1e-3 else ""
