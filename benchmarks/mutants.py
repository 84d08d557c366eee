"""Mutants of the source, drawn by a seed over all rooms: which of the two suites notices each.

    python benchmarks/mutants.py --count 208 --work mutants

Each mutant changes one comparison, sign, constant, condition, argument or returned value. The fast suite is tried
first, with the tests that call the function; what survives it is given to the slow cases of the same files. A run goes
on where it was interrupted. The table is written to `benchmarks/results/mutants.md`.
"""

import argparse
import ast
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from fault_trials import ROOT, Copy, Coverage, try_fast, try_slow, warm_up

ROOMS = (
    *("sensing", "files", "solvers", "running", "recovery", "trust", "sparse", "networks", "theory", "lab", "cli"),
    *("pages", "manifolds"),
)
SUITES = {
    "fast": "failed by the fast suite",
    "slow": "failed by the slow suite alone",
    "none": "failed by neither",
    "undecided": "slow suite not ended in time",
    "survived": "passed by the fast suite, the slow one not tried",
}
COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.Pow: "*", ast.FloorDiv: "/", ast.Mod: "*"}


@dataclass(frozen=True)
class Mutant:
    """One change of the source.

    Attributes:
        room: Room of the package.
        path: File below the root.
        line: Line of the change.
        function: Qualified name of the outermost function around it, or None.
        kind: Operator of mutation.
        start: Offset of the replaced text.
        old: Replaced text.
        new: Text in its place.
    """

    room: str
    path: str
    line: int
    function: str | None
    kind: str
    start: int
    old: str
    new: str

    @property
    def key(self) -> str:
        """Return the name of the mutant in the record."""
        return f"{self.path}:{self.start}:{self.kind}:{self.new}"

    def applied(self, text: str) -> str:
        """Return the changed source."""
        return text[: self.start] + self.new + text[self.start + len(self.old) :]


@dataclass(frozen=True)
class Source:
    """A file with the offsets of its lines."""

    text: str

    @cached_property
    def lines(self) -> list[str]:
        """Lines with their ends."""
        return self.text.splitlines(keepends=True)

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line."""
        return [0, *accumulate(len(line) for line in self.lines)]

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the offsets of a node's first letter and of what follows its last one."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a node."""
        begin, end = self.span(node)
        return self.text[begin:end]

    def with_parts(self, node: ast.expr | ast.stmt, parts: dict[ast.expr, str]) -> str:
        """Return the text of a node with other texts for some nodes in it."""
        begin, end = self.span(node)
        text, at = "", begin
        for part in sorted(parts, key=self.span):
            first, last = self.span(part)
            text += self.text[at:first] + parts[part]
            at = last
        return text + self.text[at:end]

    def _offset(self, line: int, column: int) -> int:
        # Columns of the syntax tree count bytes.
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())


def comparison(node: ast.AST, source: Source) -> str | None:
    """Return the text with another comparison."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return f"({source.of(left)}) {COMPARISONS[type(op)]} ({source.of(right)})"
    return None


def arithmetic(node: ast.AST, source: Source) -> str | None:
    """Return the text with another operation on numbers."""
    match node:
        case ast.BinOp(left=ast.Constant(value=str()) | ast.JoinedStr()) | ast.BinOp(right=ast.JoinedStr()):
            return None
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            return f"(({source.of(left)}) {ARITHMETIC[type(op)]} ({source.of(right)}))"
    return None


def boolean(node: ast.AST, source: Source) -> str | None:
    """Return the text with `or` for `and`, or the other way."""
    match node:
        case ast.BoolOp(op=op, values=values):
            word = " or " if isinstance(op, ast.And) else " and "
            return "(" + word.join(f"({source.of(value)})" for value in values) + ")"
    return None


def sign(node: ast.AST, source: Source) -> str | None:
    """Return the text without a minus or a `not`."""
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand) if not isinstance(operand, ast.Constant):
            return f"({source.of(operand)})"
    return None


def constant(node: ast.AST, _: Source) -> str | None:
    """Return another constant; texts are left alone."""
    match node:
        case ast.Constant(value=bool() as value):
            return str(not value)
        case ast.Constant(value=int() as value):
            return str(value + 1)
        case ast.Constant(value=float() as value):
            return repr(2 * value) if value else "1.0"
    return None


def returned(node: ast.AST, _: Source) -> str | None:
    """Return the statement that returns nothing."""
    match node:
        case ast.Return(value=ast.Constant(value=None) | None):
            return None
        case ast.Return():
            return "return None"
    return None


def arguments(node: ast.AST, source: Source) -> str | None:
    """Return the call with its first two arguments exchanged."""
    match node:
        case ast.Call(args=[ast.Starred(), *_]) | ast.Call(args=[_, ast.Starred(), *_]):
            return None
        case ast.Call(args=[first, second, *_]):
            return source.with_parts(node, {first: source.of(second), second: source.of(first)})
    return None


def condition(node: ast.AST, source: Source) -> str | None:
    """Return the text with the opposite condition; comparisons have their own change."""
    match node:
        case ast.If(test=ast.Compare()) | ast.IfExp(test=ast.Compare()):
            return None
        case ast.If(test=test) | ast.IfExp(test=test):
            return source.with_parts(node, {test: f"not ({source.of(test)})"})
    return None


CHANGES = (comparison, arithmetic, boolean, sign, constant, returned, arguments, condition)
# Not executed, or words.
_PASSED_OVER = {"annotation", "returns", "decorator_list", "type_params"}


def nodes(node: ast.AST, scope: tuple[str, ...], function: str | None) -> Iterator[tuple[ast.AST, str | None]]:
    """Yield the nodes of a tree that may change, with the outermost function around each."""
    yield node, function
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name in _PASSED_OVER or not isinstance(child, ast.AST):
                continue
            if isinstance(child, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
                continue
            inner, outermost = scope, function
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = (*scope, child.name)
                if isinstance(child, ast.FunctionDef):
                    outermost = function or ".".join(inner)
            yield from nodes(child, inner, outermost)


def mutants_of(room: str, path: Path) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    source = Source(path.read_text())
    for node, function in nodes(ast.parse(source.text), (), None):
        for change in CHANGES:
            new = change(node, source)
            if new is not None and isinstance(node, (ast.expr, ast.stmt)) and new != source.of(node):
                kind, start = change.__name__, source.span(node)[0]
                yield Mutant(
                    room, str(path.relative_to(ROOT)), node.lineno, function, kind, start, source.of(node), new
                )


def drawn(seed: int, count: int) -> list[Mutant]:
    """Return as many mutants of each room, in an order in which rooms alternate."""
    by_room = []
    for room in ROOMS:
        rng = np.random.default_rng([seed, ROOMS.index(room)])
        files = sorted((ROOT / "src" / "wnsense" / room).rglob("*.py"))
        every = [mutant for path in files for mutant in mutants_of(room, path)]
        places = rng.choice(len(every), size=-(-count // len(ROOMS)), replace=False)
        by_room.append([every[place] for place in places])
    return [mutant for row in zip(*by_room, strict=True) for mutant in row]


def main() -> None:
    """Run the trials that are missing in the record, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--count", type=int, default=208)
    parser.add_argument("--work", type=Path, default=Path("mutants"))
    parser.add_argument("--until", type=float, default=float("inf"), help="seconds after which no trial is begun")
    parser.add_argument("--part", default="0/1", help="which trials: i/n takes every n-th, from the i-th")
    parser.add_argument("--slow", action="store_true", help="give the slow suite what survived the fast one")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of CPU time for the slow suite")
    options = parser.parse_args()
    begun, work = time.monotonic(), options.work.resolve()
    first, step = map(int, options.part.split("/"))
    copy = Copy.made(work / f"copy{first}")
    coverage = Coverage.measured(work / "coverage", copy.root)
    warm_up()
    before = {key: row["suite"] for key, row in recorded(work).items()}
    for mutant in drawn(options.seed, options.count)[first::step]:
        is_next = before.get(mutant.key) == "survived" if options.slow else mutant.key not in before
        if not is_next or time.monotonic() - begun > options.until:
            continue
        text = mutant.applied((ROOT / mutant.path).read_text())
        if options.slow:
            verdict = try_slow(copy, coverage, mutant.path, text, mutant.function, limit=options.limit)
        else:
            verdict = try_fast(copy, coverage, mutant.path, text, mutant.function)
        with (work / f"record{first}.jsonl").open("a") as file:
            file.write(json.dumps({"key": mutant.key, **asdict(mutant), **asdict(verdict)}) + "\n")
    publish(list(recorded(work).values()), options)


def recorded(work: Path) -> dict[str, dict[str, object]]:
    """Return the last row of each mutant in the records, the slow suite's after the fast one's."""
    lines = [line for path in sorted(work.glob("record*.jsonl")) for line in path.read_text().splitlines()]
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["suite"] not in {"fast", "survived"})
    return {row["key"]: row for row in rows}


def publish(rows: list[dict[str, object]], options: argparse.Namespace) -> None:
    """Write the table of the rows."""
    counts = Counter((row["room"], row["suite"]) for row in rows)
    text = [
        "# Mutants\n",
        f"`python benchmarks/mutants.py --seed {options.seed} --count {options.count}` drew these from the source.",
        "The suites ran the tests that call the function, and then their files.\n",
        "| room | mutants | " + " | ".join(SUITES.values()) + " |\n|---|---" + "|---" * len(SUITES) + "|",
    ]
    for room in ROOMS:
        numbers = [counts[room, suite] for suite in SUITES]
        text.append(f"| {room} | {sum(numbers)} | " + " | ".join(map(str, numbers)) + " |")
    total = Counter(row["suite"] for row in rows)
    text.append(f"| all | {len(rows)} | " + " | ".join(str(total[suite]) for suite in SUITES) + " |\n")
    for suite, title in list(SUITES.items())[1:]:
        text.append(
            f"## {title.capitalize()}\n\n| file | line | change | from | to | test |\n|---|---|---|---|---|---|"
        )
        for row in sorted((row for row in rows if row["suite"] == suite), key=lambda row: str(row["key"])):
            old, new = (" ".join(str(row[name]).split()).replace("|", "\\|")[:80] for name in ("old", "new"))
            test = str(row["test"])[:90]
            text.append(f"| {row['path']} | {row['line']} | {row['kind']} | `{old}` | `{new}` | {test} |")
        text.append("")
    (ROOT / "benchmarks" / "results" / "mutants.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
