"""Errors of NumPy and torch for memory that cannot be had, in one line."""

import re

# "Unable to allocate 7.28 TiB for an array ..." (NumPy), "you tried to allocate 8000 bytes" (torch on a CPU),
# "Tried to allocate 20.00 GiB" (torch on a GPU).
_SIZE = re.compile(r"allocate ([\d.]+ (?:bytes|[KMGTPE]?i?B))")
# Errors for sizes that not even 64 bits can count.
_OVERFLOWS = ("Storage size calculation overflowed", "array is too big", "Maximum allowed size exceeded")


def memory_words(error: BaseException) -> str | None:
    """Return one line on an error for lack of memory, with the size that was asked for; None for other errors."""
    text = str(error)
    size = _SIZE.search(text)
    if size is not None and isinstance(error, MemoryError | RuntimeError):
        came = size.group(1)
    elif isinstance(error, MemoryError) or any(words in text for words in _OVERFLOWS):
        came = text.splitlines()[0] if text else "no more"
    else:
        return None
    return f"needed an array that fits into memory, got: {came}; take a smaller problem, or one that stores less"
