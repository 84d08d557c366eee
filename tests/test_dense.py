"""Packed rows in every form: what is stored, what is made anew, and the compiled pass beside the plain products."""

import math

import numpy as np
import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import FOUR_KINDS, PSD
from wnsense.checks import InputError
from wnsense.sensing.ensembles import packed
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing, store_rows
from wnsense.sensing.ensembles.kernels import gradient
from wnsense.sensing.ensembles.rademacher import RademacherSensing, signs_of
from wnsense.sensing.ensembles.seeded import Law, SeededSensing, philox_words
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import RowDual

STORAGES = {
    "double": lambda n, m: GaussianSensing.draw(n, m, generator=generator()),
    "single": lambda n, m: GaussianSensing.draw(n, m, generator=generator(), storage=torch.float32),
    "bfloat16": lambda n, m: GaussianSensing.draw(n, m, generator=generator(), storage=torch.bfloat16),
    "bits": lambda n, m: RademacherSensing.draw(n, m, generator=generator()),
    "all-single": lambda n, m: GaussianSensing.draw(n, m, generator=generator(), dtype=torch.float32),
    "single-bits": lambda n, m: RademacherSensing.draw(n, m, generator=generator(), dtype=torch.float32),
    "seeded": lambda n, m: SeededSensing.draw(n, m, seed=3),
    "half": lambda n, m: GaussianSensing.draw(n, m, generator=generator(), storage=torch.float16),
}
storages = pytest.mark.parametrize("make", STORAGES.values(), ids=STORAGES)


def assert_close(actual: torch.Tensor, expected: torch.Tensor, terms: int):
    """To the rounding of sums of so many terms, each below the largest entry in size."""
    eps = torch.finfo(expected.dtype).eps
    distance = float((actual - expected).abs().max())
    assert distance <= 4 * eps * math.sqrt(terms) * float(expected.abs().max()) * 10, distance


# ------------------------------------------------------------------------------------------------ the compiled pass


@pytest.mark.parametrize("points", [1, 2, 6, 7])
@pytest.mark.parametrize("n", [16, 33, 5])
@storages
@pytest.mark.fast(n=[16, 5], points=[1, 7])
def test_the_compiled_pass_is_two_plain_products(make, n, points):
    """Of whole blocks and rests, alone and in sixes, on one and several threads."""
    operator = make(n, 50)
    rows = operator._kernel_rows()
    if rows is None:
        assert type(operator) is SeededSensing or operator.rows.dtype == torch.float16
        return
    numbers = operator.packed_rows(0, n)
    z, w, t = (normal(*shape, rng=generator(4)).to(numbers.dtype) for shape in ((points, 1275), (n,), (n,)))
    for threads in (1, 2, 5):
        y, g = gradient(rows.numpy(), 1275, z.numpy(), w.numpy(), t.numpy(), threads)
        expected = z @ numbers.mT
        assert_close(torch.from_numpy(y), expected, 1275)
        assert_close(torch.from_numpy(g), (w * (expected - t)) @ numbers, 1275)


def test_the_compiled_pass_takes_more_columns_than_a_tile_and_odd_numbers_of_signs():
    bits = RademacherSensing.draw(20, 61, generator=generator()).bits
    numbers = signs_of(bits, 1891).double()
    z = normal(1, 1891)
    y, _ = gradient(bits.numpy(), 1891, z.numpy(), np.ones(20), np.zeros(20), 1)
    assert_close(torch.from_numpy(y), z @ numbers.mT, 1891)


@pytest.mark.parametrize("batch", [(), (3,)])
@storages
@pytest.mark.fast(batch=[()])
def test_a_large_operator_pulls_back_what_a_small_one_does(make, batch, monkeypatch):
    """With the kernel, with torch's blocks and with plain products alike."""
    operator = make(70, 40)
    point = random_point(PSD, (40, 40), 2, batch=batch).to(dtype=operator.dtype)
    dual = RowDual(normal(70).abs().to(operator.dtype), normal(70, rng=generator(2)).to(operator.dtype))
    # Not a RowDual to the operator, so that it measures first.
    plain = operator.pull_back(point, dual.__call__)
    monkeypatch.setattr(packed, "_KERNEL_NUMBERS", 0)
    monkeypatch.setattr(packed, "_BLOCK_NUMBERS", 16 * 820)
    fast = operator.pull_back(point, dual)
    monkeypatch.setattr(packed, "_compiled_gradient", lambda: None)
    without = operator.pull_back(point, dual)
    for found in (fast, without):
        assert_close(found.measurements, plain.measurements, 820)
        assert_close(found.left, plain.left, 70 * 40)


def test_large_operators_go_through_the_kernel(monkeypatch):
    """So that the claims about it are claims about what users run."""
    calls = []
    monkeypatch.setattr(packed, "_compiled_gradient", lambda: lambda *a: calls.append(1) or gradient(*a))
    operator = GaussianSensing.draw(2**21 // 55 + 1, 10, generator=generator(), dtype=torch.float32)
    point = random_point(PSD, (10, 10), 2).to(dtype=torch.float32)
    operator.pull_back(point, RowDual(torch.ones(operator.count)))
    assert calls == [1]
    operator.select_rows(torch.arange(100)).pull_back(point, RowDual(torch.ones(100)))
    assert calls == [1]


# ------------------------------------------------------------------------------------------------------ storage


def test_a_row_is_what_is_stored_and_nothing_is_rounded_again():
    """A bfloat16 is a number like any other: measured in double precision as exactly what it is."""
    operator = GaussianSensing.draw(40, 12, generator=generator(), dtype=torch.float64, storage=torch.bfloat16)
    assert (operator.rows.dtype, operator.dtype) == (torch.bfloat16, torch.float64)
    point = random_point(PSD, (12, 12), 2)
    expected = operator.rows.double() @ Kind.PSD.pack(point.dense()) / math.sqrt(40)
    assert_close(operator.measure(point), expected, 78)
    # And rounding did happen when it was stored.
    exact = GaussianSensing.draw(40, 12, generator=generator())
    off = float((operator.rows.double() / math.sqrt(40) - exact.rows).abs().max() / exact.rows.abs().max())
    assert 2.0**-11 < off < 2.0**-7


def test_half_precisions_measure_single_precision_unknowns_unless_told():
    rows = normal(4, 6).to(torch.bfloat16)
    assert DenseSensing.from_rows(rows, (3, 3)).dtype == torch.float32
    assert DenseSensing.from_rows(rows, (3, 3), precision=torch.float64).dtype == torch.float64
    with pytest.raises(InputError, match=r"needed a precision of float64 or float32, got torch\.bfloat16"):
        DenseSensing.from_rows(rows, (3, 3), precision=torch.bfloat16)
    with pytest.raises(InputError, match=r"needed rows of at most the unknown's precision, .*float32, got .*float64"):
        DenseSensing.from_rows(normal(4, 6), (3, 3), precision=torch.float32)


def test_signs_take_a_bit_each():
    operator = RademacherSensing.draw(1000, 50, generator=generator())
    assert operator.bits.element_size() * operator.bits.numel() == 1000 * 160
    rows = operator.packed_rows(0, 1000)
    assert set(rows.unique().tolist()) == {-1.0, 1.0}
    # A fair coin: within five standard deviations.
    assert abs(float(rows.mean())) <= 5 / math.sqrt(rows.numel())
    with pytest.raises(InputError, match="needed 160 bytes of signs in a psd measurement, got 159"):
        RademacherSensing(operator.bits[:, :-1], operator.space)


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_selected_rows_measure_what_they_measured(flavor):
    shape = (6, 6) if flavor.kind.is_symmetric else (6, 5)
    size = 6 if flavor.kind.is_symmetric else shape
    rows, point = torch.tensor([7, 0, 7, 19]), random_point(flavor, shape, 2)
    for operator in (
        GaussianSensing.draw(20, size, kind=flavor.kind, generator=generator(), storage=torch.float32),
        RademacherSensing.draw(20, size, kind=flavor.kind, generator=generator()),
        SeededSensing.draw(20, size, kind=flavor.kind, law=Law.RADEMACHER),
    ):
        selected = operator.select_rows(rows)
        assert selected.second_moment is None
        assert_close(selected.measure(point), operator.measure(point)[rows], 36)


# ----------------------------------------------------------------------------------------------- streamed from a file


def test_rows_are_streamed_from_a_file(tmp_path):
    drawn = SeededSensing.draw(300, 12, seed=5)
    path = tmp_path / "deep" / "rows.npy"
    store_rows(drawn, path)
    assert [file.name for file in path.parent.iterdir()] == ["rows.npy"]
    assert np.load(path, mmap_mode="r").shape == (300, 78)
    mapped = DenseSensing.from_npy(path, 12, scale=drawn.scale)
    point = random_point(PSD, (12, 12), 3)
    assert torch.equal(mapped.rows, drawn.packed_rows(0, 300))
    assert_close(mapped.measure(point), drawn.measure(point), 78)
    single = DenseSensing.from_npy(path, 12)
    assert single.dtype == torch.float64


def test_a_file_of_anything_else_is_refused(tmp_path):
    path = tmp_path / "rows.npy"
    for array, came in (
        (np.zeros((5, 6), dtype=np.int64), "int64 of size 5 x 6"),
        (np.zeros(6), "float64 of size 6"),
        (np.zeros((6, 6)).T.copy(order="F"), "Fortran order"),
        (np.zeros((5, 6), dtype=complex), "complex128"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=f"needed .*float64 or float32 rows in C order .*got .*{came}"):
            DenseSensing.from_npy(path, 3)
    np.save(path, np.zeros((5, 7)))
    with pytest.raises(InputError, match="needed 6 numbers in a packed psd measurement, got 7"):
        DenseSensing.from_npy(path, 3)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"needed packed rows in a NumPy \.npy file at"):
        DenseSensing.from_npy(path, 3)
    with pytest.raises(InputError, match=r"needed packed rows in a NumPy \.npy file at .*none\.npy, got"):
        DenseSensing.from_npy(tmp_path / "none.npy", 3)
    (tmp_path / "in the way").write_text("")
    with pytest.raises(InputError, match="needed a place to write"):
        store_rows(SeededSensing.draw(3, 3), tmp_path / "in the way" / "rows.npy")


# ---------------------------------------------------------------------------------------------------- made anew


def test_words_are_those_of_the_published_generator():
    """Known answers of Philox4x32-10, computed with integers as long as they need to be."""

    def philox(counter, key):
        c, (k0, k1) = list(counter), key
        for _ in range(10):
            p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(p1 >> 32) ^ c[1] ^ k0, p1 % 2**32, (p0 >> 32) ^ c[3] ^ k1, p0 % 2**32]
            k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
        return c

    # The authors' own vectors hold the reference, the reference holds the code.
    assert philox([0] * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 2**32 - 1
    assert philox([ones] * 4, (ones, ones)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    for seed in (0, 1, 2**63 + 12345, 2**64 - 1):
        numbers = torch.tensor([0, 5, 2**31, 2**32 + 7, 2**62])
        words = philox_words(seed, numbers, 10)
        for i, number in enumerate(numbers.tolist()):
            key, row = (seed % 2**32, seed >> 32), (number % 2**32, number >> 32)
            expected = [word for c in range(3) for word in philox([c, 0, *row], key)][:10]
            assert words[i].tolist() == expected


@pytest.mark.parametrize("law", Law)
def test_any_block_is_made_in_any_order(law):
    operator = SeededSensing.draw(60, 9, law=law, seed=11)
    whole = operator.packed_rows(0, 60)
    for start, stop in ((59, 60), (10, 31), (0, 1)):
        assert torch.equal(operator.packed_rows(start, stop), whole[start:stop])
    assert torch.equal(SeededSensing.draw(90, 9, law=law, seed=11).packed_rows(0, 60), whole)
    assert not torch.equal(SeededSensing.draw(60, 9, law=law, seed=12).packed_rows(0, 60), whole)


def test_gaussian_entries_are_box_and_mullers():
    operator = SeededSensing.draw(3, 3, seed=2)
    words = philox_words(2, torch.arange(3), 6).tolist()
    for i, row in enumerate(operator.packed_rows(0, 3).tolist()):
        for j, entry in enumerate(row):
            u, v = ((words[i][j // 2 * 2 + part] + 0.5) / 2**32 for part in (0, 1))
            angle = 2 * math.pi * v
            expected = math.sqrt(-2 * math.log(u)) * (math.cos(angle) if j % 2 == 0 else math.sin(angle))
            assert entry == pytest.approx(expected, rel=4 * np.finfo(float).eps)


def test_gaussian_entries_have_a_normal_distribution():
    from scipy.stats import kstest

    rows = SeededSensing.draw(400, 31, seed=8).packed_rows(0, 400)
    assert kstest(rows.flatten().numpy(), "norm").pvalue > 1e-4
    # Neither entries of a row nor rows have to do with each other: five standard deviations of 123,008 correlations.
    correlations = torch.corrcoef(rows.mT).triu(1).flatten()
    assert float(correlations.abs().max()) < 6 / math.sqrt(400)
    assert float(torch.corrcoef(rows).triu(1).abs().max()) < 6 / math.sqrt(496)


def test_a_seed_is_part_of_what_it_is_called():
    operator = SeededSensing.draw(5, 3, law="rademacher", seed=77)
    assert str(operator) == "SeededSensing (rademacher, seed 77): 5 measurements of a psd 3 x 3 matrix"
    with pytest.raises(InputError, match=r"needed a seed from 0 to 2\^64 - 1, got -1"):
        SeededSensing.draw(5, 3, seed=-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares with a CUDA device, and there is none")
def test_what_is_made_anew_is_alike_on_every_device():
    for law in Law:
        here, there = (
            SeededSensing.draw(50, 40, law=law, seed=6, device=d).packed_rows(0, 50) for d in ("cpu", "cuda")
        )
        if law is Law.RADEMACHER:
            assert torch.equal(here, there.cpu())
        else:
            units = (here - there.cpu()).abs() / (torch.finfo(torch.float64).eps * here.abs())
            assert float(units.max()) <= 4


def test_ensembles_that_are_kept_differently_recover_alike():
    from wnsense.recovery import recover
    from wnsense.running.status import Status
    from wnsense.sensing.problem import low_rank

    truth = low_rank(20, 2, 5.0, generator=generator(1))
    for operator in (
        SeededSensing.draw(300, 20, seed=1),
        RademacherSensing.draw(300, 20, generator=generator()),
        GaussianSensing.draw(300, 20, generator=generator(), dtype=torch.float64, storage=torch.bfloat16),
    ):
        recovery = recover(operator, operator.measure(truth), truth=truth)
        assert (recovery.status, recovery.rank) == (Status.CONVERGED, 2)
        assert recovery.relative_error <= 1e-8


def test_points_in_a_batch_share_one_pass():
    operator = SeededSensing.draw(40, 8, seed=1)
    made = []
    watched = SeededSensing.packed_rows

    def counting(self, start, stop):
        made.append((start, stop))
        return watched(self, start, stop)

    points = LowRank(normal(5, 8, 2), torch.eye(2, dtype=torch.float64).expand(5, 2, 2).contiguous())
    SeededSensing.packed_rows = counting
    try:
        operator.pull_back(points, RowDual(torch.ones(40, dtype=torch.float64)))
    finally:
        SeededSensing.packed_rows = watched
    assert made == [(0, 40)]
