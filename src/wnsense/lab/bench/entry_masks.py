"""Masks of sampled entries: uniform ones, and uniform ones repaired so that no row or column has too few entries.

A row or column with fewer sampled entries than the rank cannot be completed by any method. Near the limit most uniform
masks have one.
"""

import numpy as np

from wnsense.checks import require, require_rank

Mask = tuple[np.ndarray, np.ndarray]


def uniform_mask(
    count: int, shape: tuple[int, int], generator: np.random.Generator, *, symmetric: bool = False
) -> Mask:
    """Draw places uniformly without repetition; return their rows and columns, sorted by rows.

    Args:
        count: Number of places `n`, at most half of the entries.
        shape: Sides `(m1, m2)` of the matrix.
        generator: Source of randomness.
        symmetric: True for pairs `i <= j` of a symmetric matrix.

    Raises:
        InputError: If there are more places than half of the entries, or a symmetric matrix is not square.
    """
    _require_count(count, shape, symmetric=symmetric)
    rows, columns = np.nonzero(_draw(count, shape, generator, symmetric=symmetric))
    return rows, columns


def repaired_mask(
    count: int, shape: tuple[int, int], least: int, generator: np.random.Generator, *, symmetric: bool = False
) -> Mask:
    """Draw places uniformly, then move some until each row and column has at least `least` of them.

    Rows and columns with too few places get random further ones. As many others are taken from rows and columns that
    have more than `least`. A mask without such a row or column is that of `uniform_mask` with the same generator.

    Args:
        count: Number of places `n`, at most half of the entries.
        shape: Sides `(m1, m2)` of the matrix.
        least: Least number of places in a row or column, the rank of the matrix to complete.
        generator: Source of randomness.
        symmetric: True for pairs `i <= j` of a symmetric matrix; a pair counts in row `i` and in row `j`.

    Raises:
        InputError: As `uniform_mask`; also if there are too few places, or none can be taken away.
    """
    _require_count(count, shape, symmetric=symmetric)
    require_rank("the least number of places", least, min(shape))
    needed = -(-least * shape[0] // 2) if symmetric else least * max(shape)
    require(count >= needed, f"at least {needed} places for {least} in each row and column", count, "draw more")
    mask = _draw(count, shape, generator, symmetric=symmetric)
    if symmetric:
        mask |= mask.T
    _add(mask, least, generator)
    if symmetric:
        mask |= mask.T
    else:
        _add(mask.T, least, generator)
    surplus = int(np.triu(mask).sum() if symmetric else mask.sum()) - count
    while surplus > 0:
        removed = _remove(mask, least, surplus, generator, symmetric=symmetric)
        place = f"a place to take away, whose row and column have more than {least}"
        require(removed > 0, place, "none", "draw more places")
        surplus -= removed
    rows, columns = np.nonzero(np.triu(mask) if symmetric else mask)
    return rows, columns


def _require_count(count: int, shape: tuple[int, int], *, symmetric: bool) -> None:
    m1, m2 = shape
    require(m1 == m2 or not symmetric, "a square matrix for symmetric pairs", f"{m1} x {m2}")
    most = (m1 * (m1 + 1) // 2 if symmetric else m1 * m2) // 2
    require(1 <= count <= most, f"from 1 to {most} places, half of the entries", count)


def _draw(count: int, shape: tuple[int, int], generator: np.random.Generator, *, symmetric: bool) -> np.ndarray:
    """Return a matrix that is True at uniformly drawn places, of the upper triangle if the places are pairs."""
    m1, m2 = shape
    mask = np.zeros(shape, dtype=bool)
    if symmetric:
        rows, columns = np.triu_indices(m1)
        subset = generator.choice(len(rows), count, replace=False)
        mask[rows[subset], columns[subset]] = True
    else:
        mask.ravel()[generator.choice(m1 * m2, count, replace=False)] = True
    return mask


def _add(mask: np.ndarray, least: int, generator: np.random.Generator) -> None:
    """Fill up the rows of a mask to at least `least` places each, at random; the mask is changed."""
    lacks = least - mask.sum(1)
    (poor,) = np.nonzero(lacks > 0)
    keys = generator.random((len(poor), mask.shape[1]))
    keys[mask[poor]] = np.inf
    order = keys.argsort(1)[:, :least]
    is_added = np.arange(order.shape[1]) < lacks[poor][:, None]
    mask[np.broadcast_to(poor[:, None], order.shape)[is_added], order[is_added]] = True


def _remove(mask: np.ndarray, least: int, most: int, generator: np.random.Generator, *, symmetric: bool) -> int:
    """Take up to `most` random places from rows and columns with more than `least`; return their number.

    The mask is changed. In a random order, a place is taken if the places before it, taken or not, leave its row and
    its column enough.
    """
    spare = mask.sum(1) - least, mask.sum(0) - least
    candidates = mask & (spare[0] > 0)[:, None] & (spare[1] > 0)
    rows, columns = np.nonzero(np.triu(candidates) if symmetric else candidates)
    order = generator.permutation(len(rows))
    rows, columns = rows[order], columns[order]
    if symmetric:
        # The places before a pair count at both of its indices.
        counts = _rank_among_equals(np.stack([rows, columns], 1).ravel()).reshape(-1, 2)
        # A diagonal place is listed twice, and its row loses one.
        is_free = (counts[:, 0] < spare[0][rows]) & (counts[:, 1] < spare[0][columns] + (rows == columns))
    else:
        is_free = (_rank_among_equals(rows) < spare[0][rows]) & (_rank_among_equals(columns) < spare[1][columns])
    taken = np.flatnonzero(is_free)[:most]
    mask[rows[taken], columns[taken]] = False
    if symmetric:
        mask[columns[taken], rows[taken]] = False
    return len(taken)


def _rank_among_equals(numbers: np.ndarray) -> np.ndarray:
    """Return, for each number, the count of equal numbers before it."""
    order = np.argsort(numbers, kind="stable")
    sorted_numbers = numbers[order]
    is_first = np.concatenate([[True], sorted_numbers[1:] != sorted_numbers[:-1]])
    places = np.arange(len(numbers))
    ranks = np.empty(len(numbers), dtype=np.int64)
    ranks[order] = places - np.maximum.accumulate(np.where(is_first, places, 0))
    return ranks
