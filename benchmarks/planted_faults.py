"""Faults planted one at a time, in all rooms: which of the two suites notices each.

    python benchmarks/planted_faults.py --work faults

A fault is a file, a text that stands in it exactly once, and the text in its place. The source itself is not changed:
the tests run on a copy. The table is written to `benchmarks/results/planted_faults.md`.
"""

import argparse
import ast
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from fault_trials import ROOT, Copy, Coverage, try_fast, try_slow, warm_up


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        path: File below `src/wnsense`.
        old: Text that stands in it exactly once.
        new: Text in its place.
        what: Kind of fault, in words.
    """

    path: str
    old: str
    new: str
    what: str

    @property
    def room(self) -> str:
        """Room of the package."""
        return self.path.partition("/")[0].removesuffix(".py")


FAULTS = (
    Fault("linalg.py", "upper.real * math.sqrt(2))", "upper.real)", "factor sqrt(2)"),
    Fault("linalg.py", "A.imag[..., right, above] = -imaginary", "A.imag[..., right, above] = imaginary", "sign"),
    Fault("linalg.py", "offset=1, device=v.device)", "offset=0, device=v.device)", "off by one"),
    Fault("linalg.py", "return (A + A.mH) / 2", "return (A + A.mT) / 2", "conjugate"),
    Fault("checks.py", "math.isfinite(level) and level >= 0", "level >= 0", "skipped refusal"),
    Fault("checks.py", "require(1 <= rank <= limit","require(0 <= rank <= limit", "off by one"),
    Fault("linalg.py", "dtype=v.dtype.to_complex())", "dtype=torch.complex64)", "wrong dtype"),
    Fault("manifolds/stiefel.py", "V.mH @ U / 2", "V.mH @ U / 4", "factor"),
    Fault("manifolds/stiefel.py", "return polar_factor(X + G)", "return polar_factor(X - G)", "sign"),
    Fault("sensing/low_rank.py", "(self.right.mH @ other.right).conj()).sum", "(self.right.mH @ other.right)).sum", "conjugate"),
    Fault("sensing/low_rank.py", "return LowRank(self.Y, self.Theta.mH, self.X)", "return LowRank(self.Y, self.Theta, self.X)", "dropped transpose"),
    Fault("sensing/low_rank.py", "values > tolerance * values[..., :1]", "values > tolerance", "dropped scale"),
    Fault("sensing/ensembles/dense.py", "rows.div_(math.sqrt(n))", "rows.div_(n)", "normalization"),
    Fault("sensing/ensembles/diffraction.py", "self.masks[block].to(back.dtype).conj().resolve_conj()", "self.masks[block].to(back.dtype)", "conjugate"),
    Fault("sensing/ensembles/entries.py", "weights * math.sqrt(2))", "weights)", "factor sqrt(2)"),
    Fault("sensing/ensembles/positions.py", "right = point.right.conj().resolve_conj().contiguous()", "right = point.right.contiguous()", "conjugate"),
    Fault("sensing/ensembles/fast_transforms.py", "C[..., 0] *= math.sqrt(0.5)", "C[..., 0] *= 1.0", "factor sqrt(2)"),
    Fault("sensing/ensembles/pauli.py", "scale = math.sqrt(strings / (n * d))", "scale = math.sqrt(strings / n)", "normalization"),
    Fault("sensing/ensembles/povm.py", "((W @ Theta) * W.conj()).sum(-1).real", "((W @ Theta) * W).sum(-1).real", "conjugate"),
    Fault("sensing/combining/algebra.py", "rows[places] - start", "rows[places]", "off-by-one rows"),
    Fault("sensing/combining/algebra.py", "(back[1:] > back[:-1]).all()", "(back[1:] > back[:-1]).any()", "order of rows"),
    Fault("sensing/combining/centring.py", "return y - (y @ self.direction)", "return y + (y @ self.direction)", "sign"),
    Fault("sensing/problem.py", 'require(bool((self.weights >= 0).all()), "weights of at least 0", "a negative one")', "pass", "skipped refusal"),
    Fault("files/problem_file.py", 'file.vector("weights", "one for each measurement") if "weights" in file else None', "None", "dropped weight"),
    Fault("files/problem_file.py", 'file.number("noise_level", "as 0.01 for 1%") if "noise_level" in file else None', "None", "dropped field"),
    Fault("files/problem_file.py", "if problem.weights is not None:", "if problem.weights is None:", "dropped weight"),
    Fault("files/problem_writer.py", "if kind is Kind.PSD or least >= 0:", "if kind is Kind.PSD or least <= 0:", "comparison"),
    Fault("solvers/weight_norm.py", "self.magnitude_set.project(Theta - mu / 2 * K)", "self.magnitude_set.project(Theta - mu * K)", "factor 2"),
    Fault("solvers/weight_norm.py", "tangent_projection(X, at.left @ Theta.mH)", "tangent_projection(X, at.left @ Theta)", "conjugate"),
    Fault("solvers/weight_norm.py", "applications=state.applications + 4", "applications=state.applications + 2", "count"),
    Fault("solvers/gauss_newton.py", "better = trial.misfit < at.misfit", "better = trial.misfit > at.misfit", "comparison"),
    Fault("solvers/gauss_newton.py", "state.applications + 2 * self.inner_steps + 2", "state.applications + 2 * self.inner_steps", "count"),
    Fault("solvers/scaled_gradient.py", "factor.mH @ factor + damping", "factor.mT @ factor + damping", "conjugate"),
    Fault("solvers/calibration.py", "root = weights.sqrt()", "root = weights", "weight squared"),
    Fault("running/stop.py", "max(progress.residual, progress.holdout_residual or 0.0) <= self.residual", "progress.residual <= self.residual", "dropped check"),
    Fault("running/stop.py", "idle >= self.stagnation", "idle > self.stagnation", "off by one"),
    Fault("running/trace.py", "step == 0 or step in self.at", "step in self.at", "dropped first"),
    Fault("running/checkpoint.py", 'if header.get("fingerprint") != mark:', "if False:", "skipped refusal"),
    Fault("running/loop.py", "monitored < (1 - self.stop.gain) * snapshot.best", "monitored < (1 + self.stop.gain) * snapshot.best", "sign"),
    Fault("recovery/evidence/hold_out.py", "max(1, round(fraction * count))", "round(fraction * count)", "off by one"),
    Fault("recovery/evidence/hold_out.py", "math.sqrt(max(len(measured) - 1, 0))", "len(measured)", "factor"),
    Fault("recovery/evidence/verdict.py", "findings.freedom < findings.fitted else Status.TOO_FEW_MEASUREMENTS\n    if findings.excluded", "True else Status.TOO_FEW_MEASUREMENTS\n    if findings.excluded", "skipped verdict"),
    Fault("recovery/robust.py", "recovery, ~agreeing, rounds", "recovery, agreeing, rounds", "negation"),
    Fault("trust/standard_errors.py", "(1 + level) / 2", "level", "quantile"),
    Fault("trust/standard_errors.py", ".square().sum() / freedom) ** 0.5", ".square().sum() / jacobian.rows) ** 0.5", "degrees of freedom"),
    Fault("trust/certificate.py", "max(0.0, -least)) / 2", "max(0.0, least)) / 2", "sign"),
    Fault("trust/identifiability.py", "float(values[-1]) if jacobian.rows >= d else 0.0", "float(values[-1])", "skipped case"),
    Fault("trust/agreement.py", "return self.first.status is self.second.status", "return True", "skipped check"),
    Fault("sparse/support.py", "return times, lambda v: self.A.transpose_times(v)[support] * scale", "return times, lambda v: self.A.transpose_times(v)[support]", "dropped scale"),
    Fault("sparse/noise_fit.py", "held / size if size > 0", "held if size > 0", "dropped scale"),
    Fault("networks/layers.py", "return length * direction / direction.abs().sum(1, keepdim=True)", "return length * direction / direction.abs().sum(0, keepdim=True)", "swapped axis"),
    Fault("networks/layers.py", "return self.scale * weight", "return weight", "dropped scale"),
    Fault("networks/measuring/path_norm.py", "reach = W.abs() @ reach", "reach = W @ reach", "dropped absolute value"),
    Fault("networks/measuring/lanczos.py", "return max(self.largest, -self.smallest)", "return max(self.largest, self.smallest)", "sign"),
    Fault("networks/data/labelled_images.py", "return images[order[test_count:]], images[order[:test_count]]", "return images[order[:test_count]], images[order[test_count:]]", "swapped parts"),
    Fault("networks/row_norms.py", "torch.stack([rows.min(), rows.max()])", "torch.stack([rows.max(), rows.min()])", "swapped order"),
    Fault("theory/convergence.py", "return self.rank - self.true_rank", "return self.rank + self.true_rank", "sign"),
    Fault("theory/diagonal/excess.py", "room = math.log(least_norm) - log_sum", "room = math.log(least_norm) + log_sum", "sign"),
    Fault("theory/networks/bounds.py", "return math.sqrt(width) * hessian_bound(stack)", "return width * hessian_bound(stack)", "root"),
    Fault("theory/saddles.py", "alignment / 2 + rise**2 * alignment**2 / 4)", "alignment / 2 + rise**2 * alignment**2 / 2)", "factor 2"),
    Fault("lab/analysis/course.py", "fulfilled.argmax(axis=1), -1)", "fulfilled.argmax(axis=1), 0)", "missing value"),
    Fault("lab/analysis/alignment.py", "return frobenius_norm(core.unsqueeze(-3) - partial).square()", "return frobenius_norm(core.unsqueeze(-3) - partial)", "dropped square"),
    Fault("lab/diagonal/flow_field.py", "np.exp(self.depth * self.log_x(state)) - self.y", "np.exp(self.depth * self.log_x(state)) + self.y", "sign"),
    Fault("lab/studies/frame/part_tables.py", 'if facts.get("kind") != kind:', "if False:", "skipped filter"),
    Fault("lab/bench/grid.py", "median(row.error for row in rows)", "-median(row.error for row in rows)", "sign"),
    Fault("lab/bench/cells.py", "problem = cell_problem(cell, seed)", "problem = cell_problem(cell, 0)", "stale cache"),
    Fault("cli/exit_codes.py", "EXIT_NOT_CONVERGED = 3", "EXIT_NOT_CONVERGED = 0", "exit code"),
    Fault("cli/simulate.py", "torch.Generator().manual_seed(options.seed)", "torch.Generator().manual_seed(0)", "ignored seed"),
    Fault("cli/simulate.py", "    require_seed(options.seed)\n", "", "skipped refusal"),
    Fault("pages/html.py", 'return f"<p>{escape(text)}</p>"', 'return f"<p>{text}</p>"', "dropped escape"),
    Fault("pages/words.py", "{100 * value:.3g} %", "{value:.3g} %", "factor 100"),
    Fault("pages/words.py", ".{digits - 1}e}", ".{digits}e}", "off by one"),
)  # fmt: skip


def main() -> None:
    """Try the faults that are missing in the record, and write the table.

    Raises:
        SystemExit: If the old text of a fault does not stand in its file exactly once.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("faults"))
    parser.add_argument("--part", default="0/1", help="which faults: i/n takes every n-th, from the i-th")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of CPU time for the slow suite")
    options = parser.parse_args()
    texts = {fault: (ROOT / "src" / "wnsense" / fault.path).read_text() for fault in FAULTS}
    misplaced = [f"{fault.path}: {fault.old!r}" for fault, text in texts.items() if text.count(fault.old) != 1]
    if misplaced:
        raise SystemExit("needed texts that stand in their file exactly once, got\n" + "\n".join(misplaced))
    work = options.work.resolve()
    first, step = map(int, options.part.split("/"))
    copy = Copy.made(work / f"copy{first}")
    coverage = Coverage.measured(work / "coverage", copy.root)
    warm_up()
    record = work / f"record{first}.jsonl"
    records = [json.loads(line) for path in work.glob("record*.jsonl") for line in path.read_text().splitlines()]
    done = {(row["path"], row["old"], row["new"]) for row in records}
    for fault in FAULTS[first::step]:
        if (fault.path, fault.old, fault.new) in done:
            continue
        text = texts[fault].replace(fault.old, fault.new)
        function = function_at(texts[fault], fault.old)
        path = f"src/wnsense/{fault.path}"
        verdict = try_fast(copy, coverage, path, text, function)
        if verdict.suite == "survived":
            verdict = try_slow(copy, coverage, path, text, function, limit=options.limit)
        with record.open("a") as file:
            file.write(json.dumps({**asdict(fault), "room": fault.room, **asdict(verdict)}) + "\n")
    publish(work)


def function_at(text: str, old: str) -> str | None:
    """Return the qualified name of the outermost function around a text, or None."""
    line = text.count("\n", 0, text.index(old)) + 1
    scope: tuple[str, ...] = ()
    body = ast.parse(text).body
    while True:
        around = [
            node
            for node in body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.lineno <= line <= (node.end_lineno or 0)
        ]
        if not around:
            return None
        scope = (*scope, around[0].name)
        if isinstance(around[0], ast.FunctionDef):
            return ".".join(scope)
        body = around[0].body


def publish(work: Path) -> None:
    """Write the table of what is in the record."""
    rows = [json.loads(line) for path in sorted(work.glob("record*.jsonl")) for line in path.read_text().splitlines()]
    total = Counter(row["suite"] for row in rows)
    text = [
        "# Planted faults\n",
        f"`python benchmarks/planted_faults.py` planted {len(rows)} faults one at a time:",
        f"{total['fast']} failed in the fast suite, {total['slow']} in the slow one alone, {len(rows) - total['fast'] - total['slow']} in neither.\n",
        "| room | file | fault | from | to | suite | test that failed first |\n|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["room"], row["path"], row["old"])):
        old, new = (" ".join(row[name].split()).replace("|", "\\|")[:70] for name in ("old", "new"))
        text.append(
            f"| {row['room']} | {row['path']} | {row['what']} | `{old}` | `{new}` | {row['suite']} | {row['test'][:80]} |"
        )
    (ROOT / "benchmarks" / "results" / "planted_faults.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
