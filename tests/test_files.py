"""Problem files: what was written is read, in every format, and each fault is told in one line of its own."""

import errno
import io
import os
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import scipy.fft
import scipy.io
import scipy.linalg
import torch

from cases.draws import generator, random_point
from cases.flavors import Flavor
from wnsense.checks import InputError
from wnsense.files import containers, hdf5_file, safetensors_file
from wnsense.files.named_arrays import FileArrays
from wnsense.files.operator_fields import svec_size
from wnsense.files.problem_file import read_problem, write_problem
from wnsense.linalg import svec
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, tetrahedral_effects
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank

N, M = 12, 4
# MATLAB's formats share a suffix; "v73" in the name is how the tests tell them apart.
FILES = ["p.npz", "p.mat", "v73.mat", "p.safetensors"]
EPS = torch.finfo(torch.float64).eps


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def symmetric(count: int = N, size: int = M, seed: int = 0) -> np.ndarray:
    G = array(count, size, size, seed=seed)
    return (G + G.transpose(0, 2, 1)) / 2


def save(path: Path, arrays: dict) -> Path:
    """Write arrays by other means than the library's."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_safetensors(path, arrays)
    elif path.stem == "v73":
        save_v73(path, arrays)
    else:
        scipy.io.savemat(path, arrays)
    return path


def save_safetensors(path: Path, arrays: dict) -> None:
    tensors, texts = {}, {}
    for name, value in ((name, np.asarray(value)) for name, value in arrays.items()):
        if value.dtype.kind == "U":
            texts[name] = " ".join(value.reshape(-1).tolist())
        elif value.dtype.kind == "c":
            tensors[f"{name}.real"] = np.ascontiguousarray(value.real)
            tensors[f"{name}.imag"] = np.ascontiguousarray(value.imag)
        else:
            tensors[name] = value.copy(order="C")
    safetensors.numpy.save_file(tensors, path, {"format": "np", **texts})


MATLAB_CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}
HEADER_73 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."
HEADER_73 = HEADER_73.ljust(116) + bytes(8) + b"\x00\x02IM"


def save_v73(path: Path, arrays: dict) -> None:
    """As MATLAB's save(..., '-v7.3') lays it out: sides in reverse order, at least two of them."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in arrays.items():
            put_v73(file, name, np.atleast_2d(value))
    with path.open("r+b") as file:
        file.write(HEADER_73)


def put_v73(file: h5py.File, name: str, value: np.ndarray) -> None:
    kind = value.dtype.kind
    if kind == "U":
        value = np.array([[ord(letter) for letter in text] for text in value.reshape(-1)], dtype=np.uint16)
    real = value.real.dtype
    if value.size == 0:
        node = file.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
        node.attrs["MATLAB_empty"] = np.uint8(1)
    elif kind == "c":
        pair = np.empty(value.T.shape, dtype=[("real", real), ("imag", real)])
        pair["real"], pair["imag"] = value.real.T, value.imag.T
        node = file.create_dataset(name, data=pair)
    else:
        node = file.create_dataset(
            name, data=value.T.astype(np.uint8) if kind == "b" else value.T, chunks=value.size > 1 or None
        )
    node.attrs["MATLAB_class"] = np.bytes_("char" if kind == "U" else MATLAB_CLASSES.get(real.name, real.name))
    if kind in "Ub":
        node.attrs["MATLAB_int_decode"] = np.int32(2 if kind == "U" else 1)


def write(path: Path, problem: Problem) -> None:
    write_problem(path, problem, hdf5=path.stem == "v73")


@pytest.fixture(params=FILES)
def path(request, tmp_path):
    return tmp_path / request.param


def read(path: Path, arrays: dict, **options):
    return read_problem(save(path, arrays), **options)


def fault(path: Path, arrays: dict | None = None) -> str:
    """The one line that reading ends with."""
    if arrays is not None:
        save(path, arrays)
    with pytest.raises(InputError) as caught:
        read_problem(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------------------------------------ what is measured

OPERATORS = {
    "matrices": ({"matrices": symmetric()}, symmetric()),
    "svec": ({"svec": svec(torch.from_numpy(symmetric())).numpy()}, symmetric()),
    "vectors": ({"vectors": array(N, M)}, np.einsum("ni,nj->nij", array(N, M), array(N, M))),
    "pairs": (
        {"vectors": array(N, M), "vectors_minus": array(N, M, seed=1)},
        np.einsum("ni,nj->nij", array(N, M), array(N, M))
        - np.einsum("ni,nj->nij", array(N, M, seed=1), array(N, M, seed=1)),
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("kind", [None, "psd", "symmetric"])
def test_measurements_act_literally(path, name, kind):
    arrays, matrices = OPERATORS[name]
    loaded = read(path, {"y": array(N), **arrays, **({"kind": kind} if kind else {})})
    operator = loaded.problem.operator
    assert loaded.warnings == ()
    assert operator.kind == (kind or "psd")
    assert operator.second_moment is None
    Z = low_rank(M, 2, generator=generator())
    expected = np.einsum("nij,ij->n", matrices, Z.dense().numpy())
    torch.testing.assert_close(operator.measure(Z), torch.from_numpy(expected), rtol=1e-13, atol=1e-13)
    assert torch.equal(loaded.problem.measurements, torch.from_numpy(array(N)))


def test_rectangular_matrices_act_literally(path):
    matrices = array(N, 3, 5)
    operator = read(path, {"y": array(N), "matrices": matrices, "kind": "rectangular"}).problem.operator
    assert (operator.kind, operator.shape) == (Kind.RECTANGULAR, (3, 5))
    Z = low_rank((3, 5), 2, kind="rectangular", generator=generator())
    expected = np.einsum("nij,ij->n", matrices, Z.dense().numpy())
    torch.testing.assert_close(operator.measure(Z), torch.from_numpy(expected), rtol=1e-13, atol=1e-13)


def complex_array(*shape: int, seed: int = 0) -> np.ndarray:
    return array(*shape, seed=seed) + 1j * array(*shape, seed=seed + 100)


def conjugate_outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ni,nj->nij", a, b.conj())


def hermitian(count: int = N, size: int = M) -> np.ndarray:
    G = complex_array(count, size, size)
    return (G + G.conj().transpose(0, 2, 1)) / 2


PLACES = np.array([[i % 4, (3 * i) % 4] for i in range(N)])
IMAGINARY = np.arange(N) % 3 == 0
PAULIS = ["XI", "YZ", "II", "ZZ", "XY", "IZ", "YI", "ZX", "YY", "XX", "ZI", "IY"]
LETTERS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0, -1.0]),
}


def entry_matrices(shape, imaginary=None) -> np.ndarray:
    """The matrices of the places: y = Re <M, Z>, so that an imaginary part has a factor i."""
    matrices = np.zeros((N, *shape), dtype=complex)
    matrices[np.arange(N), PLACES[:, 0], PLACES[:, 1]] = 1 if imaginary is None else np.where(imaginary, 1j, 1)
    return matrices


def diffraction_matrices(masks: np.ndarray) -> np.ndarray:
    """conj(d) conj(f) for each mask d and row f of the unitary transform, times its conjugate transpose."""
    count, m = len(masks), masks[0].size
    rows = [np.fft.fftn(unit.reshape(masks.shape[1:]), norm="ortho").reshape(-1) for unit in np.eye(m)]
    F = np.array(rows).T
    a = (masks.reshape(count, 1, m) * F).reshape(-1, m).conj()
    return conjugate_outer(a, a)


SIGNS, SIGNS_RIGHT = np.array([1.0, -1.0, -1.0, 1.0]), np.array([-1, 1, -1, -1, 1])
# The orthonormal transforms of unit vectors, as columns.
TRANSFORMS = {
    "dct": lambda m: scipy.fft.dct(np.eye(m), norm="ortho", axis=0),
    "hadamard": lambda m: scipy.linalg.hadamard(m) / np.sqrt(m),
    "fourier": lambda m: np.fft.fft(np.eye(m), norm="ortho", axis=0),
}


def transform_matrices(name, shape, left=1, right=1, imaginary=None) -> np.ndarray:
    """The matrices of entries of U S Z S' W^H at the places."""
    U, W = (TRANSFORMS[name](side) for side in shape)
    conjugates = np.einsum("ni,nj->nij", U[PLACES[:, 0]] * left, W[PLACES[:, 1]].conj() * right)
    return conjugates.conj() * (1 if imaginary is None else np.where(imaginary, 1j, 1)[:, None, None])


EFFECTS = complex_array(2, 3, 2)
OUTCOMES = np.array([[i % 3, (2 * i) % 3] for i in range(N)])
OUTCOME_VECTORS = np.array([np.kron(EFFECTS[0, a], EFFECTS[1, b]) for a, b in OUTCOMES])

LITERAL = {
    "hermitian matrices": ({"matrices": hermitian(), "kind": "hermitian"}, hermitian()),
    "real matrices of a hermitian unknown": ({"matrices": symmetric(), "kind": "hermitian"}, symmetric()),
    "hermitian svec": ({"svec": svec(torch.from_numpy(hermitian())).numpy(), "kind": "hermitian"}, hermitian()),
    "complex rectangular matrices": (
        {"matrices": complex_array(N, 3, 5), "kind": "rectangular"},
        complex_array(N, 3, 5),
    ),
    "complex vectors": (
        {"vectors": complex_array(N, M), "kind": "hermitian"},
        conjugate_outer(complex_array(N, M), complex_array(N, M)),
    ),
    "complex pairs": (
        {"vectors": complex_array(N, M), "vectors_minus": array(N, M), "kind": "hermitian"},
        conjugate_outer(complex_array(N, M), complex_array(N, M)) - conjugate_outer(array(N, M), array(N, M)),
    ),
    "two sides": (
        {"left_vectors": array(N, 3), "right_vectors": array(N, 5)},
        conjugate_outer(array(N, 3), array(N, 5)),
    ),
    "two complex sides": (
        {"left_vectors": complex_array(N, 3), "right_vectors": array(N, 5), "kind": "rectangular"},
        conjugate_outer(complex_array(N, 3), array(N, 5)),
    ),
    "blocks": ({"blocks": array(N, M, 2)}, np.einsum("nik,njk->nij", array(N, M, 2), array(N, M, 2))),
    "complex blocks": (
        {"blocks": complex_array(N, M, 3), "kind": "hermitian"},
        np.einsum("nik,njk->nij", complex_array(N, M, 3), complex_array(N, M, 3).conj()),
    ),
    "entries": ({"entries": PLACES, "shape": np.array([M, M])}, entry_matrices((M, M))),
    "entries as doubles": ({"entries": PLACES.astype(float), "shape": [4.0, 4.0]}, entry_matrices((M, M))),
    "entries with factors": (
        {"entries": PLACES, "shape": [M, M], "entry_weights": array(N, seed=3), "kind": "symmetric"},
        array(N, seed=3)[:, None, None] * entry_matrices((M, M)),
    ),
    "hermitian entries": (
        {"entries": PLACES, "shape": [M, M], "imaginary": IMAGINARY, "kind": "hermitian"},
        entry_matrices((M, M), IMAGINARY),
    ),
    "hermitian entries, real parts only": (
        {"entries": PLACES, "shape": [M, M], "kind": "hermitian"},
        entry_matrices((M, M)),
    ),
    "rectangular entries": (
        {"entries": PLACES, "shape": [[4, 7]], "kind": "rectangular"},
        entry_matrices((4, 7)),
    ),
    "complex rectangular entries": (
        {"entries": PLACES, "shape": [4, 7], "imaginary": IMAGINARY.astype(float), "kind": "rectangular"},
        entry_matrices((4, 7), IMAGINARY),
    ),
    "dct": (
        {"entries": PLACES, "shape": [M, M], "transform": "dct", "signs": SIGNS, "kind": "symmetric"},
        transform_matrices("dct", (M, M), SIGNS, SIGNS),
    ),
    "rectangular dct with factors": (
        {
            "entries": PLACES,
            "shape": [4, 5],
            "transform": "dct",
            "signs": SIGNS.reshape(1, M),
            "signs_right": SIGNS_RIGHT,
            "entry_weights": array(N, seed=3),
            "kind": "rectangular",
        },
        array(N, seed=3)[:, None, None] * transform_matrices("dct", (4, 5), SIGNS, SIGNS_RIGHT),
    ),
    "hermitian hadamard": (
        {"entries": PLACES, "shape": [M, M], "transform": "hadamard", "imaginary": IMAGINARY, "kind": "hermitian"},
        transform_matrices("hadamard", (M, M), imaginary=IMAGINARY),
    ),
    "fourier of a real unknown": (
        {"entries": PLACES, "shape": [M, M], "transform": "fourier", "imaginary": IMAGINARY},
        transform_matrices("fourier", (M, M), imaginary=IMAGINARY),
    ),
    "fourier of a real rectangular unknown": (
        {"entries": PLACES, "shape": [4, 5], "transform": "fourier", "imaginary": IMAGINARY, "kind": "rectangular"},
        transform_matrices("fourier", (4, 5), imaginary=IMAGINARY),
    ),
    "fourier of a complex rectangular unknown": (
        {
            "entries": PLACES,
            "shape": [4, 5],
            "transform": "fourier",
            "imaginary": IMAGINARY,
            "complex": np.array([1.0]),
            "kind": "rectangular",
        },
        transform_matrices("fourier", (4, 5), imaginary=IMAGINARY),
    ),
    "effects": ({"effects": EFFECTS, "outcomes": OUTCOMES}, conjugate_outer(OUTCOME_VECTORS, OUTCOME_VECTORS)),
    "paulis": ({"paulis": PAULIS}, np.array([np.kron(LETTERS[a], LETTERS[b]) for a, b in PAULIS])),
    "paulis with a factor": (
        {"paulis": PAULIS, "scale": 0.25, "kind": "hermitian"},
        0.25 * np.array([np.kron(LETTERS[a], LETTERS[b]) for a, b in PAULIS]),
    ),
    "masks": ({"masks": complex_array(3, 2, 2), "kind": "hermitian"}, diffraction_matrices(complex_array(3, 2, 2))),
    "masks of a real image": (
        {"masks": complex_array(3, 4), "kind": "psd", "scale": [[3.0]]},
        3 * diffraction_matrices(complex_array(3, 4)),
    ),
    "real masks": ({"masks": array(3, 4), "kind": "hermitian"}, diffraction_matrices(array(3, 4))),
}


def counted_as_in(path: Path, arrays: dict) -> dict:
    """Places and outcomes as the format counts them: from 1 in MATLAB's files."""
    first = 1 if path.suffix == ".mat" else 0
    return {name: value + first if name in {"entries", "outcomes"} else value for name, value in arrays.items()}


@pytest.mark.parametrize("name", LITERAL)
def test_every_description_acts_literally(path, name):
    arrays, matrices = LITERAL[name]
    loaded = read(path, {"y": array(N), **counted_as_in(path, arrays)})
    operator = loaded.problem.operator
    assert loaded.warnings == ()
    assert operator.second_moment is None
    kind = {"left_vectors": "rectangular", "paulis": "hermitian", "effects": "hermitian"}.get(next(iter(arrays)), "psd")
    assert operator.kind == arrays.get("kind", kind)
    assert operator.shape == matrices.shape[1:]
    flavor = Flavor(operator.kind, operator.is_complex)
    assert operator.is_complex == (
        operator.kind == "hermitian"
        or any(np.iscomplexobj(a) for a in arrays.values() if operator.kind != "psd")
        or (operator.kind == "rectangular" and "imaginary" in arrays and arrays.get("transform") != "fourier")
        or "complex" in arrays
    )
    point = random_point(flavor, operator.shape, 2)
    expected = np.einsum("nij,ij->n", matrices.conj(), point.dense().numpy()).real
    bound = 100 * EPS * float(np.linalg.norm(matrices)) * float(point.norm())
    assert float((operator.measure(point) - torch.from_numpy(expected)).abs().max()) <= bound


@pytest.mark.parametrize("name", LITERAL)
@pytest.mark.fast(path=["p.npz"])
def test_complex_numbers_have_the_precision_that_was_asked_for(path, name):
    arrays, _ = LITERAL[name]
    problem = read(path, {"y": array(N), **counted_as_in(path, arrays)}, dtype=torch.float32).problem
    assert problem.operator.real_dtype == problem.measurements.dtype == torch.float32
    assert problem.operator.dtype in {torch.float32, torch.complex64}


def test_hermitian_parts_are_taken_with_a_warning(path):
    matrices = hermitian()
    matrices[3, 0, 1] += 1j
    loaded = read(
        path, {"y": array(N), "matrices": matrices, "kind": "hermitian", "truth": 1j * np.tri(M) + 9 * np.eye(M)}
    )
    first, second = loaded.warnings
    assert first.startswith("1 of the 12 matrices are not Hermitian; each is replaced by its Hermitian part, which")
    assert second == "truth is not Hermitian and is replaced by its Hermitian part"


@pytest.mark.parametrize("separated", ["XI YZ ZZ", "XI,YZ,ZZ", " XI, YZ\nZZ "])
def test_paulis_may_stand_in_one_text(path, separated):
    operator = read(path, {"y": array(3), "paulis": separated}).problem.operator
    assert operator.strings == ["XI", "YZ", "ZZ"]


def test_without_outcomes_all_are_measured(path):
    operator = read(path, {"y": array(9), "effects": EFFECTS}).problem.operator
    assert (operator.count, operator.outcomes) == (9, None)
    expected = PovmProductSensing(torch.from_numpy(EFFECTS))
    point = random_point(Flavor(Kind.HERMITIAN, is_complex=True), (M, M), 2)
    assert torch.equal(operator.measure(point), expected.measure(point))


def test_a_single_pauli_and_a_single_place(path):
    assert read(path, {"y": array(1), "paulis": ["XYZ"]}).problem.operator.strings == ["XYZ"]
    arrays = {"y": array(1), "entries": np.array([[1, 2]]), "shape": [3, 3]}
    operator = read(path, counted_as_in(path, arrays)).problem.operator
    assert (operator.rows.tolist(), operator.columns.tolist()) == ([1], [2])


def test_complex_truths(path):
    Z = low_rank(M, 2, 10.0, kind="hermitian", spectrum=torch.tensor([2.0, -1.0]).double(), generator=generator())
    arrays = {"y": array(N), "vectors": complex_array(N, M), "kind": "hermitian"}
    truth = read(path, {**arrays, "truth": Z.dense().numpy()}).problem.truth
    assert (truth.width, truth.dtype) == (2, torch.complex128)
    assert float(truth.distance(Z)) < 100 * EPS
    F = complex_array(M, 2)
    factor = read(path, {**arrays, "truth_factor": F}).problem.truth
    torch.testing.assert_close(factor.dense(), torch.from_numpy(F @ F.conj().T))
    real = read(path, {**arrays, "truth_factor": F.real}).problem.truth
    assert real.dtype == torch.complex128
    W = complex_array(3, 5)
    arrays = {"y": array(N), "matrices": complex_array(N, 3, 5), "kind": "rectangular", "truth": W}
    torch.testing.assert_close(read(path, arrays).problem.truth.dense(), torch.from_numpy(W))


@pytest.mark.parametrize("shape", [(N,), (N, 1), (1, N)])
def test_y_may_lie_any_way(path, shape):
    y = read(path, {"y": array(N).reshape(shape), "vectors": array(N, M)}).problem.measurements
    assert torch.equal(y, torch.from_numpy(array(N)))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_measurement(path, shape):
    problem = read(path, {"y": np.full(shape, 2.0), "vectors": array(1, M)}).problem
    assert problem.operator.count == 1
    assert problem.measurements.tolist() == [2.0]


@pytest.mark.parametrize("shape", [(N, 1), (N, 1, 1)])
def test_matlab_drops_last_sides_of_one(path, shape):
    operator = read(path, {"y": array(N), "matrices": array(*shape)}).problem.operator
    assert operator.shape == (1, 1)
    assert torch.equal(operator.traces(), torch.from_numpy(array(N)))


def test_matlab_drops_the_last_side_of_column_unknowns(path):
    operator = read(path, {"y": array(N), "matrices": array(N, 3), "kind": "rectangular"}).problem.operator
    assert operator.shape == (3, 1)
    expected = torch.from_numpy(array(N, 3)).sum(1)
    measured = operator.measure(LowRank(torch.ones(3, 1).double(), torch.eye(1).double(), torch.eye(1).double()))
    torch.testing.assert_close(measured, expected)


def test_asymmetric_matrices_become_symmetric_with_a_warning(path):
    matrices = symmetric()
    matrices[3, 0, 1] += 1
    matrices[5, 2, 0] += 1e-6
    loaded = read(path, {"y": array(N), "matrices": matrices})
    (warning,) = loaded.warnings
    assert warning.startswith("2 of the 12 matrices are not symmetric; each is replaced by its symmetric part, which")
    Z = low_rank(M, 2, generator=generator())
    expected = np.einsum("nij,ij->n", matrices, Z.dense().numpy())
    torch.testing.assert_close(loaded.problem.operator.measure(Z), torch.from_numpy(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_asymmetry_of_rounding_is_no_matter(path, dtype):
    G = array(N, M, M).astype(dtype)
    products = np.einsum("nij,nkj->nik", G, G)
    products[:, 0, 1] *= 1 + 2 * np.finfo(dtype).eps
    assert read(path, {"y": array(N), "matrices": products}).warnings == ()


def test_names_that_mean_nothing_are_ignored_with_a_warning(path):
    loaded = read(path, {"y": array(N), "vectors": array(N, M), "remark": "mine", "date": 7})
    assert loaded.warnings == ("ignored arrays that are no part of a problem file: date, remark",)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stored", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.fast(path=["p.npz"])
def test_dtype_is_what_was_asked_for(path, name, stored, dtype):
    arrays = {key: value.astype(stored) for key, value in OPERATORS[name][0].items()}
    problem = read(path, {"y": array(N).astype(stored), **arrays, "truth": np.eye(M)}, dtype=dtype).problem
    assert problem.measurements.dtype == problem.operator.dtype == problem.truth.dtype == dtype


@pytest.mark.parametrize("stored", [">f8", "<f8", ">f4", np.float16, np.longdouble])
def test_numbers_of_other_machines(tmp_path, stored):
    y = array(N).astype(stored)
    problem = read(tmp_path / "p.npz", {"y": y, "vectors": array(N, M).astype(stored)}).problem
    assert torch.equal(problem.measurements, torch.from_numpy(y.astype(np.float64)))


def test_arrays_are_shared_not_copied():
    vectors = array(N, M)
    tensor = FileArrays({"vectors": vectors}, torch.float64, torch.device("cpu")).tensor("vectors")
    assert tensor.data_ptr() == vectors.ctypes.data


def test_arrays_that_may_not_be_written_are_copied():
    vectors = array(N, M)
    vectors.flags.writeable = False
    tensor = FileArrays({"vectors": vectors}, torch.float64, torch.device("cpu")).tensor("vectors")
    tensor.zero_()
    assert np.array_equal(vectors, array(N, M))


# ------------------------------------------------------------------------------------------------ truth and levels


def test_truth_of_low_rank_is_found_as_such(path):
    Z = low_rank(M, 2, 10.0, kind="symmetric", generator=generator())
    loaded = read(path, {"y": array(N), "vectors": array(N, M), "kind": "symmetric", "truth": Z.dense().numpy()})
    assert loaded.warnings == ()
    assert loaded.problem.truth.width == 2
    assert float(loaded.problem.truth.distance(Z)) < 100 * EPS


def test_truth_in_single_precision_has_the_rank_that_single_precision_shows(path):
    Z = low_rank(M, 2, 10.0, generator=generator()).dense().numpy().astype(np.float32)
    problem = read(path, {"y": array(N), "vectors": array(N, M), "truth": Z}).problem
    assert problem.truth.width == 2


def test_truth_is_taken_apart_in_double_precision(path):
    Z = low_rank(M, 2, 1e8, generator=generator()).dense().numpy()
    problem = read(path, {"y": array(N), "vectors": array(N, M), "truth": Z}, dtype=torch.float32).problem
    assert (problem.truth.width, problem.truth.dtype) == (2, torch.float32)


def test_rectangular_truth(path):
    Z = low_rank((3, 5), 2, 10.0, kind="rectangular", generator=generator())
    arrays = {"y": array(N), "matrices": array(N, 3, 5), "kind": "rectangular", "truth": Z.dense().numpy()}
    truth = read(path, arrays).problem.truth
    assert (truth.shape, truth.width) == ((3, 5), 2)
    assert float(truth.distance(Z)) < 100 * EPS


@pytest.mark.parametrize("shape", [(M, 2), (M, 1), (M,), (1, M), (M, M + 2)])
def test_truth_factor(path, shape):
    F = array(*shape)
    truth = read(path, {"y": array(N), "vectors": array(N, M), "truth_factor": F}).problem.truth
    columns = F.reshape(M, -1)
    torch.testing.assert_close(truth.dense(), torch.from_numpy(columns @ columns.T))


def test_asymmetric_truth_becomes_symmetric_with_a_warning(path):
    T = np.diag([2.0, 1.0, 1.0, 1.0])
    T[0, 1] = 0.5
    loaded = read(path, {"y": array(N), "vectors": array(N, M), "truth": T})
    assert loaded.warnings == ("truth is not symmetric and is replaced by its symmetric part",)
    torch.testing.assert_close(loaded.problem.truth.dense(), torch.from_numpy((T + T.T) / 2))


def test_a_truth_of_zero_is_the_zero_matrix(path):
    truth = read(path, {"y": array(N), "vectors": array(N, M), "truth": np.zeros((M, M))}).problem.truth
    assert float(truth.norm()) == 0


@pytest.mark.parametrize("level", [0.01, 0.0, 0, np.float32(0.25), np.full((1, 1), 0.5)])
def test_noise_level(path, level):
    loaded = read(path, {"y": array(N), "vectors": array(N, M), "noise_level": level}).problem
    assert loaded.noise_level == float(np.asarray(level).reshape(-1)[0])


def test_weights(path):
    weights = array(N) ** 2
    problem = read(path, {"y": array(N), "vectors": array(N, M), "weights": weights}).problem
    assert torch.equal(problem.weights, torch.from_numpy(weights))


# ------------------------------------------------------------------------------------------------ there and back


def dense(kind):
    return lambda rng, dtype: GaussianSensing.draw(N, M, kind=kind, generator=rng, dtype=dtype)


ROUND_TRIPS = {
    "psd": dense("psd"),
    "symmetric": dense("symmetric"),
    "rectangular": lambda rng, dtype: GaussianSensing.draw(N, (3, 5), kind="rectangular", generator=rng, dtype=dtype),
    "column": lambda rng, dtype: GaussianSensing.draw(N, (3, 1), kind="rectangular", generator=rng, dtype=dtype),
    "size-1": lambda rng, dtype: GaussianSensing.draw(N, 1, generator=rng, dtype=dtype),
    "one-row": lambda rng, dtype: GaussianSensing.draw(1, M, generator=rng, dtype=dtype),
    "rank-one": lambda rng, dtype: RankOneSensing.draw(N, M, generator=rng, dtype=dtype),
    "rank-one-symmetric": lambda rng, dtype: RankOneSensing.draw(N, M, kind="symmetric", generator=rng, dtype=dtype),
    "paired": lambda rng, dtype: PairedRankOneSensing.draw(N, M, generator=rng, dtype=dtype),
    "block-rank": lambda rng, dtype: BlockRankSensing.draw(N, M, 3, generator=rng, dtype=dtype),
    "one-column": lambda rng, dtype: BlockRankSensing.draw(N, M, 1, generator=rng, dtype=dtype),
    "two-sides": lambda rng, dtype: RectangularRankOneSensing.draw(N, (3, 5), generator=rng, dtype=dtype),
    "entries": lambda rng, dtype: EntrySensing.draw(9, M, generator=rng, dtype=dtype),
    "rectangular-entries": lambda rng, dtype: EntrySensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype
    ),
    "rademacher": lambda rng, dtype: RademacherSensing.draw(N, M, kind="symmetric", generator=rng, dtype=dtype),
    "rectangular-rademacher": lambda rng, dtype: RademacherSensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype
    ),
    "diffraction": lambda rng, dtype: CodedDiffractionSensing.draw(3, (2, 2), kind="psd", generator=rng, dtype=dtype),
    "unpacked": lambda rng, dtype: UnpackedSensing.from_matrices(
        torch.from_numpy(symmetric()).to(dtype), Kind.SYMMETRIC
    ),
    "hermitian": lambda rng, dtype: GaussianSensing.draw(
        N, M, kind="hermitian", generator=rng, dtype=dtype.to_complex()
    ),
    "complex-rectangular": lambda rng, dtype: GaussianSensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype.to_complex()
    ),
    "complex-rank-one": lambda rng, dtype: RankOneSensing.draw(
        N, M, kind="hermitian", generator=rng, dtype=dtype.to_complex()
    ),
    "complex-two-sides": lambda rng, dtype: RectangularRankOneSensing.draw(
        N, (3, 5), generator=rng, dtype=dtype.to_complex()
    ),
    "complex-entries": lambda rng, dtype: EntrySensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype.to_complex()
    ),
    "complex-entries, real parts": lambda rng, dtype: EntrySensing.from_places(
        torch.arange(3), torch.arange(3), (3, 5), Kind.RECTANGULAR, dtype.to_complex()
    ),
    "paulis": lambda rng, dtype: PauliSensing.draw(N, 2, generator=rng, dtype=dtype.to_complex()),
    "sub-blocks": lambda rng, dtype: SubBlockSensing.draw(3, (2, 2), M, generator=rng, dtype=dtype),
    "complex-sub-blocks": lambda rng, dtype: SubBlockSensing.draw(
        2, (2, 3), M, kind="hermitian", generator=rng, dtype=dtype.to_complex()
    ),
    "dct": lambda rng, dtype: DCTSensing.draw(9, M, generator=rng, dtype=dtype),
    "rectangular-dct": lambda rng, dtype: DCTSensing.draw(N, (3, 5), kind="rectangular", generator=rng, dtype=dtype),
    "complex-rectangular-dct": lambda rng, dtype: DCTSensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype.to_complex()
    ),
    "hadamard": lambda rng, dtype: HadamardSensing.draw(
        N, M, kind="hermitian", generator=rng, dtype=dtype.to_complex()
    ),
    "fourier": lambda rng, dtype: PartialFourierSensing.draw(9, M, generator=rng, dtype=dtype),
    "rectangular-fourier": lambda rng, dtype: PartialFourierSensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype
    ),
    "complex-rectangular-fourier": lambda rng, dtype: PartialFourierSensing.draw(
        N, (3, 5), kind="rectangular", generator=rng, dtype=dtype.to_complex()
    ),
    "outcomes": lambda rng, dtype: PovmProductSensing.draw(
        N, tetrahedral_effects(dtype.to_complex()), 2, generator=rng
    ),
    "all-outcomes": lambda rng, dtype: PovmProductSensing.complete(tetrahedral_effects(dtype.to_complex()), 2),
    "complex-diffraction": lambda rng, dtype: CodedDiffractionSensing.draw(
        3, (2, 3), generator=rng, dtype=dtype.to_complex()
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ROUND_TRIPS)
@pytest.mark.fast(dtype=[torch.float64], path=["p.npz", "p.mat"])
def test_a_problem_comes_back(path, name, dtype):
    rng = generator()
    operator = ROUND_TRIPS[name](rng, dtype)
    rank = min(2, *operator.shape)
    truth = low_rank(operator.shape, rank, 5.0, kind=operator.kind, generator=rng, dtype=operator.dtype).scaled(3.0)
    problem = Problem.measure(operator, truth, 0.01, generator=rng)
    problem = Problem(
        operator,
        problem.measurements,
        truth,
        problem.noise_level,
        torch.rand(operator.count, dtype=dtype, generator=generator(5)),
    )
    write(path, problem)
    loaded = read_problem(path, dtype=dtype)
    back = loaded.problem
    eps = torch.finfo(dtype).eps
    assert loaded.warnings == ()
    assert (back.operator.kind, back.operator.shape) == (operator.kind, operator.shape)
    assert (back.operator.dtype, back.truth.dtype) == (operator.dtype, truth.dtype)
    assert torch.equal(back.measurements, problem.measurements)
    assert torch.equal(back.weights, problem.weights)
    assert back.noise_level == problem.noise_level
    assert back.operator.measure(truth).equal(operator.measure(truth)) or torch.allclose(
        back.operator.measure(truth), operator.measure(truth), rtol=20 * eps, atol=20 * eps
    )
    assert float(back.truth.distance(truth)) < 50 * eps * float(truth.norm())


def test_an_indefinite_hermitian_truth_comes_back(path):
    operator = RankOneSensing.draw(N, M, kind="hermitian", generator=generator())
    values = torch.tensor([2.0, -1.0]).double()
    truth = low_rank(M, 2, kind="hermitian", spectrum=values, generator=generator())
    write(path, Problem.measure(operator, truth))
    assert float(read_problem(path).problem.truth.distance(truth)) < 100 * EPS


def stored_v73(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[name][()].T


@pytest.mark.parametrize("axis", [0, 1])
def test_places_outside_are_told_as_the_format_counts(path, axis):
    name, first = ("rows", "columns")[axis], 1 if path.suffix == ".mat" else 0
    for wrong in (first - 1, first + 9):
        entries = PLACES + first
        entries[5, axis] = wrong
        ends = sorted([wrong, int(np.delete(entries[:, axis], 5).min()), int(entries[:, axis].max())])
        message = fault(path, {"y": array(N), "entries": entries, "shape": [9, 9]})
        assert message == (
            f"needed {name} of entries between {first} and {first + 8}, got {ends[0]} to {ends[-1]}; "
            f"indices count from {first} in this kind of file"
        )


def test_places_are_counted_as_the_format_counts(tmp_path):
    operator = EntrySensing.from_places(torch.tensor([0, 2]), torch.tensor([1, 2]), (3, 3))
    for name in FILES:
        write(tmp_path / name, Problem(operator, torch.ones(2).double()))
    stored = {
        "p.npz": np.load(tmp_path / "p.npz")["entries"],
        "p.mat": scipy.io.loadmat(tmp_path / "p.mat")["entries"],
        "v73.mat": stored_v73(tmp_path / "v73.mat", "entries"),
        "p.safetensors": safetensors.numpy.load_file(tmp_path / "p.safetensors")["entries"],
    }
    for name, expected in zip(FILES, (0, 1, 1, 0), strict=True):
        assert stored[name].tolist() == [[expected, 1 + expected], [2 + expected, 2 + expected]]


def test_a_truth_too_large_to_write_in_full_is_refused(path):
    size = 2**16
    operator = EntrySensing.from_places(torch.tensor([0]), torch.tensor([1]), (size, size), Kind.RECTANGULAR)
    ones = torch.ones(size, 1).double()
    truth = LowRank(ones, torch.eye(1).double(), ones)
    with pytest.raises(InputError, match=r"a truth of at most 1,073,741,824 entries, .*; write the problem without it"):
        write(path, Problem.measure(operator, truth))
    positive = EntrySensing.from_places(torch.tensor([0]), torch.tensor([1]), (size, size))
    write(path, Problem.measure(positive, LowRank(ones, torch.eye(1).double())))
    assert read_problem(path).problem.truth.shape == (size, size)


def test_the_least_is_written_too(path):
    problem = Problem(RankOneSensing.from_vectors(torch.from_numpy(array(N, M))), torch.from_numpy(array(N)))
    write(path, problem)
    back = read_problem(path).problem
    assert (back.truth, back.noise_level, back.weights) == (None, None, None)


def test_every_format_holds_the_same(tmp_path):
    problem = Problem(PairedRankOneSensing.draw(N, M, generator=generator()), torch.from_numpy(array(N)))
    for name in FILES:
        write(tmp_path / name, problem)
    first, *others = (read_problem(tmp_path / name).problem for name in FILES)
    for other in others:
        assert torch.equal(first.operator.vectors, other.operator.vectors)
        assert torch.equal(first.operator.vectors_minus, other.operator.vectors_minus)
        assert torch.equal(first.measurements, other.measurements)
    sizes = {name: size for name, size, _ in scipy.io.whosmat(tmp_path / "p.mat")}
    assert sizes["y"] == (N, 1)
    assert sizes["vectors"] == (N, M)
    with h5py.File(tmp_path / "v73.mat") as file:
        # HDF5 says the sides of what MATLAB shows in reverse order.
        assert file["y"].shape == (1, N)
        assert file["vectors"].shape == (M, N)
        assert np.array_equal(file["vectors"][()].T, problem.operator.vectors.numpy())
        assert file["vectors"].attrs["MATLAB_class"] == b"double"
        assert bytes(file["kind"][()].reshape(-1).astype(np.uint8)) == b"psd"
    tensors = safetensors.numpy.load_file(tmp_path / "p.safetensors")
    assert np.array_equal(tensors["vectors"], problem.operator.vectors.numpy())


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".safetensors"])
def test_suffixes_may_be_capital(tmp_path, suffix):
    problem = Problem(RankOneSensing.from_vectors(torch.from_numpy(array(N, M))), torch.from_numpy(array(N)))
    write_problem(tmp_path / f"P{suffix.upper()}", problem)
    assert read_problem(tmp_path / f"P{suffix.upper()}").problem.operator.count == N


def test_what_has_no_form_on_disk_is_refused(path):
    y = torch.from_numpy(array(N))
    functions = from_functions(lambda Z: Z.sum() * y, lambda v: (v @ y) * torch.ones(M, M).double(), n=N, size=M)
    with pytest.raises(InputError, match="measurements that a file has a name for, got FunctionSensing"):
        write_problem(path, Problem(functions, y))
    indefinite = low_rank(M, 2, kind="symmetric", generator=generator())
    with pytest.raises(InputError, match="positive semidefinite truth for kind psd"):
        write_problem(path, Problem(RankOneSensing.draw(N, M), y, indefinite))
    batch = LowRank(torch.ones(2, M, 1).double(), torch.ones(2, 1, 1).double())
    with pytest.raises(InputError, match="one truth, got a batch"):
        write_problem(path, Problem(RankOneSensing.draw(N, M), y, batch))
    assert list(path.parent.iterdir()) == []


def test_what_v5_cannot_hold_is_written_as_v73(tmp_path, monkeypatch):
    problem = Problem(GaussianSensing.draw(N, M, generator=generator()), torch.from_numpy(array(N)))
    limit = problem.operator.rows.nbytes
    for allowed, version in ((limit + 1, b"\x00\x01IM"), (limit, b"\x00\x02IM")):
        monkeypatch.setattr(containers, "_MAT_LIMIT", allowed)
        write_problem(tmp_path / "p.mat", problem)
        assert (tmp_path / "p.mat").read_bytes()[124:128] == version
        assert torch.equal(read_problem(tmp_path / "p.mat").problem.operator.rows, problem.operator.rows)


# ------------------------------------------------------------------------------------------------ MATLAB's own bytes


def mat_variable(name, matlab_class, dims, parts, *, flags=0, order="<"):
    """A variable as MATLAB lays it out; parts are pairs of storage type and bytes."""

    def element(kind, payload):
        return struct.pack(f"{order}II", kind, len(payload)) + payload + b"\0" * (-len(payload) % 8)

    body = element(6, struct.pack(f"{order}II", matlab_class | flags, 0))
    body += element(5, struct.pack(f"{order}{len(dims)}i", *dims)) + element(1, name.encode())
    body += b"".join(element(kind, payload) for kind, payload in parts)
    return struct.pack(f"{order}II", 14, len(body)) + body


def mat_file(*variables, order="<"):
    version = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    return b"MATLAB 5.0 MAT-file".ljust(124) + version + b"".join(variables)


@pytest.mark.parametrize("order", ["<", ">"])
def test_doubles_that_matlab_packed_as_bytes_are_doubles(tmp_path, order):
    # MATLAB stores whole doubles, as sign vectors are, in as few bytes as they need; SciPy would give int8.
    signs = np.sign(array(N, M))
    y = array(N)
    content = mat_file(
        mat_variable("vectors", 6, (N, M), [(1, signs.astype("i1").tobytes(order="F"))], order=order),
        mat_variable("y", 6, (N, 1), [(9, y.astype(f"{order}f8").tobytes())], order=order),
        order=order,
    )
    (tmp_path / "p.mat").write_bytes(content)
    problem = read_problem(tmp_path / "p.mat").problem
    assert torch.equal(problem.operator.vectors, torch.from_numpy(signs))
    assert torch.equal(problem.measurements, torch.from_numpy(y))


@pytest.mark.parametrize("compressed", [True, False])
def test_compressed_files(tmp_path, compressed):
    arrays = {"y": array(N), "matrices": symmetric(), "kind": "symmetric"}
    scipy.io.savemat(tmp_path / "p.mat", arrays, do_compression=compressed)
    assert read_problem(tmp_path / "p.mat").problem.operator.kind == "symmetric"


@pytest.mark.parametrize(("kind", "encoding"), [(4, "utf-16-le"), (16, "utf-8"), (17, "utf-16-le"), (18, "utf-32-le")])
def test_text_in_each_encoding(tmp_path, kind, encoding):
    word = "symmetric"
    content = mat_file(
        mat_variable("vectors", 6, (N, M), [(9, array(N, M).tobytes(order="F"))]),
        mat_variable("y", 6, (1, N), [(9, array(N).tobytes())]),
        mat_variable("kind", 4, (1, len(word)), [(kind, word.encode(encoding))]),
    )
    (tmp_path / "p.mat").write_bytes(content)
    assert read_problem(tmp_path / "p.mat").problem.operator.kind == "symmetric"


def doubles(name, shape):
    return mat_variable(name, 6, shape, [(9, np.ones(shape).tobytes())])


DAMAGED_VARIABLES = {
    "storage type that is none": mat_variable("y", 6, (N, 1), [(8, np.ones(N).tobytes())]),
    "more numbers than the size": mat_variable("y", 6, (N - 1, 1), [(9, np.ones(N).tobytes())]),
    "fewer numbers than the size": mat_variable("y", 6, (2**31 - 1, 2**31 - 1), [(9, np.ones(N).tobytes())]),
    "negative size": mat_variable("y", 6, (-N, -1), [(9, np.ones(N).tobytes())]),
    "unknown size": mat_variable("y", 6, (-1, 1), [(9, np.ones(N).tobytes())]),
    "no numbers": mat_variable("y", 6, (N, 1), []),
    "imaginary part missing": mat_variable("y", 6, (N, 1), [(9, np.ones(N).tobytes())], flags=0x0800),
    "half a number": mat_variable("y", 6, (N, 1), [(9, np.ones(N).tobytes()[:-3])]),
    "text that is none": mat_variable("kind", 4, (1, 2), [(16, b"\xff\xff")]) + doubles("y", (N, 1)),
    "text longer than it is": mat_variable("kind", 4, (1, 2**30), [(16, b"psd")]) + doubles("y", (N, 1)),
    "no header": struct.pack("<II", 14, 0),
    "no variable": struct.pack("<II", 9, 8) + b"\0" * 8,
    "not zlib": struct.pack("<II", 15, 8) + b"\0" * 8,
    "longer than the file": struct.pack("<II", 14, 2**32 - 1),
}


@pytest.mark.parametrize("name", DAMAGED_VARIABLES)
def test_damaged_variables(tmp_path, name):
    (tmp_path / "p.mat").write_bytes(mat_file(doubles("vectors", (N, M)), DAMAGED_VARIABLES[name]))
    assert "cut short or damaged" in fault(tmp_path / "p.mat")


@pytest.mark.parametrize("most", [200, pytest.param(100_000, marks=pytest.mark.slow)])
def test_damaged_bytes_never_end_the_process(path, most):
    # One wrong byte anywhere, many values: either a line, or a problem that is different but sound.
    write(path, Problem(RankOneSensing.from_vectors(torch.from_numpy(array(3, 2))), torch.from_numpy(array(3))))
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    faults = []
    for position in range(0, len(content), max(3, len(content) // most)):
        damaged = bytearray(content)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_problem(path)
        except InputError as error:
            faults.append(str(error))
    assert len(faults) > 30
    assert not any("\n" in message for message in faults)


# ------------------------------------------------------------------------------------------------ HDF5 and safetensors


def v73_with(path: Path, change) -> Path:
    """A sound file, in which something else is done to the variables."""
    save_v73(path, {"y": array(N), "vectors": array(N, M)})
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def as_class(name, matlab_class, values=0.0):
    def change(file):
        del file[name]
        file[name] = values
        file[name].attrs["MATLAB_class"] = np.bytes_(matlab_class)

    return change


def as_group(matlab_class, **attributes):
    def change(file):
        del file["vectors"]
        group = file.create_group("vectors")
        group["data"] = array(3)
        for key, value in {"MATLAB_class": np.bytes_(matlab_class), **attributes}.items():
            group.attrs[key] = value

    return change


def as_link(link):
    def change(file):
        del file["vectors"]
        file["vectors"] = link

    return change


def without_class(file):
    del file["vectors"].attrs["MATLAB_class"]


def stored_elsewhere(file):
    del file["vectors"]
    node = file.create_dataset("vectors", (M, N), "f8", external=[("/etc/hostname", 0, 8 * M * N)])
    node.attrs["MATLAB_class"] = np.bytes_("double")


def put_together(file):
    del file["vectors"]
    layout = h5py.VirtualLayout((M, N), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (M, N))
    file.create_virtual_dataset("vectors", layout).attrs["MATLAB_class"] = np.bytes_("double")


NO_PLAIN_ARRAYS = {
    "struct": (as_group("struct"), "one of MATLAB class struct; save a plain array"),
    "sparse": (as_group("double", MATLAB_sparse=np.uint64(N)), "one of MATLAB class sparse; save full(vectors)"),
    "cell": (
        as_class("vectors", "cell", np.arange(3)),
        "one of MATLAB class cell; save a plain array",
    ),
    "string": (as_class("vectors", "string", np.arange(3)), "one of MATLAB class string; save a plain array"),
    "table": (as_class("vectors", "table", np.arange(3)), "one of MATLAB class table; save a plain array"),
    "no class": (without_class, "an HDF5 object without MATLAB_class, whose order of sides is unknown"),
    "link within": (as_link(h5py.SoftLink("/y")), "a link to another place"),
    "link without": (as_link(h5py.ExternalLink("other.h5", "/x")), "a link to another place"),
    "another file": (stored_elsewhere, "numbers in another file"),
    "other files": (put_together, "numbers in another file"),
}


@pytest.mark.parametrize("name", NO_PLAIN_ARRAYS)
def test_what_is_no_plain_array_in_v73(tmp_path, name):
    change, came = NO_PLAIN_ARRAYS[name]
    message = fault(v73_with(tmp_path / "v73.mat", change))
    assert message.startswith(f"needed a plain array in vectors, got {came}")


def wrong_numbers(values):
    return as_class("y", "double", values)


DAMAGED_V73 = {
    "integers for doubles": wrong_numbers(np.arange(N)),
    "singles for doubles": wrong_numbers(np.ones(N, dtype=np.float32)),
    "text for doubles": wrong_numbers(np.bytes_("12")),
    "other pairs": wrong_numbers(np.zeros(N, dtype=[("real", "f8"), ("other", "f8")])),
    "pairs of integers": wrong_numbers(np.zeros(N, dtype=[("real", "i4"), ("imag", "i4")])),
    "never written": lambda file: [
        file.pop("y"),
        file.create_dataset("y", (N, 1), "f8", chunks=(1, 1)).attrs.update(MATLAB_class=np.bytes_("double")),
    ],
    "doubles for text": lambda file: as_class("kind", "char", array(3))(file) if "kind" in file else [
        file.create_dataset("kind", data=array(3)).attrs.update(MATLAB_class=np.bytes_("char"))
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED_V73)
def test_damaged_variables_in_v73(tmp_path, name):
    assert "cut short or damaged" in fault(v73_with(tmp_path / "v73.mat", DAMAGED_V73[name]))


@pytest.mark.parametrize("change", [as_group("struct"), as_link(h5py.ExternalLink("other.h5", "/x")), without_class])
def test_what_is_no_array_under_other_names_in_v73_is_ignored(tmp_path, change):
    def moved(file):
        change(file)
        file.move("vectors", "remark")
        put_v73(file, "vectors", array(N, M))
        file.create_group("#refs#")

    loaded = read_problem(v73_with(tmp_path / "v73.mat", moved))
    assert loaded.warnings == ("ignored arrays that are no part of a problem file: remark",)


def test_integers_and_logicals_of_v73_are_what_they_are(tmp_path):
    for value, came in ((np.ones((N, M), dtype=np.uint8), "uint8"), (array(N, M) > 0, "bool")):
        message = fault(tmp_path / "v73.mat", {"y": array(N), "vectors": value})
        assert message.startswith(f"needed floating-point numbers in vectors, got {came}")


def test_compressed_chunks_of_v73(tmp_path):
    def compressed(file):
        del file["vectors"]
        node = file.create_dataset("vectors", data=array(N, M).T, chunks=(2, 5), compression="gzip", shuffle=True)
        node.attrs["MATLAB_class"] = np.bytes_("double")

    operator = read_problem(v73_with(tmp_path / "v73.mat", compressed)).problem.operator
    assert torch.equal(operator.vectors, torch.from_numpy(array(N, M)))


@pytest.mark.parametrize(
    ("tensors", "texts", "message"),
    [
        (
            {"vectors.real": array(N, M)},
            {"kind": "hermitian"},
            "needed vectors.imag beside vectors.real, got vectors.real alone",
        ),
        (
            {"vectors.imag": array(N, M)},
            {"kind": "hermitian"},
            "needed vectors.real beside vectors.imag, got vectors.imag alone",
        ),
        (
            {"vectors.real": array(N, M), "vectors.imag": array(N, M + 1)},
            {},
            "needed vectors.real and vectors.imag of one size and one floating-point type, got float64 of 12 x 4 and",
        ),
        (
            {"vectors.real": array(N, M), "vectors.imag": np.ones((N, M), dtype=np.int8)},
            {},
            "needed vectors.real and vectors.imag of one size and one floating-point type, got float64 of 12 x 4",
        ),
        (
            {"vectors": array(N, M), "vectors.real": array(N, M), "vectors.imag": array(N, M)},
            {},
            "vectors more than once",
        ),
        (
            {"vectors": array(N, M)},
            {"noise_level": "0.01"},
            "needed one number in noise_level, as 0.01 for 1%, got <U4",
        ),
        (
            {"vectors": array(N, M), "kind": array(1)},
            {},
            "needed one text in kind, as 'psd' or 'symmetric', got float64",
        ),
    ],
)
def test_hostile_safetensors(tmp_path, tensors, texts, message):
    path = tmp_path / "p.safetensors"
    safetensors.numpy.save_file({"y": array(N), **tensors}, path, texts)
    assert message in fault(path)


def test_types_that_numpy_lacks(tmp_path):
    tensors = {"y": torch.from_numpy(array(N)), "vectors": torch.ones(N, M, dtype=torch.bfloat16)}
    safetensors.torch.save_file(tensors, tmp_path / "p.safetensors")
    assert fault(tmp_path / "p.safetensors") == (
        "needed numbers in vectors that NumPy has, got BF16; convert them to float32 first"
    )
    half = {"y": torch.from_numpy(array(N)).half(), "vectors": torch.ones(N, M, dtype=torch.complex64)}
    texts = {"kind": "hermitian", "remark": "mine", "format": "pt"}
    safetensors.torch.save_file(half, tmp_path / "p.safetensors", texts)
    loaded = read_problem(tmp_path / "p.safetensors")
    assert loaded.problem.operator.dtype == torch.complex128
    assert loaded.warnings == ("ignored arrays that are no part of a problem file: remark",)


@pytest.mark.parametrize(
    ("name", "package", "read_advice"),
    [("v73.mat", "h5py", "save it again with '-v7'"), ("p.safetensors", "safetensors", "save it as .npz")],
)
def test_packages_that_are_not_there(tmp_path, monkeypatch, name, package, read_advice):
    save(tmp_path / name, {"y": array(N), "vectors": array(N, M)})
    monkeypatch.setattr(containers, "find_spec", lambda asked: None if asked == package else asked)
    message = fault(tmp_path / name)
    assert message.startswith(f"needed {package} to read ")
    assert message.endswith(f"got no such package; pip install 'wnsense[files]', or {read_advice}")
    with pytest.raises(InputError, match=rf"needed {package} to write .*, got no such package; .*or write a \.npz"):
        write(tmp_path / name, problem())


# ------------------------------------------------------------------------------------------------ hostile files


def test_missing(path):
    assert fault(path) == f"needed a problem file, got nothing at {path}; check the name and the directory"


def test_directory(path):
    path.mkdir()
    assert fault(path) == f"needed a problem file, got the directory {path}; name a file in it"


def test_pipe(path):
    os.mkfifo(path)
    assert "got a pipe or device" in fault(path)


def test_unreadable(path):
    path.symlink_to(path)
    assert fault(path) == f"needed a problem file that can be read, got {path}: {os.strerror(errno.ELOOP)}"


def test_forbidden(path, monkeypatch):
    save(path, {"y": array(N), "vectors": array(N, M)})

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert fault(path) == f"needed a problem file that can be read, got {path}: Permission denied"


def test_too_large_for_memory(path, monkeypatch):
    save(path, {"y": array(N), "vectors": array(N, M)})

    def refuse(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(np, "load", refuse)
    monkeypatch.setattr(np, "fromfile", refuse)
    monkeypatch.setattr(hdf5_file, "read_hdf5", refuse)
    monkeypatch.setattr(safetensors_file, "read_safetensors", refuse)
    assert "that fits into memory" in fault(path)


def test_a_v73_file_begins_with_the_header_of_a_mat_file():
    """116 bytes of text, 8 bytes of no subsystem, the version and the byte order; HDF5 begins at 512."""
    content = hdf5_file.hdf5_bytes({"y": np.ones(3)})
    text, subsystem, version = content[:116], content[116:124], content[124:128]
    assert text.startswith(b"MATLAB 7.3 MAT-file")
    assert text == text.rstrip().ljust(116)
    assert subsystem == bytes(8)
    assert version == b"\x00\x02IM"
    assert content[512:516] == b"\x89HDF"


def test_v73_tells_matlab_what_its_integers_mean():
    """MATLAB stores 1 with logical values and 2 with text."""
    content = hdf5_file.hdf5_bytes({"y": np.ones(3), "outcomes": np.array([True, False]), "kind": np.array("psd")})
    with h5py.File(io.BytesIO(content)) as file:
        decoded = {name: node.attrs.get("MATLAB_int_decode") for name, node in file.items()}
    assert decoded == {"y": None, "outcomes": 1, "kind": 2}


@pytest.mark.parametrize("name", ["problem.csv", "problem", "problem.npz.gz", "problem.npy"])
def test_wrong_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"1,2,3")
    assert fault(tmp_path / name) == f"needed a problem file whose name ends in .npz, .mat or .safetensors, got {name}"
    with pytest.raises(InputError, match=r"ends in \.npz, \.mat or \.safetensors"):
        write_problem(tmp_path / name, Problem(RankOneSensing.from_vectors(torch.ones(1, 1)), torch.ones(1)))


def npy_bytes() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array(N))
    return buffer.getvalue()


def container_bytes(suffix: str) -> bytes:
    buffer = io.BytesIO()
    arrays = {"y": array(N), "vectors": array(N, M)}
    if suffix == ".npz":
        np.savez(buffer, **arrays)
    else:
        scipy.io.savemat(buffer, arrays)
    return buffer.getvalue()


HDF5 = b"\x89HDF\r\n\x1a\n"
MATLAB_73 = (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM").ljust(512, b"\0") + HDF5

FOREIGN = [
    (".npz", b"", "needed a NumPy .npz archive at .*, got an empty file"),
    (".npz", b"y = 1 2 3", "needed a NumPy .npz archive at .*, got something else; write it with numpy.savez"),
    (".npz", npy_bytes(), "got a single NumPy .npy array"),
    (".npz", container_bytes(".mat"), "got a MATLAB .mat file"),
    (".mat", b"", "needed a MATLAB v5 or v7.3 file at .*, got an empty file"),
    (".mat", b"# Created by Octave".ljust(600), "needed a MATLAB v5 or v7.3 file at .*, got something else; .*'-v7'"),
    (".mat", container_bytes(".npz"), r"got a NumPy \.npz \(or other zip\) archive"),
    (".mat", b"MATLAB 5.0 MAT-file", "got a MATLAB file cut short within its header"),
    (".mat", HDF5.ljust(600), "got an HDF5 file that is not MATLAB's"),
    (".mat", MATLAB_73[:300], "got a MATLAB file cut short within its header"),
    (".npz", MATLAB_73, r"got a MATLAB \.mat file"),
    (".safetensors", b"", r"needed a \.safetensors file at .*, got an empty file"),
    (".safetensors", b"12345678[", "got something else; write it with safetensors.numpy.save_file"),
    (".safetensors", MATLAB_73, r"needed a \.safetensors file at .*, got a MATLAB \.mat file"),
]


@pytest.mark.parametrize(("suffix", "content", "message"), FOREIGN)
def test_foreign_format(tmp_path, suffix, content, message):
    path = tmp_path / f"p{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_problem(path)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("compressed", [True, False])
def test_truncated(path, kept, compressed):
    arrays = {"vectors": array(N, M), "y": array(N)}
    if path.suffix == ".npz":
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
    elif path.name == "p.mat":
        scipy.io.savemat(path, arrays, do_compression=compressed)
    else:
        save(path, arrays)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert (
        fault(path) == f"needed a complete file, got one that is cut short or damaged at {path}; copy or write it again"
    )


def test_cut_anywhere_a_written_file_is_no_problem(path):
    # A .mat has no end mark: cut between two variables, it is a sound file that lacks some.
    write(path, Problem(PairedRankOneSensing.from_vectors(*torch.ones(2, 3, 1).double()), torch.ones(3).double()))
    content = path.read_bytes()
    for length in range(0, len(content), 4 if len(content) < 3000 else 29):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            read_problem(path)


class Payload:
    """What a hostile pickle does when it is read."""

    def __init__(self, touched):
        self.touched = touched

    def __reduce__(self):
        return (Path.touch, (self.touched,))


@pytest.mark.parametrize("name", ["y", "vectors", "remark"])
def test_pickles_are_refused_unread(tmp_path, name):
    touched = tmp_path / "touched"
    hostile = np.array([Payload(touched)], dtype=object)
    message = fault(tmp_path / "p.npz", {"y": array(N), "vectors": array(N, M), name: hostile})
    assert message == (
        f"needed plain arrays, got a pickled object in {name}; reading it could run code, save it as numbers"
    )
    assert not touched.exists()


@pytest.mark.parametrize(
    ("value", "matlab_class"),
    [
        (np.array([1.0, "x"], dtype=object), "cell"),
        ({"a": 1.0}, "struct"),
        (scipy.sparse.csc_array(np.eye(N, M)), "sparse; save full(vectors)"),
    ],
)
def test_matlab_classes_that_are_no_arrays(tmp_path, value, matlab_class):
    message = fault(tmp_path / "p.mat", {"y": array(N), "vectors": value})
    assert f"needed a plain array in vectors, got one of MATLAB class {matlab_class}" in message


@pytest.mark.parametrize("value", [np.array([1.0, "x"], dtype=object), {"a": 1.0}])
def test_matlab_classes_under_other_names_are_ignored(tmp_path, value):
    loaded = read(tmp_path / "p.mat", {"y": array(N), "vectors": array(N, M), "remark": value})
    assert loaded.warnings == ("ignored arrays that are no part of a problem file: remark",)


def test_a_name_twice(path):
    if path.name == "p.mat":
        path.write_bytes(mat_file(doubles("y", (N, 1)), doubles("vectors", (N, M)), doubles("y", (N, 1))))
    elif path.suffix == ".safetensors":
        safetensors.numpy.save_file({"y": array(N), "vectors": array(N, M)}, path, {"y": "1 2 3"})
    elif path.stem == "v73":
        # HDF5 has each name once; the other two have not.
        return
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("y.npy", npy_bytes())
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("y.npy", npy_bytes())
    assert fault(path) == f"needed each name once in {path}, got y more than once; write the file again"


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        archive.writestr("y", "1 2 3")
    assert "cut short or damaged" in fault(tmp_path / "p.npz")


def test_names_of_control_characters_are_shown_harmless(tmp_path):
    loaded = read(tmp_path / "p.npz", {"y": array(N), "vectors": array(N, M), "a\nb\x1b": array(1)})
    assert loaded.warnings == ("ignored arrays that are no part of a problem file: a\\nb\\x1b",)


# ------------------------------------------------------------------------------------------------ hostile contents


def spoiled(original: np.ndarray, value: float, *indices: tuple[int, ...]) -> np.ndarray:
    copy = original.copy()
    for index in indices:
        copy[index] = value
    return copy


Y, A = array(N), array(N, M)
VECTORS = {"y": Y, "vectors": A}
MATRICES = {"y": Y, "matrices": symmetric()}

ONE_OF = "needed one of matrices, svec, vectors, left_vectors, blocks, entries, paulis, effects and masks"

HOSTILE = {
    "no y": ({"vectors": A}, "needed y, the measurements, got a file with vectors"),
    "nothing": ({"remark": Y}, "needed y, the measurements, got a file with no name of this format"),
    "no operator": (
        {"y": Y},
        f"{ONE_OF}, got a file with y; add the operator",
    ),
    "two operators": (
        {**VECTORS, "matrices": symmetric()},
        f"{ONE_OF}, got matrices and vectors; keep the one that gave y",
    ),
    "three operators": (
        {**VECTORS, "matrices": symmetric(), "svec": array(N, 10)},
        f"{ONE_OF}, got matrices and svec and vectors; keep the one that gave y",
    ),
    "minus alone": (
        {"y": Y, "vectors_minus": A},
        "needed vectors beside vectors_minus, got vectors_minus alone; for a^T Z a alone call them vectors",
    ),
    "minus beside matrices": (
        {**MATRICES, "vectors_minus": A},
        "needed vectors_minus only beside vectors, got it beside matrices; keep what gave y",
    ),
    "minus of another size": (
        {**VECTORS, "vectors_minus": A[:, :3]},
        "needed vectors_minus of size 12 x 4, got 12 x 3; each vector needs its partner to subtract",
    ),
    "n of vectors": (
        {"y": Y, "vectors": A[:-1]},
        "needed vectors of size 12 x m, a row for each number in y, got size 11 x 4; y has 12 numbers: check that",
    ),
    "vectors transposed": (
        {"y": Y, "vectors": A.T},
        "needed vectors of size 12 x m, a row for each number in y, got size 4 x 12; transpose it",
    ),
    "n of svec": (
        {"y": Y, "svec": array(N + 1, 10)},
        "needed svec of size 12 x m (m + 1) / 2, a row for each number in y, got size 13 x 10",
    ),
    "n of matrices": (
        {"y": Y, "matrices": symmetric(N + 1)},
        "needed matrices of size 12 x m x m, one for each number in y, got size 13 x 4 x 4; y has 12 numbers: check",
    ),
    "n of matrices last": (
        {"y": Y, "matrices": symmetric().transpose(1, 2, 0)},
        "needed matrices of size 12 x m x m, one for each number in y, got size 4 x 4 x 12; bring the last side to",
    ),
    "vectors in three directions": (
        {"y": Y, "vectors": array(N, 2, 2)},
        "needed vectors of size 12 x m, a row for each number in y, got size 12 x 2 x 2",
    ),
    "matrices in two directions": (
        {"y": Y, "matrices": array(N, 16)},
        "needed matrices of size 12 x m x m, one for each number in y, got size 12 x 16; give matrices as",
    ),
    "matrices in four directions": (
        {"y": Y, "matrices": array(N, 2, 2, 2)},
        "needed matrices of size 12 x m x m, one for each number in y, got size 12 x 2 x 2 x 2; give matrices as",
    ),
    "y in two directions": (
        {"y": array(3, 4), "vectors": A},
        "needed a vector in y, the measurements, got size 3 x 4",
    ),
    "svec length": (
        {"y": Y, "svec": array(N, 8)},
        "needed m (m + 1) / 2 columns in svec, got 8; 6 are for m = 3, 10 for m = 4",
    ),
    "not square": (
        {"y": Y, "matrices": array(N, 3, 4)},
        "needed square matrices for kind psd, got 3 x 4; write kind = 'rectangular' into the file if the unknown is",
    ),
    "matrices without sides": (
        {"y": Y, "matrices": np.empty((N, 0, 0))},
        "needed matrices of size 12 x m x m, one for each number in y, got size 12 x 0 x 0; no side may be 0",
    ),
    "vectors without entries": (
        {"y": Y, "vectors": np.empty((N, 0))},
        "needed vectors of size 12 x m, a row for each number in y, got size 12 x 0; no side may be 0",
    ),
    "NaN in y": (
        {**VECTORS, "y": spoiled(Y, np.nan, (5,))},
        "needed finite numbers in y, got NaN or infinity in 1 of 12 entries, the first at index",
    ),
    "infinity in vectors": (
        {**VECTORS, "vectors": spoiled(A, np.inf, (2, 3), (7, 1))},
        "needed finite numbers in vectors, got NaN or infinity in 2 of 48 entries, the first at index (2, 3); remove",
    ),
    "NaN in vectors_minus": (
        {**VECTORS, "vectors_minus": spoiled(A, np.nan, (0, 0))},
        "needed finite numbers in vectors_minus, got NaN or infinity in 1 of 48 entries, the first at index (0, 0)",
    ),
    "minus infinity in matrices": (
        {"y": Y, "matrices": spoiled(symmetric(), -np.inf, (11, 0, 2))},
        "needed finite numbers in matrices, got NaN or infinity in 1 of 192 entries, the first at index (11, 0, 2)",
    ),
    "NaN in svec": (
        {"y": Y, "svec": spoiled(array(N, 10), np.nan, (1, 9))},
        "needed finite numbers in svec, got NaN or infinity in 1 of 120 entries, the first at index (1, 9)",
    ),
    "NaN in truth": (
        {**VECTORS, "truth": spoiled(np.eye(M), np.nan, (0, 1))},
        "needed finite numbers in truth, got NaN or infinity in 1 of 16 entries, the first at index (0, 1)",
    ),
    "complex y": (
        {**VECTORS, "y": Y + 1j},
        "needed real numbers in y, got complex128; measurements are real: the real part, or the",
    ),
    "complex vectors": (
        {**VECTORS, "vectors": A + 1j},
        "needed real numbers in vectors, got complex128; write kind = 'hermitian' into the file if the unknown is",
    ),
    "integer y": (
        {**VECTORS, "y": np.arange(N)},
        "needed floating-point numbers in y, got int64; save y.astype(float), in MATLAB double(y)",
    ),
    "integer vectors": (
        {**VECTORS, "vectors": np.ones((N, M), dtype=np.uint8)},
        "needed floating-point numbers in vectors, got uint8; save vectors.astype(float), in MATLAB double(vectors)",
    ),
    "logical vectors": (
        {**VECTORS, "vectors": A > 0},
        "needed floating-point numbers in vectors, got bool; save vectors.astype(float), in MATLAB double(vectors)",
    ),
    "text for y": ({**VECTORS, "y": "1 2 3"}, "needed floating-point numbers in y, got <U5"),
    "zero measurements": ({"y": np.empty(0), "vectors": np.empty((0, M))}, "needed at least one measurement in y, got"),
    "zero y": (
        {**VECTORS, "y": np.zeros(N)},
        "needed measurements that are not all zero, got a zero vector; the zero matrix explains it, there is nothing",
    ),
    "zero vectors": (
        {**VECTORS, "vectors": np.zeros((N, M))},
        "needed vectors that are not all zero, got zeros only; they measure nothing",
    ),
    "zero matrices": (
        {**MATRICES, "matrices": np.zeros((N, M, M))},
        "needed matrices that are not all zero, got zeros only; they measure nothing",
    ),
    "truth of another size": (
        {**VECTORS, "truth": np.eye(M + 1)},
        "needed truth of size 4 x 4, got 5 x 5; it is the matrix that was measured",
    ),
    "truth and factor": (
        {**VECTORS, "truth": np.eye(M), "truth_factor": np.eye(M)},
        "needed truth or truth_factor, got both; keep one of them",
    ),
    "factor of another size": (
        {**VECTORS, "truth_factor": array(M + 1, 2)},
        "needed a truth_factor of 4 rows and at least one column, got size 5 x 2",
    ),
    "factor without columns": (
        {**VECTORS, "truth_factor": np.empty((M, 0))},
        "needed a truth_factor of 4 rows and at least one column, got size 4 x 0",
    ),
    "factor for rectangular": (
        {"y": Y, "matrices": array(N, 3, 4), "kind": "rectangular", "truth_factor": array(3, 2)},
        "needed truth for kind rectangular, got truth_factor; F F^T is symmetric",
    ),
    "indefinite truth": (
        {**VECTORS, "truth": np.diag([1.0, -0.5, 0, 0])},
        "needed a positive semidefinite truth for kind psd, got an eigenvalue of -0.5; write kind = 'symmetric' into",
    ),
    "negative level": (
        {**VECTORS, "noise_level": -0.1},
        "needed a noise level that is finite and at least 0, got -0.1",
    ),
    "level of NaN": ({**VECTORS, "noise_level": np.nan}, "needed a noise level that is finite and at least 0, got nan"),
    "infinite level": (
        {**VECTORS, "noise_level": np.inf},
        "needed a noise level that is finite and at least 0, got inf",
    ),
    "several levels": (
        {**VECTORS, "noise_level": np.array([[0.1, 0.2]])},
        "needed one number in noise_level, as 0.01 for 1%, got float64 of size 1 x 2",
    ),
    "no level": (
        {**VECTORS, "noise_level": np.empty((0, 0))},
        "needed one number in noise_level, as 0.01 for 1%, got float64 of size 0 x 0",
    ),
    "complex level": (
        {**VECTORS, "noise_level": 1j},
        "needed one number in noise_level, as 0.01 for 1%, got complex128",
    ),
    "level in words": ({**VECTORS, "noise_level": "1%"}, "needed one number in noise_level, as 0.01 for 1%, got <U2"),
    "weights of another number": ({**VECTORS, "weights": np.ones(5)}, "needed the weights of size 12, got 5"),
    "negative weights": ({**VECTORS, "weights": -np.ones(N)}, "needed weights of at least 0, got a negative one"),
    "unknown kind": (
        {**VECTORS, "kind": "positive"},
        "needed a kind that is psd or symmetric or hermitian, got 'positive'; correct kind in the file",
    ),
    "kind of two lines": (
        {**VECTORS, "kind": "psd\npsd"},
        r"needed a kind that is psd or symmetric or hermitian, got 'psd\npsd'",
    ),
    "no kind": ({**VECTORS, "kind": ""}, "needed "),
    "kind in numbers": (
        {**VECTORS, "kind": np.ones((1, 1))},
        "needed one text in kind, as 'psd' or 'symmetric', got float64 of size 1 x 1",
    ),
    "rectangular paulis": (
        {"y": Y, "paulis": PAULIS, "kind": "psd"},
        "needed a kind that is hermitian, got 'psd'",
    ),
    "psd left vectors": (
        {"y": Y, "left_vectors": A, "right_vectors": A, "kind": "psd"},
        "needed a kind that is rectangular, got 'psd'",
    ),
    "left vectors alone": (
        {"y": Y, "left_vectors": A},
        "needed right_vectors beside left_vectors, got a file with left_vectors, y",
    ),
    "right vectors alone": (
        {"y": Y, "right_vectors": A},
        "needed left_vectors beside right_vectors, got right_vectors alone",
    ),
    "n of right vectors": (
        {"y": Y, "left_vectors": A, "right_vectors": array(N - 1, 3)},
        "needed right_vectors of size 12 x m2, a row for each number in y, got size 11 x 3",
    ),
    "zero right vectors": (
        {"y": Y, "left_vectors": A, "right_vectors": np.zeros((N, 3))},
        "needed right_vectors that are not all zero, got zeros only; they measure nothing",
    ),
    "scale beside vectors": (
        {**VECTORS, "scale": 2.0},
        "needed scale only beside paulis or masks, got it beside vectors; keep what gave y",
    ),
    "shape beside matrices": (
        {**MATRICES, "shape": [4, 4]},
        "needed shape only beside entries, got it beside matrices; keep what gave y",
    ),
    "n of blocks": (
        {"y": Y, "blocks": array(N + 1, M, 2)},
        "needed blocks of size 12 x m x k, one for each number in y, got size 13 x 4 x 2",
    ),
    "blocks in four directions": (
        {"y": Y, "blocks": array(N, M, 2, 2)},
        "needed blocks of size 12 x m x k, one for each number in y, got size 12 x 4 x 2 x 2",
    ),
    "complex blocks": (
        {"y": Y, "blocks": complex_array(N, M, 2)},
        "needed real numbers in blocks, got complex128; write kind = 'hermitian' into the file if the unknown is",
    ),
    "complex truth of a real operator": (
        {**VECTORS, "truth": hermitian(1)[0]},
        "needed real numbers in truth, got complex128; the measured matrix is real, by the kind and the numbers in",
    ),
    "complex factor of a real operator": (
        {**VECTORS, "truth_factor": complex_array(M, 2)},
        "needed real numbers in truth_factor, got complex128; the measured matrix is real",
    ),
    "complex weights": ({**VECTORS, "weights": Y + 1j}, "needed real numbers in weights, got complex128"),
    "hermitian svec length": (
        {"y": Y, "svec": array(N, 10), "kind": "hermitian"},
        "needed m^2 columns in svec, got 10; 9 are for m = 3, 16 for m = 4",
    ),
    "complex NaN": (
        {"y": Y, "vectors": spoiled(complex_array(N, M), complex(0, np.nan), (2, 3)), "kind": "hermitian"},
        "needed finite numbers in vectors, got NaN or infinity in 1 of 48 entries, the first at index (2, 3)",
    ),
    "entries without shape": (
        {"y": Y, "entries": PLACES + 1},
        "needed shape beside entries, got a file with entries, y",
    ),
    "shape of three": (
        {"y": Y, "entries": PLACES + 1, "shape": [4, 4, 4]},
        "needed two sides in shape, as [m1, m2], got numbers [4, 4, 4]",
    ),
    "shape without sides": (
        {"y": Y, "entries": PLACES + 1, "shape": [0, 4]},
        "needed two sides in shape, as [m1, m2], got numbers [0, 4]",
    ),
    "shape in words": (
        {"y": Y, "entries": PLACES + 1, "shape": "4 x 4"},
        "needed whole numbers in shape, the two sides of the unknown, got <U5",
    ),
    "shape that is not square": (
        {"y": Y, "entries": PLACES + 1, "shape": [4, 5]},
        "needed a square shape for kind psd, got 4 x 5; write kind = 'rectangular' into the file if the unknown is",
    ),
    "n of entries": (
        {"y": Y, "entries": PLACES[1:] + 1, "shape": [9, 9]},
        "needed entries of size 12 x 2, got 11 x 2; a row and a column for each number in y",
    ),
    "entries transposed": (
        {"y": Y, "entries": PLACES.T + 1, "shape": [9, 9]},
        "needed entries of size 12 x 2, got 2 x 12; a row and a column for each number in y",
    ),
    "fractions in entries": (
        {"y": Y, "entries": PLACES + 0.5, "shape": [9, 9]},
        "needed whole numbers in entries, a row and a column each, got fractions, NaN or infinity",
    ),
    "NaN in entries": (
        {"y": Y, "entries": spoiled(PLACES + 1.0, np.nan, (0, 1)), "shape": [9, 9]},
        "needed whole numbers in entries, a row and a column each, got fractions, NaN or infinity",
    ),
    "huge numbers in entries": (
        {"y": Y, "entries": spoiled(PLACES + 1.0, 1e300, (0, 1)), "shape": [9, 9]},
        "needed numbers in entries below 2^53, got larger ones",
    ),
    "complex entries": (
        {"y": Y, "entries": PLACES + 1j, "shape": [9, 9]},
        "needed whole numbers in entries, a row and a column each, got complex128 of size 12 x 2",
    ),
    "columns beyond the shape": (
        {"y": Y, "entries": spoiled(PLACES + 1, 10, (5, 1)), "shape": [9, 9]},
        "needed columns of entries between",
    ),
    "negative rows": (
        {"y": Y, "entries": spoiled(PLACES + 1, -1, (5, 0)), "shape": [9, 9]},
        "needed rows of entries between",
    ),
    "imaginary parts of a real unknown": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "imaginary": IMAGINARY},
        "needed no imaginary for kind psd, got it; write kind = 'hermitian' or 'rectangular' into the file for complex",
    ),
    "imaginary of another number": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "imaginary": IMAGINARY[1:], "kind": "hermitian"},
        "needed imaginary of size 12, got 11; one for each number in y",
    ),
    "imaginary that is no flag": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "imaginary": np.arange(N), "kind": "hermitian"},
        "needed zeros and ones in imaginary, which entries are imaginary parts, got other numbers",
    ),
    "factors of another number": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "entry_weights": Y[1:]},
        "needed entry_weights of size 12, got 11; one for each number in y",
    ),
    "transform alone": (
        {"y": Y, "transform": "dct"},
        "needed entries beside transform, got transform alone",
    ),
    "unknown transform": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "wavelet"},
        "needed a transform that is dct or hadamard or fourier, got 'wavelet'",
    ),
    "transform of another size": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "hadamard"},
        "needed sides that are powers of two for a Walsh-Hadamard transform, got 9 x 9",
    ),
    "signs without transform": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "signs": np.ones(9)},
        "needed transform beside signs, got a file with entries, shape, signs, y",
    ),
    "signs of another number": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "dct", "signs": np.ones(8)},
        "needed signs of size 9, got 8; one for each row or column of the unknown",
    ),
    "signs that are none": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "dct", "signs": np.zeros(9)},
        "needed 1 and -1 in signs, got other numbers",
    ),
    "signs on both sides of a symmetric unknown": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "dct", "signs_right": np.ones(9)},
        "needed one set of signs for kind psd, got two",
    ),
    "imaginary parts of a real transform": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "transform": "dct", "imaginary": IMAGINARY},
        "needed no imaginary for kind psd, got it",
    ),
    "complex and symmetric": (
        {"y": Y, "entries": PLACES + 1, "shape": [9, 9], "complex": [1.0]},
        "needed no complex for kind psd, got it; the kind says it: hermitian is complex",
    ),
    "effects without qubits": (
        {"y": Y, "effects": EFFECTS[0]},
        "needed effects of size q x K x 2, K vectors of two numbers for each of q qubits, got size 3 x 2; repeat",
    ),
    "effects of nothing": (
        {"y": Y, "effects": 0 * EFFECTS},
        "needed effects that are not all zero, got zeros only; they measure nothing",
    ),
    "n of effects": (
        {"y": Y, "effects": EFFECTS},
        "needed 3^2 measurements, one for each outcome, got 12; name those that were measured in outcomes, n x q",
    ),
    "n of outcomes": (
        {"y": Y, "effects": EFFECTS, "outcomes": OUTCOMES[1:] + 1},
        "needed outcomes of size 12 x 2, got 11 x 2; one of each qubit for each number in y",
    ),
    "outcomes beyond the effects": (
        {"y": Y, "effects": EFFECTS, "outcomes": OUTCOMES + 2},
        "needed outcomes between",
    ),
    "other letters": (
        {"y": Y, "paulis": [*PAULIS[:-1], "IW"]},
        "needed the letters I, X, Y, Z in a Pauli string, got 'IW' at 11",
    ),
    "n of paulis": (
        {"y": Y, "paulis": PAULIS[1:]},
        "needed paulis of size 12, got 11; a string for each number in y",
    ),
    "paulis in numbers": (
        {"y": Y, "paulis": np.ones((N, 2))},
        "needed texts in paulis, as 'XIZ' and 'ZZI', got float64 of size 12 x 2",
    ),
    "scale of zero": ({"y": Y, "paulis": PAULIS, "scale": 0.0}, "needed a positive scale, got 0.0"),
    "several scales": (
        {"y": Y, "paulis": PAULIS, "scale": [[1.0, 2.0]]},
        "needed one number in scale, the factor of all measurements, got float64 of size 1 x 2",
    ),
    "masks without kind": (
        {"y": Y, "masks": array(3, 4)},
        "needed kind beside masks, got a file with masks, y; hermitian for a complex image, psd for a real one",
    ),
    "rectangular masks": (
        {"y": Y, "masks": array(3, 4), "kind": "rectangular"},
        "needed a kind that is psd or symmetric or hermitian, got 'rectangular'",
    ),
    "n of masks": (
        {"y": Y, "masks": array(3, 5), "kind": "psd"},
        "needed masks of 12 pixels together, one for each number in y, got 15 of size 3 x 5; masks come first",
    ),
    "masks of nothing": (
        {"y": Y, "masks": np.zeros((3, 4)), "kind": "psd"},
        "needed masks that are not all zero, got zeros only; they measure nothing",
    ),
    "rectangular vectors": (
        {**VECTORS, "kind": "rectangular"},
        "needed a kind that is psd or symmetric or hermitian, got 'rectangular'; give a rectangular problem as",
    ),
    "unknown kind of matrices": (
        {**MATRICES, "kind": "square"},
        "needed a kind that is psd or symmetric or hermitian or rectangular, got 'square'; correct kind in the file",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.fast(path=["p.npz", "p.mat"])
def test_hostile_contents(path, name, as_users_run):
    arrays, message = HOSTILE[name]
    assert message in fault(path, arrays)


def test_where_the_first_bad_number_is(path):
    # In the file's own shape, so that it can be found there.
    arrays = {"y": spoiled(Y, np.nan, (5,), (7,)).reshape(1, N), "vectors": A}
    assert "got NaN or infinity in 2 of 12 entries, the first at index (0, 5)" in fault(path, arrays)


def test_numbers_beyond_single_precision(path):
    save(path, {**VECTORS, "y": spoiled(Y, 1e300, (0,))})
    assert read_problem(path).problem.measurements[0] == 1e300
    with pytest.raises(InputError, match=r"numbers in y that torch\.float32 can hold, got larger ones"):
        read_problem(path, dtype=torch.float32)


@pytest.mark.parametrize("dtype", [torch.complex128, torch.float16, torch.int64])
def test_dtypes_that_nothing_is_solved_in(path, dtype):
    with pytest.raises(InputError, match=r"dtype torch\.float64 or torch\.float32"):
        read_problem(path, dtype=dtype)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000, 40_000])
def test_svec_sizes(size):
    length = size * (size + 1) // 2
    assert svec_size(length) == size
    for wrong in {length - 1, length + 1} - {0, 1, 3}:
        with pytest.raises(InputError, match=r"columns in svec"):
            svec_size(wrong)


# ------------------------------------------------------------------------------------------------ places to write


def problem() -> Problem:
    return Problem(RankOneSensing.from_vectors(torch.from_numpy(A)), torch.from_numpy(Y))


def test_directories_are_made(tmp_path):
    write_problem(tmp_path / "new" / "deep" / "p.npz", problem())
    assert read_problem(tmp_path / "new" / "deep" / "p.npz").problem.operator.count == N


def test_a_place_below_a_file(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="needed a place to write"):
        write_problem(tmp_path / "file" / "p.npz", problem())
    assert (tmp_path / "file").read_text() == "here"


def test_a_full_disk_leaves_nothing_behind_and_the_old_file_whole(path, monkeypatch):
    save(path, VECTORS)
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=f"got: {os.strerror(errno.ENOSPC)}"):
        write(path, problem())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_no_new_file(path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="needed a place to write"):
        write(path, problem())
    assert list(path.parent.iterdir()) == []
