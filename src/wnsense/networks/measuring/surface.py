"""A model's loss as a function of all its parameters: value, gradient and Hessian times a vector, never the Hessian."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from wnsense.checks import InputError, require
from wnsense.networks.layers import twice_differentiable

# (outputs, targets) -> mean over samples, such as `torch.nn.functional.mse_loss`.
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Derivatives:
    """A number, its gradient by some parameters, and its Hessian as a map.

    The graph of the gradient is made once and kept as long as this is; a product is one pass back through it, about
    twice as much as a gradient.

    Attributes:
        parameters: What it was differentiated by.
        value: The number, detached.
        gradient: All of it as one vector, detached, in the order of the parameters.
        pieces: The gradient with its graph, a tensor for each parameter.
    """

    parameters: tuple[Tensor, ...]
    value: Float[Tensor, ""]
    gradient: Float[Tensor, " p"]
    pieces: tuple[Tensor, ...]

    @classmethod
    def of(cls, value: Float[Tensor, ""], parameters: Sequence[Tensor]) -> "Derivatives":
        """Differentiate a number."""
        own = tuple(parameters)
        pieces = torch.autograd.grad(value, own, create_graph=True, materialize_grads=True)
        return cls(own, value.detach(), flat(pieces), pieces)

    def hessian_times(self, direction: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """The Hessian times a vector."""
        # What is linear in the parameters has a gradient without a graph, and no share in the Hessian.
        alive = [
            (piece, part)
            for piece, part in zip(self.pieces, unflattened(direction, self.parameters), strict=True)
            if piece.requires_grad
        ]
        if not alive:
            return torch.zeros_like(direction)
        pieces, parts = zip(*alive, strict=True)
        products = torch.autograd.grad(
            pieces, self.parameters, grad_outputs=parts, retain_graph=True, materialize_grads=True
        )
        return flat(products)


@dataclass(frozen=True)
class LossSurface:
    """The loss of a model on given samples, as a function of the parameters that are trained.

    Attributes:
        model: Any model of one tensor. Use it inside `measuring(model)`.
        loss: Its loss.
        inputs: The samples, all of which pass at once.
        targets: What they should give.
    """

    model: nn.Module
    loss: LossFunction
    inputs: Tensor
    targets: Tensor

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """What is trained.

        Raises:
            InputError: When nothing is.
        """
        return trained_parameters(self.model)

    def derivatives(self) -> Derivatives:
        """The loss at the present parameters with its derivatives."""
        with twice_differentiable(self.model):
            value = self.loss(self.model(self.inputs), self.targets)
        return Derivatives.of(value, self.parameters)

    def output_derivatives(self, sample: int, output: int) -> Derivatives:
        """One output for one sample, with its derivatives."""
        with twice_differentiable(self.model):
            outputs = self.model(self.inputs[sample : sample + 1])
        return Derivatives.of(outputs.reshape(-1)[output], self.parameters)

    @torch.no_grad()
    def at(self, offset: Float[Tensor, " p"]) -> float:
        """The loss at an offset from the present parameters, its mean taken in double precision."""
        with _moved(self.parameters, offset):
            outputs = self.model(self.inputs)
        targets = self.targets.double() if self.targets.is_floating_point() else self.targets
        return float(self.loss(outputs.double(), targets))

    def gradient_at(self, offset: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """The gradient at an offset from the present parameters."""
        parameters = self.parameters
        with _moved(parameters, offset):
            value = self.loss(self.model(self.inputs), self.targets)
            return flat(torch.autograd.grad(value, parameters, materialize_grads=True))


@contextmanager
def _moved(parameters: Sequence[Tensor], offset: Float[Tensor, " p"]) -> Iterator[None]:
    """The parameters elsewhere; the very numbers that they had afterwards.

    Not by `torch.func.functional_call`, which loses the parameters of a module that a model has under two names. Graphs
    that were made before are as good afterwards, since what they have kept is in its place again.
    """
    kept = [parameter.data for parameter in parameters]
    try:
        for parameter, part in zip(parameters, unflattened(offset, parameters), strict=True):
            parameter.data = parameter.data + part
        yield
    finally:
        for parameter, data in zip(parameters, kept, strict=True):
            parameter.data = data


def trained_parameters(model: nn.Module) -> tuple[Tensor, ...]:
    """The parameters of a model that ask for a gradient.

    Raises:
        InputError: When none does.
    """
    found = tuple(parameter for parameter in model.parameters() if parameter.requires_grad)
    if not found:
        raise InputError("needed a model with parameters that are trained, got none; set requires_grad on some")
    devices = {parameter.device for parameter in found}
    require(len(devices) == 1, "parameters on one device", f"{len(devices)} devices", "move the model to one")
    return found


def flat(tensors: Sequence[Tensor]) -> Float[Tensor, " p"]:
    """Tensors as one vector, detached."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def unflattened(vector: Float[Tensor, " p"], like: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `flat`: views of a vector in the shapes of some tensors, and in their dtypes."""
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.reshape(tensor.shape).to(tensor.dtype) for part, tensor in zip(parts, like, strict=True)]


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """For measurements: the model as it is when it is used, with nothing in it that cannot be differentiated twice.

    Dropout rests and batch statistics stay; weight normalization, attention and recurrent layers take the way that has
    (right) second derivatives.
    Afterwards each module is in the mode that it was in.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with ExitStack() as stack:
            stack.enter_context(twice_differentiable(model))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if any(isinstance(module, nn.RNNBase) for module in modes):
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.enter_context(torch.enable_grad())
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
