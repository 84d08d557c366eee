"""A photograph from half of its pixels, by its cosine transform: `sparse_recover` beside the LASSO and OMP, cross-validated.

`python benchmarks/sparse_photograph.py [--side 64] [--quick] [--write]`. Minutes. The photograph is `camera` of
scikit-image, its middle 384 x 384 pixels averaged over squares to `--side`; it is not exactly sparse. Half of the pixels
are drawn at random, without noise; errors are those of the other half. `sparse_recover` is given the transform as two
functions, the other two methods the matrix. `--write` stores the table under benchmarks/results and the picture under
docs/images.
"""

import time
from pathlib import Path

import numpy as np
import torch
from common import arguments, show
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator
from skimage.data import camera

from wnsense import sparse
from wnsense.pages.picture_file import save
from wnsense.lab.demos.sparse_picture import samples_picture
from wnsense.files.tables import Table

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
_SHARE = 0.5
METHODS = ("sparse_recover", "LASSO", "OMP")


def photograph(side: int) -> np.ndarray:
    """Return the middle of the photograph, averaged to the side, between 0 and 1."""
    middle = camera()[32:416, 64:448] / 255
    block = 384 // side
    averages: np.ndarray = middle[: side * block, : side * block].reshape(side, block, side, block).mean((1, 3))
    return averages


def operator(side: int, places: np.ndarray) -> LinearOperator:
    """Return the map from cosine coefficients to the pixels at the given places."""

    def sample(coefficients: np.ndarray) -> np.ndarray:
        return idctn(coefficients.reshape(side, side), norm="ortho").ravel()[places]

    def transpose(pixels: np.ndarray) -> np.ndarray:
        filled = np.zeros(side * side)
        filled[places] = np.ravel(pixels)
        return dctn(filled.reshape(side, side), norm="ortho").ravel()

    return LinearOperator((len(places), side * side), matvec=sample, rmatvec=transpose, dtype=np.float64)


def main() -> None:
    """Recover by each method, print the table, and with `--write` store table and picture."""
    options = arguments(__doc__ or "", ("side", 64), quick={"side": 12})
    torch.set_num_threads(1)
    side = options.side
    image = photograph(side)
    rng = np.random.default_rng(0)
    places = np.sort(rng.choice(side * side, round(_SHARE * side * side), replace=False))
    A, y = operator(side, places), torch.from_numpy(image.ravel()[places])
    unseen = np.ones(side * side)
    unseen[places] = 0
    unseen = unseen.reshape(side, side)
    rows: list[list[object]] = [
        ["method", "relative error on pixels not looked at", "coefficients", "processor s", "says"]
    ]
    answers, coefficients, errors = [], [], []
    for method in METHODS:
        begun, words = time.process_time(), ""
        if method == METHODS[0]:
            own = sparse.sparse_recover(A, y)
            z, words = own.solution, f"{own.status}, held out {own.held_out or 0:.1%}, {own.products} products"
        elif method == METHODS[1]:
            z = sparse.lasso(A, y).solution
        else:
            z = sparse.orthogonal_matching_pursuit(A, y).solution
        spent = time.process_time() - begun
        answer = idctn(z.numpy().reshape(side, side), norm="ortho")
        difference, size = ((part * unseen).ravel() for part in (answer - image, image))
        errors.append(float(np.linalg.norm(difference) / np.linalg.norm(size)))
        answers.append(answer)
        coefficients.append(z.numpy())
        rows.append([method, f"{errors[-1]:.1%}", int((z != 0).sum()), f"{spent:.1f}", words])
    show("sparse_photograph", f"{side} x {side} pixels of a photograph from half of them", rows, write=options.write)
    if options.write:
        sampled = np.full(side * side, np.nan)
        sampled[places] = image.ravel()[places]
        arrays = {
            "image": image,
            "sampled": sampled.reshape(side, side),
            "answers": np.stack(answers),
            "true_coefficients": dctn(image, norm="ortho"),
            "coefficients": np.stack(coefficients),
        }
        header = {"methods": list(METHODS), "errors": errors, "share": _SHARE}
        save(samples_picture(Table(header, arrays)), _IMAGES / "sparse_photograph.png")


if __name__ == "__main__":
    main()
