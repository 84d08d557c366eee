"""Weight-normalized networks of equal layers, and their twins without normalization."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wnsense.checks import InputError, require
from wnsense.networks.activations import ACTIVATIONS, TANH, Activation
from wnsense.networks.choices import converted_field, enum_member
from wnsense.networks.layers import Normalization, l1_linear, normalized_linear, parameter_matrix, plain_linear
from wnsense.theory.networks import Stack, normalized_layer, plain_layer
from wnsense.values import by_value


class Scaling(StrEnum):
    """Scaling `s` of a hidden layer, `z = s <W_i / ||W_i||, a>`."""

    WIDTH = "1/sqrt(m)"
    ONE = "1"


def _activation(value: object) -> Activation:
    """Return an activation, or the one of a name in `ACTIVATIONS`."""
    if isinstance(value, Activation):
        return value
    if isinstance(value, str) and value in ACTIVATIONS:
        return ACTIVATIONS[value]
    raise InputError(
        f"needed an activation that is one of {', '.join(map(repr, ACTIVATIONS))}, got {value!r}; "
        "make others with Activation(...)"
    )


_ACTIVATION = converted_field(_activation, TANH)
_SCALING = converted_field(partial(enum_member, Scaling, name="scaling"), Scaling.WIDTH)
_NORMALIZATION = converted_field(partial(enum_member, Normalization, name="normalization"), Normalization.WEIGHT)


@dataclass(frozen=True)
@by_value
class Architecture:
    """Network of `L` equal layers: `a^(l) = phi(s <W_i / ||W_i||, a^(l-1)>)`, `f = V a^(L)`.

    Scaling and normalization may be given by their values, an activation by its name in `ACTIVATIONS`.

    Attributes:
        inputs: Number of inputs `d`, at least 1.
        width: Number of rows `m` of each hidden layer, at least 1.
        depth: Number of hidden layers `L`, at least 1.
        outputs: Number of outputs, each with one row of `V`, at least 1.
        activation: Activation `phi`.
        scaling: Scaling `s`. The theory's bounds without an exponential need `1/sqrt(m)`. It shrinks the signal: a
            layer keeps the length of `a` only if all its rows are parallel to `a`. 1 is torch's `weight_norm` at
            `g = 1`.
        normalization: Normalization of the hidden layers.
        train_lengths: True if `s` is only the start of trained lengths, torch's `g`: one for each row, or one for each
            layer with L1 normalization.
        bias: True if hidden layers have a bias. The theory's networks have neither bias nor trained lengths.
        output_radius: `rho_1`, largest distance of each row of `V` from its start, kept by `Network.project`; None for
            no limit.
    """

    inputs: int
    width: int
    depth: int
    outputs: int = 1
    activation: Activation = _ACTIVATION
    scaling: Scaling = _SCALING
    normalization: Normalization = _NORMALIZATION
    train_lengths: bool = False
    bias: bool = False
    output_radius: float | None = None

    def __post_init__(self) -> None:
        """Refuse sizes below 1 and a negative radius."""
        for name in ("inputs", "width", "depth", "outputs"):
            size = getattr(self, name)
            whole = isinstance(size, Integral)
            require(whole and size >= 1, f"{name} of at least 1, a whole number", repr(size))
        radius = self.output_radius
        require(radius is None or radius >= 0, "an output radius of at least 0, or None", radius)

    @property
    def scale(self) -> float:
        """Scaling `s` as a number."""
        return 1 / math.sqrt(self.width) if self.scaling is Scaling.WIDTH else 1.0

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters."""
        m, lengths = self.width, 0
        if self.train_lengths and self.normalization is not Normalization.NONE:
            lengths = self.depth * (1 if self.normalization is Normalization.L1 else m)
        biases = self.depth * m if self.bias else 0
        return m * self.inputs + (self.depth - 1) * m * m + self.outputs * m + biases + lengths


class Network(nn.Module):
    """Network of an `Architecture`: a module of `nn.Linear` layers, of which the hidden ones are parametrized."""

    output_start: Tensor

    def __init__(self, architecture: Architecture, *, dtype: torch.dtype = torch.float32) -> None:
        """Create the layers; `wnsense.networks.uniform_network` draws their numbers."""
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
        """Hidden layers, from the input on."""
        return tuple(layer for layer in self.hidden if isinstance(layer, nn.Linear))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return the outputs `f`."""
        for layer in self.layers:
            x = self.architecture.activation.function(layer(x))
        y: Tensor = self.output(x)
        return y

    def extra_repr(self) -> str:
        """Return what a printed network shows beside its layers; part of the fingerprint of checkpoints."""
        own = self.architecture
        radius = "free" if own.output_radius is None else f"{own.output_radius:g}"
        return f"{own.activation.name}, s = {own.scaling}, normalization {own.normalization}, output radius {radius}"

    @torch.no_grad()
    def project(self) -> None:
        """Project each row `v` of `V` to the ball `||v - v_0|| <= rho_1`, if there is one.

        The device is not synchronized.
        """
        radius = self.architecture.output_radius
        if radius is None:
            return
        away = self.output.weight - self.output_start
        length = torch.linalg.vector_norm(away, dim=1, keepdim=True)
        # Rows inside the ball keep their last bit.
        factor = radius / length.clamp_min(torch.finfo(length.dtype).tiny)
        self.output.weight.copy_(torch.where(length > radius, self.output_start + factor * away, self.output.weight))

    @torch.no_grad()
    def row_norms(self) -> tuple[Float[Tensor, " rows"], ...]:
        """Return `||W_i||` of the parameters `W` of each hidden layer, normalized or not."""
        return tuple(torch.linalg.vector_norm(parameter_matrix(layer), dim=1) for layer in self.layers)

    @torch.no_grad()
    def stack(self, input_norm: float) -> Stack:
        """Return the norms of this network, at its present parameters, for the bounds of `wnsense.theory.networks`.

        They are the shortest row of each layer, or `||W||_2` without normalization, and the longest row `||v||` of `V`.

        Args:
            input_norm: Largest `||x||`.

        Raises:
            InputError: If the theory does not cover the network.
        """
        own = self.architecture
        require(not own.bias and not own.train_lengths, "a network without biases and trained lengths", "one with them")
        require(own.activation.at_zero == 0, "an activation with phi(0) = 0", f"{own.activation.at_zero:g}")
        require(own.normalization is not Normalization.L1, "rows divided by their length, or none", "L1 normalization")
        if own.normalization is Normalization.WEIGHT:
            layers = tuple(normalized_layer(own.width, float(rows.min()), own.scale) for rows in self.row_norms())
        else:
            matrices = (parameter_matrix(layer) for layer in self.layers)
            layers = tuple(plain_layer(float(torch.linalg.matrix_norm(W, 2)), own.scale) for W in matrices)
        v = float(torch.linalg.vector_norm(self.output.weight, dim=1).max())
        return Stack(layers, input_norm, v, own.activation.lipschitz, own.activation.curvature)


class Twin(StrEnum):
    """Quantity that a network shares with its twin without normalization."""

    PARAMETERS = "parameters"
    FUNCTION = "function"


@torch.no_grad()
def unnormalized_twin(network: Network, *, share: Twin | str = Twin.PARAMETERS) -> Network:
    """Return a network without normalization, `z = s <W_i, a>`, at the same start.

    The given network is not changed.

    Args:
        network: Weight-normalized network.
        share: PARAMETERS copies `W`, so that the functions differ. FUNCTION takes `W_i / ||W_i||` for `W_i`, with the
            trained lengths, so that the functions agree.

    Raises:
        InputError: If it is no `Network` or not weight-normalized, or `share` is neither of both.
    """
    came, advice = type(network).__name__, "of another model, remove_parametrizations makes a twin of the same function"
    require(isinstance(network, Network), "a Network, as uniform_network makes it", came, advice)
    share = enum_member(Twin, share, "thing to share")
    own = network.architecture
    require(
        own.normalization is Normalization.WEIGHT, "a weight-normalized network", f"normalization {own.normalization}"
    )
    weight = network.output.weight
    architecture = replace(own, normalization=Normalization.NONE, train_lengths=False)
    twin = Network(architecture, dtype=weight.dtype).to(weight.device)
    for mine, other in zip(twin.layers, network.layers, strict=True):
        W = parameter_matrix(other) if share is Twin.PARAMETERS else other.weight / own.scale
        parameter_matrix(mine).copy_(W)
        if own.bias:
            mine.bias.copy_(other.bias)
    twin.output.weight.copy_(weight)
    twin.output_start.copy_(network.output_start)
    return twin


def _unfilled(columns: int, rows: int, dtype: torch.dtype, *, bias: bool) -> nn.Linear:
    """Return a linear layer without drawing random numbers."""
    linear: nn.Linear = nn.Linear(columns, rows, bias=bias, dtype=dtype, device="meta").to_empty(device="cpu")
    return linear


def _hidden_layer(architecture: Architecture, columns: int, dtype: torch.dtype) -> nn.Linear:
    linear = _unfilled(columns, architecture.width, dtype, bias=architecture.bias)
    with torch.no_grad():
        linear.weight.fill_(1.0)
        if architecture.bias:
            linear.bias.zero_()
    scale, train_length = architecture.scale, architecture.train_lengths
    if architecture.normalization is Normalization.WEIGHT:
        return normalized_linear(linear, scale, train_length=train_length)
    if architecture.normalization is Normalization.L1:
        return l1_linear(linear, scale, train_length=train_length)
    return plain_linear(linear, scale)
