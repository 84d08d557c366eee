"""Similarity of two pictures: PSNR and SSIM."""

import math

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

# Wang, Bovik, Sheikh, Simoncelli, IEEE Transactions on Image Processing 13, 2004: sigma, the window's radius, K1, K2.
_SIGMA, _RADIUS = 1.5, 5
_STABILIZERS = (0.01, 0.03)


def signal_to_noise(picture: Float[np.ndarray, "m1 m2"], reference: Float[np.ndarray, "m1 m2"]) -> float:
    """Return the PSNR `-10 log10(mean squared difference)` in dB, for brightness from 0 to 1; infinite if equal."""
    error = float(np.mean((picture - reference) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def structural_similarity(picture: Float[np.ndarray, "m1 m2"], reference: Float[np.ndarray, "m1 m2"]) -> float:
    """Return the SSIM, for brightness from 0 to 1: 1 for equal pictures, about 0 for unrelated ones.

    It is the mean of `(2 a b + C1)(2 cov + C2) / ((a^2 + b^2 + C1)(var + var' + C2))` over the windows inside of the
    picture. All moments are weighted by a Gaussian of 11 x 11 pixels (Wang and others, 2004).
    """
    c1, c2 = (k * k for k in _STABILIZERS)

    def mean(values: np.ndarray) -> np.ndarray:
        windows: np.ndarray = gaussian_filter(values, _SIGMA, radius=_RADIUS)
        return windows[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]

    a, b = mean(picture), mean(reference)
    var_a, var_b = mean(picture * picture) - a * a, mean(reference * reference) - b * b
    covariance = mean(picture * reference) - a * b
    similar = (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (var_a + var_b + c2))
    return float(similar.mean())
