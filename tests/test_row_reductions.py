"""Reductions over rows stand in one module, so that rows can be distributed."""

import ast
from pathlib import Path

import torch

from cases.draws import generator
from wnsense.sensing import row_reductions

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "wnsense"
PATHS = [*(PACKAGE / "solvers").rglob("*.py"), *(PACKAGE / "recovery").rglob("*.py"), PACKAGE / "sensing/problem.py"]
WORDS = (
    "all amax amin any argmax argmin argsort count_nonzero cumsum dot einsum equal kthvalue logsumexp lstsq max mean"
    " median min msort nanmedian norm prod quantile randint randperm rankdata sort std sum topk unique var vdot"
    " vector_norm"
)
# Reductions of matrices, of their lines and singular values, over a batch, or of input before there is a problem.
OTHERS = {
    ("recovery/arguments.py", "np.any(masks, axis=0)"),
    ("recovery/arguments.py", "np.any(masks, axis=0).sum()"),
    ("recovery/determination.py", "fit.at.point.norm()"),
    ("recovery/evidence/unidentified.py", "(left @ gram * left.conj()).sum(-1)"),
    ("recovery/evidence/unidentified.py", "across.max()"),
    ("recovery/evidence/unidentified.py", "columns.sum()"),
    ("recovery/evidence/unidentified.py", "direction.norm()"),
    ("recovery/evidence/unidentified.py", "down.max()"),
    ("recovery/evidence/unidentified.py", "part.norm()"),
    ("recovery/evidence/unidentified.py", "rows.sum()"),
    ("recovery/recovery_course.py", "matrix.norm()"),
    ("recovery/evidence/unidentified.py", "_squared_lines(direction, rows, columns)[0].sum()"),
    ("recovery/evidence/spectral_rank.py", "(matrix.singular_values() > level * matrix.norm()).sum()"),
    ("recovery/evidence/spectral_rank.py", "at.point.singular_values().max()"),
    ("recovery/evidence/spectral_rank.py", "matrix.norm()"),
    ("recovery/evidence/spectral_rank.py", "matrix.singular_values().min()"),
    ("recovery/evidence/spectral_rank.py", "unexplained.eigenvalues().min()"),
    ("recovery/growth.py", "(outside.singular_values() > THRESHOLDS.standing_out * level).sum()"),
    ("recovery/recovery_course.py", "spectral.singular_values().max()"),
    ("recovery/spectrum_columns.py", "torch.isfinite(core).all()"),
    ("recovery/spectrum_columns.py", "values.abs().argsort(descending=True, stable=True)"),
    ("sensing/problem.py", "(spectrum >= 0).all()"),
    ("solvers/calibration.py", "gains.mean()"),
    ("solvers/calibration.py", "probes.norm()"),
    ("solvers/conjugate.py", "is_near.all()"),
    ("solvers/levenberg_marquardt.py", "_differential(at.point, D, E).norm()"),
    ("solvers/objective.py", "truth.norm()"),
    ("solvers/reweighted.py", "(values > level * (1 + _ABOVE)).sum()"),
    ("solvers/reweighted.py", "(values if operator.kind is Kind.PSD else values.abs()).argsort(descending=True)"),
    ("solvers/reweighted.py", "values.abs().sort(descending=True)"),
    ("solvers/reweighted.py", "torch.linalg.vector_norm(block, dim=0)"),
    ("solvers/smoothing.py", "(head[:-1] / head[1:]).argmax()"),
    ("solvers/smoothing.py", "gaps.argmax()"),
    ("solvers/tangent.py", "torch.linalg.vector_norm(rest, dim=-1)"),
    ("solvers/tangent.py", "torch.linalg.vector_norm(values[..., rank:], dim=-1)"),
    ("solvers/tangent.py", "values.argsort(dim=-1, descending=True, stable=True)"),
    ("solvers/tangent.py", "values.sort(dim=-1, descending=True)"),
}


def reductions(tree: ast.AST) -> set[str]:
    """Calls of reductions, but those of `row_reductions`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {
        ast.unparse(call)
        for call in calls
        if call.func.attr in WORDS.split() and ast.unparse(call.func.value) != "row_reductions"
    }


def test_the_path_of_a_recovery_has_no_other_reductions_over_rows():
    places = {
        (path.relative_to(PACKAGE).as_posix(), call)
        for path in PATHS
        for call in reductions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert places == OTHERS


def test_a_direct_reduction_is_seen():
    assert reductions(ast.parse("size = torch.linalg.vector_norm(residual) + row_reductions.norm(residual)")) == {
        "torch.linalg.vector_norm(residual)"
    }
    assert reductions(ast.parse("(at.balanced * balanced).sum(-1)")) == {"(at.balanced * balanced).sum(-1)"}


def test_a_draw_takes_candidates_only_and_is_repeated_by_its_seed():
    candidates = torch.rand(40, generator=generator(1)) > 0.5
    mask = row_reductions.drawn(candidates, 7, seed=3)
    assert row_reductions.count(mask) == 7
    assert not (mask & ~candidates).any()
    assert torch.equal(mask, row_reductions.drawn(candidates, 7, seed=3))
    assert not torch.equal(mask, row_reductions.drawn(candidates, 7, seed=4))


def test_ranks_correlate_whatever_the_scale():
    values = torch.linspace(-2, 3, 30, dtype=torch.float64)
    rounding = len(values) * torch.finfo(torch.float64).eps
    assert abs(row_reductions.rank_correlation(values, values.exp()) - 1) <= rounding
    assert abs(row_reductions.rank_correlation(values, -values.exp()) + 1) <= rounding
    assert row_reductions.rank_correlation(values, torch.ones_like(values)) == 0


def test_reductions_of_a_batch_are_those_of_its_vectors():
    a, b = torch.randn(2, 3, 20, generator=generator(2), dtype=torch.float64)
    for reduced in (
        lambda i: row_reductions.norm(a[i]),
        lambda i: row_reductions.squared_norm(a[i]),
        lambda i: row_reductions.inner(a[i], b[i]),
        lambda i: row_reductions.component(a[i], b[0]),
    ):
        rounding = 20 * torch.finfo(torch.float64).eps * float(a.abs().max() * b.abs().max())
        torch.testing.assert_close(
            reduced(slice(None)), torch.stack([reduced(i) for i in range(3)]), rtol=0, atol=20 * rounding
        )
