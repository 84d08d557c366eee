"""Readers of the official files of MNIST and Fashion-MNIST (idx, plain or gzip) and of CIFAR-10 (binary)."""

import gzip
import zlib
from collections.abc import Mapping
from enum import StrEnum
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import InputError, require
from wnsense.networks.choices import enum_member
from wnsense.networks.data.labelled_images import LabelledImages

_CLASSES = 10
_IDX_IMAGES, _IDX_LABELS = 0x00000803, 0x00000801
_IDX_KINDS = {_IDX_IMAGES: "images", _IDX_LABELS: "labels"}
_FULL_TRAIN, _FULL_TEST = 60_000, 10_000
_CIFAR_BATCH = 10_000
_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_RECORD = 1 + 3 * 32 * 32
# CIFAR-100 has a coarse label before the fine one.
_CIFAR_100_RECORD = _CIFAR_RECORD + 1


class Split(StrEnum):
    """Part of a data set."""

    TRAIN = "train"
    TEST = "test"


def read_idx_folder(folder: Path | str, split: Split | str) -> LabelledImages:
    """Read images and labels of MNIST, Fashion-MNIST or another data set in the same format.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    `t10k-labels-idx1-ubyte`. In some copies the last dash is a dot; compressed files end in `.gz`. If a file exists
    in several of these forms, their contents must be equal.

    Args:
        folder: Folder of the files.
        split: Part of the data set.

    Raises:
        InputError: If a file is missing, cut short, too long, badly compressed, swapped with another or different
            from its copy in another form; if images and labels do not belong together; if the split does not exist.
    """
    folder, split = Path(folder), enum_member(Split, split, "split")
    start = "train" if split is Split.TRAIN else "t10k"
    images_path, labels_path = (_found(folder, start, *kind) for kind in (("images", "idx3"), ("labels", "idx1")))
    images, labels = read_idx(images_path, _IDX_IMAGES), read_idx(labels_path, _IDX_LABELS)
    together = f"{images_path.name} and {labels_path.name} with equally many"
    came = f"{len(images)} images and {len(labels)} labels"
    require(len(images) == len(labels), together, came, "take both from one data set")
    full = _FULL_TRAIN if split is Split.TRAIN else _FULL_TEST
    other = _FULL_TEST if split is Split.TRAIN else _FULL_TRAIN
    require(
        len(images) != other,
        f"the {split} part ({full:,} images) in {images_path.name}",
        f"{other:,} images, as many as the other part has",
        "train and t10k files are swapped",
    )
    _check_labels(labels_path, labels)
    rows = torch.from_numpy(images.reshape(len(images), -1).copy())
    shape = (1, int(images.shape[1]), int(images.shape[2]))
    return LabelledImages(rows, torch.from_numpy(labels.astype(np.int64)), shape, str(images_path))


def read_idx(path: Path, magic: int) -> np.ndarray:
    """Read one idx file: a magic number, a big-endian length for each dimension, and the bytes.

    Args:
        path: File; it is decompressed if its first bytes are those of gzip.
        magic: Magic number, 0x803 for images, 0x801 for labels.

    Raises:
        InputError: If it is not a whole file of this kind.
    """
    content = _content(path)
    kind = _IDX_KINDS[magic]
    dimensions = magic & 0xFF
    head = 4 + 4 * dimensions
    require(len(content) >= 4, f"an idx file of {kind} at {path}", f"{len(content)} bytes", "copy it again")
    came = int.from_bytes(content[:4], "big")
    if came in _IDX_KINDS and came != magic:
        raise InputError(f"needed {kind} in {path}, got {_IDX_KINDS[came]}; two files have each other's names")
    advice = "it is another format, or damaged"
    require(came == magic, f"an idx file of {kind} at {path}, magic {magic:#x}", f"{came:#x}", advice)
    require(len(content) >= head, f"a whole idx file at {path}", f"{len(content)} bytes", "copy it again")
    sides = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    size = int(np.prod(sides, dtype=object))
    require(size > 0, f"{kind} in {path}", f"a size of {sides}", "copy it again")
    length = len(content) - head
    trouble = "cut short" if length < size else "followed by something else"
    require(length == size, f"{size:,} bytes of {kind} in {path}", f"{length:,}", f"it is {trouble}; copy it again")
    return np.frombuffer(content, dtype=np.uint8, offset=head).reshape(sides)


def read_cifar_folder(folder: Path | str, split: Split | str) -> LabelledImages:
    """Read CIFAR-10 in its binary form: records of a label and 3,072 bytes, planes R, G, B of 32 x 32.

    The training part is `data_batch_1.bin` to `data_batch_5.bin`, in this order; some of them may be missing. The test
    part is `test_batch.bin`. Files may end in `.gz`; a file and its compressed copy must be equal. A batch of the
    release has 10,000 images. Smaller ones are read too, and `source` lists them with their numbers.

    Args:
        folder: Folder of the files.
        split: Part of the data set.

    Raises:
        InputError: If no file exists; if one is cut short, of CIFAR-100, equal to another one, or different from its
            compressed copy; if the split does not exist.
    """
    folder, split = Path(folder), enum_member(Split, split, "split")
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split is Split.TRAIN else ["test_batch.bin"]
    paths = [path for name in names if (path := _one_of(folder, name, f"{name}.gz")) is not None]
    if not paths:
        raise InputError(
            f"needed {names[0]}{' to ' + names[-1] if len(names) > 1 else ''} in {folder}, got {_listing(folder)}; "
            "take the binary version of CIFAR-10"
        )
    contents = {path: _cifar_records(path) for path in paths}
    # A copy of the test batch under the name of a training batch would put test images in the training part.
    test_path = _one_of(folder, "test_batch.bin", "test_batch.bin.gz") if split is Split.TRAIN else None
    _check_unlike(contents if test_path is None else contents | {test_path: _cifar_records(test_path)})
    records = np.concatenate(list(contents.values()))
    source = f"{folder}: {', '.join(_batch_text(path.name, len(part)) for path, part in contents.items())}"
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    return LabelledImages(torch.from_numpy(records[:, 1:].copy()), labels, _CIFAR_SHAPE, source)


def _check_unlike(contents: Mapping[Path, np.ndarray]) -> None:
    for (first, one), (second, other) in combinations(contents.items(), 2):
        needed = f"different images in {first.name} and {second.name}"
        require(not np.array_equal(one, other), needed, "the same", "one is a copy under another's name")


def _batch_text(name: str, count: int) -> str:
    """Return the name of a batch, with its number of images if that is not the release's."""
    return name if count == _CIFAR_BATCH else f"{name} ({count:,} images; the release has {_CIFAR_BATCH:,})"


def _cifar_records(path: Path) -> np.ndarray:
    content = _content(path)
    size = len(content)
    if size % _CIFAR_RECORD != 0 and size > 0 and size % _CIFAR_100_RECORD == 0:
        raise InputError(
            f"needed CIFAR-10 at {path}, got records as CIFAR-100 has; take the binary version of CIFAR-10"
        )
    whole = f"whole records of {_CIFAR_RECORD:,} bytes in {path}"
    require(size > 0 and size % _CIFAR_RECORD == 0, whole, f"{size:,} bytes", "it is cut short; copy it again")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _CIFAR_RECORD)
    _check_labels(path, records[:, 0])
    return records


def _check_labels(path: Path, labels: np.ndarray) -> None:
    largest = int(labels.max())
    advice = "it is another data set, or damaged"
    require(largest < _CLASSES, f"labels from 0 to {_CLASSES - 1} in {path}", largest, advice)


def _found(folder: Path, start: str, kind: str, form: str) -> Path:
    plain, dotted = f"{start}-{kind}-{form}-ubyte", f"{start}-{kind}.{form}-ubyte"
    path = _one_of(folder, plain, f"{plain}.gz", dotted, f"{dotted}.gz")
    if path is None:
        raise InputError(
            f"needed {plain} or {plain}.gz in {folder}, got {_listing(folder)}; name the folder that has it"
        )
    return path


def _one_of(folder: Path, *names: str) -> Path | None:
    """Return the first file that exists. All others that exist must have the same content."""
    paths = [folder / name for name in names if (folder / name).is_file()]
    for other in paths[1:]:
        needed = f"the same in {paths[0].name} and {other.name}"
        require(_content(paths[0]) == _content(other), needed, "unlike files", f"remove one of them from {folder}")
    return paths[0] if paths else None


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "a file, not a folder" if folder.exists() else "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return (
        ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "an empty folder"
    )


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except EOFError as error:
        raise InputError(f"needed a whole gzip file at {path}, got one cut short; copy it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"needed a file that can be read at {path}, got: {error}; copy it again") from error
    return content
