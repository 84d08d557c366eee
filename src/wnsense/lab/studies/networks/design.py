"""From a design and a seed to a network."""

import torch
from torch import Tensor, nn

from wnsense.lab.studies.networks.specification import Design
from wnsense.networks.activations import ACTIVATIONS
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.network import Architecture, Network, Twin, unnormalized_twin

_CLASSES = 10


def built(
    design: Design, seed: int, features: int, *, outputs: int = _CLASSES, dtype: torch.dtype = torch.float32
) -> Network:
    """A network at its uniform start; without normalization the twin of the same parameters.

    Args:
        design: The network.
        seed: Of its start.
        features: Numbers in.
        outputs: Numbers out.
        dtype: Of the parameters.
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


def trained(model: nn.Module) -> list[Tensor]:
    """The parameters that an optimizer moves."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
