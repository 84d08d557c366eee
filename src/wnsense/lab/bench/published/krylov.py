"""Linear solvers of the published methods: block Krylov singular vectors, and least squares of least norm."""

import math
from collections.abc import Callable

import numpy as np

Product = Callable[[np.ndarray], np.ndarray]


def leading_triples(
    times: Product, transpose_times: Product, start: np.ndarray, *, rank: int, passes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return leading singular triples by block Krylov iteration (Musco and Musco, arXiv 1504.05477).

    Args:
        times: Function `V -> Z V`.
        transpose_times: Function `U -> Z^T U`.
        start: First block `V`, at least as wide as the rank.
        rank: Number of triples.
        passes: Number of further blocks `(Z Z^T)^i Z V`; 0 is enough for a block that spans the answer.

    Returns:
        `U` (m1, rank), singular values (rank,), `V` (m2, rank), and the number of block products.
    """
    block = np.linalg.qr(times(start))[0]
    blocks = [block]
    for _ in range(passes):
        block = np.linalg.qr(times(transpose_times(block)))[0]
        blocks.append(block)
    Q = np.linalg.qr(np.hstack(blocks))[0] if passes else block
    V, s, small = np.linalg.svd(transpose_times(Q), full_matrices=False)
    return Q @ small[:rank].T, s[:rank], V[:, :rank], 2 * passes + 2


def minimum_norm_solution(
    times: Product, transpose_times: Product, b: np.ndarray, tolerance: float, max_steps: int
) -> tuple[np.ndarray, float, int]:
    """Return the least-squares solution of least norm by LSQR (Paige and Saunders, ACM TOMS 8, 1982).

    scipy's LSQR has the same steps; it also estimates condition and norms, which costs more than a small product.

    Args:
        times: Function `x -> A x`.
        transpose_times: Function `u -> A^T u`.
        b: Right-hand side, (n,).
        tolerance: Tolerance of both stopping rules (atol and btol of the source).
        max_steps: Largest number of steps, of two products each.

    Returns:
        Solution, norm of its residual, and number of steps.
    """
    size = phi_bar = math.sqrt(b @ b)
    u = b / size
    v = transpose_times(u)
    alpha = rho_bar = math.sqrt(v @ v)
    x = np.zeros_like(v)
    if alpha == 0:
        return x, size, 0
    v /= alpha
    w = v.copy()
    frobenius = 0.0
    is_solved, steps = False, 0
    while steps < max_steps and not is_solved:
        u = times(v) - alpha * u
        beta = math.sqrt(u @ u)
        frobenius += alpha**2 + beta**2
        if beta > 0:
            u /= beta
        v = transpose_times(u) - beta * v
        alpha = math.sqrt(v @ v)
        if alpha > 0:
            v /= alpha
        rho = math.hypot(rho_bar, beta)
        c, s = rho_bar / rho, beta / rho
        x += (c * phi_bar / rho) * w
        w = v - (s * alpha / rho) * w
        rho_bar, phi_bar = -c * alpha, s * phi_bar
        length = math.sqrt(frobenius)
        # The sizes of the residual and of its gradient, over the sizes that rounding gives them.
        is_solved = phi_bar <= tolerance * (size + length * math.sqrt(x @ x)) or alpha * abs(c) <= tolerance * length
        steps += 1
    return x, phi_bar, steps
