"""The 1-path-norm: the sum over all paths from an input to an output of the product of the weights' sizes on it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.networks.layers import Normalization, shared_length
from wnsense.networks.network import Network


def matrix_path_norm(matrices: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, ""]:
    """1^T |W_last| ... |W_first| 1, differentiable.

    Args:
        matrices: From the input on, without biases.
    """
    reach = torch.ones_like(matrices[0][0])
    for W in matrices:
        reach = W.abs() @ reach
    return reach.sum()


def path_norm(network: Network) -> Float[Tensor, ""]:
    """The 1-path-norm of a network's matrices as they act, differentiable; times a number it is a penalty.

    With L1 normalization it is ||V||_1 prod |g_l|, with nothing to multiply: every row of layer l has L1 norm |g_l|
    (arXiv 2404.19112). Biases have no part in it. For other models, `matrix_path_norm` takes their matrices.

    Raises:
        InputError: When it is no `Network`, whose matrices are known to follow each other.
    """
    came, advice = type(network).__name__, "give the matrices of another model to matrix_path_norm"
    require(isinstance(network, Network), "a Network, as uniform_network makes it", came, advice)
    V = network.output.weight
    if network.architecture.normalization is not Normalization.L1:
        return matrix_path_norm([*(layer.weight for layer in network.layers), V])
    lengths = torch.stack([shared_length(layer) for layer in network.layers])
    norm: Tensor = V.abs().sum() * lengths.abs().prod()
    return norm
