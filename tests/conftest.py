"""Set-up of every test run: shapes and types are checked at each call, and each worker keeps to one thread."""

import jaxtyping
import pytest
import torch

# Before anything of the package is imported: what its annotations say is then enforced. An int is a float, as PEP 484
# and mypy have it.
_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.install_import_hook("wnsense", _CHECKER)

torch.set_num_threads(1)


@pytest.fixture
def as_users_run(monkeypatch):
    """Without run-time checks, so that hostile input meets what a user's hostile input meets."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
