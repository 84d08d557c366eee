"""The loop that trains: it takes steps, looks at what they say, writes down, checkpoints, and can be asked to stop."""

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader

from wnsense.checks import require
from wnsense.networks.measuring.nonfinite import Trouble, broken_parameter, first_trouble
from wnsense.networks.measuring.surface import parameter_vector, trained_parameters
from wnsense.networks.module_state import Buffers, ModuleModes, frozen_modules
from wnsense.networks.network import Network
from wnsense.networks.training.batch_source import Batches, batch_count, in_order, order_generator, pair
from wnsense.networks.training.deferred_interrupt import Politeness, politely
from wnsense.networks.training.losses import loss_value, suited_loss
from wnsense.networks.training.plan import CheckpointPlan, Ending, Training, TrainingPlan, evaluate
from wnsense.networks.training.training_file import Position, RandomStates, TrainingFile
from wnsense.running.trace import Columns, Row

# A GPU is asked for its losses so seldom; a run whose numbers break is then replayed from where it was last asked.
_GPU_CHECK_EVERY = 20


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Batches,
    plan: TrainingPlan,
    *,
    test: Batches | None = None,
    scheduler: LRScheduler | None = None,
    checkpoint: CheckpointPlan | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Train a model in place.

    From one seed a CPU gives the same bits, and so does a run that was interrupted and resumed, on the same machine and
    number of threads. For that the order of the data must come from the loader's own generator (`batches`), and what
    is random in a data set (augmentation) from torch's: the states of `random` and `numpy.random` are not kept. The
    first Ctrl-C ends the run after the present step, a second one at once; a KeyboardInterrupt that a data set, the
    model or a callback raises ends it with what the last whole step left.

    Modules in evaluation mode within a model in training mode stay so, as somebody froze them; a model that comes in
    evaluation mode is trained as a whole. Afterwards each module is in the mode that it came in.

    Args:
        model: Any. Of a `Network`, or those within it, rows of V go back to their ball after each step.
        optimizer: Any of `torch.optim` that needs no closure, over the model's parameters.
        data: Batches `(inputs, targets)` to train on: a loader, a list, a stream; a `DataLoader` where it is kept.
        plan: How long and what to write down.
        test: Batches to evaluate on.
        scheduler: Of the optimizer's learning rate; takes a step after each epoch, `ReduceLROnPlateau` with the mean
            loss of the epoch's steps. Kept and resumed with the rest.
        checkpoint: Where to keep checkpoints.
        progress: Called with the steps done and all there are (0 for a stream, whose length nobody knows), after each
            step.

    Raises:
        InputError: When a checkpoint is missing, damaged, of another training or cannot be written, or model,
            optimizer, scheduler or data are not as needed.
    """
    with politely() as politeness:
        return _Course(model, optimizer, data, plan, test, scheduler, checkpoint, progress, politeness).run()


@dataclass(frozen=True)
class _Remembered:
    """What a window of steps began with, to replay it."""

    model: Mapping[str, Tensor]
    buffers: Buffers
    optimizer: dict[str, Any]
    random: RandomStates


@dataclass
class _Course:
    """A training under way. Parameters change in place, and so does what it remembers."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    data: Batches
    plan: TrainingPlan
    test: Batches | None
    scheduler: LRScheduler | None
    checkpoint: CheckpointPlan | None
    progress: Callable[[int, int], None] | None
    politeness: Politeness
    at: Position = field(default_factory=Position)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look once at what was given."""
        _check_optimizer(self.optimizer, self.scheduler)
        self.batch_count = batch_count(self.data)
        if self.test is not None:
            batch_count(self.test)
        self.parameters = trained_parameters(self.model)
        self.device = self.parameters[0].device
        self.window = self.plan.check_every or (1 if self.device.type == "cpu" else _GPU_CHECK_EVERY)
        self.balls = [module for module in self.model.modules() if isinstance(module, Network)]
        self.frozen = frozen_modules(self.model)
        self.trouble: Trouble | None = None
        self.file = None if self.checkpoint is None else self.opened(self.checkpoint)
        # Of the steps since somebody looked: losses, gradient norms, largest parameters (on the device), and batches.
        self.unseen: list[Tensor] = []
        self.batches: list[tuple[Tensor, Tensor]] = []
        self.remembered: _Remembered | None = None
        # As the last whole step left them.
        self.random = RandomStates.present()
        self.before_update: list[Tensor] = []
        self.is_updating = False
        self.began = time.perf_counter()

    def opened(self, checkpoint: CheckpointPlan) -> TrainingFile:
        """The file of this training."""
        order_generator(self.data)
        # For numbers, what is suited is the mean squared error: a checkpoint of one goes on under the other.
        loss = "mse_loss" if self.plan.loss is suited_loss else _name(self.plan.loss)
        settings = (loss, _name(self.plan.penalty), str(self.plan.measure is not None), *self.frozen)
        path = Path(checkpoint.path)
        file = TrainingFile(
            path, self.model, self.optimizer, self.data, self.scheduler, settings, checkpoint.every_seconds
        )
        if not checkpoint.resume:
            file.claim()
        return file

    def run(self) -> Training:
        """All epochs."""
        if self.file is not None and self.checkpoint is not None and self.checkpoint.resume:
            self.at, self.rows = self.file.load()
            self.random = self.at.random or self.random
        else:
            self.begin_epoch()
        modes = ModuleModes.of(self.model)
        try:
            ending = self.epochs()
        except KeyboardInterrupt:
            if self.is_updating:
                raise
            ending = self.broken_off()
        finally:
            modes.restore()
        if self.at.random is not None:
            # A checkpoint after which there was nothing to do.
            self.at.random.restore()
        # A run that diverged is not kept: from its last checkpoint it may go on under other settings.
        if self.file is not None and ending is not Ending.DIVERGED:
            self.file.save(self.at, self.rows)
        records = Columns.from_rows(self.rows)
        return Training(ending, self.model, records, self.at.step, self.at.seconds, self.trouble)

    def epochs(self) -> Ending:
        """The start's record, unless it is there, and all epochs."""
        if not self.rows:
            self.random.restore()
            self.at.random = None
            self.write_row()
            self.random = RandomStates.present()
        ending = Ending.FINISHED
        while self.at.epoch < self.plan.epochs and ending is Ending.FINISHED:
            ending = self.epoch()
        return ending

    def broken_off(self) -> Ending:
        """Back to the last whole step, from within one, from the data or from what writes down."""
        self.look()
        if self.trouble is not None:
            return Ending.DIVERGED
        self.random.restore()
        return Ending.INTERRUPTED

    def set_modes(self) -> None:
        """All modules train, but those that came frozen."""
        self.model.train()
        for module in self.frozen.values():
            module.training = False

    def begin_epoch(self) -> None:
        """Remember what the order of the epoch's data comes from, and where it starts."""
        generator = self.generator
        self.at.in_epoch = 0
        self.at.loss_sum = self.at.slope_sum = 0.0
        self.at.order = None if generator is None else generator.get_state()
        self.at.before = None if self.plan.measure is None else parameter_vector(self.model)

    @property
    def generator(self) -> torch.Generator | None:
        """What the order of the data comes from."""
        return self.data.generator if isinstance(self.data, DataLoader) else None

    def epoch(self) -> Ending:
        """An epoch, or what is left of one."""
        self.set_modes()
        self.began = time.perf_counter()
        try:
            ending = self.steps()
        finally:
            self.at.seconds += time.perf_counter() - self.began
        if ending is not Ending.FINISHED:
            return ending
        self.at.epoch += 1
        try:
            self.write_row()
        except KeyboardInterrupt:
            # The epoch's last step is done, and its record is not.
            self.at.epoch -= 1
            raise
        self.end_epoch()
        return Ending.FINISHED

    def end_epoch(self) -> None:
        """Another learning rate, and a new order of the data."""
        self.is_updating = True
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(self.at.loss_sum / max(self.at.in_epoch, 1))
        elif self.scheduler is not None:
            with warnings.catch_warnings():
                # It cannot know of steps that were taken before the run was resumed.
                warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
                self.scheduler.step()
        self.begin_epoch()
        self.random = RandomStates.present()
        self.is_updating = False

    def steps(self) -> Ending:
        """The epoch's steps that are not done."""
        iterator = self.resumed_order()
        while (batch := next(iterator, None)) is not None:
            self.step(*pair(batch, self.device))
            if self.trouble is None and len(self.unseen) >= self.window:
                self.look()
            self.report()
            due = self.file is not None and self.file.is_due()
            if self.trouble is None and (due or self.politeness.is_asked):
                self.look()
                if due and self.file is not None and self.trouble is None:
                    self.at.seconds, self.began = (
                        self.at.seconds + time.perf_counter() - self.began,
                        time.perf_counter(),
                    )
                    self.file.save(self.at, self.rows)
            if self.trouble is not None:
                return Ending.DIVERGED
            if self.politeness.is_asked:
                return Ending.INTERRUPTED
        self.look()
        return Ending.FINISHED if self.trouble is None else Ending.DIVERGED

    def resumed_order(self) -> Iterator[Any]:
        """The epoch's batches, those that were taken before left out."""
        if self.at.order is not None and self.generator is not None:
            self.generator.set_state(self.at.order)
        iterator = iter(self.data)
        for _ in range(self.at.in_epoch):
            next(iterator)
        if self.at.random is not None:
            # After the loader has drawn what it draws at its start, as in the run that was interrupted.
            self.at.random.restore()
            self.at.random = None
        return iterator

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """One step; where every step is looked at and one breaks, the model is as it was before."""
        if self.window > 1:
            if not self.unseen:
                copies = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                optimizer = copy.deepcopy(self.optimizer.state_dict())
                self.remembered = _Remembered(copies, Buffers.of(self.model), optimizer, RandomStates.present())
            self.batches.append((inputs, targets))
        buffers = Buffers.of(self.model)
        try:
            seen = self.slope(inputs, targets)
        except KeyboardInterrupt:
            buffers.restore()
            if self.window > 1:
                self.batches.pop()
            raise
        if self.window == 1 and not bool(torch.isfinite(seen).all()):
            buffers.restore()
            self.trouble = self.named(inputs, targets, self.at.step + 1)
            return
        # Half a step is none: what interrupts it from here on ends the run at once.
        self.is_updating = True
        harm = self.update()
        if self.window == 1 and not bool(torch.isfinite(harm)):
            self.trouble = Trouble(self.at.step + 1, broken_parameter(self.model), "the update")
            self.take_back()
            buffers.restore()
        else:
            self.unseen.append(torch.cat([seen, harm.to(seen.dtype).reshape(1)]))
            self.at.step += 1
            self.at.in_epoch += 1
            self.random = RandomStates.present()
        self.is_updating = False

    def slope(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Gradients where the optimizer looks for them; the loss and their norm."""
        self.optimizer.zero_grad(set_to_none=True)
        value = self.objective(self.model(inputs), targets)
        torch.autograd.backward(value)
        norms = [torch.linalg.vector_norm(p.grad) for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        return torch.stack([value.detach(), norm.to(value.dtype)])

    @torch.no_grad()
    def update(self) -> Tensor:
        """Change the parameters; 0, or NaN where one of them is not finite."""
        if self.window == 1:
            if not self.before_update:
                self.before_update = [torch.empty_like(p, requires_grad=False) for p in self.parameters]
            for copied, parameter in zip(self.before_update, self.parameters, strict=True):
                copied.copy_(parameter)
        self.optimizer.step()
        for ball in self.balls:
            ball.project()
        # Ten times as fast on a CPU as `isfinite` or a norm of infinite order, and no square can overflow.
        real = (torch.view_as_real(p) if p.is_complex() else p for p in self.parameters if p.numel())
        ends = [end for p in real for end in torch.aminmax(p)]
        return (0 * torch.stack(ends)).sum()

    @torch.no_grad()
    def take_back(self) -> None:
        """Undo the last update of the parameters."""
        for parameter, copied in zip(self.parameters, self.before_update, strict=True):
            parameter.copy_(copied)

    def objective(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a step lowers."""
        value = loss_value(self.plan.loss, outputs, targets)
        return value if self.plan.penalty is None else value + self.plan.penalty(self.model)

    def look(self) -> None:
        """Ask the device for what the steps have said since the last time; replay them where one broke."""
        if not self.unseen:
            return
        seen = torch.stack(self.unseen).double().cpu()
        finite = torch.isfinite(seen).all(dim=1)
        self.unseen.clear()
        batches, self.batches = self.batches, []
        if bool(finite.all()):
            # One after the other, so that it does not matter how often somebody looked.
            for loss, slope, _ in seen.tolist():
                self.at.loss_sum += loss
                self.at.slope_sum += slope
            return
        # Within, the model is where no step has left it.
        self.is_updating = True
        self.replay(batches, self.at.step - len(seen) + 1 + int(torch.nonzero(~finite)[0]))
        self.is_updating = False

    def replay(self, batches: list[tuple[Tensor, Tensor]], broken: int) -> None:
        """Go back to where a window began and take its steps again, looking at each, up to the one that broke."""
        if self.remembered is not None:
            self.model.load_state_dict(self.remembered.model)
            self.remembered.buffers.restore()
            self.optimizer.load_state_dict(self.remembered.optimizer)
            self.remembered.random.restore()
        self.at.step -= len(batches)
        self.at.in_epoch -= len(batches)
        window, self.window = self.window, 1
        for inputs, targets in batches:
            self.step(inputs, targets)
            self.unseen.clear()
            if self.trouble is not None:
                break
        self.window = window
        if self.trouble is None:
            self.trouble = Trouble(broken, "", "the loss, which the same steps taken again did not show")

    def named(self, inputs: Tensor, targets: Tensor, step: int) -> Trouble:
        """What broke at the present parameters."""
        found = first_trouble(self.model, self.objective, inputs, targets, step)
        return found or Trouble(step, "", "the loss or its gradient, which another pass did not show")

    def report(self) -> None:
        """Tell how far the run is; who answers with Ctrl-C asks to stop."""
        if self.progress is None:
            return
        try:
            self.progress(self.at.step, self.plan.epochs * (self.batch_count or 0))
        except KeyboardInterrupt:
            self.politeness.is_asked = True

    def write_row(self) -> None:
        """The record of the start or of an epoch."""
        at, steps = self.at, max(self.at.in_epoch, 1)
        ran = at.in_epoch > 0
        row: dict[str, Tensor | float] = {
            "epoch": at.epoch,
            "step": at.step,
            "seconds": at.seconds,
            "loss": at.loss_sum / steps if ran else float("nan"),
            "gradient_norm": at.slope_sum / steps if ran else float("nan"),
        }
        if at.epoch % self.plan.evaluate_every == 0 or at.epoch == self.plan.epochs:
            parts = {"train": in_order(self.data)} | ({} if self.test is None else {"test": self.test})
            for part, data in parts.items():
                row[f"{part}_loss"], row[f"{part}_accuracy"] = evaluate(self.model, data, self.plan.loss)
            if self.plan.measure is not None:
                row |= self.plan.measure(self.model, at.before if ran else None)
        self.rows.append(row)


def _check_optimizer(optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None) -> None:
    require(
        not isinstance(optimizer, torch.optim.LBFGS),
        "an optimizer whose step needs no closure",
        type(optimizer).__name__,
        "take SGD or Adam, or train by a loop of your own",
    )
    if scheduler is not None:
        require(scheduler.optimizer is optimizer, "a scheduler of the given optimizer", "one of another")


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
