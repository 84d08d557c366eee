"""1-path-norm: sum over all paths from inputs to outputs of the product of the absolute weights of a path."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.networks.layers import Normalization, shared_length
from wnsense.networks.network import Network


def matrix_path_norm(matrices: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, ""]:
    """Return `1^T |W_last| ... |W_first| 1`, differentiable.

    Args:
        matrices: Matrices from the input on, without biases.
    """
    reach = torch.ones_like(matrices[0][0])
    for W in matrices:
        reach = W.abs() @ reach
    return reach.sum()


def path_norm(network: Network) -> Float[Tensor, ""]:
    """Return the 1-path-norm of the matrices of a network, differentiable. A multiple of it is a penalty.

    With L1 normalization every row of layer `l` has L1 norm `|g_l|`. The norm is then `||V||_1 prod |g_l|`, without a
    product of matrices (arXiv 2404.19112). Biases are ignored. For the matrices of other models, see
    `matrix_path_norm`.

    Raises:
        InputError: If it is no `Network`: the order of the layers of other models is not known.
    """
    came, advice = type(network).__name__, "give the matrices of another model to matrix_path_norm"
    require(isinstance(network, Network), "a Network, as uniform_network makes it", came, advice)
    V = network.output.weight
    if network.architecture.normalization is not Normalization.L1:
        return matrix_path_norm([*(layer.weight for layer in network.layers), V])
    lengths = torch.stack([shared_length(layer) for layer in network.layers])
    norm: Tensor = V.abs().sum() * lengths.abs().prod()
    return norm
