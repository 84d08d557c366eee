"""Model, optimizer, data and plan of a training, with what follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from wnsense.checks import require
from wnsense.networks.measuring.surface import parameter_vector, trained_parameters
from wnsense.networks.module_state import frozen_modules
from wnsense.networks.network import Network
from wnsense.networks.training.batch_source import Batches, batch_count
from wnsense.networks.training.losses import loss_value
from wnsense.networks.training.plan import TrainingPlan

# The losses of a GPU are read after so many steps, since each reading waits for it. If one is not finite, the steps
# since the last reading are replayed.
_GPU_CHECK_EVERY = 20


@dataclass(frozen=True)
class ParameterBackup:
    """Copy of the parameters from before an update, to undo it.

    Attributes:
        parameters: Parameters.
        copies: Tensors that hold the copy.
    """

    parameters: tuple[Tensor, ...]
    copies: tuple[Tensor, ...]

    @classmethod
    def of(cls, parameters: tuple[Tensor, ...]) -> "ParameterBackup":
        """Allocate a backup of parameters."""
        return cls(parameters, tuple(torch.empty_like(p, requires_grad=False) for p in parameters))

    @torch.no_grad()
    def save(self) -> None:
        """Copy the parameters."""
        for parameter, copy in zip(self.parameters, self.copies, strict=True):
            copy.copy_(parameter)

    @torch.no_grad()
    def restore(self) -> None:
        """Set the parameters to the copy."""
        for parameter, copy in zip(self.parameters, self.copies, strict=True):
            parameter.copy_(copy)


@dataclass(frozen=True)
class TrainingTask:
    """Model, optimizer, data and plan of a training. Only tensors inside them change.

    Attributes:
        model: Trained model.
        optimizer: Its optimizer.
        scheduler: Scheduler of the optimizer's learning rate, if any.
        data: Batches to train on.
        test: Batches to evaluate on, if any.
        plan: Plan of the training.
        parameters: Trained parameters.
        networks: Networks in the model, whose output rows are projected to their balls.
        frozen: Modules that stay in evaluation mode, by name.
        batches: Number of batches in an epoch, 0 for a stream.
        check_every: Number of steps after which losses are read.
        backup: Backup of the parameters if each step is checked, else None.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler | None
    data: Batches
    test: Batches | None
    plan: TrainingPlan
    parameters: tuple[Tensor, ...]
    networks: tuple[Network, ...]
    frozen: Mapping[str, nn.Module]
    batches: int
    check_every: int
    backup: ParameterBackup | None

    @classmethod
    def of(
        cls,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: Batches,
        plan: TrainingPlan,
        *,
        test: Batches | None,
        scheduler: LRScheduler | None,
    ) -> "TrainingTask":
        """Check the parts of a training and return them as one.

        Raises:
            InputError: If they do not fit together.
        """
        _check_optimizer(optimizer, scheduler)
        batches = batch_count(data) or 0
        if test is not None:
            batch_count(test)
        parameters = trained_parameters(model)
        check_every = plan.check_every or (1 if parameters[0].device.type == "cpu" else _GPU_CHECK_EVERY)
        return cls(
            model=model,
            optimizer=optimizer,
            scheduler=scheduler,
            data=data,
            test=test,
            plan=plan,
            parameters=parameters,
            networks=tuple(module for module in model.modules() if isinstance(module, Network)),
            frozen=frozen_modules(model),
            batches=batches,
            check_every=check_every,
            backup=ParameterBackup.of(parameters) if check_every == 1 else None,
        )

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.parameters[0].device

    @property
    def generator(self) -> torch.Generator | None:
        """Generator of the order of the data, if there is one."""
        return self.data.generator if isinstance(self.data, DataLoader) else None

    @property
    def order(self) -> Tensor | None:
        """Present state of the generator of the data."""
        return None if self.generator is None else self.generator.get_state()

    @property
    def measured_parameters(self) -> Tensor | None:
        """Present parameters as a vector, (p,), if the plan has a measurement."""
        return None if self.plan.measure is None else parameter_vector(self.model)

    def set_modes(self) -> None:
        """Put all modules in training mode except the frozen ones."""
        self.model.train()
        for module in self.frozen.values():
            module.training = False

    def objective(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number that a step lowers: the loss, and the penalty if there is one."""
        value = loss_value(self.plan.loss, outputs, targets)
        return value if self.plan.penalty is None else value + self.plan.penalty(self.model)


def _check_optimizer(optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None) -> None:
    require(
        not isinstance(optimizer, torch.optim.LBFGS),
        "an optimizer whose step needs no closure",
        type(optimizer).__name__,
        "take SGD or Adam, or train by a loop of your own",
    )
    if scheduler is not None:
        require(scheduler.optimizer is optimizer, "a scheduler of the given optimizer", "one of another")
