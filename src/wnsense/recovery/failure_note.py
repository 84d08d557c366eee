"""Note on an exception that a recovery did not raise itself: an operator's, or a callback's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wnsense.checks import InputError
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.session import Session


@contextmanager
def failure_noted(checkpoint: RecoveryCheckpoint | None = None, session: Session | None = None) -> Iterator[None]:
    """Add to an exception that passes what was being done, after the checkpoint is written, if one is named.

    The exception stays what it is. `running.solve` adds the stage and the step, if it was raised in a run.

    Args:
        checkpoint: Checkpoint to write; None before it is open.
        session: Session of the recovery; None before there is one.
    """
    try:
        yield
    except Exception as error:
        # Bad input says itself what is wrong, and needs another recovery instead of the rest of this one.
        is_input = isinstance(error, InputError)
        if not is_input and not getattr(error, "__notes__", ()):
            error.add_note(_place(session))
        if not is_input and checkpoint is not None and checkpoint.path is not None:
            error.add_note(_saved(checkpoint, checkpoint.path))
        raise


def _place(session: Session | None) -> str:
    if session is None:
        return "raised before the first run of a recovery, in a test of the operator"
    spent = f"after {len(session.traces)} runs and {session.applications} applications of the operator"
    return f"raised between the runs of a recovery, {spent}"


def _saved(checkpoint: RecoveryCheckpoint, path: Path) -> str:
    """Write the checkpoint, and return what is in it, or why it could not be written."""
    try:
        checkpoint.write()
    except InputError as unsaved:
        return f"the checkpoint was not written: {unsaved}"
    return f"{path} holds the finished steps, from which resume=True goes on"
