"""Second moment of an operator, and of some of its rows."""

from wnsense.sensing.operator import Operator


def moment_of_rows(operator: Operator, k: int) -> tuple[float, float] | None:
    """Return the second moment of `k` of an operator's `n` rows, drawn without regard to them: `k/n` of its own."""
    if operator.second_moment is None:
        return None
    alpha, beta = operator.second_moment
    return (alpha * k / operator.count, beta * k / operator.count)
