"""Every ensemble on the command line: simulate writes what check finds sound and recover recovers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from cases.commands import assert_refused
from wnsense.cli.commands.choices import Ensemble
from wnsense.cli.ensembles import DRAWINGS
from wnsense.files.problem_file import read_problem
from wnsense.sensing.ensembles.rank_one import RectangularRankOneSensing
from wnsense.sensing.kinds import Kind

# Small, and a power of two for those that need one.
SIZES = {Kind.PSD: "16", Kind.SYMMETRIC: "16", Kind.HERMITIAN: "8", Kind.RECTANGULAR: "16x8"}
FILES = [("p.npz", []), ("p.mat", []), ("p.mat", ["--v7.3"]), ("p.safetensors", [])]
# Symmetric unknowns are measured as psd ones are; the one that stands for them is signed.
EVERY = [
    (ensemble, kind)
    for ensemble, drawing in DRAWINGS.items()
    for kind in drawing.kinds
    if kind is not Kind.SYMMETRIC or ensemble is Ensemble.PAIRED
]
RANK = 2


def wrote(wnsense, path: Path, *options: str) -> str:
    outcome = wnsense("simulate", "--out", path, *options)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


@pytest.mark.parametrize(("number", "ensemble", "kind"), [(i, *pair) for i, pair in enumerate(EVERY)])
def test_what_is_simulated_is_sound_and_is_recovered(wnsense, tmp_path, as_users_run, number, ensemble, kind):
    name, options = FILES[number % len(FILES)]
    path = tmp_path / name
    options = ["--size", SIZES[kind], "--kind", kind, "--rank=2", "--condition=2", *options]
    said = wrote(wnsense, path, "--ensemble", ensemble, *options)
    count = int(re.search(rf": (\d+) {ensemble} measurements", said).group(1))
    checked = wnsense("check", path)
    assert (checked.code, checked.err) == (0, "")
    sides = SIZES[kind] if "x" in SIZES[kind] else f"{SIZES[kind]}x{SIZES[kind]}"
    assert f"{count} measurements of a {kind} {sides.replace('x', ' x ')} matrix" in checked.out
    assert "The adjoint is right" in checked.out
    assert "outlier" not in checked.out
    assert "warning" not in checked.out
    missed = re.search(rf"truth in the file, of rank {RANK}, misses the measurements by (\S+) of", checked.out)
    assert float(missed.group(1)) < 1e-14
    constant = float(re.search(r"restricted isometry constant is at least (\S+)\.", checked.out).group(1))
    assert constant < 1
    recovered = wnsense("recover", path)
    assert (recovered.code, recovered.err) == (0, "")
    assert recovered.out.startswith("converged")
    assert f"rank {RANK};" in recovered.out
    assert float(re.search(r"error against the truth (\S+)", recovered.out).group(1)) < 1e-8


@pytest.mark.parametrize("ensemble", DRAWINGS)
def test_noise_is_as_large_as_was_said(wnsense, tmp_path, ensemble):
    wrote(wnsense, tmp_path / "p.npz", "--ensemble", ensemble, "--size=8", "--rank=2", "--noise=0.1")
    problem = read_problem(tmp_path / "p.npz").problem
    assert problem.noise_level == pytest.approx(0.1 / np.sqrt(1.01))
    missed = torch.linalg.vector_norm(problem.operator.measure(problem.truth) - problem.measurements)
    # At least 36 measurements have noise of this level up to a deviation of 1 / sqrt(2 n), an eighth.
    assert float(missed / torch.linalg.vector_norm(problem.measurements)) == pytest.approx(0.1, rel=0.4)


@pytest.mark.parametrize("ensemble", DRAWINGS)
def test_an_ensemble_alone_is_enough_to_say(wnsense, tmp_path, ensemble):
    wrote(wnsense, tmp_path / "p.npz", "--ensemble", ensemble)
    operator = read_problem(tmp_path / "p.npz").problem.operator
    drawing = DRAWINGS[ensemble]
    assert operator.kind == drawing.kinds[0]
    assert operator.shape[0] == drawing.sides[0]
    needed = operator.degrees_of_freedom(3) if not drawing.distinct else min(operator.dimension, 500)
    assert operator.count >= needed


@pytest.mark.parametrize(
    ("options", "shape", "kind"),
    [
        ("--size 12x9", (12, 9), Kind.RECTANGULAR),
        ("--size 9x9", (9, 9), Kind.PSD),
        ("--size 9 --kind rectangular", (9, 9), Kind.RECTANGULAR),
        ("--size 9x9 --kind hermitian", (9, 9), Kind.HERMITIAN),
        ("--size 9 --ensemble diffraction", (9, 9), Kind.PSD),
        ("--size 4x3 --ensemble diffraction", (12, 12), Kind.PSD),
        ("--size 2x3x2 --ensemble diffraction --kind hermitian", (12, 12), Kind.HERMITIAN),
        ("--size 8x16 --ensemble hadamard", (8, 16), Kind.RECTANGULAR),
        ("--size 8 --ensemble pauli", (8, 8), Kind.HERMITIAN),
    ],
)
def test_size_and_kind_are_what_one_means_by_them(wnsense, tmp_path, options, shape, kind):
    wrote(wnsense, tmp_path / "p.npz", "--rank", "1", *options.split())
    operator = read_problem(tmp_path / "p.npz").problem.operator
    assert (operator.shape, operator.kind) == (shape, kind)


def test_rank_one_measures_rectangular_unknowns_from_both_sides(wnsense, tmp_path):
    wrote(wnsense, tmp_path / "p.npz", "--ensemble", "rank-one", "--size", "7x5", "--rank", "1")
    operator = read_problem(tmp_path / "p.npz").problem.operator
    assert isinstance(operator, RectangularRankOneSensing)


def test_groups_are_told(wnsense, tmp_path):
    options = ["--size", "4x5", "--measurements", "60", "--rank", "1"]
    said = wrote(wnsense, tmp_path / "p.npz", "--ensemble", "diffraction", *options)
    assert "60 diffraction measurements (3 masks of 20)" in said
    assert read_problem(tmp_path / "p.npz").problem.operator.image_shape == (4, 5)
    options = ["--size", "8", "--measurements", "64", "--rank", "1", "--kind", "hermitian"]
    said = wrote(wnsense, tmp_path / "p.npz", "--ensemble", "sub-blocks", *options)
    assert "64 sub-blocks measurements (2 blocks of 32)" in said


def test_matlab_files_are_of_the_version_that_was_asked_for(wnsense, tmp_path):
    for options, version in (([], b"\x00\x01IM"), (["--v7.3"], b"\x00\x02IM")):
        wrote(wnsense, tmp_path / "p.mat", "--size", "6", "--rank", "1", *options)
        assert (tmp_path / "p.mat").read_bytes()[124:128] == version


REFUSED = {
    "--size 50 --ensemble hadamard": (
        "needed powers of two in --size for hadamard measurements, got 50; "
        "take 32 or 64, or --ensemble dct, which takes any size"
    ),
    "--size 40x64 --ensemble hadamard": (
        "needed powers of two in --size for hadamard measurements, got 40 x 64; "
        "take 32x64 or 64x64, or --ensemble dct, which takes any size"
    ),
    "--size 12 --ensemble pauli": (
        "needed powers of two in --size for pauli measurements, got 12; "
        "take 8 or 16, or --ensemble rank-one, which takes any size"
    ),
    "--size 1 --ensemble pauli": "needed sides of at least 2 in --size for pauli measurements, got 1",
    "--size 3 --ensemble povm": "take 2 or 4, or --ensemble rank-one",
    "--kind psd --ensemble pauli": (
        "needed a kind that is hermitian for pauli measurements, got psd; the ensembles that measure psd matrices are "
        "gaussian, rademacher, rank-one, paired, block-rank, entries, sub-blocks, dct, hadamard, fourier, diffraction"
    ),
    "--size 16x8 --ensemble povm": (
        "needed a kind that is hermitian for povm measurements, got rectangular, as a matrix of 16 x 8 is; "
    ),
    "--kind rectangular --ensemble paired": (
        "needed a kind that is psd or symmetric or hermitian for paired measurements, got rectangular; the ensembles "
        "that measure rectangular matrices are gaussian, rademacher, rank-one, entries, sub-blocks, dct, hadamard, "
        "fourier"
    ),
    "--kind symmetric --size 4x5": (
        "needed the same sides in --size for kind symmetric, got 4 x 5; leave out --kind, or give --kind rectangular"
    ),
    "--size 4x5x6": "needed one or two sides in --size, got 4 x 5 x 6; only --ensemble diffraction takes more",
    "--size 4x": "needed --size as 50 or 40x60, got '4x'",
    "--size -4": "needed --size as 50 or 40x60, got '-4'",
    "--size 4x0": "needed sides of at least 1 in --size, got 4 x 0",
    "--size 99999999999": (
        "needed a matrix with fewer entries than 4611686018427387904, got 99999999999 x 99999999999; "
        "take a smaller --size"
    ),
    "--size 1000000000 --ensemble entries": "GiB of memory here, got a problem of",
    "--size 100000 --measurements 1000000000": "GiB of memory here, got a problem of",
    "--size 100000x50000 --ensemble entries": (
        "needed a rectangular matrix of at most 1073741824 entries, since it is written in full, got 100000 x 50000; "
        "take a smaller --size"
    ),
    "--size 9x4 --rank 5": "needed --rank between 1 and 4, got 5",
    "--size 10 --ensemble entries --measurements 56": (
        "needed --measurements of at most 55, as many entries as a psd 10 x 10 matrix has, got 56; each is "
        "drawn at most once, take fewer"
    ),
    "--size 4 --ensemble pauli --measurements 17": (
        "needed --measurements of at most 16, as many Pauli strings as a hermitian 4 x 4 matrix has, got 17"
    ),
    "--size 4 --ensemble povm --measurements 17": "at most 16, as many outcomes as",
    "--size 8 --ensemble hadamard --measurements 37": "at most 36, as many",
    "--size 8 --ensemble fourier --measurements 37": "at most 36, as many",
    "--size 8 --ensemble dct --measurements 37": "at most 36, as many",
    "--size 20 --ensemble diffraction --measurements 50": (
        "needed --measurements in multiples of 20, the number in each mask, got 50; take 40 or 60"
    ),
    "--size 20 --ensemble sub-blocks --measurements 5": (
        "needed --measurements in multiples of 16, the number in each block, got 5; take 16 or 32"
    ),
    "--v7.3": "needed --out FILE ending in .mat with --v7.3, got",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(wnsense, tmp_path, options):
    outcome = wnsense("simulate", "--out", tmp_path / "p.npz", "--rank", "1", *options.split())
    assert_refused(outcome, REFUSED[options])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("ensemble", "size", "count"), [("entries", 10, 55), ("pauli", 4, 16)])
def test_all_that_a_matrix_has_can_be_measured(wnsense, tmp_path, ensemble, size, count):
    options = f"--rank 1 --size {size} --ensemble {ensemble} --measurements {count}"
    assert wnsense("simulate", "--out", tmp_path / "p.npz", *options.split()).code == 0
    assert f"{count} measurements" in wnsense("check", tmp_path / "p.npz").out


def test_help_names_every_ensemble_and_kind(wnsense, monkeypatch):
    # Wide enough for no word to be broken.
    monkeypatch.setenv("COLUMNS", "300")
    outcome = wnsense("simulate", "--help")
    words = outcome.out.split()
    assert outcome.code == 0
    for word in (*DRAWINGS, *Kind, "--v7.3", ".safetensors"):
        assert any(word in each for each in words), word


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_counts_what_comes_again_once(wnsense, tmp_path):
    entries = np.array([[0, 1], [1, 0], [2, 2], [0, 2], [2, 2]])
    arrays = {"y": np.arange(1.0, 6), "entries": entries, "shape": np.array([4, 4])}
    np.savez(tmp_path / "p.npz", **arrays)
    said = wnsense("check", tmp_path / "p.npz").out
    assert "5 measurements of a psd 4 x 4 matrix" in said
    assert "n = 3 is 0.333 times the 9 degrees of freedom of rank 3; even rank 1 needs about 12." in said
    assert "Only 3 of the 5 entries are different: n counts each once." in said
    assert "1 of the 4 rows has no entry: the measurements do not determine it." in said
    assert "So few determine no matrix at all: rank 1 has 4 degrees of freedom." in said
    np.savez(tmp_path / "p.npz", **arrays, kind="rectangular")
    said = wnsense("check", tmp_path / "p.npz").out
    assert "Only 4 of the 5 entries are different: n counts each once." in said
    assert "1 of the 4 rows has no entry" in said
    assert "1 of the 4 columns has no entry" in said
    entries = np.stack(np.triu_indices(4), axis=1)
    np.savez(tmp_path / "p.npz", y=np.ones(10) + np.arange(10), entries=entries, shape=np.array([4, 4]))
    said = wnsense("check", tmp_path / "p.npz").out
    assert "different" not in said
    assert "no entry" not in said


def test_check_takes_the_trace_of_a_state_for_no_outlier(wnsense, tmp_path):
    paulis = ["II", "XX", "ZZ", "ZI"]
    np.savez(tmp_path / "p.npz", y=np.array([1.0, 0.1, 0.2, 0.1]), paulis=np.array(paulis))
    assert "outlier" not in wnsense("check", tmp_path / "p.npz").out
    np.savez(tmp_path / "p.npz", y=np.array([0.1, 1.0, 0.2, 0.1]), paulis=np.array(paulis))
    assert "Number 1 of them" in wnsense("check", tmp_path / "p.npz").out


@pytest.mark.parametrize("arrays", [{"blocks": np.ones((4, 2, 2))}, {"masks": np.array([[1.0, 2.0], [1.0, -1.0]])}])
def test_check_knows_what_a_positive_semidefinite_matrix_cannot_give(wnsense, tmp_path, arrays):
    np.savez(tmp_path / "p.npz", y=np.array([1.0, 2.0, -1.0, 3.0]), kind="psd", **arrays)
    assert "1 of them are negative" in wnsense("check", tmp_path / "p.npz").out
