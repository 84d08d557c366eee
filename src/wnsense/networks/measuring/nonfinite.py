"""Where numbers first broke: the step, and the layer in which they did."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wnsense.networks.measuring.surface import measuring
from wnsense.networks.training.step_backup import Buffers


@dataclass(frozen=True)
class Trouble:
    """NaN or infinity in training.

    Attributes:
        step: The step, from 1, whose loss, gradient or update is not finite.
        layer: The module, or the parameter, in which it is seen first; empty where it lies elsewhere.
        what: What is not finite there.
    """

    step: int
    layer: str
    what: str

    def __str__(self) -> str:
        """One line."""
        return f"step {self.step}: NaN or infinity in {self.what}" + (f" of {self.layer}" if self.layer else "")


def first_trouble(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor, step: int
) -> Trouble | None:
    """Pass a batch through a model and back, and name the first thing that is not finite; None if all is.

    Looked at in this order: the batch, the parameters, what each module says as the batch passes, the loss, the
    gradients from the loss on. The model is in the mode that it is in; its buffers (batch statistics) and `.grad` stay.

    Args:
        model: Any model.
        objective: (outputs, targets) -> what is minimized.
        inputs: The batch.
        targets: Its targets.
        step: The step's number.
    """
    before = _given(model, inputs, targets)
    if before is not None:
        return Trouble(step, *before)
    buffers = Buffers.of(model)
    try:
        return _in_passing(model, objective, inputs, targets, step)
    finally:
        buffers.restore()


def broken_parameter(model: nn.Module) -> str:
    """The first trained parameter that is not finite; empty if all are."""
    found = (name for name, parameter in model.named_parameters() if parameter.requires_grad and _is_broken(parameter))
    return next(found, "")


def _in_passing(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor, step: int
) -> Trouble | None:
    """What breaks as the batch passes."""
    value, layer = _watched(model, objective, inputs, targets)
    if layer:
        return Trouble(step, layer, "the outputs")
    if _is_broken(value):
        return Trouble(step, "", "the loss")
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    pieces = torch.autograd.grad(value, [parameter for _, parameter in trained], materialize_grads=True)
    # Backwards: what is broken near the loss breaks all before it.
    for (name, _), piece in zip(reversed(trained), reversed(pieces), strict=True):
        if _is_broken(piece):
            return Trouble(step, name, "the gradient")
    return None


def _given(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[str, str] | None:
    """What is broken before anything is computed."""
    for name, tensor in (("inputs", inputs), ("targets", targets)):
        if _is_broken(tensor):
            return "", f"the batch's {name}"
    for name, parameter in model.named_parameters():
        if _is_broken(parameter):
            return name, "the parameters, since the step before,"
    return None


def _watched(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor
) -> tuple[Tensor, str]:
    """The objective, and the first module whose outputs are broken."""
    seen: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def look(module: nn.Module, _inputs: object, outputs: object) -> None:
        if not seen and any(_is_broken(tensor) for tensor in _tensors(outputs)):
            # What makes a layer's weight is a module within it.
            seen.append(names[module].split(".parametrizations")[0] or type(module).__name__)

    handles = [module.register_forward_hook(look) for module in names]
    try:
        value = objective(model(inputs), targets)
    finally:
        for handle in handles:
            handle.remove()
    return value, seen[0] if seen else ""


def check_finite(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor
) -> str:
    """What is not finite when a batch passes through a model in evaluation mode, in words; empty if nothing is."""
    with measuring(model):
        trouble = first_trouble(model, objective, inputs, targets, 0)
    return "" if trouble is None else str(trouble).split(": ", 1)[1]


def _tensors(outputs: object) -> Iterator[Tensor]:
    """All tensors in what a module says: recurrent layers say a tuple, others a mapping."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for part in outputs.values():
            yield from _tensors(part)
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from _tensors(part)


def _is_broken(tensor: Tensor) -> bool:
    # Detached: activation checkpointing counts what is kept for a backward pass, and finds one more otherwise.
    return tensor.is_floating_point() and not bool(torch.isfinite(tensor.detach()).all())
