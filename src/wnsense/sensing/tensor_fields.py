"""Check of operators that are made directly, without the constructor that takes a user's numbers."""

from torch import Tensor

from wnsense.checks import require, value_text
from wnsense.sensing.space import Space


def require_tensors(constructor: str, space: object, *values: object) -> None:
    """Raise `InputError` unless data are tensors, or None, and a space is a `Space`.

    Args:
        constructor: Constructor that takes arrays, lists and the kind in words, named in the message.
        space: Space of the unknown; None for an operator that makes its own.
        values: Data of the operator.

    Raises:
        InputError: If a value is no tensor, or the space is none.
    """
    advice = f"{constructor} takes arrays, lists, sizes and kinds in words"
    for value in values:
        require(value is None or isinstance(value, Tensor), "data as tensors", value_text(value), advice)
    require(space is None or isinstance(space, Space), "a Space", value_text(space), advice)
