"""Error of the readers for files whose bytes contradict their format."""


class DamageError(Exception):
    """Bytes that contradict the format of the file."""


def expect(condition: object) -> None:
    """Check a condition that every sound file meets.

    Raises:
        DamageError: If the condition is false.
    """
    if not condition:
        raise DamageError
