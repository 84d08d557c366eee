"""What masks are like, and what diffraction patterns and Fourier entries promise besides the shared laws."""

import math
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

import wnsense as wn
from cases.diffraction import fourier_matrix
from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, HERMITIAN, PSD, QUADRATIC
from wnsense.checks import InputError
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.mask_law import MaskLaw
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.operator import RowDual


@pytest.mark.parametrize("law", MaskLaw)
def test_masks_have_the_moments_of_their_law(law):
    """E d = 0, E |d|^2 = nu, E |d|^4 = mu, E d^2 = 0 unless real: within 5 standard errors of 10^5 entries."""
    d = law.draw((100_000,), generator=generator()).to(torch.complex128)
    mu = {MaskLaw.OCTANARY: 2.0, MaskLaw.TERNARY: 0.5, MaskLaw.PHASES: 1.0}[law]
    second = law.power if law is MaskLaw.TERNARY else 0.0
    for values, expected in ((d, 0.0), (d.abs() ** 2, law.power), (d.abs() ** 4, mu), (d**2, second)):
        error = 5 * float(values.std(correction=0)) / math.sqrt(len(values)) + 1e-12
        assert abs(complex(values.mean()) - expected) <= error


def test_octanary_masks_have_eight_values_and_ternary_ones_three():
    octanary = MaskLaw.OCTANARY.draw((1000,), generator=generator())
    expected = {b * c for b in (1, -1, 1j, -1j) for c in (math.sqrt(0.5), math.sqrt(3))}
    assert {complex(v) for v in octanary} == expected
    ternary = MaskLaw.TERNARY.draw((1000,), generator=generator())
    assert set(ternary.tolist()) == {1.0, 0.0, -1.0}


def measured_mask_by_mask(operator, Z):
    """The terms of M*M(Z) of each mask times their number, (L, m, m), by explicit transforms."""
    F = fourier_matrix(1)
    for side in operator.image_shape:
        F = torch.kron(F, fourier_matrix(side))
    A = F * operator.masks.reshape(len(operator.masks), 1, -1)
    y = operator.scale * torch.einsum("lkp,pq,lkq->lk", A, Z.to(A.dtype), A.conj()).real
    terms = len(A) * operator.scale * torch.einsum("lkp,lk,lkq->lpq", A.conj(), y.to(A.dtype), A)
    return terms if operator.is_complex else terms.real


def assert_mean_is(terms, expected):
    parts = (torch.real, torch.imag) if terms.is_complex() else (torch.real,)
    for part in parts:
        error = 5 * part(terms).std(0) / math.sqrt(len(terms)) + 1e-10
        assert ((part(terms).mean(0) - part(expected)).abs() <= error).all()
        # Were the errors large, anything would pass.
        assert float(error.max()) < 0.2 * float(expected.abs().max())


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
@pytest.mark.parametrize(("law", "shape"), [("octanary", (2, 2)), ("octanary", (3,)), ("ternary", (3,))])
def test_admissible_masks_have_the_second_moment_declared(law, shape, flavor):
    """E M*M(Z) = Z + Tr(Z) I: the mean over 20,000 masks within 5 standard errors."""
    m = math.prod(shape)
    operator = CodedDiffractionSensing.draw(20_000, shape, law=law, kind=flavor.kind, generator=generator())
    assert operator.second_moment == (1.0, 1.0)
    Z = random_point(flavor, (m, m), 2).dense()
    assert_mean_is(measured_mask_by_mask(operator, Z), Z + Z.trace() * torch.eye(m, dtype=torch.float64))


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_other_masks_have_the_second_moment_stated(flavor):
    """Phases lose the diagonal; real masks double the real part of entries half a side apart. None is declared."""
    phases = CodedDiffractionSensing.draw(20_000, 4, law="phases", kind=flavor.kind, generator=generator())
    ternary = CodedDiffractionSensing.draw(20_000, 4, law="ternary", kind=flavor.kind, generator=generator())
    assert phases.second_moment is ternary.second_moment is None
    Z = random_point(flavor, (4, 4), 2).dense()
    trace = Z.trace() * torch.eye(4, dtype=torch.float64)
    assert_mean_is(measured_mask_by_mask(phases, Z), Z + trace - torch.diag(torch.diagonal(Z)))
    half_a_side = torch.eye(4).roll(2, 1).bool()
    assert_mean_is(measured_mask_by_mask(ternary, Z), torch.where(half_a_side, Z + Z.mT, Z) + trace)


@pytest.mark.parametrize("law", MaskLaw)
@pytest.mark.parametrize("flavor", [PSD, HERMITIAN], ids=str)
@pytest.mark.fast("psd-octanary", "complex-hermitian-phases", "psd-ternary")
def test_an_image_comes_back_from_its_patterns(law, flavor):
    rng = generator(1)
    truth = wn.low_rank(48, 1, kind=flavor.kind, generator=rng)
    operator = CodedDiffractionSensing.draw(8, (6, 8), law=law, kind=flavor.kind, generator=rng)
    recovery = wn.recover(operator, operator.measure(truth), truth=truth)
    assert recovery.status == wn.Status.CONVERGED
    assert (recovery.rank, recovery.relative_error < 1e-8) == (1, True)


@pytest.mark.parametrize("mask_dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("flavor", [PSD, HERMITIAN], ids=str)
def test_large_images_take_the_same_measurements_column_by_column(flavor, mask_dtype, monkeypatch):
    """What is done for images too large to be transformed together, on a small one."""
    operator = CodedDiffractionSensing.from_masks(normal(3, 4, 5, dtype=mask_dtype), flavor.kind, 0.3)
    point = random_point(flavor, (20, 20), 3, batch=(2,))
    weight, target = normal(60).abs(), normal(60)
    duals = (RowDual(weight, target), RowDual(weight), lambda y: weight * (y - target))
    together = [operator.pull_back(point, dual, width=2) for dual in duals]
    monkeypatch.setattr("wnsense.sensing.ensembles.diffraction._BLOCK_NUMBERS", {"cpu": 40})
    monkeypatch.setattr("wnsense.sensing.ensembles.diffraction._CACHED_NUMBERS", {"cpu": 50})
    for dual, expected in zip(duals, together, strict=True):
        back = operator.pull_back(point, dual, width=2)
        for actual, wanted in ((back.measurements, expected.measurements), (back.left, expected.left)):
            assert float((actual - wanted).abs().max()) <= 1e-13 * float(wanted.abs().max())
    v, V = weight.expand(2, 60), point.X
    assert torch.allclose(operator.measure(point), together[0].measurements, rtol=1e-12)
    monkeypatch.undo()
    whole = operator.adjoint_times(v, V)
    monkeypatch.setattr("wnsense.sensing.ensembles.diffraction._BLOCK_NUMBERS", {"cpu": 40})
    assert float((operator.adjoint_times(v, V) - whole).abs().max()) <= 1e-13 * float(whole.abs().max())


def peak_of_a_gradient():
    """The bytes by which a gradient raises the peak of this process, over those of X."""
    m, masks = 512 * 512, 16
    # Not drawn by a law, which would raise the peak before.
    operator = CodedDiffractionSensing.from_masks(normal(masks, 512, 512, dtype=torch.complex64))
    X, Theta = normal(m, 3, dtype=torch.complex64), torch.eye(3, dtype=torch.complex64)
    dual = RowDual(torch.ones(operator.count))
    # Large enough for whatever is loaded for large images.
    small = CodedDiffractionSensing.from_masks(operator.masks[:1, :256, :256].contiguous())
    small.pull_back(wn.LowRank(X[: small.count], Theta), RowDual(torch.ones(small.count)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    operator.pull_back(wn.LowRank(X, Theta), dual)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (8 * 3 * m)


def errors_of_the_compiled_pass():
    """Relative to torch, on pixels that neither threads nor blocks divide; and how often it was entered."""
    pytest.importorskip("numba")
    from wnsense.sensing.ensembles import diffraction, diffraction_kernels

    entered, observe = [], diffraction_kernels.observe
    diffraction_kernels.observe = lambda *arguments, **named: (entered.append(1), observe(*arguments, **named))
    errors = []
    for flavor in (PSD, HERMITIAN):
        operator = CodedDiffractionSensing.draw(2, (37, 41), kind=flavor.kind, generator=generator())
        point = random_point(flavor, operator.shape, 3, batch=(2,))
        weight, target = normal(operator.count).abs(), normal(operator.count)
        for dual in (RowDual(weight, target), RowDual(weight), lambda y, w=weight, t=target: w * (y - t)):
            results = []
            for pixels, threads in ((2**16, 1), (1, 1), (1, 3)):
                diffraction._COMPILED_PIXELS = pixels
                torch.set_num_threads(threads)
                back = operator.pull_back(point, dual, width=2)
                results.append(
                    torch.cat([back.measurements.flatten(), back.left.abs().flatten(), back.left.real.flatten()])
                )
            errors += [float((other - results[0]).abs().max() / results[0].abs().max()) for other in results[1:]]
    return errors, len(entered)


@pytest.fixture(scope="module")
def alone():
    """The peak of a gradient and then the errors of the compiled pass, in one process that has run nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield process.submit(peak_of_a_gradient), process.submit(errors_of_the_compiled_pass)


def test_memory_does_not_grow_with_the_masks_times_the_rank(alone):
    """In units of X: all patterns at once would be 16; y is 2.7, and ten arrays of X's size are allowed besides."""
    assert alone[0].result() <= 2.7 + 10


def test_the_compiled_pass_gives_what_torch_gives(alone):
    """In a process of its own, since run-time checks cannot be compiled: 2 kinds, 3 duals, 2 threads, 2 points."""
    pytest.importorskip("numba")
    errors, entered = alone[1].result()
    assert entered >= 2 * 3 * 2 * 2
    assert max(errors) <= 1e-13


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_frequencies_are_those_of_fft2(flavor):
    shape = (5, 5) if flavor.kind.is_symmetric else (4, 6)
    size = shape[0] if flavor.kind.is_symmetric else shape
    point = random_point(flavor, shape, 2)
    spectrum = torch.fft.fft2(point.dense(), norm="ortho")
    frequencies = torch.tensor([[0, 0], [1, 2], [3, -1], [-2, 4]])
    operator = PartialFourierSensing.from_frequencies(frequencies, size, kind=flavor.kind, dtype=flavor.dtype())
    values = spectrum[frequencies[:, 0], frequencies[:, 1]]
    expected = torch.cat([values.real, values.imag])
    assert float((operator.measure(point) - expected).abs().max()) <= 1e-13 * float(spectrum.abs().max())


def user_masks(masks, **others):
    return CodedDiffractionSensing.from_masks(masks, **others)


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: user_masks(normal(4)), "at least one mask of at least one pixel", "(4,)"),
        (lambda: user_masks(normal(0, 4)), "at least one mask of at least one pixel", "(0, 4)"),
        (lambda: user_masks(0 * normal(2, 4)), "masks that let something through", "zeros alone"),
        (lambda: user_masks(normal(2, 4) / 0), "finite numbers in the masks", "NaN or infinity in 8 of 8 entries"),
        (lambda: user_masks(normal(2, 4), kind=wn.Kind.RECTANGULAR), "a symmetric kind", "rectangular"),
        (lambda: user_masks(normal(2, 4), scale=0.0), "a positive scale", "0.0"),
        (lambda: user_masks(normal(2, 4), scale=math.nan), "a positive scale", "nan"),
        (lambda: CodedDiffractionSensing.draw(0, 4), "at least one mask and one side", "0 and (4,)"),
        (lambda: CodedDiffractionSensing.draw(3, ()), "at least one mask and one side", "3 and ()"),
        (lambda: CodedDiffractionSensing.draw(3, (4, 0)), "sides of at least 1", "(4, 0)"),
        (lambda: CodedDiffractionSensing.draw(3, 4, dtype=torch.float64), "a complex dtype", "torch.float64"),
        (lambda: CodedDiffractionSensing.draw(3, 4, kind="rectangular"), "a symmetric kind", "rectangular"),
        (lambda: at_frequencies([[0, 5]]), "positions inside a 4 x 5 spectrum", "(0, 5)"),
        (lambda: at_frequencies([[1, 1], [-5, 0]]), "positions inside a 4 x 5 spectrum", "(-5, 0)"),
        (lambda: at_frequencies([[0.5, 1.0]]), "integers as positions", "torch.float32"),
        (lambda: at_frequencies(torch.empty(0, 2, dtype=torch.int64)), "at least one position", "none"),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError) as refused:
        make()
    assert f"needed {needed}" in str(refused.value)
    assert f"got {came}" in str(refused.value)


def at_frequencies(positions):
    return PartialFourierSensing.from_frequencies(torch.as_tensor(positions), (4, 5))


def test_an_unknown_law_of_masks_names_itself():
    with pytest.raises(ValueError, match="quaternary"):
        CodedDiffractionSensing.draw(3, 4, law="quaternary")
