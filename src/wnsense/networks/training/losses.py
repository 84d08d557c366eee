"""What a training lowers where nobody says otherwise, and shapes that torch would stretch without asking."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from wnsense.checks import require, size_text
from wnsense.networks.measuring.surface import LossFunction

# Between numbers and numbers, entry by entry: torch stretches (N, 1) and (N,) to (N, N), and only warns.
_ENTRYWISE = (functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss)
_ENTRYWISE_MODULES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


def suited_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy for integer targets, classes in dimension 1, and the mean squared error for others.

    Args:
        outputs: (N, C, ...) for labels, else of the size of the targets.
        targets: (N, ...) labels, or numbers.

    Raises:
        InputError: When sizes do not agree.
    """
    if targets.is_floating_point():
        return loss_value(functional.mse_loss, outputs, targets)
    classes = outputs.shape[1] if outputs.dim() > 1 else 1
    require(classes > 1, "two or more outputs for integer targets", classes, "give targets as floats, or another loss")
    wanted = (outputs.shape[0], *outputs.shape[2:])
    require(
        tuple(targets.shape) == wanted,
        f"labels of size {size_text(wanted)} for outputs {size_text(outputs.shape)}",
        size_text(targets.shape),
        "classes belong in dimension 1; or give a loss of your own",
    )
    return functional.cross_entropy(outputs, targets.long())


def loss_value(loss: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss, where outputs and targets are such as it takes.

    Args:
        loss: Any; looked at are those of torch that go entry by entry.
        outputs: What the model says.
        targets: What it should say.

    Raises:
        InputError: When such a loss would get labels, or stretch one side to the other.
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
    """How many classes are right, and of how many; None where there are no classes to compare.

    The class is where the largest of C > 1 outputs (N, C, ...) is, along dimension 1. It is compared with labels
    (N, ...), of which those below 0 do not count (torch's losses ignore -100), or with where the largest of targets
    (N, C) is.

    Args:
        outputs: What the model says.
        targets: What it should say.
    """
    if not isinstance(outputs, Tensor) or outputs.dim() < 2 or outputs.shape[1] < 2:
        return None
    said = outputs.argmax(1)
    if targets.is_floating_point():
        if outputs.dim() != 2 or targets.shape != outputs.shape:
            return None
        return (said == targets.argmax(1)).sum(), len(said)
    if targets.shape != said.shape:
        return None
    counted = targets >= 0 if targets.is_signed() else torch.ones_like(targets, dtype=torch.bool)
    return ((said == targets) & counted).sum(), int(counted.sum())
