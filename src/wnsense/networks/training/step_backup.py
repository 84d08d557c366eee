"""What a model holds beside its parameters: modes and buffers, remembered and put back."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Modes:
    """Which modules train and which rest (dropout, batch statistics).

    Attributes:
        trains: Of each module.
    """

    trains: Mapping[nn.Module, bool]

    @classmethod
    def of(cls, model: nn.Module) -> "Modes":
        """As they are."""
        return cls({module: module.training for module in model.modules()})

    def restore(self) -> None:
        """Put each module back, itself and not what is in it."""
        for module, trains in self.trains.items():
            module.training = trains


def frozen_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Modules in evaluation mode within a model in training mode: somebody put them there. None if it rests."""
    return {name: module for name, module in model.named_modules() if model.training and not module.training}


@dataclass(frozen=True)
class Buffers:
    """What a model holds that is not trained, such as batch statistics.

    Attributes:
        entries: Module, name, the tensor, and what was in it.
    """

    entries: tuple[tuple[nn.Module, str, Tensor, Tensor], ...]

    @classmethod
    def of(cls, model: nn.Module) -> "Buffers":
        """As they are."""
        return cls(
            tuple(
                (module, name, tensor, tensor.detach().clone())
                for module in model.modules()
                for name, tensor in module.named_buffers(recurse=False)
            )
        )

    @torch.no_grad()
    def restore(self) -> None:
        """Put them back, those too that a pass has replaced rather than changed."""
        for module, name, tensor, content in self.entries:
            # What did not change is left alone: expanded tensors cannot be written to. NaN is not equal to itself.
            if not torch.equal(tensor, content):
                tensor.copy_(content)
            setattr(module, name, tensor)
