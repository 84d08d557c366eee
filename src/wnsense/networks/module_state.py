"""State of a model beside its parameters: modes of its modules, and buffers; copied and restored."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ModuleModes:
    """Training or evaluation mode of each module (dropout, batch statistics).

    Attributes:
        is_training: Mode by module, True for training.
    """

    is_training: Mapping[nn.Module, bool]

    @classmethod
    def of(cls, model: nn.Module) -> "ModuleModes":
        """Return the present modes of a model."""
        return cls({module: module.training for module in model.modules()})

    def restore(self) -> None:
        """Set the mode of each module, but not through `train`, which would set its children too."""
        for module, mode in self.is_training.items():
            module.training = mode


def frozen_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules in evaluation mode within a model in training mode, which are frozen on purpose.

    A model in evaluation mode has none.
    """
    return {name: module for name, module in model.named_modules() if model.training and not module.training}


@dataclass(frozen=True)
class Buffers:
    """Copy of the tensors of a model that are not trained, such as batch statistics.

    Attributes:
        entries: Module, name, tensor, and copy of its content.
    """

    entries: tuple[tuple[nn.Module, str, Tensor, Tensor], ...]

    @classmethod
    def of(cls, model: nn.Module) -> "Buffers":
        """Return a copy of the present buffers of a model."""
        return cls(
            tuple(
                (module, name, tensor, tensor.detach().clone())
                for module in model.modules()
                for name, tensor in module.named_buffers(recurse=False)
            )
        )

    @torch.no_grad()
    def restore(self) -> None:
        """Restore all buffers, also those that a pass has replaced by other tensors."""
        for module, name, tensor, content in self.entries:
            # Unchanged buffers are not written: expanded tensors cannot be. NaN is not equal to itself.
            if not torch.equal(tensor, content):
                tensor.copy_(content)
            setattr(module, name, tensor)
