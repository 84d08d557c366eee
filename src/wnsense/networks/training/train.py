"""Training of any model: mini-batches, records, checkpoints, interrupts, and the step at which numbers broke."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from wnsense.networks.module_state import ModuleModes
from wnsense.networks.training.batch_source import Batches, pair
from wnsense.networks.training.deferred_interrupt import InterruptRequest, deferred_interrupts
from wnsense.networks.training.moment import Moment, TrainingState
from wnsense.networks.training.plan import CheckpointPlan, TrainingPlan
from wnsense.networks.training.position import Position
from wnsense.networks.training.random_states import RandomStates
from wnsense.networks.training.record import epoch_record
from wnsense.networks.training.step import check_window, take_step
from wnsense.networks.training.training_checkpoint import TrainingCheckpoint
from wnsense.networks.training.training_result import Ending, Training
from wnsense.networks.training.training_task import TrainingTask
from wnsense.running.progress import CountCallback, counted
from wnsense.running.trace import Columns


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Batches,
    plan: TrainingPlan,
    *,
    test: Batches | None = None,
    scheduler: LRScheduler | None = None,
    checkpoint: CheckpointPlan | None = None,
    callback: CountCallback | None = None,
    progress: bool = False,
) -> Training:
    """Train a model in place.

    On a CPU one seed gives the same bits, on the same machine and number of threads. A run that was interrupted and
    resumed gives the same bits too. For that the order of the data must come from the loader's own generator
    (`batches`). Random numbers of a data set (augmentation) must come from torch: a checkpoint does not hold the states
    of `random` and `numpy.random`.

    The first Ctrl-C ends the run after the present step, a second one at once. A KeyboardInterrupt that a data set,
    the model or a callback raises ends the run with the results of the last whole step.

    Modules in evaluation mode within a model in training mode are frozen and stay so. A model that is in evaluation
    mode as a whole is trained as a whole. Afterwards each module has its old mode.

    Args:
        model: Any model. For a `Network`, also within the model, the rows of `V` are projected to their ball after
            each step.
        optimizer: Optimizer of `torch.optim` whose step needs no closure.
        data: Batches `(inputs, targets)`: a loader, a list or a stream; a `DataLoader` if there is a checkpoint.
        plan: Length, loss and records of the training.
        test: Batches to evaluate on.
        scheduler: Scheduler of the optimizer's learning rate. It takes a step after each epoch; `ReduceLROnPlateau`
            gets the mean loss of the epoch's steps. Checkpoints include it.
        checkpoint: File and interval of checkpoints.
        callback: Function (steps done, all steps) that is called after each step; all steps are 0 for a stream.
        progress: True to show a bar while it runs, in a terminal or a notebook; nothing is written elsewhere.

    Raises:
        InputError: If a checkpoint is missing, damaged, of another training or not writable, or if model, optimizer,
            scheduler and data do not fit together.
    """
    with deferred_interrupts() as request, counted(callback, progress=progress, words="training") as watching:
        task = TrainingTask.of(model, optimizer, data, plan, test=test, scheduler=scheduler)
        file = None if checkpoint is None else TrainingCheckpoint.of(checkpoint, task)
        is_resumed = checkpoint is not None and checkpoint.resume
        moment = _start(task) if file is None or not is_resumed else file.load()
        return _run(task, TrainingState(moment), _Surroundings(file, watching, request))


@dataclass(frozen=True)
class _Surroundings:
    """Checkpoint, callback and interrupt request of a training.

    Attributes:
        file: Checkpoint, if there is one.
        callback: Callback after each step, if there is one.
        request: Request to stop.
    """

    file: TrainingCheckpoint | None
    callback: CountCallback | None
    request: InterruptRequest

    def report(self, step: int, steps: int) -> None:
        """Call the callback. A KeyboardInterrupt that it raises becomes a request to stop."""
        if self.callback is None:
            return
        try:
            self.callback(step, steps)
        except KeyboardInterrupt:
            self.request.is_pending = True


def _start(task: TrainingTask) -> Moment:
    position = Position(order=task.order, before=task.measured_parameters)
    return Moment(position, (), RandomStates.present(), time.monotonic())


def _run(task: TrainingTask, state: TrainingState, around: _Surroundings) -> Training:
    """Train, save the last checkpoint and return the result."""
    modes = ModuleModes.of(task.model)
    try:
        ending = _epochs(task, state, around)
    except KeyboardInterrupt:
        if not state.is_whole:
            raise
        ending = _interrupted(task, state)
    finally:
        modes.restore()
    if state.moment.is_loaded:
        # No step was left to do after the checkpoint.
        state.moment.random.restore()
    # A run that diverged is not saved: its last checkpoint can be resumed with other settings.
    if around.file is not None and ending is not Ending.DIVERGED:
        around.file.save(state.moment)
    moment = state.moment
    records, at = Columns.from_rows(list(moment.rows)), moment.position
    return Training(ending, task.model, records, at.step, at.watch.read(), moment.trouble)


def _interrupted(task: TrainingTask, state: TrainingState) -> Ending:
    """Return to the last whole step, from within a step, the data or a callback."""
    check_window(task, state)
    if state.moment.trouble is not None:
        return Ending.DIVERGED
    state.moment.random.restore()
    return Ending.INTERRUPTED


def _epochs(task: TrainingTask, state: TrainingState, around: _Surroundings) -> Ending:
    """Record the start and train all epochs that are left."""
    if not state.moment.rows:
        state.moment.random.restore()
        row = epoch_record(task, state.moment.position, 0)
        state.moment = replace(state.moment, rows=(row,), random=RandomStates.present(), is_loaded=False)
    ending = Ending.FINISHED
    while state.moment.position.epoch < task.plan.epochs and ending is Ending.FINISHED:
        ending = _timed_steps(task, state, around)
        if ending is Ending.FINISHED:
            _end_epoch(task, state)
    return ending


def _timed_steps(task: TrainingTask, state: TrainingState, around: _Surroundings) -> Ending:
    """Take the steps that are left in the epoch, with the watch running."""
    task.set_modes()
    state.moment = _with_watch(state.moment, is_running=True)
    try:
        return _steps(task, state, around)
    finally:
        state.moment = _with_watch(state.moment, is_running=False)


def _steps(task: TrainingTask, state: TrainingState, around: _Surroundings) -> Ending:
    """Take the steps that are left in the epoch, and check, report and save on the way."""
    batches = _batches_left(task, state)
    while (batch := next(batches, None)) is not None:
        take_step(task, state, *pair(batch, task.device))
        if state.moment.trouble is None and len(state.moment.window.readings) >= task.check_every:
            check_window(task, state)
        around.report(state.moment.position.step, task.plan.epochs * task.batches)
        _save_if_due(task, state, around)
        if state.moment.trouble is not None:
            return Ending.DIVERGED
        if around.request.is_pending:
            return Ending.INTERRUPTED
    check_window(task, state)
    return Ending.FINISHED if state.moment.trouble is None else Ending.DIVERGED


def _save_if_due(task: TrainingTask, state: TrainingState, around: _Surroundings) -> None:
    """Check the window before a checkpoint and before the end, and save a checkpoint that is due."""
    due = around.file is not None and around.file.is_due(state.moment)
    if state.moment.trouble is not None or not (due or around.request.is_pending):
        return
    check_window(task, state)
    if due and around.file is not None and state.moment.trouble is None:
        state.moment = around.file.save(state.moment)


def _batches_left(task: TrainingTask, state: TrainingState) -> Iterator[Any]:
    """Return the batches of the epoch without those before the position."""
    moment = state.moment
    position = moment.position
    if position.order is not None and task.generator is not None:
        task.generator.set_state(position.order)
    # A loader without a generator draws from torch's global one when it starts. The states of a checkpoint are from
    # before that if no step of the epoch is done, else from after it.
    if moment.is_loaded and position.in_epoch == 0:
        moment.random.restore()
    batches = iter(task.data)
    for _ in range(position.in_epoch):
        next(batches)
    if moment.is_loaded and position.in_epoch > 0:
        moment.random.restore()
    state.moment = replace(moment, is_loaded=False)
    return batches


def _end_epoch(task: TrainingTask, state: TrainingState) -> None:
    """Record the epoch, change the learning rate, and go to the next epoch."""
    moment = state.moment
    row = epoch_record(task, moment.position, moment.position.epoch + 1)
    with state.undivided():
        if isinstance(task.scheduler, ReduceLROnPlateau):
            task.scheduler.step(moment.position.loss_sum / max(moment.position.in_epoch, 1))
        elif task.scheduler is not None:
            with warnings.catch_warnings():
                # The scheduler does not count the steps from before the run was resumed.
                warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
                task.scheduler.step()
        position = moment.position.in_next_epoch(task.order, task.measured_parameters)
        state.moment = replace(moment, position=position, rows=(*moment.rows, row), random=RandomStates.present())


def _with_watch(moment: Moment, *, is_running: bool) -> Moment:
    watch = moment.position.watch
    watch = watch.started() if is_running else watch.stopped()
    return replace(moment, position=replace(moment.position, watch=watch))
