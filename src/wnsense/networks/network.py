"""Weight-normalized networks of equal layers, and what they would be without the normalization."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wnsense.checks import InputError, require
from wnsense.networks.activations import ACTIVATIONS, TANH, Activation
from wnsense.networks.choices import chosen
from wnsense.networks.layers import Normalization, l1_linear, normalized_linear, parameter_matrix, plain_linear
from wnsense.theory.networks import Stack, normalized_layer, plain_layer


class Scaling(StrEnum):
    """What z = s <W_i / ||W_i||, a> is multiplied by."""

    WIDTH = "1/sqrt(m)"
    ONE = "1"


@dataclass(frozen=True)
class Architecture:
    """A network of L equal layers: a^(l) = phi(s <W_i / ||W_i||, a^(l-1)>), f = V a^(L).

    Choices may be named by their values, an activation by its name in `ACTIVATIONS`; kept is what they stand for.

    Attributes:
        inputs: d, numbers in.
        width: m, rows of every hidden layer.
        depth: L, hidden layers.
        outputs: Numbers out, each with a row of V.
        activation: phi.
        scaling: s. 1/sqrt(m) is what theory's bounds without an exponential ask for, and it shrinks what passes: a
            layer keeps the length of a only where all rows point its way. 1 is torch's `weight_norm` at g = 1.
        normalization: Of the hidden layers.
        train_lengths: Whether s is only the start of trained lengths, torch's g: one a row, one a layer for L1.
        bias: Whether hidden layers have one. Theory's networks have neither bias nor trained lengths.
        output_radius: rho_1: each row of V stays within so much of its start, after each `Network.project`; None to
            leave it free.
    """

    inputs: int
    width: int
    depth: int
    outputs: int = 1
    activation: Activation = TANH
    scaling: Scaling = Scaling.WIDTH
    normalization: Normalization = Normalization.WEIGHT
    train_lengths: bool = False
    bias: bool = False
    output_radius: float | None = None

    def __post_init__(self) -> None:
        """Refuse sizes below one and choices that are not there."""
        for name in ("inputs", "width", "depth", "outputs"):
            size = getattr(self, name)
            whole = isinstance(size, Integral)
            require(whole and size >= 1, f"{name} of at least 1, a whole number", repr(size))
        # The one way to set what a frozen dataclass makes of its arguments.
        object.__setattr__(self, "scaling", chosen(Scaling, self.scaling, "scaling"))
        object.__setattr__(self, "normalization", chosen(Normalization, self.normalization, "normalization"))
        object.__setattr__(self, "activation", _activation(self.activation))
        radius = self.output_radius
        require(radius is None or radius >= 0, "an output radius of at least 0, or None", radius)

    @property
    def scale(self) -> float:
        """S."""
        return 1 / math.sqrt(self.width) if self.scaling is Scaling.WIDTH else 1.0

    @property
    def parameter_count(self) -> int:
        """Numbers that are trained."""
        m, lengths = self.width, 0
        if self.train_lengths and self.normalization is not Normalization.NONE:
            lengths = self.depth * (1 if self.normalization is Normalization.L1 else m)
        biases = self.depth * m if self.bias else 0
        return m * self.inputs + (self.depth - 1) * m * m + self.outputs * m + biases + lengths


class Network(nn.Module):
    """What an `Architecture` describes: a plain module of `nn.Linear` layers, hidden ones parametrized."""

    output_start: Tensor

    def __init__(self, architecture: Architecture, *, dtype: torch.dtype = torch.float32) -> None:
        """Make the layers; `wnsense.networks.uniform_network` gives their numbers a start."""
        super().__init__()
        self.architecture = architecture
        sides = [architecture.inputs] + [architecture.width] * architecture.depth
        self.hidden = nn.ModuleList(_hidden_layer(architecture, columns, dtype) for columns in sides[:-1])
        self.output = _unfilled(architecture.width, architecture.outputs, dtype, bias=False)
        self.register_buffer("output_start", torch.zeros_like(self.output.weight.detach()))
        with torch.no_grad():
            self.output.weight.zero_()

    @property
    def layers(self) -> tuple[nn.Linear, ...]:
        """The hidden layers, from the input on."""
        return tuple(layer for layer in self.hidden if isinstance(layer, nn.Linear))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """The outputs f."""
        for layer in self.layers:
            x = self.architecture.activation.function(layer(x))
        y: Tensor = self.output(x)
        return y

    def extra_repr(self) -> str:
        """What `print` shows, beside the layers."""
        of = self.architecture
        radius = "free" if of.output_radius is None else f"{of.output_radius:g}"
        return f"{of.activation.name}, s = {of.scaling}, normalization {of.normalization}, output radius {radius}"

    @torch.no_grad()
    def project(self) -> None:
        """Bring each row v of V back to the ball ||v - v_0|| <= rho_1, if there is one; asks the device nothing."""
        radius = self.architecture.output_radius
        if radius is None:
            return
        away = self.output.weight - self.output_start
        length = torch.linalg.vector_norm(away, dim=1, keepdim=True)
        # Rows inside are left alone to the last bit.
        factor = radius / length.clamp_min(torch.finfo(length.dtype).tiny)
        self.output.weight.copy_(torch.where(length > radius, self.output_start + factor * away, self.output.weight))

    @torch.no_grad()
    def row_norms(self) -> tuple[Float[Tensor, " rows"], ...]:
        """||W_i|| of the parameters W of every hidden layer, normalized or not."""
        return tuple(torch.linalg.vector_norm(parameter_matrix(layer), dim=1) for layer in self.layers)

    @torch.no_grad()
    def stack(self, input_norm: float) -> Stack:
        """Return the numbers that the bounds of `wnsense.theory.networks` use, at the present parameters.

        Row lengths are those of each layer, ||v|| the longest row of V, and without normalization ||W||_2 is computed.

        Args:
            input_norm: The largest ||x||.

        Raises:
            InputError: If the theory does not cover the network.
        """
        of = self.architecture
        require(not of.bias and not of.train_lengths, "a network without biases and trained lengths", "one with them")
        require(of.activation.at_zero == 0, "an activation with phi(0) = 0", f"{of.activation.at_zero:g}")
        require(of.normalization is not Normalization.L1, "rows divided by their length, or none", "L1 normalization")
        if of.normalization is Normalization.WEIGHT:
            layers = tuple(normalized_layer(of.width, float(rows.min()), of.scale) for rows in self.row_norms())
        else:
            matrices = (parameter_matrix(layer) for layer in self.layers)
            layers = tuple(plain_layer(float(torch.linalg.matrix_norm(W, 2)), of.scale) for W in matrices)
        v = float(torch.linalg.vector_norm(self.output.weight, dim=1).max())
        return Stack(layers, input_norm, v, of.activation.lipschitz, of.activation.curvature)


class Twin(StrEnum):
    """What a network shares with its twin without normalization."""

    PARAMETERS = "parameters"
    FUNCTION = "function"


@torch.no_grad()
def unnormalized_twin(network: Network, *, share: Twin | str = Twin.PARAMETERS) -> Network:
    """The same network without normalization, z = s <W_i, a>, at the same start; the given one is left alone.

    Args:
        network: Weight-normalized.
        share: PARAMETERS keeps W, so that the functions differ; FUNCTION takes W_i / ||W_i|| for W_i, and trained
            lengths with it, so that they agree.

    Raises:
        InputError: When it is no `Network`, not weight-normalized, or what is shared is neither.
    """
    came, advice = type(network).__name__, "of another model, remove_parametrizations makes a twin of the same function"
    require(isinstance(network, Network), "a Network, as uniform_network makes it", came, advice)
    share = chosen(Twin, share, "thing to share")
    of = network.architecture
    require(
        of.normalization is Normalization.WEIGHT, "a weight-normalized network", f"normalization {of.normalization}"
    )
    weight = network.output.weight
    twin = Network(replace(of, normalization=Normalization.NONE, train_lengths=False), dtype=weight.dtype).to(
        weight.device
    )
    for mine, other in zip(twin.layers, network.layers, strict=True):
        W = parameter_matrix(other) if share is Twin.PARAMETERS else other.weight / of.scale
        parameter_matrix(mine).copy_(W)
        if of.bias:
            mine.bias.copy_(other.bias)
    twin.output.weight.copy_(weight)
    twin.output_start.copy_(network.output_start)
    return twin


def _activation(given: Activation | str) -> Activation:
    """An activation as it is, or the known one of a name."""
    if isinstance(given, Activation):
        return given
    if isinstance(given, str) and given in ACTIVATIONS:
        return ACTIVATIONS[given]
    raise InputError(
        f"needed an activation that is one of {', '.join(map(repr, ACTIVATIONS))}, got {given!r}; "
        "make others with Activation(...)"
    )


def _unfilled(columns: int, rows: int, dtype: torch.dtype, *, bias: bool) -> nn.Linear:
    """A layer for which no random number was drawn."""
    linear: nn.Linear = nn.Linear(columns, rows, bias=bias, dtype=dtype, device="meta").to_empty(device="cpu")
    return linear


def _hidden_layer(of: Architecture, columns: int, dtype: torch.dtype) -> nn.Linear:
    linear = _unfilled(columns, of.width, dtype, bias=of.bias)
    with torch.no_grad():
        linear.weight.fill_(1.0)
        if of.bias:
            linear.bias.zero_()
    if of.normalization is Normalization.WEIGHT:
        return normalized_linear(linear, of.scale, train_length=of.train_lengths)
    if of.normalization is Normalization.L1:
        return l1_linear(linear, of.scale, train_length=of.train_lengths)
    return plain_linear(linear, of.scale)
