"""Networks of the studies, built from a design and a seed."""

import torch
from torch import Tensor, nn

from wnsense.lab.studies.networks.specification import Design
from wnsense.networks.activations import ACTIVATIONS
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.network import Architecture, Network, Twin, unnormalized_twin

_CLASSES = 10


def build_network(
    design: Design, seed: int, features: int, *, outputs: int = _CLASSES, dtype: torch.dtype = torch.float32
) -> Network:
    """Return a network at its uniform start; without normalization it is the twin of the same parameters.

    Args:
        design: Width, depth, activation, scaling and normalization.
        seed: Seed of the start.
        features: Number of inputs.
        outputs: Number of outputs.
        dtype: Dtype of the parameters.
    """
    architecture = Architecture(
        features,
        design.width,
        design.depth,
        outputs,
        activation=ACTIVATIONS[design.activation],
        scaling=design.scaling,
    )
    generator = torch.Generator().manual_seed(seed)
    network = uniform_network(architecture, generator, row_norm=design.row_norm, dtype=dtype)
    return network if design.normalized else unnormalized_twin(network, share=Twin.PARAMETERS)


def trainable_parameters(model: nn.Module) -> list[Tensor]:
    """Return the parameters that an optimizer changes."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
