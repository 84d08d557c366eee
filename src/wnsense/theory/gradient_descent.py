"""Sublinear convergence of gradient descent on `Y Y^T` when `Y` has more columns than the rank of the truth.

Xiong, Ding and Du (arXiv 2310.01769) prove a lower bound of `Omega(1/T^2)` for randomly initialized gradient descent on
the symmetric factorization with `r > r_A`; so much is in their abstract. Their constants, and their conditions on the
start and the step size, are not restated here: `published_form` has the form alone. The other functions are derived
here, for the population loss `1/4 ||Y Y^T - A||_F^2` and one decoupled column.

A column `y` of `Y` that is orthogonal to `span(A)` and to `Y`'s other columns stays so. The step
`Y+ = Y - eta (Y Y^T - A) Y` then gives, for `z = ||y||^2`,

    z+ = z (1 - eta z)^2,    1/z+ - 1/z = eta (2 - eta z) / (1 - eta z)^2.

The right side lies between `2 eta` and its value at `z_0`, since `z` falls. Hence `z_t` is of order `1 / t`. The column
alone contributes `z_t^2` to `||Y Y^T - A||_F^2`, which therefore falls no faster than `1 / t^2`.
"""

from wnsense.checks import require


def published_form(steps: float, *, constant: float) -> float:
    """Return the form of the lower bound of arXiv 2310.01769, `constant / t^2`, on the squared Frobenius error.

    Args:
        steps: Number of steps `t`, positive.
        constant: Positive constant, not restated here; 1 gives the shape.

    Raises:
        InputError: If the steps or the constant are not positive.
    """
    require(steps > 0, "a positive number of steps", steps)
    require(constant > 0, "a positive constant", constant, "1 gives the shape")
    return constant / steps**2


def surplus_lower_bound(steps: float, start: float, *, step_size: float) -> float:
    """Return the lower bound `z_0 / (1 + eta z_0 t (2 - eta z_0) / (1 - eta z_0)^2)` of `z_t`.

    Args:
        steps: Number of steps `t`, at least 0.
        start: Squared norm `z_0 = ||y_0||^2` of the decoupled column, positive, in units of `||A||`.
        step_size: Step size `eta`, positive, with `eta z_0 < 1`.

    Raises:
        InputError: If a number is out of its range.
    """
    x = _relative_step(steps, start, step_size)
    return start / (1 + x * steps * (2 - x) / (1 - x) ** 2)


def surplus_upper_bound(steps: float, start: float, *, step_size: float) -> float:
    """Return the upper bound `z_0 / (1 + 2 eta z_0 t)` of `z_t`, so that the order `1 / t` is exact.

    The arguments and errors are those of `surplus_lower_bound`.
    """
    return start / (1 + 2 * _relative_step(steps, start, step_size) * steps)


def _relative_step(steps: float, start: float, step_size: float) -> float:
    require(steps >= 0, "a number of steps of at least 0", steps)
    require(start > 0, "a positive squared norm to start from", start)
    require(0 < step_size * start < 1, "a step size between 0 and 1 over the squared norm", step_size)
    return step_size * start
