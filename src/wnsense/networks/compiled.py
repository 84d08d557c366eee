"""Compiled models: torch.compile is switched off during a measurement, and models of torch.jit are refused."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from wnsense.checks import InputError

# Name under which torch.compile holds the module that it has compiled.
_ORIGINAL = "_orig_mod"


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run the original code of everything that torch.compile has compiled, while this is open.

    A compiled backward pass cannot be differentiated again, and hides the layers from hooks.
    """
    # Nothing is compiled where this module is not loaded, and to load it takes seconds.
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def require_differentiable(model: nn.Module) -> None:
    """Check that the trained layers of a model are not those of torch.jit.

    Such layers keep the mode in which they were traced, and weight normalization with wrong second derivatives.

    Raises:
        InputError: If there is such a layer.
    """
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule) and any(p.requires_grad for p in module.parameters()):
            raise InputError(
                f"needed a model that is not compiled by torch.jit, got a {type(module).__name__}; "
                "hand in the model that was traced or scripted"
            )


def name_uncompiled(name: str) -> str:
    """Return the name of a layer without the parts that torch.compile has added."""
    return ".".join(part for part in name.split(".") if part != _ORIGINAL)


def named_originals(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Return the modules of a model with their names, without the wrappers of torch.compile.

    A wrapper has all attributes of the module that it wraps, and would be taken for a second layer.
    """
    for name, module in model.named_modules():
        if all(child != _ORIGINAL for child, _ in module.named_children()):
            yield name_uncompiled(name), module
