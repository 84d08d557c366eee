"""One step of a training, its check for NaN and infinity, and the return to the step before."""

from dataclasses import replace

import torch
from torch import Tensor

from wnsense.networks.measuring.nonfinite import Trouble, broken_parameter, first_trouble
from wnsense.networks.module_state import Buffers
from wnsense.networks.training.moment import Moment, StepWindow, TrainingState, WindowStart
from wnsense.networks.training.random_states import RandomStates
from wnsense.networks.training.training_task import ParameterBackup, TrainingTask


def take_step(task: TrainingTask, state: TrainingState, inputs: Tensor, targets: Tensor) -> None:
    """Take one step. If each step is checked and this one fails, the model is as before, and the moment has a trouble.

    Args:
        task: Training.
        state: State, to which the next moment is written.
        inputs: Inputs of the batch.
        targets: Targets of the batch.
    """
    moment, start = state.moment, None
    if task.backup is None:
        start = moment.window.start or WindowStart.of(task)
    buffers = Buffers.of(task.model)
    try:
        reading = _gradient(task, inputs, targets)
    except KeyboardInterrupt:
        buffers.restore()
        raise
    if task.backup is not None and not bool(torch.isfinite(reading).all()):
        buffers.restore()
        state.moment = replace(moment, trouble=_named(task, inputs, targets, moment.position.step + 1))
        return
    # An interruption within an update cannot be undone: it ends the program.
    with state.undivided():
        trouble, reading = _update(task, reading, buffers, moment.position.step + 1)
        if trouble is not None:
            state.moment = replace(moment, trouble=trouble)
        else:
            window = moment.window.with_step(reading, (inputs, targets), start)
            random = RandomStates.present()
            state.moment = replace(moment, position=moment.position.moved(1), window=window, random=random)


def check_window(task: TrainingTask, state: TrainingState) -> None:
    """Read the losses of the window from the device. If one is not finite, return to the step before it.

    Args:
        task: Training.
        state: State, to which the moment after the check is written.
    """
    moment = state.moment
    if not moment.window.readings:
        return
    with state.undivided():
        readings = torch.stack(moment.window.readings).double().cpu()
        finite = torch.isfinite(readings).all(dim=1)
        if bool(finite.all()):
            position = moment.position.with_losses((loss, slope) for loss, slope, _ in readings.tolist())
            state.moment = replace(moment, position=position, window=StepWindow())
        else:
            first = moment.position.step - len(readings) + 1 + int(torch.nonzero(~finite)[0])
            state.moment = _replayed(task, moment, first)


def _replayed(task: TrainingTask, moment: Moment, first: int) -> Moment:
    """Return to the start of the window and take its steps again, each with a check, up to the one that fails.

    Args:
        task: Training.
        moment: Moment at the end of the window.
        first: Number of the first step whose reading is not finite.
    """
    window = moment.window
    if window.start is not None:
        window.start.restore(task)
    checking = replace(task, backup=ParameterBackup.of(task.parameters))
    replay = TrainingState(replace(moment, position=moment.position.moved(-len(window.batches)), window=StepWindow()))
    for inputs, targets in window.batches:
        take_step(checking, replay, inputs, targets)
        if replay.moment.trouble is not None:
            break
    unseen = Trouble(first, "", "the loss, which the same steps taken again did not show")
    return replace(replay.moment, window=StepWindow(), trouble=replay.moment.trouble or unseen)


def _gradient(task: TrainingTask, inputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the gradients of the parameters, and return the loss and the gradient norm, (2,)."""
    task.optimizer.zero_grad(set_to_none=True)
    value = task.objective(task.model(inputs), targets)
    torch.autograd.backward(value)
    norms = [torch.linalg.vector_norm(p.grad) for p in task.parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    return torch.stack([value.detach(), norm.to(value.dtype)])


def _update(task: TrainingTask, reading: Tensor, buffers: Buffers, step: int) -> tuple[Trouble | None, Tensor]:
    """Update the parameters, and return the reading with 0, or NaN if a parameter is not finite.

    If each step is checked, an update that fails is undone and returned as trouble.
    """
    if task.backup is not None:
        task.backup.save()
    zero = _updated(task)
    trouble = None
    if task.backup is not None and not bool(torch.isfinite(zero)):
        trouble = Trouble(step, broken_parameter(task.model), "the update")
        task.backup.restore()
        buffers.restore()
    return trouble, torch.cat([reading, zero.to(reading.dtype).reshape(1)])


@torch.no_grad()
def _updated(task: TrainingTask) -> Tensor:
    """Change the parameters, and return 0, or NaN if one of them is not finite."""
    task.optimizer.step()
    for network in task.networks:
        network.project()
    # On a CPU ten times as fast as `isfinite` or a norm of infinite order, and without squares that overflow.
    real = (torch.view_as_real(p) if p.is_complex() else p for p in task.parameters if p.numel())
    ends = [end for p in real for end in torch.aminmax(p)]
    return (0 * torch.stack(ends)).sum()


def _named(task: TrainingTask, inputs: Tensor, targets: Tensor, step: int) -> Trouble:
    """Return the first quantity of a step that is not finite at the present parameters."""
    trouble = first_trouble(task.model, task.objective, inputs, targets, step)
    return trouble or Trouble(step, "", "the loss or its gradient, which another pass did not show")
