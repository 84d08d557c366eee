"""Default loss, check of sizes that torch would broadcast, and count of right answers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from wnsense.checks import require, size_text
from wnsense.networks.measuring.surface import LossFunction

# Losses entry by entry: torch broadcasts (N, 1) and (N,) to (N, N), and only warns.
_ENTRYWISE = (functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss)
_ENTRYWISE_MODULES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


def suited_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy for integer targets, with classes in dimension 1, and the mean squared error for others.

    Args:
        outputs: Outputs, (N, C, ...) for labels, else of the size of the targets.
        targets: Labels (N, ...), or numbers.

    Raises:
        InputError: If sizes do not agree.
    """
    if targets.is_floating_point():
        return loss_value(functional.mse_loss, outputs, targets)
    classes = outputs.shape[1] if outputs.dim() > 1 else 1
    require(classes > 1, "two or more outputs for integer targets", classes, "give targets as floats, or another loss")
    size = (outputs.shape[0], *outputs.shape[2:])
    require(
        tuple(targets.shape) == size,
        f"labels of size {size_text(size)} for outputs {size_text(outputs.shape)}",
        size_text(targets.shape),
        "classes belong in dimension 1; or give a loss of your own",
    )
    return functional.cross_entropy(outputs, targets.long())


def loss_value(loss: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss, after a check that sizes and dtypes fit it.

    Args:
        loss: Any loss; checked are those of torch that work entry by entry.
        outputs: Outputs of the model.
        targets: Targets.

    Raises:
        InputError: If such a loss would get labels, or would broadcast one side to the other.
    """
    if loss in _ENTRYWISE or isinstance(loss, _ENTRYWISE_MODULES):
        name = str(getattr(loss, "__name__", type(loss).__name__))
        require(
            targets.is_floating_point() or targets.is_complex(),
            f"targets of floating point for {name}",
            str(targets.dtype),
            "take torch.nn.functional.cross_entropy for class labels",
        )
        require(
            outputs.shape == targets.shape,
            f"targets of size {size_text(outputs.shape)}, that of the outputs, for {name}",
            size_text(targets.shape),
            "reshape one of them",
        )
    return loss(outputs, targets)


@torch.no_grad()
def right_answers(outputs: object, targets: Tensor) -> tuple[Tensor, int] | None:
    """Return the number of right answers and the number of labels; None if there are no classes to compare.

    The answer is the index of the largest of `C > 1` outputs (N, C, ...) along dimension 1. It is compared with labels
    (N, ...), or with the index of the largest entry of targets (N, C). Labels below 0 do not count: torch's losses
    ignore -100.

    Args:
        outputs: Outputs of the model.
        targets: Targets.
    """
    if not isinstance(outputs, Tensor) or outputs.dim() < 2 or outputs.shape[1] < 2:
        return None
    answers = outputs.argmax(1)
    if targets.is_floating_point():
        if outputs.dim() != 2 or targets.shape != outputs.shape:
            return None
        return (answers == targets.argmax(1)).sum(), len(answers)
    if targets.shape != answers.shape:
        return None
    counted = targets >= 0 if targets.is_signed() else torch.ones_like(targets, dtype=torch.bool)
    return ((answers == targets) & counted).sum(), int(counted.sum())
