"""Tables to make pictures and pages of, small and made up, as `Recovery.table()` and `run_demo()` give them."""

import numpy as np

from wnsense.files.tables import Table
from wnsense.running.status import Status


def recovery_table(*, status=Status.CONVERGED, eigenvalues=None, **header) -> Table:
    """A recovery of three stages, with truth and hold-out."""
    applications = np.arange(4, 64, 2)
    stage = np.repeat([0, 1, 2], 10)
    held = np.geomspace(1, 1e-8, 30)
    held[stage == 2] = np.nan
    values = np.array([3.0, 2.0, 1.0]) if eigenvalues is None else eigenvalues
    arrays = {
        "X": np.eye(12, 3),
        "Theta": np.diag(np.arange(3.0, 0.0, -1.0)),
        "eigenvalues": values,
        "trace_stage": stage,
        "trace_rank": np.repeat([6, 3, 3], 10),
        "trace_step": np.tile(np.arange(10), 3),
        "trace_applications": applications,
        "trace_seconds": np.linspace(0, 1, 30),
        "trace_residual": np.geomspace(0.9, 1e-11, 30),
        "trace_holdout_residual": held,
        "trace_error": np.geomspace(1, 1e-10, 30),
        "candidate_rank": np.array([2, 3, 4]),
        "candidate_residual": np.array([0.1, 1e-11, 1e-11]),
        "candidate_holdout_residual": np.array([0.2, 1e-11, 2e-11]),
    }
    facts = {
        "status": str(status),
        "advice": status.advice,
        "rank": 3,
        "size": 12,
        "kind": "psd",
        "measurements": 200,
        "solver": "preconditioned-wn",
        "working_rank": 6,
        "steps": 30,
        "applications": 62,
        "seconds": 1.0,
        "relative_residual": 1e-11,
        "holdout_residual": 1e-11,
        "explained_variance": 1.0,
        "relative_error": 1e-10,
        "seed": 0,
        "warnings": [],
    }
    return Table(facts | header, arrays)


def demo_table(**header) -> Table:
    """A demo of 5 x 5 images, with the recovery above in it."""
    rng = np.random.default_rng(0)
    found = recovery_table(status=Status.REACHED_NOISE_FLOOR)
    methods = {"preconditioned-wn": 0.3, "wn": 0.5, "gd": 0.4, "least-squares": 0.9}
    arrays = dict(found.arrays) | {
        "true_eigenvalues": np.geomspace(3, 1e-3, 25),
        "eigen_images_true": rng.standard_normal((3, 5, 5)),
        "eigen_images_recovered": rng.standard_normal((3, 5, 5)),
        "eigen_images_agreement": np.array([1.0, 0.99, 0.9]),
    }
    for name, last in methods.items():
        arrays |= {f"{name}_applications": np.arange(2, 42, 2), f"{name}_error": np.geomspace(1, last, 20)}
    facts = {
        "side": 5,
        "unknowns": 325,
        "images": 1000,
        "budget": 40,
        "relative_error": 0.27,
        "best_error": 0.2,
        "informed_error": 0.26,
        "method_statuses": dict.fromkeys(methods, "out_of_budget"),
        "versions": {"wnsense": "0.1.0"},
        "program": "recovery = recover(operator, sketches)\n",
        "demo_seconds": 10.0,
    }
    return Table(dict(found.header) | facts | header, arrays)
