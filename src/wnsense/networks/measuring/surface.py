"""Loss of a model as a function of all its parameters: value, gradient and Hessian-vector products."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from wnsense.checks import InputError, require
from wnsense.networks.compiled import require_differentiable, uncompiled
from wnsense.networks.layers import twice_differentiable
from wnsense.networks.module_state import ModuleModes
from wnsense.values import by_value

# (outputs, targets) -> mean over samples, such as `torch.nn.functional.mse_loss`.
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
@by_value
class Derivatives:
    """Value of a scalar function, its gradient by some parameters, and its Hessian as a map.

    The graph of the gradient is built once and lives as long as this object. A Hessian product is one backward pass
    through it, at about twice the cost of a gradient.

    Attributes:
        parameters: Tensors by which the function was differentiated.
        value: Value of the function, detached.
        gradient: Gradient as one vector in the order of the parameters, (p,), detached.
        pieces: Gradient with its graph, one tensor for each parameter.
    """

    parameters: tuple[Tensor, ...]
    value: Float[Tensor, ""]
    gradient: Float[Tensor, " p"]
    pieces: tuple[Tensor, ...]

    @classmethod
    def of(cls, value: Float[Tensor, ""], parameters: Sequence[Tensor]) -> "Derivatives":
        """Differentiate a scalar by parameters."""
        own = tuple(parameters)
        pieces = torch.autograd.grad(value, own, create_graph=True, materialize_grads=True)
        return cls(own, value.detach(), flat(pieces), pieces)

    def hessian_times(self, direction: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """Return the Hessian times a vector."""
        # A function that is linear in a parameter has a gradient without a graph, and no share in the Hessian.
        curved = [
            (piece, part)
            for piece, part in zip(self.pieces, unflattened(direction, self.parameters), strict=True)
            if piece.requires_grad
        ]
        if not curved:
            return torch.zeros_like(direction)
        pieces, parts = zip(*curved, strict=True)
        products = torch.autograd.grad(
            pieces, self.parameters, grad_outputs=parts, retain_graph=True, materialize_grads=True
        )
        return flat(products)


@dataclass(frozen=True)
@by_value
class LossSurface:
    """Loss of a model on given samples, as a function of the trained parameters.

    Attributes:
        model: Any model that returns one tensor. Use it inside `measurement_mode(model)`.
        loss: Mean loss over the samples.
        inputs: Samples, all in one batch.
        targets: Targets of the samples.
    """

    model: nn.Module
    loss: LossFunction
    inputs: Tensor
    targets: Tensor

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Trained parameters of the model.

        Raises:
            InputError: If no parameter is trained.
        """
        return trained_parameters(self.model)

    def derivatives(self) -> Derivatives:
        """Return the loss at the present parameters with its derivatives."""
        with twice_differentiable(self.model):
            value = self.loss(self.model(self.inputs), self.targets)
        return Derivatives.of(value, self.parameters)

    def output_derivatives(self, sample: int, output: int) -> Derivatives:
        """Return one output for one sample with its derivatives."""
        with twice_differentiable(self.model):
            outputs = self.model(self.inputs[sample : sample + 1])
        return Derivatives.of(outputs.reshape(-1)[output], self.parameters)

    @torch.no_grad()
    def at(self, offset: Float[Tensor, " p"]) -> float:
        """Return the loss at an offset from the present parameters. Its mean is taken in double precision."""
        with _moved(self.parameters, offset):
            outputs = self.model(self.inputs)
        targets = self.targets.double() if self.targets.is_floating_point() else self.targets
        return float(self.loss(outputs.double(), targets))

    def gradient_at(self, offset: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """Return the gradient of the loss at an offset from the present parameters."""
        parameters = self.parameters
        with _moved(parameters, offset):
            value = self.loss(self.model(self.inputs), self.targets)
            return flat(torch.autograd.grad(value, parameters, materialize_grads=True))


@contextmanager
def _moved(parameters: Sequence[Tensor], offset: Float[Tensor, " p"]) -> Iterator[None]:
    """Move the parameters by an offset while this is open. Afterwards they have their old values to the last bit.

    `torch.func.functional_call` is not used: it loses the parameters of a module that a model has under two names.
    Graphs that were built before stay valid, since the tensors that they hold return to their places.
    """
    before = [parameter.data for parameter in parameters]
    try:
        for parameter, part in zip(parameters, unflattened(offset, parameters), strict=True):
            parameter.data = parameter.data + part
        yield
    finally:
        for parameter, data in zip(parameters, before, strict=True):
            parameter.data = data


def trained_parameters(model: nn.Module) -> tuple[Tensor, ...]:
    """Return the parameters of a model that require a gradient.

    Raises:
        InputError: If there is none, or they are on several devices.
    """
    parameters = tuple(parameter for parameter in model.parameters() if parameter.requires_grad)
    if not parameters:
        raise InputError("needed a model with parameters that are trained, got none; set requires_grad on some")
    devices = {parameter.device for parameter in parameters}
    require(len(devices) == 1, "parameters on one device", f"{len(devices)} devices", "move the model to one")
    return parameters


def parameter_vector(model: nn.Module) -> Float[Tensor, " p"]:
    """Return a copy of all trained parameters as one vector, (p,)."""
    return flat(trained_parameters(model))


def flat(tensors: Sequence[Tensor]) -> Float[Tensor, " p"]:
    """Return tensors as one vector, detached."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def unflattened(vector: Float[Tensor, " p"], like: Sequence[Tensor]) -> list[Tensor]:
    """Return views of a vector in the shapes and dtypes of some tensors, the inverse of `flat`."""
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.reshape(tensor.shape).to(tensor.dtype) for part, tensor in zip(parts, like, strict=True)]


@contextmanager
def measurement_mode(model: nn.Module) -> Iterator[None]:
    """Keep a model in evaluation mode and twice differentiable while this is open.

    Dropout is off and batch statistics do not change. Weight normalization, attention and recurrent layers use
    implementations with (right) second derivatives. What torch.compile has compiled runs its original code. Afterwards
    each module is in its former mode.

    Raises:
        InputError: If the model has no such mode or no second derivatives: one of torch.jit or torch.export.
    """
    require_differentiable(model)
    modes = ModuleModes.of(model)
    try:
        _set_evaluation_mode(model)
        with ExitStack() as stack:
            stack.enter_context(uncompiled())
            stack.enter_context(twice_differentiable(model))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if any(isinstance(module, nn.RNNBase) for module in model.modules()):
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.enter_context(torch.enable_grad())
            yield
    finally:
        modes.restore()


def _set_evaluation_mode(model: nn.Module) -> None:
    try:
        model.eval()
    except NotImplementedError as error:
        raise InputError(
            f"needed a model with an evaluation mode, got a {type(model).__name__} without one; "
            "hand in the model that was exported"
        ) from error
