"""Problem files and tables of results on disk.

| group | names |
|---|---|
| problem files | `read_problem`, `write_problem`, `LoadedProblem` |
| files with `A` and `y` of a sparse problem | `read_sparse_problem`, `SparseProblem` |
| tables | `Table`, `read_table`, `write_table` |
"""

from wnsense.files.problem_file import LoadedProblem, read_problem, write_problem
from wnsense.files.sparse_problem import SparseProblem, read_sparse_problem
from wnsense.files.tables import Table, read_table, write_table

__all__ = [
    "LoadedProblem",
    "SparseProblem",
    "Table",
    "read_problem",
    "read_sparse_problem",
    "read_table",
    "write_problem",
    "write_table",
]
