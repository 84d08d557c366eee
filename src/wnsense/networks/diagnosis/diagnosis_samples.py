"""Samples and loss of a diagnosis: taken from a loader, and checked against the model before torch fails inside."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from wnsense.checks import InputError, require
from wnsense.networks.measuring.surface import LossFunction
from wnsense.networks.training.batch_source import pair


def first_samples(loader: Iterable[object], samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the first samples of a loader as inputs and targets.

    Args:
        loader: Batches (inputs, targets).
        samples: Largest number of samples.
        device: Device of the model.

    Raises:
        InputError: If batches are not pairs of tensors, have no samples, or do not fit together.
    """
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    count = 0
    if not isinstance(loader, Iterable):
        raise InputError(f"needed a loader of batches (inputs, targets), got {type(loader).__name__}")
    for batch in loader:
        x, y = pair(batch, device)
        inputs.append(x)
        targets.append(y)
        count += len(x)
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


def loss_and_name(loss: LossFunction | None, targets: Tensor) -> tuple[LossFunction, str]:
    """Return the loss with its name; without one, cross-entropy for integer targets, else the mean squared error."""
    if loss is not None:
        return loss, getattr(loss, "__name__", type(loss).__name__).replace("_", " ")
    if targets.is_floating_point():
        return functional.mse_loss, "mean squared error"
    return functional.cross_entropy, "cross-entropy"


def require_loss(model: nn.Module, loss: LossFunction, inputs: Tensor, targets: Tensor, *, is_given: bool) -> None:
    """Refuse samples that do not fit the model, and targets that do not fit the loss.

    Args:
        model: Model.
        loss: Loss.
        inputs: Samples.
        targets: Targets.
        is_given: True if the user gave the loss.

    Raises:
        InputError: If they do not fit.
    """
    outputs = _result("a model that takes these inputs", lambda: model(inputs), inputs, targets)
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
    value = _result("a loss that takes the model's outputs", lambda: loss(outputs, targets), outputs, targets)
    is_number = isinstance(value, Tensor) and value.dim() == 0
    require(is_number, "a loss of one number", f"{tuple(value.shape) if isinstance(value, Tensor) else value!r}")


def _result(needed: str, call: Callable[[], object], first: Tensor, second: Tensor) -> object:
    """Return the result of a call, or raise its error as one line with the shapes of two tensors."""
    try:
        return call()
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        tensors = (first, second)
        shapes = " and ".join(f"{str(each.dtype).removeprefix('torch.')} {tuple(each.shape)}" for each in tensors)
        raise InputError(f"needed {needed}, got {type(error).__name__} for {shapes}: {reason}") from error
