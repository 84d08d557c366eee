"""Training: against a literal loop, the same bits after any interruption, numbers that break, records."""

import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table, write_table
from wnsense.networks.data.labelled_images import batches
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.measuring.measurement import measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.path_norm import path_norm
from wnsense.networks.network import Architecture, Network, Scaling
from wnsense.networks.training.evaluation import evaluate
from wnsense.networks.training.plan import CheckpointPlan, TrainingPlan
from wnsense.networks.training.step import check_window
from wnsense.networks.training.train import train
from wnsense.networks.training.training_result import Ending
from wnsense.running.checkpoint_file import write_checkpoint

COUNT, BATCH, EPOCHS = 23, 5, 3
STEPS = 5 * EPOCHS


def dataset(count=COUNT):
    rng = torch.Generator().manual_seed(7)
    x = torch.randn(count, 6, generator=rng)
    return TensorDataset(x, nn.functional.one_hot((x[:, 0] > 0).long(), 2).float())


class Dropping(nn.Module):
    """A model with random numbers and batch statistics of its own."""

    def __init__(self, inner):
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.3)
        self.inner = inner

    def forward(self, x):
        return self.inner(self.drop(self.norm(x)))


def network(**changed):
    architecture = Architecture(
        **({"inputs": 6, "width": 8, "depth": 2, "outputs": 2, "scaling": Scaling.ONE} | changed)
    )
    return uniform_network(architecture, torch.Generator().manual_seed(1))


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
}


def measured(model, before):
    x, y = dataset().tensors
    return measure(
        model, x, y, settings=MeasurementSettings(steps=4, output_samples=1, directions=1), before=before
    ).row()


def run(kind="momentum", *, dropping=True, epochs=EPOCHS, checkpoint=None, progress=None, check_every=None, **plan):
    torch.manual_seed(3)
    model = Dropping(network()) if dropping else network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    data = batches(dataset(), BATCH, torch.Generator().manual_seed(2))
    plan = TrainingPlan(epochs, check_every=check_every, **plan)
    return train(model, optimizer, data, plan, test=batches(dataset(9), 4), checkpoint=checkpoint, callback=progress)


def same(first, second, *, but=("seconds",)):
    """Bit for bit: all that the model holds, and all records but the clock."""
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert set(first.records) == set(second.records)
    for name in set(first.records) - set(but):
        assert np.array_equal(first.records[name], second.records[name], equal_nan=True), name


def test_training_is_the_loop_that_anybody_would_write():
    result = run("momentum", dropping=False)
    model = network()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    x, y = dataset().tensors
    rng = torch.Generator().manual_seed(2)
    rng_of_loader = batches(dataset(), BATCH, rng)
    losses, slopes = [], []
    for _ in range(EPOCHS):
        for inputs, targets in rng_of_loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
            slopes.append(
                math.sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters() if p.grad is not None))
            )
    for a, b in zip(result.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert result.ending is Ending.FINISHED
    assert result.steps == STEPS
    by_epoch = np.array(losses).reshape(EPOCHS, -1).mean(1)
    np.testing.assert_allclose(result.records["loss"][1:], by_epoch, rtol=1e-12)
    # Norms are computed in single precision, from 144 numbers.
    by_epoch = np.array(slopes).reshape(EPOCHS, -1).mean(1)
    np.testing.assert_allclose(result.records["gradient_norm"][1:], by_epoch, rtol=144 * np.finfo(np.float32).eps)
    assert result.records["step"].tolist() == [0, 5, 10, 15]
    with torch.no_grad():
        said = model(x)
    assert result.records["train_loss"][-1] == pytest.approx(float((said - y).square().mean()), rel=1e-6)
    right = float((said.argmax(1) == y.argmax(1)).double().mean())
    assert result.records["train_accuracy"][-1] == pytest.approx(right)
    assert result.model.training is True


def test_losses_are_read_from_the_device_as_seldom_as_planned(monkeypatch):
    """Every 2 of an epoch's 5 steps, and once at its end."""
    lengths = []

    def watched(task, state):
        lengths.append(len(state.moment.window.readings))
        check_window(task, state)

    monkeypatch.setattr("wnsense.networks.training.train.check_window", watched)
    run(check_every=2)
    assert lengths == [2, 2, 1] * EPOCHS


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_seed_gives_the_same_bits_however_often_somebody_looks(kind):
    same(run(kind), run(kind))
    same(run(kind), run(kind, check_every=4))


class Interrupting:
    """Presses Ctrl-C at a step."""

    def __init__(self, step, number=signal.SIGINT):
        self.step, self.number, self.seen = step, number, []

    def __call__(self, done, total):
        self.seen.append((done, total))
        if done == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("kind", "step"), [("momentum", 1), ("momentum", 5), ("sgd", 8), ("adam", 8)])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(tmp_path, kind, step):
    """In the middle of an epoch, at the end of one, with dropout, batch statistics, momentum and measurements."""
    path = tmp_path / "run.npz"
    whole = run(kind, measure=measured)
    part = run(kind, measure=measured, checkpoint=CheckpointPlan(path), progress=Interrupting(step))
    assert part.ending is Ending.INTERRUPTED
    assert part.steps == step
    assert "lets it go on" in part.ending.advice
    rest = run(kind, measure=measured, checkpoint=CheckpointPlan(path, resume=True))
    assert rest.ending is Ending.FINISHED
    same(rest, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_the_program_handles_ends_a_training_after_its_step(tmp_path, number):
    path = tmp_path / "run.npz"
    before = signal.signal(number, signal.default_int_handler)
    try:
        part = run(checkpoint=CheckpointPlan(path), progress=Interrupting(3, number))
    finally:
        signal.signal(number, before)
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, 3)
    same(run(checkpoint=CheckpointPlan(path, resume=True)), run())


def test_a_kill_loses_no_more_than_since_the_last_checkpoint(tmp_path):
    """Saved at every step, then killed by the second Ctrl-C in the middle of one."""
    path = tmp_path / "run.npz"

    def twice(done, _total):
        if done == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    # A second one raises at once; as it comes out of the callback, it is an answer to the first.
    part = run(checkpoint=CheckpointPlan(path, every_seconds=0.0), progress=twice)
    assert part.ending is Ending.INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is handler
    same(run(checkpoint=CheckpointPlan(path, resume=True)), run())


def test_a_finished_training_goes_on_with_more_epochs(tmp_path):
    path = tmp_path / "run.npz"
    run(epochs=1, checkpoint=CheckpointPlan(path))
    same(run(checkpoint=CheckpointPlan(path, resume=True)), run())
    again = run(checkpoint=CheckpointPlan(path, resume=True))
    same(again, run())


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    run(epochs=1, checkpoint=CheckpointPlan(path))
    with pytest.raises(InputError, match="the model, optimizer and data"):
        run("adam", checkpoint=CheckpointPlan(path, resume=True))
    with pytest.raises(InputError, match="the model, optimizer and data"):
        run(dropping=False, checkpoint=CheckpointPlan(path, resume=True))
    with pytest.raises(InputError, match="written by wnsense"):
        run(checkpoint=CheckpointPlan(tmp_path / "nothing.npz", resume=True))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="written by wnsense"):
        run(checkpoint=CheckpointPlan(path, resume=True))
    write_table(path, Table({"kind": "other"}, {}))
    with pytest.raises(InputError, match="the checkpoint of a training"):
        run(checkpoint=CheckpointPlan(path, resume=True))


def test_another_machine_is_a_warning(tmp_path):
    path = tmp_path / "run.npz"
    run(epochs=1, checkpoint=CheckpointPlan(path))
    table = read_table(path)
    header = {**table.header, "machine": {**table.header["machine"], "torch": "0.1"}}
    write_checkpoint(path, Table(header, table.arrays))
    with pytest.warns(UserWarning, match=r"torch 0.1 ->"):
        run(checkpoint=CheckpointPlan(path, resume=True))


def test_half_precision_is_kept_to_the_bit(tmp_path):
    """NumPy has no bfloat16."""

    def half(checkpoint=None, progress=None):
        model = network().to(torch.bfloat16)
        data = TensorDataset(*(t.to(torch.bfloat16) for t in dataset().tensors))
        loader = batches(data, BATCH, torch.Generator().manual_seed(2))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        return train(model, optimizer, loader, TrainingPlan(2), checkpoint=checkpoint, callback=progress)

    path = tmp_path / "run.npz"
    half(CheckpointPlan(path), Interrupting(3))
    same(half(CheckpointPlan(path, resume=True)), half())


def test_the_norm_ball_is_kept_and_the_penalty_is_in_the_loss():
    model = network(output_radius=0.05)
    data = batches(dataset(), BATCH, torch.Generator().manual_seed(2))
    start = model.output.weight.detach().clone()
    plan = TrainingPlan(2, penalty=lambda m: 1e-3 * path_norm(m))
    result = train(model, torch.optim.SGD(model.parameters(), lr=0.5), data, plan)
    away = (model.output.weight.detach() - start).norm(dim=1)
    assert float(away.max()) == pytest.approx(0.05, rel=1e-5)
    other = network(output_radius=0.05)
    bare = train(
        other,
        torch.optim.SGD(other.parameters(), lr=0.5),
        batches(dataset(), BATCH, torch.Generator().manual_seed(2)),
        TrainingPlan(2),
    )
    assert not torch.equal(other.output.weight, model.output.weight)
    assert result.records["loss"][1] > bare.records["loss"][1]


class Breaking(nn.Module):
    """A network in which one layer divides by zero once a counter has run out."""

    def __init__(self, after, where):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("left", torch.tensor(float(after)))
        self.where = where

    def forward(self, x):
        if self.training:
            self.left -= 1
        broken = torch.where(self.left < 0, float("nan"), 1.0)
        x = torch.tanh(self.first(x))
        x = torch.tanh(self.second(x * (broken if self.where == "outputs" else 1)))
        x = self.last(x)
        if self.where == "gradient":
            # sqrt(0) is 0, and its slope is not a number times 0.
            hole = torch.where(self.left < 0, 0.0, 1.0)
            x = x + (hole * self.second.weight.sum()).square().sqrt()
        return x


@pytest.mark.parametrize("check_every", [1, 4, 50])
@pytest.mark.parametrize(
    ("where", "layer", "what"), [("outputs", "second", "the outputs"), ("gradient", "second.weight", "the gradient")]
)
def test_numbers_that_break_are_told_with_step_and_layer(check_every, where, layer, what):
    torch.manual_seed(0)
    model = Breaking(7, where)
    data = batches(dataset(), BATCH, torch.Generator().manual_seed(2))
    result = train(
        model, torch.optim.SGD(model.parameters(), lr=0.1), data, TrainingPlan(EPOCHS, check_every=check_every)
    )
    assert result.ending is Ending.DIVERGED
    assert (result.trouble.step, result.trouble.layer, result.trouble.what) == (8, layer, what)
    assert str(result.trouble) == f"step 8: NaN or infinity in {what} of {layer}"
    # The model is as it was before that step.
    assert result.steps == 7
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    assert result.records["epoch"].tolist() == [0, 1]


def test_other_places_in_which_numbers_break():
    x, y = dataset().tensors
    x = x.clone()
    x[:, 0] = torch.where(torch.arange(COUNT) == 11, float("inf"), x[:, 0])

    def trouble(model, data, rate=0.1):
        loader = batches(TensorDataset(*data), COUNT, torch.Generator().manual_seed(2))
        plan = TrainingPlan(3, evaluate_every=3)
        return train(model, torch.optim.SGD(model.parameters(), lr=rate), loader, plan).trouble

    assert str(trouble(network(), (x, y))) == "step 1: NaN or infinity in the batch's inputs"
    # Steps so long that the square of what comes out is out of range.
    overflow = trouble(nn.Linear(6, 2), dataset().tensors, 1e25)
    assert (overflow.step, overflow.layer, overflow.what) == (2, "", "the loss")
    short = network()
    with torch.no_grad():
        short.layers[1].parametrizations["weight"].original1[0] = 0
    assert trouble(short, dataset().tensors).layer == "hidden.1"


def test_a_diverged_training_keeps_its_last_checkpoint(tmp_path):
    path = tmp_path / "run.npz"
    model = Breaking(7, "outputs")
    data = batches(dataset(), BATCH, torch.Generator().manual_seed(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train(model, optimizer, data, TrainingPlan(EPOCHS), checkpoint=CheckpointPlan(path, every_seconds=0.0))
    assert read_table(path).header["counts"] == [1, 2, 7]


def test_records_are_a_table(tmp_path):
    result = run(evaluate_every=2)
    result.save(tmp_path / "records.npz", {"width": 8})
    table = read_table(tmp_path / "records.npz")
    assert table.header == {"ending": "finished", "steps": STEPS, "trouble": "", "width": 8}
    # Looked at after epochs 0, 2 and the last.
    assert np.isnan(table.arrays["test_loss"]).tolist() == [False, True, False, False]
    assert table.arrays["epoch"].tolist() == [0, 1, 2, 3]


def test_any_loader_of_pairs_will_do():
    loader = DataLoader(dataset(), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(6, 2)
    result = train(model, torch.optim.SGD(model.parameters(), lr=0.1), loader, TrainingPlan(2))
    assert result.steps == 12
    loss, accuracy = evaluate(model, loader)
    assert loss == pytest.approx(result.records["train_loss"][-1], rel=1e-6)
    assert accuracy == pytest.approx(result.records["train_accuracy"][-1])
    whole_numbers = TensorDataset(dataset().tensors[0], dataset().tensors[1].argmax(1))
    by_class = evaluate(model, batches(whole_numbers, 4), nn.functional.cross_entropy)
    assert by_class[1] == pytest.approx(accuracy)
    assert np.isnan(evaluate(nn.Linear(6, 1), batches(TensorDataset(*dataset().tensors), 4), lambda f, y: f.mean())[1])


def test_what_cannot_be_trained_on_is_refused():
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    triples = batches(TensorDataset(*dataset().tensors, torch.ones(COUNT)), 4, torch.Generator())
    with pytest.raises((InputError, ValueError), match=r"batches \(inputs, targets\)|too many values"):
        train(model, optimizer, triples, TrainingPlan(1))
    tensor_rate = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.1))
    data = batches(dataset(), BATCH, torch.Generator())
    with pytest.raises(InputError, match="plain numbers for options"):
        train(model, tensor_rate, data, TrainingPlan(1), checkpoint=CheckpointPlan(Path("x")))
    for bad in ({"epochs": -1}, {"epochs": 1, "evaluate_every": 0}, {"epochs": 1, "check_every": 0}):
        with pytest.raises(InputError, match="needed"):
            TrainingPlan(**bad)


def test_no_epochs_leave_the_start():
    before = [p.clone() for p in network().parameters()]
    result = run(dropping=False, epochs=0)
    assert isinstance(result.model, Network)
    assert all(torch.equal(a, b) for a, b in zip(result.model.parameters(), before, strict=True))
    assert result.records["epoch"].tolist() == [0]
