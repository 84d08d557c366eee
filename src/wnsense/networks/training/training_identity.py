"""Identity of a training and of the machine: what must agree for a resumed run to give the same bits."""

import hashlib
import platform

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from wnsense.networks.training.losses import suited_loss
from wnsense.networks.training.plain_state import as_plain, plain_groups
from wnsense.networks.training.training_task import TrainingTask

# Largest number of entries of each data tensor that enter a fingerprint.
_SAMPLED_ENTRIES = 100_000


def training_fingerprint(task: TrainingTask) -> str:
    """Return a hash of the model, the optimizer, the data and the plan, taken before the first step.

    Raises:
        InputError: If the state of the optimizer or of the scheduler has other values than plain ones.
    """
    model, data = task.model, task.data
    shapes = [(name, tuple(p.shape), str(p.dtype), p.requires_grad) for name, p in model.named_parameters()]
    groups = plain_groups(task.optimizer.state_dict()["param_groups"])
    # Only a training on a loader has a checkpoint.
    length, size = (len(data), data.batch_size) if isinstance(data, DataLoader) else (0, None)
    optimizer = type(task.optimizer).__name__
    facts = [str(model), shapes, optimizer, groups, length, size, *_settings(task), *_schedule(task)]
    digest = hashlib.sha256(repr(facts).encode())
    if isinstance(data, DataLoader) and isinstance(data.dataset, TensorDataset):
        for tensor in data.dataset.tensors:
            entries = tensor.detach().reshape(-1)
            stride = max(1, entries.numel() // _SAMPLED_ENTRIES)
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(entries[::stride].to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def training_machine(model: nn.Module) -> dict[str, str]:
    """Return the facts on the machine on which the bits of a training depend."""
    parameter = next(model.parameters())
    return {
        "processor": platform.processor() or platform.machine(),
        "device": parameter.device.type,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }


def _settings(task: TrainingTask) -> tuple[str, ...]:
    plan = task.plan
    # For numbers the default is the mean squared error: a checkpoint of one can be resumed with the other.
    loss = "mse_loss" if plan.loss is suited_loss else _name(plan.loss)
    return (loss, _name(plan.penalty), str(plan.measure is not None), *task.frozen)


def _schedule(task: TrainingTask) -> tuple[str, ...]:
    if task.scheduler is None:
        return ()
    state = as_plain(task.scheduler.state_dict(), "the scheduler's state")
    return (type(task.scheduler).__name__, repr(state))


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
