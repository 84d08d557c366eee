"""Search for the first NaN or infinity of a training step: the step, the layer and the quantity."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wnsense.networks.compiled import name_uncompiled
from wnsense.networks.measuring.surface import measurement_mode
from wnsense.networks.module_state import Buffers
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Trouble:
    """First NaN or infinity of a training.

    Attributes:
        step: Number of the step, from 1, whose loss, gradient or update is not finite.
        layer: Name of the first module or parameter with one; empty if it is in neither.
        what: Quantity that is not finite, in words.
    """

    step: int
    layer: str
    what: str

    def __str__(self) -> str:
        """Return one line of text."""
        return f"step {self.step}: NaN or infinity in {self.what}" + (f" of {self.layer}" if self.layer else "")


def first_trouble(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor, step: int
) -> Trouble | None:
    """Pass a batch forwards and backwards through a model and return the first quantity that is not finite, or None.

    The order is: batch, parameters, outputs of each module in the forward pass, loss, gradients from the loss
    backwards. The modes of the modules, the buffers (batch statistics) and `.grad` do not change.

    Args:
        model: Any model.
        objective: Function (outputs, targets) -> minimized number.
        inputs: Inputs of the batch.
        targets: Targets of the batch.
        step: Number of the step, from 1.
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
    """Return the name of the first trained parameter that is not finite, empty if all are finite."""
    names = (name for name, parameter in model.named_parameters() if parameter.requires_grad and _is_broken(parameter))
    return next(names, "")


def _in_passing(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor, step: int
) -> Trouble | None:
    """Return what is not finite in the forward and backward pass."""
    value, layer = _watched(model, objective, inputs, targets)
    if layer:
        return Trouble(step, layer, "the outputs")
    if _is_broken(value):
        return Trouble(step, "", "the loss")
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    pieces = torch.autograd.grad(value, [parameter for _, parameter in trained], materialize_grads=True)
    # Backwards, since a NaN near the loss makes all gradients before it NaN.
    for (name, _), piece in zip(reversed(trained), reversed(pieces), strict=True):
        if _is_broken(piece):
            return Trouble(step, name_uncompiled(name), "the gradient")
    return None


def _given(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[str, str] | None:
    """Return parameter and quantity that are not finite before the pass."""
    for name, tensor in (("inputs", inputs), ("targets", targets)):
        if _is_broken(tensor):
            return "", f"the batch's {name}"
    for name, parameter in model.named_parameters():
        if _is_broken(parameter):
            return name_uncompiled(name), "the parameters, since the step before,"
    return None


def _watched(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor
) -> tuple[Tensor, str]:
    """Return the objective, and the name of the first module whose outputs are not finite."""
    broken: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def look(module: nn.Module, _inputs: object, outputs: object) -> None:
        if not broken and any(_is_broken(tensor) for tensor in _tensors(outputs)):
            # The parametrization of a weight is a module within its layer.
            name = name_uncompiled(names[module].split(".parametrizations")[0])
            broken.append(name or type(module).__name__)

    # Modules of torch.jit have no hooks. What leaves them is seen in the module that contains them.
    handles = [module.register_forward_hook(look) for module in names if not isinstance(module, torch.jit.ScriptModule)]
    try:
        value = objective(model(inputs), targets)
    finally:
        for handle in handles:
            handle.remove()
    return value, broken[0] if broken else ""


def check_finite(
    model: nn.Module, objective: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor
) -> str:
    """Return what is not finite, in words, when a batch passes through a model in evaluation mode; empty if nothing."""
    with measurement_mode(model):
        trouble = first_trouble(model, objective, inputs, targets, 0)
    return "" if trouble is None else str(trouble).split(": ", 1)[1]


def _tensors(outputs: object) -> Iterator[Tensor]:
    """Yield all tensors of a module's outputs: a recurrent layer returns a tuple, other modules a mapping."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for part in outputs.values():
            yield from _tensors(part)
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from _tensors(part)


def _is_broken(tensor: Tensor) -> bool:
    # Detached, since activation checkpointing counts the tensors that are saved for a backward pass.
    return tensor.is_floating_point() and not bool(torch.isfinite(tensor.detach()).all())
