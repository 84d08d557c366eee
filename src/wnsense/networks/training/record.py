"""Record of the start of a training or of an epoch: losses, evaluation and measurement."""

from collections.abc import Mapping

from torch import Tensor

from wnsense.networks.training.batch_source import in_order
from wnsense.networks.training.evaluation import evaluate
from wnsense.networks.training.position import Position
from wnsense.networks.training.training_task import TrainingTask
from wnsense.running.trace import Row


def epoch_record(task: TrainingTask, position: Position, epoch: int) -> Row:
    """Return the record of an epoch: counts, time, mean loss and gradient norm of its steps, and measured columns.

    Args:
        task: Training.
        position: Position after the last step of the epoch.
        epoch: Number of finished epochs, 0 at the start.
    """
    steps, has_steps = max(position.in_epoch, 1), position.in_epoch > 0
    row: dict[str, Tensor | float] = {
        "epoch": epoch,
        "step": position.step,
        "seconds": position.watch.read(),
        "loss": position.loss_sum / steps if has_steps else float("nan"),
        "gradient_norm": position.slope_sum / steps if has_steps else float("nan"),
    }
    if epoch % task.plan.evaluate_every == 0 or epoch == task.plan.epochs:
        row |= _evaluated(task)
        if task.plan.measure is not None:
            row |= task.plan.measure(task.model, position.before if has_steps else None)
    return row


def _evaluated(task: TrainingTask) -> Mapping[str, float]:
    parts = {"train": in_order(task.data)} | ({} if task.test is None else {"test": task.test})
    columns: dict[str, float] = {}
    for part, data in parts.items():
        columns[f"{part}_loss"], columns[f"{part}_accuracy"] = evaluate(task.model, data, task.plan.loss)
    return columns
