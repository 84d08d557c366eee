"""Evaluation of a model: mean loss and accuracy over all samples."""

import torch
from torch import nn

from wnsense.checks import require
from wnsense.networks.measuring.surface import LossFunction, trained_parameters
from wnsense.networks.module_state import ModuleModes
from wnsense.networks.training.batch_source import Batches, pair
from wnsense.networks.training.losses import loss_value, right_answers, suited_loss


@torch.no_grad()
def evaluate(model: nn.Module, data: Batches, loss: LossFunction = suited_loss) -> tuple[float, float]:
    """Return mean loss and accuracy over all samples, in evaluation mode. Afterwards each module has its old mode.

    Accuracy is the fraction of labels that are equal to the index of the largest output, or of targets (N, C) with
    the largest entry at that index. Classes are in dimension 1, as in torch: outputs (N, C, ...) and labels (N, ...).
    Labels below 0, which torch's losses can ignore, do not count. For other shapes and for a single output accuracy is
    NaN.

    Args:
        model: Any model.
        data: Batches.
        loss: Mean loss over a batch. The default is cross-entropy for integer targets and the mean squared error for
            others.

    Raises:
        InputError: If batches are not pairs, or the loss does not fit the targets.
    """
    device = trained_parameters(model)[0].device
    total = torch.zeros((), dtype=torch.float64, device=device)
    right = torch.zeros((), device=device, dtype=torch.int64)
    count, labels = 0, 0
    modes = ModuleModes.of(model)
    model.eval()
    try:
        for batch in data:
            x, y = pair(batch, device)
            outputs = model(x)
            total += loss_value(loss, outputs, y).double() * len(x)
            count += len(x)
            answers = right_answers(outputs, y)
            if answers is not None:
                right += answers[0]
                labels += answers[1]
    finally:
        modes.restore()
    require(count > 0, "at least one sample", 0)
    return float(total) / count, float(right) / labels if labels else float("nan")
