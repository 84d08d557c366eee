"""`diagnose`: what weight normalization does in a model of anybody's, in numbers and in words."""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import is_parametrized

from wnsense.checks import InputError, require
from wnsense.networks.layers import NormalizedLayer, normalized_layers
from wnsense.networks.measuring.curvature import Measurement, Measuring, measure
from wnsense.networks.measuring.nonfinite import check_finite
from wnsense.networks.measuring.surface import LossFunction, measuring, trained_parameters

# Below this row length the 1 / W_min^2 in the bound on curvature is what counts, above it 1 / W_min.
_SHORT = 1.0
# A step of v moves its direction by the step over ||v||^2: rows so unequal learn at rates a hundred times apart.
_UNEQUAL = 10.0
# Between the ends of a spectrum: a curvature downwards of at least so much of that upwards is worth a word.
_DOWNWARDS = 0.05


class Kind(StrEnum):
    """How torch was told to normalize a layer."""

    PARAMETRIZATION = "parametrization"
    HOOKS = "hooks (deprecated)"
    L1 = "L1, one length"


@dataclass(frozen=True)
class LayerReport:
    """One weight-normalized layer.

    Attributes:
        name: In the model.
        kind: How it was normalized.
        rows: How many have a length of their own.
        shortest: The length of the shortest row of v.
        longest: Of the longest.
        has_trained_length: Whether g is trained.
    """

    name: str
    kind: Kind
    rows: int
    shortest: float
    longest: float
    has_trained_length: bool


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        layers: The weight-normalized layers.
        plain: Names of layers with a matrix that is not normalized.
        parameters: Numbers that are trained.
        samples: Samples looked at.
        loss: Which loss, in words.
        measurement: What was measured on them; None where numbers are not finite.
        advice: What follows from it, a sentence or two each.
    """

    layers: tuple[LayerReport, ...]
    plain: tuple[str, ...]
    parameters: int
    samples: int
    loss: str
    measurement: Measurement | None
    advice: tuple[str, ...]

    def __str__(self) -> str:
        """A page of text."""
        lines = [f"{len(self.layers)} weight-normalized layers, {len(self.plain)} others with a matrix; "]
        lines[0] += f"{self.parameters:,} trained numbers, {self.samples} samples, {self.loss}"
        width = max((len(layer.name) for layer in self.layers), default=0)
        lines += [
            f"  {layer.name:<{width}}  {layer.rows:>6} rows, lengths {layer.shortest:.3g} to {layer.longest:.3g}, "
            f"g {'trained' if layer.has_trained_length else 'fixed'}, {layer.kind}"
            for layer in self.layers
        ]
        if self.measurement is not None:
            lines += [f"  {text}" for text in _figures(self.measurement)]
        return "\n".join([*lines, *(f"- {text}" for text in self.advice)])


def diagnose(
    model: nn.Module,
    loader: Iterable[object],
    *,
    loss: LossFunction | None = None,
    samples: int = 256,
    settings: Measuring | None = None,
    learning_rate: float | None = None,
    quiet: bool = False,
) -> Diagnosis:
    """Look at a model on its own data: which layers are weight-normalized, row lengths, slopes, curvature; and advise.

    The model is left as it was. The loader is asked for as many batches as it takes, which moves the generator of one
    that shuffles.

    Args:
        model: Any model of one tensor.
        loader: Batches `(inputs, targets)`, such as a `DataLoader`.
        loss: (outputs, targets) -> mean; cross-entropy for integer targets and the mean squared error for others, if
            none is given.
        samples: The most to look at, all of which pass at once.
        settings: How much to measure.
        learning_rate: That of plain gradient descent or SGD, to be judged.
        quiet: Whether to return alone, and print nothing.

    Raises:
        InputError: When batches are not pairs of tensors, or the model has nothing that is trained.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"needed a torch.nn.Module, got {type(model).__name__}")
    require(isinstance(samples, int) and samples >= 1, "a whole number of samples, at least one", samples)
    known = learning_rate is None or (math.isfinite(learning_rate) and learning_rate > 0)
    require(known, "a positive learning rate", learning_rate)
    require(not torch.is_inference_mode_enabled(), "a place where gradients can be taken", "torch.inference_mode()")
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise InputError("needed a model whose sizes are known, got a lazy one; pass it a batch first")
    parameters = trained_parameters(model)
    # A loader draws a seed from torch's own numbers even where it does not shuffle.
    with torch.random.fork_rng(devices=[]):
        inputs, targets = _first_samples(loader, samples, parameters[0].device)
    chosen, words = _loss_of(loss, targets)
    with measuring(model):
        layers = normalized_layers(model)
        reports = tuple(_report(layer) for layer in layers)
        plain = _plain_layers(model, layers)
        _require_loss(model, chosen, inputs, targets, is_given=loss is not None)
    trouble = check_finite(model, chosen, inputs, targets)
    found = None if trouble else measure(model, inputs, targets, loss=chosen, settings=settings)
    rounding = 10 * torch.finfo(parameters[0].dtype).eps
    if found is None:
        advice = [trouble_advice(trouble), *_advice_on_zero_rows(reports)]
    else:
        advice = list(_advice(reports, found, learning_rate, rounding))
    diagnosis = Diagnosis(
        layers=reports,
        plain=plain,
        parameters=sum(parameter.numel() for parameter in parameters),
        samples=len(inputs),
        loss=words,
        measurement=found,
        advice=tuple(advice),
    )
    if not quiet:
        sys.stdout.write(f"{diagnosis}\n")
    return diagnosis


def trouble_advice(trouble: str) -> str:
    """What to do about numbers that are not finite.

    Args:
        trouble: What is not finite, in words.
    """
    return (
        f"{trouble[0].upper()}{trouble[1:]}: nothing was measured. Look there for an overflow, a row of length 0, or "
        "missing values in the data."
    )


def _loss_of(loss: LossFunction | None, targets: Tensor) -> tuple[LossFunction, str]:
    if loss is not None:
        return loss, getattr(loss, "__name__", type(loss).__name__).replace("_", " ")
    if targets.is_floating_point():
        return functional.mse_loss, "mean squared error"
    return functional.cross_entropy, "cross-entropy"


def _require_loss(model: nn.Module, loss: LossFunction, inputs: Tensor, targets: Tensor, *, is_given: bool) -> None:
    """Refuse in a line what would end deep within torch: samples that do not fit the model, or targets the loss."""
    outputs = _passed("a model that takes these inputs", lambda: model(inputs), inputs, targets)
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"needed a model of one tensor, got {type(outputs).__name__}; wrap it in a module that picks one"
        )
    has_samples = outputs.dim() > 0 and len(outputs) == len(inputs)
    require(has_samples, f"outputs for {len(inputs)} samples", f"shape {tuple(outputs.shape)}")
    require(outputs.requires_grad, "outputs that depend on trained parameters", "detached ones")
    if not is_given and targets.is_floating_point() and outputs.shape != targets.shape:
        raise InputError(
            f"needed targets of the outputs' shape {tuple(outputs.shape)} for the mean squared error, got "
            f"{tuple(targets.shape)}; reshape them, or give a loss"
        )
    value = _passed("a loss that takes the model's outputs", lambda: loss(outputs, targets), outputs, targets)
    is_number = isinstance(value, Tensor) and value.dim() == 0
    require(is_number, "a loss of one number", f"{tuple(value.shape) if isinstance(value, Tensor) else value!r}")


def _passed(needed: str, call: Callable[[], object], first: Tensor, second: Tensor) -> object:
    try:
        return call()
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        said = (str(error).strip().splitlines() or [""])[0]
        shapes = " and ".join(f"{str(of.dtype).removeprefix('torch.')} {tuple(of.shape)}" for of in (first, second))
        raise InputError(f"needed {needed}, got {type(error).__name__} for {shapes}: {said}") from error


def _first_samples(loader: Iterable[object], samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    count = 0
    if not isinstance(loader, Iterable):
        raise InputError(f"needed a loader of batches (inputs, targets), got {type(loader).__name__}")
    for batch in loader:
        pair = batch if isinstance(batch, tuple | list) else ()
        tensors = [part for part in pair if isinstance(part, Tensor)]
        if len(pair) != 2 or len(tensors) != 2:
            raise InputError(
                f"needed batches (inputs, targets) of tensors, got {type(batch).__name__}; "
                "wrap the loader in a generator that yields such pairs"
            )
        inputs.append(tensors[0].to(device))
        targets.append(tensors[1].to(device))
        count += len(tensors[0])
        if count >= samples:
            break
    require(count > 0, "a loader with at least one sample", "none")
    for parts in (inputs, targets):
        shapes = {tuple(part.shape[1:]) for part in parts}
        require(len(shapes) == 1, "samples of one shape", f"{len(shapes)} of them", "pad or group them")
    alike = all(len(x) == len(y) for x, y in zip(inputs, targets, strict=True))
    require(
        alike, "as many targets as inputs in each batch", f"{[len(y) for y in targets]} for {[len(x) for x in inputs]}"
    )
    return torch.cat(inputs)[:samples], torch.cat(targets)[:samples]


def _report(layer: NormalizedLayer) -> LayerReport:
    lengths = layer.row_norms
    hooked = not hasattr(layer.module, "parametrizations")
    kind = Kind.L1 if layer.order == 1 else Kind.HOOKS if hooked else Kind.PARAMETRIZATION
    ends = float(lengths.min()), float(lengths.max())
    return LayerReport(layer.name, kind, len(lengths), *ends, layer.has_trained_length)


def _plain_layers(model: nn.Module, layers: tuple[NormalizedLayer, ...]) -> tuple[str, ...]:
    """Layers with a matrix or a kernel of their own, but no normalization."""
    normalized = {id(layer.module) for layer in layers}
    inside = tuple(
        f"{name}.parametrizations".lstrip(".") for name, module in model.named_modules() if is_parametrized(module)
    )
    return tuple(
        name or type(module).__name__
        for name, module in model.named_modules()
        if id(module) not in normalized and not name.startswith(inside) and _has_matrix(module)
    )


def _has_matrix(module: nn.Module) -> bool:
    own = list(module.parameters(recurse=False))
    made = getattr(module, "parametrizations", None)
    if isinstance(made, nn.ModuleDict):
        own += list(made.parameters())
    return any(parameter.dim() > 1 for parameter in own)


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


def _advice(
    layers: tuple[LayerReport, ...], at: Measurement, learning_rate: float | None, rounding: float
) -> Iterable[str]:
    if not layers:
        yield (
            "No layer is weight-normalized: torch.nn.utils.parametrizations.weight_norm(layer) does it; bounds on "
            "curvature without an exponential in depth are for models that have it."
        )
    else:
        yield from _advice_on_rows(layers)
    yield from _advice_on_steps(at, learning_rate, rounding)
    if any(layer.kind is Kind.HOOKS for layer in layers):
        yield (
            "Hooks are torch's deprecated way to normalize: torch.nn.utils.parametrizations.weight_norm is the present "
            "one, and takes their state dicts."
        )


def _advice_on_rows(layers: tuple[LayerReport, ...]) -> Iterable[str]:
    least = min(layers, key=lambda layer: layer.shortest)
    most = max(layers, key=lambda layer: layer.longest)
    if least.shortest < _SHORT:
        yield (
            f"The shortest row is {least.shortest:.3g} long (in {least.name}): curvature may grow as 1/length^2 there. "
            "wnsense.networks.set_row_norms(model, 1.0) lengthens rows without changing what the model says."
        )
    if least.shortest > 0 and most.longest > _UNEQUAL * least.shortest:
        rates = (most.longest / least.shortest) ** 2
        yield (
            f"Rows are from {least.shortest:.3g} (in {least.name}) to {most.longest:.3g} long (in {most.name}): under "
            f"one learning rate their directions turn at rates up to {rates:.0f} times apart. set_row_norms makes them "
            "alike."
        )


def _advice_on_zero_rows(layers: tuple[LayerReport, ...]) -> Iterable[str]:
    for layer in layers:
        if layer.shortest == 0:
            yield f"A row of {layer.name} has length 0, and no direction: it is divided by 0. Give it other numbers."


def _advice_on_steps(at: Measurement, learning_rate: float | None, rounding: float) -> Iterable[str]:
    beta = at.loss_curvature
    if beta > 0:
        # Within its residual the true curvature may be larger.
        limit = 2 / (beta + at.loss_curvature_error)
        yield f"On these samples gradient descent is locally stable for learning rates below 2/curvature = {limit:.3g}."
        if learning_rate is not None and learning_rate > limit:
            yield f"The learning rate {learning_rate:g} is above that: expect the loss to jump until curvature falls."
        elif learning_rate is not None and learning_rate < limit / 100:
            yield f"The learning rate {learning_rate:g} is {limit / learning_rate:.0f} times smaller: there is room."
        gain = at.gradient_to_loss / (2 * beta)
        # Of a loss that is rounding already, nothing can be told.
        if math.isfinite(gain) and at.loss > rounding:
            yield (
                f"A gradient step of 1/curvature would lower the loss by about {100 * min(gain, 1):.2g} %, as the "
                f"gradient-to-loss ratio over twice the curvature has it{_slowness(gain)}."
            )
    if at.least_curvature < -_DOWNWARDS * max(beta, 0.0):
        yield (
            f"The loss curves downwards too ({at.least_curvature:.3g}): this is no neighbourhood of a minimum, "
            "and convexity cannot be what makes training work here."
        )


def _slowness(gain: float) -> str:
    return ": a flat or badly scaled place" if gain < 1e-3 else ""
