"""Training as people do it: sequences, frozen layers, schedulers, odd loaders, odd files, odd interruptions."""

import json
import math
import os
import signal
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SubsetRandomSampler, TensorDataset

from wnsense.checks import InputError
from wnsense.networks.data.labelled_images import batches
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.measuring.nonfinite import first_trouble
from wnsense.networks.network import Architecture, Scaling
from wnsense.networks.training.evaluation import evaluate
from wnsense.networks.training.plain_state import as_plain, from_plain
from wnsense.networks.training.plan import CheckpointPlan, TrainingPlan
from wnsense.networks.training.train import train
from wnsense.networks.training.training_result import Ending

COUNT, BATCH = 23, 5
STEPS = 5


def samples(count=COUNT):
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(7))
    return x, (x[:, 0] > 0).long()


def loader(x, y, seed=2):
    return batches(TensorDataset(x, y), BATCH, torch.Generator().manual_seed(seed))


def seeded(make):
    torch.manual_seed(3)
    return make()


def normed():
    return seeded(
        lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 2))
    )


def sgd(model, rate=0.05):
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)


def content(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for name in set(first.records) - {"seconds"}:
        assert np.array_equal(first.records[name], second.records[name], equal_nan=True), name


# Accuracy.


class Fixed(nn.Module):
    """Says what it is told, whatever comes."""

    def __init__(self, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.outputs = outputs

    def forward(self, x):
        return self.outputs[: len(x)] + self.weight


def test_accuracy_is_a_part_of_the_labels_or_not_a_number():
    rng = torch.Generator().manual_seed(0)
    N, T, C = 7, 4, 3
    labels = torch.randint(C, (N, T), generator=rng)
    logits = torch.randn(N, T, C, generator=rng)
    x = torch.zeros(N, 1)

    def flat(outputs, targets):
        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    # Classes last: there is no saying which dimension they are in.
    assert math.isnan(evaluate(Fixed(logits), [(x, labels)], flat)[1])
    # Classes in dimension 1, as torch has it, with any loss that goes with it.
    wanted = float((logits.argmax(-1) == labels).double().mean())
    loss, accuracy = evaluate(Fixed(logits.transpose(1, 2)), [(x, labels)], functional.cross_entropy)
    assert accuracy == pytest.approx(wanted)
    assert loss == pytest.approx(float(flat(logits, labels)), rel=1e-6)
    # Labels that the loss ignores.
    some = labels.masked_fill(torch.arange(T) == 2, -100)
    kept = (logits.argmax(-1) == labels)[:, torch.arange(T) != 2]
    assert evaluate(Fixed(logits.transpose(1, 2)), [(x, some)])[1] == pytest.approx(float(kept.double().mean()))
    # (N, 1) would be stretched to (N, N).
    column = evaluate(Fixed(logits[:, 0]), [(x, labels[:, :1])], lambda f, y: functional.cross_entropy(f, y[:, 0]))
    assert math.isnan(column[1])


# Numbers that break.


@pytest.mark.parametrize("check_every", [1, 3])
def test_batch_statistics_are_as_before_the_step_that_broke(check_every):
    x, y = samples()
    x[10:15] = float("nan")
    model, twin = normed(), normed()
    data = DataLoader(TensorDataset(x, y), BATCH)
    result = train(model, sgd(model), data, TrainingPlan(1, loss=functional.cross_entropy, check_every=check_every))
    assert (result.ending, result.steps, result.trouble.step) == (Ending.DIVERGED, 2, 3)
    torch.manual_seed(3)
    normed()
    train(
        twin,
        sgd(twin),
        DataLoader(TensorDataset(x[:10], y[:10]), BATCH),
        TrainingPlan(1, loss=functional.cross_entropy),
    )
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))


def test_the_pass_that_names_a_layer_changes_no_buffers():
    model = normed()
    before = content(model)
    x, y = samples()
    assert first_trouble(model, functional.cross_entropy, x, y, 1) is None
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("check_every", [1, 3])
@pytest.mark.parametrize("epochs", [1, 2])
def test_an_update_out_of_range_is_taken_back(tmp_path, check_every, epochs):
    """As the last step and before others; the checkpoint stays that of before."""
    x, y = samples(BATCH)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2))
    before = content(model)
    path = tmp_path / "run.npz"
    plan = TrainingPlan(epochs, loss=lambda f, t: 100 * functional.cross_entropy(f, t), check_every=check_every)
    data = loader(x, y)
    result = train(model, torch.optim.SGD(model.parameters(), lr=3e38), data, plan, checkpoint=CheckpointPlan(path))
    assert result.ending is Ending.DIVERGED
    assert (result.steps, result.trouble.step, result.trouble.what) == (0, 1, "the update")
    assert result.trouble.layer in dict(model.named_parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not path.exists()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.last = nn.RNN(6, 4, nonlinearity="relu", batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.memory(x)[0][:, -1])


def test_a_recurrent_layer_is_named_itself():
    model = Recurrent()
    x, y = torch.zeros(3, 2, 6), torch.zeros(3, dtype=torch.int64)
    # No number is infinite, yet sums in the layer are.
    x[:] = 3e38
    with torch.no_grad():
        model.memory.weight_ih_l0.fill_(1.0)
    trouble = first_trouble(model, functional.cross_entropy, x, y, 1)
    assert (trouble.layer, trouble.what) == ("memory", "the outputs")


# Schedulers.

SCHEDULERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 1, 0.3),
    "milestones": lambda o: lr_scheduler.MultiStepLR(o, [1, 2], 0.3),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 3),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=4),
    "sequence": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.5), lr_scheduler.ExponentialLR(o, 0.3)], [1]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.5, factor=0.3),
}


def scheduled(kind, checkpoint=None, progress=None, epochs=3):
    model = normed()
    optimizer = sgd(model)
    with warnings.catch_warnings():
        # torch's own SequentialLR takes a step before the optimizer has.
        warnings.simplefilter("ignore")
        scheduler = SCHEDULERS[kind](optimizer)
    data = loader(*samples())
    result = train(
        model, optimizer, data, TrainingPlan(epochs), scheduler=scheduler, checkpoint=checkpoint, callback=progress
    )
    return result, scheduler.get_last_lr()


def press_at(step):
    return lambda done, _total: os.kill(os.getpid(), signal.SIGINT) if done == step else None


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("step", [5, 8])
def test_a_scheduler_goes_on_where_it_was(tmp_path, kind, step):
    path = tmp_path / "run.npz"
    whole, rate = scheduled(kind)
    part, _ = scheduled(kind, CheckpointPlan(path), press_at(step))
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, step)
    rest, rate_again = scheduled(kind, CheckpointPlan(path, resume=True))
    assert rate == rate_again
    same(rest, whole)


def test_a_scheduler_takes_a_step_after_each_epoch():
    assert scheduled("step")[1] == [pytest.approx(0.05 * 0.3**3)]
    model = normed()
    scheduler = lr_scheduler.StepLR(sgd(model), 1)
    with pytest.raises(InputError, match="a scheduler of the given optimizer"):
        train(model, sgd(model), loader(*samples()), TrainingPlan(1), scheduler=scheduler)


def test_a_scheduler_of_another_kind_or_that_json_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    scheduled("step", CheckpointPlan(path), epochs=1)
    with pytest.raises(InputError, match="the model, optimizer and data"):
        scheduled("cosine", CheckpointPlan(path, resume=True))
    model = normed()
    optimizer = sgd(model)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    scheduler.own = torch.ones(2)
    with pytest.raises(InputError, match=r"plain numbers and texts in the scheduler's state\.own .* got Tensor"):
        train(
            model,
            optimizer,
            loader(*samples()),
            TrainingPlan(1),
            scheduler=scheduler,
            checkpoint=CheckpointPlan(tmp_path / "a.npz"),
        )
    assert train(model, optimizer, loader(*samples()), TrainingPlan(1), scheduler=scheduler).ending is Ending.FINISHED


def test_plain_states_come_back_as_they_were():
    state = {"a": [1, 2.5, None, True, "x"], 3: (1, (2,)), "inf": math.inf, "of": Counter({1: 2}), "in": {"dict": {}}}
    back = from_plain(json.loads(json.dumps(as_plain(state, "state"))))
    assert back == state
    assert isinstance(back["of"], Counter)


# Models.


class Projecting(nn.Module):
    def __init__(self):
        super().__init__()
        self.project, self.last = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(self.project(x))


def test_only_networks_are_projected():
    model = Projecting()
    assert train(model, sgd(model), loader(*samples()), TrainingPlan(1)).ending is Ending.FINISHED
    radius = 0.01
    architecture = Architecture(inputs=6, width=4, depth=1, outputs=2, scaling=Scaling.ONE, output_radius=radius)
    inner = uniform_network(architecture, torch.Generator().manual_seed(1))
    within = nn.Sequential(inner)
    start = inner.output.weight.detach().clone()
    train(within, sgd(within, 0.5), loader(*samples()), TrainingPlan(2))
    assert float((inner.output.weight.detach() - start).norm(dim=1).max()) == pytest.approx(radius, rel=1e-5)


def test_a_frozen_layer_stays_frozen_and_all_modes_come_back():
    model = normed()
    model[0].eval()
    modes = [module.training for module in model.modules()]
    statistics = content(model[0])
    evaluate(model, loader(*samples()))
    assert [module.training for module in model.modules()] == modes
    train(model, sgd(model), loader(*samples()), TrainingPlan(2))
    assert [module.training for module in model.modules()] == modes
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(model[0].state_dict()[name], statistics[name])
    # A model that rests as a whole is trained as a whole.
    model.eval()
    train(model, sgd(model), loader(*samples()), TrainingPlan(1))
    assert not torch.equal(model[0].running_mean, statistics["running_mean"])
    assert not any(module.training for module in model.modules())


# CheckpointPlan.


def test_an_order_that_cannot_be_kept_is_refused(tmp_path):
    data = TensorDataset(*samples())
    model = normed()
    rng = torch.Generator()
    for bad in (
        DataLoader(data, 4, shuffle=True),
        DataLoader(data, 4, sampler=RandomSampler(data, generator=rng)),
        DataLoader(data, 4, sampler=SubsetRandomSampler(range(8))),
        DataLoader(data, batch_sampler=torch.utils.data.BatchSampler(RandomSampler(data), 4, drop_last=False)),
    ):
        for resume in (False, True):
            with pytest.raises(InputError, match="a generator of its own"):
                train(
                    model,
                    sgd(model),
                    bad,
                    TrainingPlan(1),
                    checkpoint=CheckpointPlan(tmp_path / "run.npz", resume=resume),
                )
        assert train(model, sgd(model), bad, TrainingPlan(1)).ending is Ending.FINISHED
    for good in (DataLoader(data, 4), DataLoader(data, 4, shuffle=True, generator=rng)):
        train(model, sgd(model), good, TrainingPlan(1), checkpoint=CheckpointPlan(tmp_path / "run.npz"))
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("step", [3, 5])
def test_a_loader_without_a_generator_goes_on_to_the_same_bits(tmp_path, step):
    """It draws from torch's global generator at the start of each epoch: in the middle of one, and between two."""
    path = tmp_path / "run.npz"

    def trained(epochs, checkpoint=None, progress=None):
        model = normed()
        data = DataLoader(TensorDataset(*samples()), BATCH)
        return train(model, sgd(model), data, TrainingPlan(epochs), checkpoint=checkpoint, callback=progress)

    whole = trained(3)
    part = trained(3, CheckpointPlan(path), press_at(step))
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, step)
    same(trained(3, CheckpointPlan(path, resume=True)), whole)
    trained(1, CheckpointPlan(path))
    same(trained(3, CheckpointPlan(path, resume=True)), whole)


def never(*_args):
    raise AssertionError("a step was taken")


def test_a_place_that_cannot_be_written_is_told_before_the_first_step(tmp_path):
    model = normed()

    def kept(path, progress=never, **more):
        return train(
            model,
            sgd(model),
            loader(*samples()),
            TrainingPlan(1),
            checkpoint=CheckpointPlan(path, **more),
            callback=progress,
        )

    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a place to write"):
        kept(tmp_path / "file" / "run.npz")
    with pytest.raises(InputError, match="got a directory"):
        kept(tmp_path)
    thesis = tmp_path / "thesis.npz"
    np.savez(thesis, chapter=np.ones(3))
    before = thesis.read_bytes()
    for path in (thesis, tmp_path / "file"):
        with pytest.raises(InputError, match="the checkpoint of a training"):
            kept(path)
    assert thesis.read_bytes() == before
    result = kept(str(tmp_path / "new" / "run.npz"), progress=None)
    assert result.ending is Ending.FINISHED
    # Its own kind is written over.
    assert kept(str(tmp_path / "new" / "run.npz"), progress=None).ending is Ending.FINISHED


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x93NUMPY junk", b"PK\x03\x04 junk"])
def test_junk_is_told_in_words_of_our_own(tmp_path, junk):
    path = tmp_path / "junk.npz"
    path.write_bytes(junk)
    model = normed()
    with pytest.raises(InputError, match="cut short, or something else") as caught:
        train(model, sgd(model), loader(*samples()), TrainingPlan(1), checkpoint=CheckpointPlan(path, resume=True))
    assert "pickle" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_resumed_with_nothing_to_do_keeps_its_random_numbers(tmp_path):
    path = tmp_path / "run.npz"
    scheduled("step", CheckpointPlan(path), epochs=1)
    torch.manual_seed(99)
    model = normed()
    optimizer = sgd(model)
    torch.rand(17)
    train(
        model,
        optimizer,
        loader(*samples()),
        TrainingPlan(1),
        scheduler=lr_scheduler.StepLR(optimizer, 1, 0.3),
        checkpoint=CheckpointPlan(path, resume=True),
    )
    same(scheduled("step", CheckpointPlan(path, resume=True))[0], scheduled("step")[0])


# Data.


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(*samples(), strict=True))


class Endless(torch.utils.data.Dataset):
    def __getitem__(self, index):
        return torch.zeros(6), 0


def test_lists_and_streams_of_pairs_are_trained_on(tmp_path):
    x, y = samples()
    pairs = list(zip(x.split(BATCH), y.split(BATCH), strict=True))
    calls = []
    model = normed()
    listed = train(model, sgd(model), pairs, TrainingPlan(2), callback=lambda *at: calls.append(at))
    assert calls == [(step, 10) for step in range(1, 11)]
    calls.clear()
    other = normed()
    stream = DataLoader(Stream(), batch_size=BATCH)
    streamed = train(other, sgd(other), stream, TrainingPlan(2), callback=lambda *at: calls.append(at))
    assert calls == [(step, 0) for step in range(1, 11)]
    assert streamed.records["step"].tolist() == listed.records["step"].tolist() == [0, 5, 10]
    assert listed.records["train_accuracy"][-1] == pytest.approx(evaluate(model, pairs)[1])
    for data in (pairs, stream):
        with pytest.raises(InputError, match="a DataLoader of a data set with a length"):
            train(model, sgd(model), data, TrainingPlan(1), checkpoint=CheckpointPlan(tmp_path / "run.npz"))
    with pytest.raises(InputError, match="passed through again"):
        train(model, sgd(model), iter(pairs), TrainingPlan(1))
    with pytest.raises(InputError, match="passed through again"):
        train(model, sgd(model), pairs, TrainingPlan(1), test=iter(pairs))
    with pytest.raises(InputError, match="at least one batch"):
        train(model, sgd(model), [], TrainingPlan(1))
    with pytest.raises(InputError, match="a data set with a length"):
        train(model, sgd(model), DataLoader(Endless()), TrainingPlan(1))


def test_loaders_are_evaluated_on_what_they_train_on():
    x, y = samples()
    data = TensorDataset(x, y)
    model = normed()
    for one in (
        DataLoader(data, batch_sampler=torch.utils.data.BatchSampler(RandomSampler(data), 4, drop_last=True)),
        DataLoader(data, 4, sampler=SubsetRandomSampler(range(8))),
    ):
        result = train(model, sgd(model), one, TrainingPlan(1))
        part = slice(0, 8) if isinstance(one.sampler, SubsetRandomSampler) else slice(None)
        assert result.records["train_loss"][-1] == pytest.approx(evaluate(model, [(x[part], y[part])])[0], rel=1e-6)


def test_what_does_not_go_together_is_refused_in_a_line():
    x, y = samples()
    model = normed()
    with pytest.raises(InputError, match="needs no closure, got LBFGS"):
        train(model, torch.optim.LBFGS(model.parameters()), loader(x, y), TrainingPlan(1))
    mapping = [{"inputs": x, "labels": y}]
    for refused in (lambda: train(model, sgd(model), mapping, TrainingPlan(1)), lambda: evaluate(model, mapping)):
        with pytest.raises(InputError, match=r"needed batches \(inputs, targets\) of tensors, got dict"):
            refused()
    with pytest.raises(InputError, match="got 3 parts"):
        evaluate(model, [(x, y, y)])
    for loss in (functional.mse_loss, nn.MSELoss(), functional.huber_loss):
        with pytest.raises(InputError, match="floating point"):
            train(model, sgd(model), loader(x, y), TrainingPlan(1, loss=loss))
    single = nn.Linear(6, 1)
    with pytest.raises(InputError, match="that of the outputs"):
        train(single, sgd(single), loader(x, y.float()), TrainingPlan(1))
    with pytest.raises(InputError, match="two or more outputs"):
        train(single, sgd(single), loader(x, y), TrainingPlan(1))
    with pytest.raises(InputError, match="classes belong in dimension 1"):
        evaluate(Fixed(torch.zeros(COUNT, 4, 2)), [(x, y[:, None].expand(COUNT, 4))])


def test_labels_are_trained_by_cross_entropy_and_numbers_by_squares():
    x, y = samples()
    for targets, loss in ((y, functional.cross_entropy), (functional.one_hot(y, 2).float(), functional.mse_loss)):

        def trained(plan, targets=targets):
            model = normed()
            return train(model, sgd(model), loader(x, targets), plan)

        same(trained(TrainingPlan(2)), trained(TrainingPlan(2, loss=loss)))
    small = evaluate(normed(), [(x, y.to(torch.uint8))])
    assert small == pytest.approx(evaluate(normed(), [(x, y)]))


# Interruptions that are raised.


class Pressing(torch.utils.data.Dataset):
    """Random as augmentation is, and interrupted once at some sample."""

    def __init__(self, at=None):
        self.x, self.y = samples()
        self.taken, self.at = 0, at

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        self.taken += 1
        noise = torch.rand(6)
        if self.taken == self.at:
            raise KeyboardInterrupt
        return self.x[index] + 0.1 * noise, self.y[index]


def augmented(checkpoint=None, at=None, *, press_in=None, measure=None, check_every=None):
    """`evaluate_every` as large as it goes: what an evaluation draws is no part of this."""
    model = normed()
    if press_in is not None:
        model.register_forward_hook(press_in)
    data = DataLoader(Pressing(at), BATCH, shuffle=True, generator=torch.Generator().manual_seed(2))
    plan = TrainingPlan(3, evaluate_every=3, measure=measure, check_every=check_every)
    return train(model, sgd(model), data, plan, checkpoint=checkpoint)


# The start's evaluation takes the first 23 samples: within it; in the first batch; in the middle of the second epoch.
@pytest.mark.parametrize(("at", "steps"), [(7, 0), (25, 0), (2 * COUNT + 13, STEPS + 2)])
def test_an_interruption_raised_by_a_data_set_keeps_whole_steps(tmp_path, at, steps):
    path = tmp_path / "run.npz"
    part = augmented(CheckpointPlan(path), at)
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, steps)
    same(augmented(CheckpointPlan(path, resume=True)), augmented())


@pytest.mark.parametrize("check_every", [1, 4])
def test_an_interruption_raised_within_a_pass_leaves_the_last_whole_step(tmp_path, check_every):
    """Dropout has drawn by then, and batch statistics have changed."""
    seen = []

    def press(module, _inputs, _outputs):
        seen.append(module.training)
        if sum(seen) == 8:
            raise KeyboardInterrupt

    path = tmp_path / "run.npz"
    part = augmented(CheckpointPlan(path), press_in=press, check_every=check_every)
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, 7)
    # In the fingerprint a hook is nothing.
    same(augmented(CheckpointPlan(path, resume=True)), augmented())


def test_an_interruption_raised_by_a_measurement_repeats_the_measurement(tmp_path):
    def look(model, _before):
        return {"bias": float(model[1].bias.detach().sum())}

    calls = []

    def press(model, before):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return look(model, before)

    path = tmp_path / "run.npz"
    part = augmented(CheckpointPlan(path), measure=press)
    assert (part.ending, part.steps) == (Ending.INTERRUPTED, 3 * STEPS)
    assert part.records["epoch"].tolist() == [0, 1, 2]
    rest = augmented(CheckpointPlan(path, resume=True), measure=look)
    same(rest, augmented(measure=look))
