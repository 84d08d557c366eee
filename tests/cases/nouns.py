"""One value of each public class that holds data, gathered from the results of small runs."""

import dataclasses
import functools
import importlib
import inspect

import numpy as np
import torch

from cases.operators import OPERATORS
from cases.orders import Order
from wnsense import files, networks, operators, recovery, running, solvers, sparse, trust
from wnsense.sensing.operator import Operator
from wnsense.solvers.catalogue import BASELINES, SOLVERS

ROOMS = ("files", "manifolds", "networks", "operators", "recovery", "running", "solvers", "sparse", "trust")


def public_classes() -> list[type]:
    """Return the dataclasses that a room names."""
    rooms = [importlib.import_module(f"wnsense.{room}") for room in ROOMS]
    named = {id(thing): thing for room in rooms for thing in (getattr(room, name) for name in room.__all__)}
    classes = [thing for thing in named.values() if inspect.isclass(thing) and dataclasses.is_dataclass(thing)]
    return sorted(classes, key=lambda cls: cls.__name__)


@functools.cache
def values() -> dict[type, object]:
    """Return one value of each class that is part of the results of small runs."""
    values: dict[type, object] = {}
    for value in (*_recoveries(), *_sparse(), *_networks(), *_operators(), *_small()):
        _gather(value, values)
    return values


def _gather(value: object, values: dict[type, object]) -> None:
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _gather(item, values)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        values.setdefault(type(value), value)
        for field in dataclasses.fields(value):
            _gather(getattr(value, field.name), values)


def _recoveries():
    rng = torch.Generator().manual_seed(0)
    truth = operators.low_rank(size=12, rank=1, generator=rng)
    problem = operators.Problem.measure(operators.GaussianSensing.draw(120, 12, generator=rng), truth, 0.01)
    problem = dataclasses.replace(problem, noise_level=None, weights=torch.ones_like(problem.measurements))
    answer = recovery.recover(problem)
    objective = solvers.SensingObjective(problem)
    start = solvers.haar_start(objective, rank=1, generator=rng)
    weight = torch.ones(120, dtype=torch.float64)
    return (
        answer,
        answer.table(),
        recovery.recover_robustly(problem),
        trust.agreement(problem),
        trust.certify(problem, answer.matrix),
        trust.identifiability(problem, answer.matrix),
        trust.standard_errors(problem, answer.matrix, entries=[(0, 1)] * 40),
        operators.check_operator(problem.operator),
        operators.compress(problem),
        operators.RowDual(weight),
        running.solve(objective, solvers.ConjugateWN(), start, stop=running.Stop(max_steps=3)),
        objective,
        objective.calibration,
        solvers.GradientDescent().start(objective, start),
        operators.TriangularSensing.draw(90, 12, generator=rng),
        files.LoadedProblem(problem, ("a warning",) * 30),
    )


def _sparse():
    rng = torch.Generator().manual_seed(1)
    A = sparse.gaussian_map(20, 30, rng)
    z = torch.zeros(30, dtype=torch.float64)
    z[3] = 1.0
    y = A.times(z)
    return (
        sparse.sparse_recover(A, y),
        sparse.optimality_gap(A, y, z),
        sparse.Reference(z, None, 0.1, "solved"),
        files.SparseProblem(A, y, z, ()),
        sparse.sparse_map(20, 30, rng),
        sparse.partial_cosine_map(20, 32, rng),
    )


def _networks():
    rng = torch.Generator().manual_seed(2)
    architecture = networks.Architecture(inputs=3, width=4, depth=2, outputs=1)
    model = networks.uniform_network(architecture, rng)
    x = torch.randn(16, 3, generator=rng)
    y = torch.randn(16, 1, generator=rng)
    settings = networks.MeasurementSettings(steps=3, directions=1)
    pixels = (torch.arange(40) % 7).reshape(10, 4).to(torch.uint8)
    images = networks.LabelledImages(pixels, torch.arange(10) % 2, (1, 2, 2), "none")
    surface = networks.LossSurface(model, torch.nn.functional.mse_loss, x, y)
    plan = networks.TrainingPlan(epochs=1)
    at = networks.measure(model, x, y, loss=torch.nn.functional.mse_loss, settings=settings)
    derivatives = surface.derivatives()
    return (
        networks.TANH,
        architecture,
        networks.diagnose(model, [(x, y)], settings=settings),
        networks.normalized_layers(model),
        surface,
        derivatives,
        at,
        networks.loss_curvature(derivatives, settings, rng),
        networks.output_curvature(surface, settings, rng),
        networks.train(model, torch.optim.SGD(model.parameters(), 1e-3), [(x, y)], plan),
        networks.fit_powers({"m": np.array([1.0, 2.0, 4.0])}, np.array([[1.0, 1.1], [2.0, 2.1], [4.0, 4.3]])),
        networks.CheckpointPlan("training.pt"),
        networks.Trouble(3, "layers.0", "the loss"),
        networks.ConvexityProbe(0.5, float("nan"), 3),
        plan,
        settings,
        images,
        networks.samples(images, images),
    )


def _operators():
    for case in OPERATORS:
        count, shape, dtype = case.settings[0]
        flavor = case.flavors[0]
        shape = (shape[0], shape[0]) if flavor.kind.is_symmetric else shape
        yield case.make(Order(flavor, count, shape, dtype))[0]


def _small():
    return (
        *(make() for make in (*SOLVERS.values(), *BASELINES.values())),
        solvers.ReweightedWN(),
        running.Stop(),
        running.Trace(metrics={"rank": len}),
        running.Progress("growth", 1, 2, 0.1, 0.5, None),
        operators.FactorMap(torch.neg, torch.neg, (3, 3)),
        operators.Space.from_size(3),
    )


def operator_classes() -> list[type]:
    """Return all classes of operators that people make; which modules are loaded depends on the tests before."""
    importlib.import_module("wnsense.sensing.ensembles.gathered")

    def below(cls: type) -> set[type]:
        return {cls, *(c for sub in cls.__subclasses__() for c in below(sub))}

    found = [
        cls for cls in below(Operator) if cls.__module__.startswith("wnsense.sensing.") and not inspect.isabstract(cls)
    ]
    return sorted(found, key=lambda cls: cls.__name__)
