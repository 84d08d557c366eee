"""`diagnose` on models of anybody's, and what it hands to TensorBoard."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from cases.networks import old_style
from wnsense.checks import InputError
from wnsense.networks.diagnosis.diagnose import diagnose
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.layers import LayerKind, normalized_layers
from wnsense.networks.measuring.measurement import measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.network import Architecture, Normalization
from wnsense.networks.row_norms import set_row_norms
from wnsense.networks.training.tensorboard import ScalarWriter, tensorboard_writer, write_scalars

LITTLE = MeasurementSettings(steps=20, output_samples=2, directions=1)


def loader(classes=True):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(40, 4, generator=rng)
    y = (x[:, 0] > 0).long() if classes else x[:, :2]
    return DataLoader(TensorDataset(x, y), batch_size=16)


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 8)),
        nn.Tanh(),
        old_style(nn.Linear(8, 8)),
        nn.Tanh(),
        nn.Linear(8, 2),
    )


def test_a_diagnosis_says_what_is_there(capsys):
    given = model()
    diagnosis = diagnose(given, loader(), settings=LITTLE, learning_rate=1e-5)
    assert [(layer.name, layer.kind, layer.rows) for layer in diagnosis.layers] == [
        ("0", LayerKind.PARAMETRIZATION, 8),
        ("2", LayerKind.HOOKS, 8),
    ]
    for layer, own in zip(diagnosis.layers, normalized_layers(given), strict=True):
        assert layer.shortest == float(own.row_norms.min())
        assert layer.longest == float(own.row_norms.max())
        assert layer.has_trained_length
    assert diagnosis.plain == ("4",)
    assert diagnosis.parameters == 8 * 4 + 8 + 8 + 64 + 8 + 8 + 16 + 2
    assert diagnosis.samples == 40
    x, y = loader().dataset.tensors
    expected = measure(given, x, y, loss=nn.functional.cross_entropy, settings=LITTLE)
    assert diagnosis.measurement.row() == pytest.approx(expected.row(), nan_ok=True)
    assert diagnosis.measurement.loss == pytest.approx(
        float(nn.functional.cross_entropy(given(x), y).detach()), rel=1e-6
    )
    assert capsys.readouterr().out == ""
    said = str(diagnosis)
    assert "2 weight-normalized layers, 1 others with a matrix; 146 trained numbers, 40 samples" in said
    limit = 2 / (diagnosis.measurement.loss_curvature + diagnosis.measurement.loss_curvature_error)
    assert f"below 2/curvature = {limit:.3g}" in said
    assert "a larger one may be faster" in said
    assert "deprecated" in said


def test_gradient_descent_is_stable_where_it_is_said_to_be():
    """Least squares: below the limit the loss falls, and above it grows."""
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    data = [(x, x[:, :1])]
    diagnosis = diagnose(nn.Linear(4, 1, bias=False, dtype=torch.float64), data)
    limit = 2 / (diagnosis.measurement.loss_curvature + diagnosis.measurement.loss_curvature_error)
    assert any(f"{limit:.3g}" in text for text in diagnosis.advice)

    def after(rate, steps=400):
        w = torch.ones(4, 1, dtype=torch.float64)
        for _ in range(steps):
            w -= rate * 2 / 30 * x.T @ (x @ w - x[:, :1])
        return float((x @ w - x[:, :1]).square().mean())

    assert after(0.98 * limit) < 1e-2
    assert after(1.05 * limit) > 1e2
    above = diagnose(nn.Linear(4, 1, bias=False).double(), data, learning_rate=1.1 * limit)
    assert any("is above that" in text for text in above.advice)


def test_advice_on_rows_goes_with_the_rows(capsys):
    network = uniform_network(Architecture(4, 8, 2, 2), torch.Generator().manual_seed(0))
    first = diagnose(network, loader(classes=False), settings=LITTLE)
    assert capsys.readouterr().out == ""
    assert any("The shortest row is" in text for text in first.advice)
    set_row_norms(network, 1.5)
    second = diagnose(network, loader(classes=False), settings=LITTLE)
    assert not any("shortest row" in text or "Rows are from" in text for text in second.advice)
    assert second.measurement.loss == pytest.approx(first.measurement.loss, rel=1e-5)
    # Curvature along rows falls as they grow; that by V stays.
    assert second.measurement.output_curvature < first.measurement.output_curvature
    with torch.no_grad():
        normalized_layers(network)[1].direction[3] *= 20
    third = diagnose(network, loader(classes=False), settings=LITTLE)
    assert any("400 times apart" in text and "hidden.1" in text for text in third.advice)


def test_models_without_normalization_and_with_l1():
    plain = diagnose(nn.Linear(4, 2), loader(), settings=LITTLE)
    assert plain.layers == ()
    assert plain.plain == ("Linear",)
    assert plain.advice[0].startswith("No layer is weight-normalized")
    assert math.isnan(plain.measurement.minimum_row_norm)
    l1 = uniform_network(Architecture(4, 8, 2, 2, normalization=Normalization.L1), torch.Generator().manual_seed(0))
    assert [layer.kind for layer in diagnose(l1, loader(classes=False)).layers] == [LayerKind.L1] * 2


def test_numbers_that_are_not_finite_are_told_instead_of_measured():
    given = model()
    with torch.no_grad():
        normalized_layers(given)[0].direction[2] = 0
    diagnosis = diagnose(given, loader())
    assert diagnosis.measurement is None
    assert len(diagnosis.advice) == 2
    assert "A row of 0 has length 0" in diagnosis.advice[1]
    assert "NaN or infinity in the outputs of 0" in str(diagnosis)
    assert "a row of length 0" in diagnosis.advice[0]


@pytest.mark.parametrize("batches", [[torch.ones(3)], [{"x": 1}], [(torch.ones(1), "label")]])
def test_batches_of_other_kinds_are_refused(batches):
    with pytest.raises(InputError, match=r"needed batches \(inputs, targets\) of tensors"):
        diagnose(nn.Linear(4, 2), batches)


def test_no_batches_are_refused():
    with pytest.raises(InputError, match="at least one sample"):
        diagnose(nn.Linear(4, 2), [])


class Noted:
    """A writer in TensorBoard's place."""

    def __init__(self):
        self.scalars = {}

    def add_scalar(self, tag, scalar_value, global_step=None):
        self.scalars[tag, global_step] = scalar_value

    def close(self):
        pass


def test_scalars_are_what_was_measured_without_what_is_nan():
    writer = Noted()
    assert isinstance(writer, ScalarWriter)
    diagnosis = diagnose(model(), loader(), settings=LITTLE)
    write_scalars(writer, diagnosis, 7)
    finite = {name: value for name, value in diagnosis.measurement.row().items() if math.isfinite(value)}
    assert "cosine_to_gradient" not in finite
    expected = {(f"weight_normalization/{name}", 7): value for name, value in finite.items()}
    for layer in diagnosis.layers:
        expected[f"weight_normalization/rows/{layer.name}/shortest", 7] = layer.shortest
        expected[f"weight_normalization/rows/{layer.name}/longest", 7] = layer.longest
    assert writer.scalars == expected
    other = Noted()
    write_scalars(other, diagnosis.measurement, 8, prefix="curves")
    assert set(other.scalars) == {(f"curves/{name}", 8) for name in finite}


def test_tensorboard_reads_what_is_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    diagnosis = diagnose(model(), loader(), settings=LITTLE)
    with tensorboard_writer(tmp_path) as writer:
        write_scalars(writer, diagnosis, 3)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (event,) = events.Scalars("weight_normalization/loss_curvature")
    assert (event.step, event.value) == (3, pytest.approx(diagnosis.measurement.loss_curvature, rel=1e-6))


def test_a_missing_tensorboard_is_told(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"wnsense\[tensorboard\]"), tensorboard_writer(tmp_path):
        pass


# ----------------------------------------------------------------------------------- models that are not the usual ones


class Twice(nn.Module):
    """One module under two names, and one parameter in two modules."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.first.weight
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.tied(torch.tanh(self.again(torch.tanh(self.first(x)))))))


def test_shared_modules_and_parameters_stay_what_they_are():
    given = Twice().double()
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(20, 4, generator=rng, dtype=torch.float64)
    before = dict(given.named_parameters(remove_duplicate=False))
    diagnosis = diagnose(given, [(x, x[:, :2])], settings=MeasurementSettings(steps=60, tolerance=1e-6, directions=2))
    after = dict(given.named_parameters(remove_duplicate=False))
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())

    parameters = list(given.parameters())

    def loss(*moved):
        W, b, c, V, d = moved
        hidden = x
        for weight, bias in ((W, b), (W, b), (W, c)):
            hidden = torch.tanh(hidden @ weight.T + bias)
        return nn.functional.mse_loss(hidden @ V.T + d, x[:, :2])

    blocks = torch.autograd.functional.hessian(loss, tuple(parameters))
    sizes = [parameter.numel() for parameter in parameters]
    rows = [[blocks[i][j].reshape(sizes[i], sizes[j]) for j in range(len(sizes))] for i in range(len(sizes))]
    dense = torch.cat([torch.cat(row, dim=1) for row in rows])
    assert diagnosis.measurement.loss_curvature == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-5)


def test_random_numbers_and_spectral_norms_are_left_alone():
    torch.manual_seed(0)
    given = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Tanh(), nn.Linear(4, 2))
    state = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    numbers = torch.get_rng_state()
    diagnose(given, loader(), settings=LITTLE)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(tensor, state[name]) for name, tensor in given.state_dict().items())


def test_matrices_by_other_names_count():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.LSTM(4, 3, batch_first=True)
            self.attending = nn.MultiheadAttention(3, 1, batch_first=True)

        def forward(self, x):
            hidden, _ = self.recurrent(x)
            return self.attending(hidden, hidden, hidden)[0][:, -1]

    torch.manual_seed(0)
    x = torch.randn(6, 5, 4)
    diagnosis = diagnose(Last(), [(x, torch.zeros(6, 3))], settings=LITTLE)
    assert diagnosis.plain == ("recurrent", "attending", "attending.out_proj")
    assert diagnosis.loss == "mean squared error"


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


X, Y = torch.zeros(8, 4), torch.zeros(8, dtype=torch.long)


@pytest.mark.parametrize(
    ("given", "data", "settings", "words"),
    [
        (Pair(4, 2), [(X, Y)], {}, "a model of one tensor, got tuple"),
        (nn.Linear(4, 2), [(X, Y[:, None])], {}, "a loss that takes the model's outputs"),
        (nn.Linear(4, 2), [(X, Y + 7)], {}, "a loss that takes the model's outputs"),
        (nn.Linear(4, 1), [(X, Y.float())], {}, "targets of the outputs' shape (8, 1)"),
        (nn.Linear(4, 2), [(X.double(), Y)], {}, "a model that takes these inputs"),
        (nn.Linear(5, 2), [(X, Y)], {}, "a model that takes these inputs"),
        (nn.LazyLinear(2), [(X, Y)], {}, "pass it a batch first"),
        (nn.Linear(4, 2), [(X, Y), (X[:, :3], Y)], {}, "samples of one shape"),
        (nn.Linear(4, 2), [(X, Y[:7])], {}, "as many targets as inputs"),
        (nn.Linear(4, 2), [(X, Y)], {"loss": nn.CrossEntropyLoss(reduction="none")}, "a loss of one number"),
        (nn.Linear(4, 2), [(X, Y)], {"learning_rate": -1.0}, "a positive learning rate"),
        (nn.Linear(4, 2), [(X, Y)], {"learning_rate": math.nan}, "a positive learning rate"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_what_does_not_fit_is_told_in_a_line(given, data, settings, words):
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        diagnose(given, data, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_users_run")
def test_what_is_no_model_or_loader_is_told():
    with pytest.raises(InputError, match=r"needed a torch.nn.Module, got function"):
        diagnose(nn.functional.relu, [(X, Y)])
    with pytest.raises(InputError, match="needed a loader of batches"):
        diagnose(nn.Linear(4, 2), None)
    with torch.inference_mode(), pytest.raises(InputError, match="inference_mode"):
        diagnose(nn.Linear(4, 2), [(X, Y)])


def test_of_a_perfect_fit_no_gain_is_foretold():
    given = nn.Linear(4, 2)
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    diagnosis = diagnose(given, [(x, given(x).detach() + 1e-9)])
    assert not any("would lower the loss" in text for text in diagnosis.advice)


class Recomputed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(checkpoint(self.inner, x, use_reentrant=False))


def test_activations_that_are_computed_again_change_nothing():
    torch.manual_seed(0)
    given = Recomputed()
    kept = nn.Sequential(given.inner, given.last)
    diagnosis, expected = (diagnose(each, loader(), settings=LITTLE).measurement for each in (given, kept))
    assert diagnosis.row() == pytest.approx(expected.row(), rel=1e-5, nan_ok=True)
