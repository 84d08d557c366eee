"""Tables of studies to make pages of, small and made up, as `wnsense study run` writes them."""

import numpy as np

from wnsense.files.tables import Table

HEAD = {
    "format": 2,
    "scale": "quick",
    "fingerprint": "0123456789abcdef" * 4,
    "versions": {"python": "3.11.7", "torch": "2.13.0", "wnsense": "0.1.0"},
    "machine": "A processor, 2 cores",
    "threads": 1,
    "chosen": ["everything <here>"],
}
SPENT = {"spent_seconds": np.array([12.5]), "peak_memory": np.array([4e8])}


def curves_table(
    name="figure-2a", beside="applications", *, methods=("wn", "gd"), noises=(0.0, 0.0), points=60
) -> Table:
    """A study of curves: WN falls in equal ratios, GD as a power of the steps, each from three starts."""
    step = np.unique(np.geomspace(1, 2001, points).astype(int)) - 1
    arrays, facts = dict(SPENT), []
    for label, noise in zip(("kappa = 2", "kappa = 5"), noises, strict=True):
        kappa = float(label[-1])
        for method in methods:
            falls = np.exp(-step / (5 * kappa**2)) + noise**2 if method == "wn" else (1.0 + step / kappa) ** -2.0
            place = len(facts)
            arrays |= {
                f"{place}_step": step,
                f"{place}_applications": (2 + 4 * step if method == "wn" else 2 + 2 * step),
                f"{place}_seconds": step * 1e-3 * (2 if method == "wn" else 1),
                f"{place}_error": falls[:, None] * np.array([0.5, 1.0, 1.5]),
                f"{place}_least": np.zeros((len(step), 3)),
            }
            if noise:
                arrays[f"{place}_oracle"] = np.array([0.8 * noise**2])
            facts.append(
                {
                    "method": method,
                    "label": label,
                    "noise": noise,
                    "condition": kappa,
                    "dtype": "float64",
                    "size": 10,
                    "width": 5,
                    "measurements": 300,
                    "step_sizes": "eta 1",
                    "grid": ["eta 1", "eta 2"],
                    "grid_errors": [1e-8, None],
                    "tuning_steps": 1000,
                    "tuning_size": 10,
                    "confirmed": "",
                    "confirmed_errors": [],
                }
            )
    header = {
        **HEAD,
        "name": name,
        "form": "curves",
        "title": "WN beside GD & something <small>",
        "claim": "WN converges linearly.",
        "beside": beside,
        "curves": facts,
    }
    return Table(header, arrays)


def learning_table(*, rows=40, rank=2, width=4) -> Table:
    """A study of learning: two eigenvalues found one after the other, by one start, of one setting."""
    step = np.unique(np.geomspace(1, 1001, rows).astype(int)) - 1
    sigma = np.array([1.0, 0.4])
    learned = 1 / (1 + np.exp(-(np.log1p(step)[:, None] - np.array([3.0, 5.0])) * 4))
    magnitudes = np.concatenate([sigma * learned, np.full((len(step), width - rank), -1e-3)], axis=1)
    overlaps = np.full((len(step), rank, width), 0.05)
    for place in range(rank):
        overlaps[:, place, place] = learned[:, place]
    saddles = [sigma * (np.arange(rank) < level) for level in range(rank + 1)]
    levels = np.stack([((magnitudes[:, :rank] - saddle) ** 2).sum(1) for saddle in saddles], axis=1)
    arrays = {
        "step": step,
        "applications": 2 + 4 * step,
        "seconds": 1e-3 * step,
        "saddle_distances": levels,
        "gradient_norms": np.stack([learned[:, 0] * (1 - learned[:, 0]) + 1e-6] * 3, axis=1),
        "squared_cosines": learned,
        "alignment_trace": learned.sum(1),
        "outside": np.ones((len(step), width)),
        "magnitudes": magnitudes,
        "squared_overlaps": overlaps,
        "used_alignment": np.stack([0 * step, learned[:, 0], learned.sum(1)], axis=1),
        "eigenvalues": sigma,
        "squared_error": levels[:, -1:],
        "stay_first": np.array([[0.0, 40.0]]),
        "escape": np.array([[20.0, 150.0]]),
        "start_alignment": np.array([[0.1, 0.05]]),
        "trace_fall": np.array([0.0]),
    }
    setting = {
        "sensed": "identity",
        "measurements": 100,
        "size": 10,
        "rank": rank,
        "width": width,
        "condition": 2.5,
        "seeds": [0],
        "steps": int(step[-1]),
        "step_size": 1.0,
        "magnitude_step_size": 2.0,
    }
    header = {
        **HEAD,
        "name": "figure-1",
        "form": "learning",
        "title": "Sequential learning",
        "claim": "One eigenvalue after another.",
        "settings": [setting],
    }
    return Table(header, {f"identity_{name}": array for name, array in arrays.items()} | SPENT)
