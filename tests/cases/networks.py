"""Random small networks, and what they compute written out literally, for the tests of deep networks."""

import warnings
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from wnsense.networks.activations import GELU, LEAKY_RELU, RELU, SILU, TANH, Activation
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.layers import Normalization
from wnsense.networks.network import Architecture, Network, Scaling

SMOOTH = (TANH, GELU, SILU)
ALL = (*SMOOTH, RELU, LEAKY_RELU)
# phi(0) = 1/2: no bound of the theory speaks of it.
SIGMOID = Activation("sigmoid", torch.sigmoid, 0.25, 0.0962, at_zero=0.5)


@dataclass(frozen=True)
class Case:
    """A network to draw, with inputs.

    Attributes:
        architecture: The network.
        seed: Of its start and its inputs.
        row_norm: Of its rows, in the root mean square.
        input_norm: Of each input.
    """

    architecture: Architecture
    seed: int
    row_norm: float
    input_norm: float

    def network(self) -> Network:
        return uniform_network(
            self.architecture,
            torch.Generator().manual_seed(self.seed),
            row_norm=self.row_norm,
            dtype=torch.float64,
        )

    def inputs(self, count: int = 1) -> Tensor:
        rng = torch.Generator().manual_seed(self.seed + 1)
        x = torch.randn(count, self.architecture.inputs, generator=rng, dtype=torch.float64)
        return self.input_norm * x / x.norm(dim=1, keepdim=True)


def cases(activations=SMOOTH, normalization=Normalization.WEIGHT, depth=4, width=5, outputs=1):
    """Networks of every size up to a small one, rows and inputs from short to long."""
    architectures = st.builds(
        Architecture,
        inputs=st.integers(1, 4),
        width=st.integers(1, width),
        depth=st.integers(1, depth),
        outputs=st.just(outputs),
        activation=st.sampled_from(activations),
        scaling=st.sampled_from(Scaling),
        normalization=st.just(normalization),
    )
    lengths = st.floats(0.2, 4.0)
    return st.builds(Case, architectures, st.integers(0, 10**6), lengths, lengths)


def literal(network: Network, parameters: Tensor, x: Tensor) -> Tensor:
    """f of an input from all parameters as one vector, W first and V last, as the formula has it."""
    of = network.architecture
    a, begun = x, 0
    for columns in [of.inputs] + [of.width] * (of.depth - 1):
        W = parameters[begun : begun + of.width * columns].reshape(of.width, columns)
        begun += of.width * columns
        if of.normalization is Normalization.WEIGHT:
            W = W / W.square().sum(1, keepdim=True).sqrt()
        a = of.activation.function(of.scale * (W @ a))
    return parameters[begun:].reshape(of.outputs, of.width) @ a


def vector(network: Network) -> Tensor:
    """The parameters as `literal` takes them."""
    return torch.cat([p.detach().reshape(-1) for p in network.parameters() if p.requires_grad])


def hessian(function):
    """The dense Hessian; twice backward, since forward mode compiles its formulas by what torch has deprecated."""
    return torch.func.jacrev(torch.func.jacrev(function))


def dense_hessian(network: Network, x: Tensor, output: int = 0) -> Tensor:
    return hessian(lambda p: literal(network, p, x)[output])(vector(network))


def spectral_norm(H: Tensor) -> float:
    return float(torch.linalg.eigvalsh(H).abs().max())


def old_style(layer, **options):
    """torch's weight normalization by hooks, which warns that it is old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nn.utils.weight_norm(layer, **options)
