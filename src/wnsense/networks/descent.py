"""The loop that trains: it takes steps, looks at what they say, writes down, checkpoints, and can be asked to stop."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wnsense.checks import InputError, require
from wnsense.networks.curvature import parameter_vector
from wnsense.networks.nonfinite import Trouble, first_trouble
from wnsense.networks.polite import Politeness, politely
from wnsense.networks.surface import trained_parameters
from wnsense.networks.training import Batches, Ending, Keeping, Plan, Training, evaluate, in_order
from wnsense.networks.training_file import Position, RandomStates, TrainingFile
from wnsense.running.trace import Columns, Row

# A GPU is asked for its losses so seldom; a run whose numbers break is then replayed from where it was last asked.
_GPU_CHECK_EVERY = 20


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Batches,
    plan: Plan,
    *,
    test: Batches | None = None,
    keeping: Keeping | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Train a model in place.

    The order of the data must come from the loader's own generator (`batches`), so that a resumed run sees the same.
    From one seed a CPU gives the same bits, and so does a run that was interrupted and resumed, on the same machine and
    number of threads. The first Ctrl-C ends the run after the present step, a second one at once.

    Args:
        model: With a method `project` it is called after each step, as `Network` needs for its norm ball.
        optimizer: Any of `torch.optim`, over the model's parameters.
        data: Batches `(inputs, targets)` to train on.
        plan: How long and what to write down.
        test: Batches to evaluate on.
        keeping: Where to keep checkpoints.
        progress: Called with the steps done and all there are, after each step.

    Raises:
        InputError: When a checkpoint is missing, damaged, or of another training, or data are not as needed.
    """
    with politely() as politeness:
        return _Course(model, optimizer, data, plan, test, keeping, progress, politeness).run()


@dataclass(frozen=True)
class _Remembered:
    """What a window of steps began with, to replay it."""

    model: Mapping[str, Tensor]
    optimizer: dict[str, Any]
    random: RandomStates


@dataclass
class _Course:
    """A training under way. Parameters change in place, and so does what it remembers."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    data: Batches
    plan: Plan
    test: Batches | None
    keeping: Keeping | None
    progress: Callable[[int, int], None] | None
    politeness: Politeness
    at: Position = field(default_factory=Position)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look once at what was given."""
        require(len(self.data) > 0, "batches to train on", "none")
        self.parameters = trained_parameters(self.model)
        self.device = self.parameters[0].device
        self.window = self.plan.check_every or (1 if self.device.type == "cpu" else _GPU_CHECK_EVERY)
        self.project: Callable[[], None] | None = getattr(self.model, "project", None)
        self.trouble: Trouble | None = None
        self.file: TrainingFile | None = None
        if (of := self.keeping) is not None:
            settings = (_name(self.plan.loss), _name(self.plan.penalty), str(self.plan.measure is not None))
            self.file = TrainingFile(of.path, self.model, self.optimizer, self.data, settings, of.every_seconds)
        # Of the steps since somebody looked: losses and gradient norms, left on the device, and their batches.
        self.unseen: list[Tensor] = []
        self.batches: list[tuple[Tensor, Tensor]] = []
        self.remembered: _Remembered | None = None

    def run(self) -> Training:
        """All epochs."""
        if self.file is not None and self.keeping is not None and self.keeping.resume:
            self.at, self.rows = self.file.load()
        else:
            self.begin_epoch()
            self.write_row()
        was_training = self.model.training
        self.model.train()
        ending = Ending.FINISHED
        try:
            while self.at.epoch < self.plan.epochs and ending is Ending.FINISHED:
                ending = self.epoch()
        finally:
            self.model.train(was_training)
        # A run that diverged is not kept: from its last checkpoint it may go on under other settings.
        if self.file is not None and ending is not Ending.DIVERGED:
            self.file.save(self.at, self.rows)
        records = Columns.from_rows(self.rows)
        return Training(ending, self.model, records, self.at.step, self.at.seconds, self.trouble)

    def begin_epoch(self) -> None:
        """Remember what the order of the epoch's data comes from, and where it starts."""
        generator = self.data.generator
        self.at.in_epoch = 0
        self.at.loss_sum = self.at.slope_sum = 0.0
        self.at.order = None if generator is None else generator.get_state()
        self.at.before = None if self.plan.measure is None else parameter_vector(self.model)

    def epoch(self) -> Ending:
        """An epoch, or what is left of one."""
        iterator = self.resumed_order()
        began = time.perf_counter()
        while (batch := next(iterator, None)) is not None:
            self.step(*self.placed(batch))
            if self.trouble is None and len(self.unseen) >= self.window:
                self.look()
            self.report()
            due = self.file is not None and self.file.is_due()
            if self.trouble is None and (due or self.politeness.is_asked):
                self.look()
                self.at.seconds, began = self.at.seconds + time.perf_counter() - began, time.perf_counter()
                if due and self.file is not None and self.trouble is None:
                    self.file.save(self.at, self.rows)
            if self.trouble is not None:
                return Ending.DIVERGED
            if self.politeness.is_asked:
                return Ending.INTERRUPTED
        self.look()
        self.at.seconds += time.perf_counter() - began
        if self.trouble is not None:
            return Ending.DIVERGED
        self.at.epoch += 1
        self.write_row()
        self.begin_epoch()
        return Ending.FINISHED

    def resumed_order(self) -> Iterator[Any]:
        """The epoch's batches, those that were taken before left out."""
        if self.at.order is not None and self.data.generator is not None:
            self.data.generator.set_state(self.at.order)
        iterator = iter(self.data)
        for _ in range(self.at.in_epoch):
            next(iterator)
        if self.at.random is not None:
            # After the loader has drawn what it draws at its start, as in the run that was interrupted.
            self.at.random.restore()
            self.at.random = None
        return iterator

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """One step; where every step is looked at, before it changes anything."""
        if self.window > 1:
            if not self.unseen:
                copies = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                optimizer = copy.deepcopy(self.optimizer.state_dict())
                self.remembered = _Remembered(copies, optimizer, RandomStates.present())
            self.batches.append((inputs, targets))
        self.optimizer.zero_grad(set_to_none=True)
        value = self.objective(self.model(inputs), targets)
        torch.autograd.backward(value)
        norms = [torch.linalg.vector_norm(p.grad) for p in self.parameters if p.grad is not None]
        slope = torch.linalg.vector_norm(torch.stack(norms))
        self.unseen.append(torch.stack([value.detach(), slope.to(value.dtype)]))
        if self.window == 1 and not bool(torch.isfinite(self.unseen[-1]).all()):
            self.unseen.clear()
            self.trouble = self.named(inputs, targets, self.at.step + 1)
            return
        self.optimizer.step()
        if self.project is not None:
            self.project()
        self.at.step += 1
        self.at.in_epoch += 1

    def objective(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a step lowers."""
        value = self.plan.loss(outputs, targets)
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
            for loss, slope in seen.tolist():
                self.at.loss_sum += loss
                self.at.slope_sum += slope
            return
        self.replay(batches, self.at.step - len(seen) + 1 + int(torch.nonzero(~finite)[0]))

    def replay(self, batches: list[tuple[Tensor, Tensor]], broken: int) -> None:
        """Go back to where a window began and take its steps again, looking at each, up to the one that broke."""
        if self.remembered is not None:
            self.model.load_state_dict(self.remembered.model)
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

    def placed(self, batch: object) -> tuple[Tensor, Tensor]:
        """A batch on the model's device.

        Raises:
            InputError: When it is not a pair of tensors.
        """
        if isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
            inputs, targets = (part.to(self.device, non_blocking=True) for part in batch)
            return inputs, targets
        raise InputError(f"needed batches (inputs, targets) of tensors, got {type(batch).__name__}; collate them so")

    def report(self) -> None:
        """Tell how far the run is; who answers with Ctrl-C asks to stop."""
        if self.progress is None:
            return
        try:
            self.progress(self.at.step, self.plan.epochs * len(self.data))
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


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
