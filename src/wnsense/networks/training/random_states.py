"""States of torch's global random generators, from which dropout draws."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomStates:
    """States of torch's global generators.

    Attributes:
        cpu: State of the CPU's generator.
        devices: State of the generator of each GPU.
    """

    cpu: Tensor
    devices: tuple[Tensor, ...]

    @classmethod
    def present(cls) -> "RandomStates":
        """Return the present states."""
        return cls(torch.get_rng_state(), tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else ())

    def restore(self) -> None:
        """Set the generators to these states."""
        torch.set_rng_state(self.cpu)
        if self.devices and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(list(self.devices))
