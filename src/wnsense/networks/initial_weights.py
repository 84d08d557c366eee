"""Uniform random start of a network."""

import math

import torch
from torch import Tensor

from wnsense.linalg import Place
from wnsense.networks.layers import parameter_matrix
from wnsense.networks.network import Architecture, Network
from wnsense.networks.row_ranges import check_row_norms, require_positive

# Root mean square of the row length at torch's own uniform start of `nn.Linear`, for any width.
TORCH_ROW_NORM = 1 / math.sqrt(3)


def uniform_network(
    architecture: Architecture,
    generator: torch.Generator,
    *,
    row_norm: float = TORCH_ROW_NORM,
    dtype: torch.dtype = torch.float32,
    device: Place = "cpu",
) -> Network:
    """Return a network at a uniform start: entries of `W` on `(-b, b)`, rows of `V` on the sphere `||v_0|| = 1`.

    With `b = row_norm sqrt(3 / columns)`, rows of `W` have the given length in the root mean square; `1 / sqrt(3)`
    is torch's own start. Numbers are drawn on the CPU in double precision. Therefore the device and the dtype change
    them by rounding only.

    Args:
        architecture: Sizes and choices of the network.
        generator: CPU generator.
        row_norm: Length of the rows of `W`, positive.
        dtype: Dtype of the parameters.
        device: Device of the parameters.

    Raises:
        InputError: If the row norm is not positive, or out of the range of the dtype.
    """
    require_positive("row norm", row_norm)
    for columns in {architecture.inputs, architecture.width if architecture.depth > 1 else architecture.inputs}:
        check_row_norms(f"rows of {columns} entries", torch.tensor([row_norm], dtype=torch.float64), dtype, columns)
    network = Network(architecture, dtype=dtype)
    with torch.no_grad():
        for layer in network.hidden:
            W = parameter_matrix(layer)
            W.copy_(row_norm * math.sqrt(3 / W.shape[1]) * _symmetric_uniform(W.shape, generator))
        v = _symmetric_uniform(network.output.weight.shape, generator)
        network.output.weight.copy_(v / torch.linalg.vector_norm(v, dim=1, keepdim=True))
        network.output_start.copy_(network.output.weight)
    return network.to(device)


def _symmetric_uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
