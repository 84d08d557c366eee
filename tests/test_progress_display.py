"""The display of progress: in terminals and notebooks, and nowhere else."""

import io
import sys
from html.parser import HTMLParser
from types import ModuleType

import pytest
import torch

from wnsense.checks import InputError
from wnsense.networks.training.plan import TrainingPlan
from wnsense.networks.training.train import train
from wnsense.recovery.arguments import require_choices
from wnsense.recovery.recover import recover
from wnsense.recovery.robust import recover_robustly
from wnsense.running import progress_display
from wnsense.running.progress import watched
from wnsense.running.stop import Progress
from wnsense.sensing.drawn_maps import gaussian_map
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.problem import Problem, low_rank
from wnsense.sparse.sparse_recover import sparse_recover
from wnsense.trust.agreement import agreement

AT = Progress("growth, rank <2>", 3, 40, 0.5, 1e-3, None)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Output:
    """Output of a notebook's cell, as IPython's `display` returns it."""

    def __init__(self, first):
        self.shown = [first]

    def update(self, content):
        self.shown.append(content)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress_display, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(progress_display, "_NOTEBOOK_SECONDS", 0.0)


@pytest.fixture
def terminal(monkeypatch, impatient):
    """Function that puts a terminal in the place of standard error, after pytest has put its own file there."""

    def place():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        return terminal

    return place


@pytest.fixture
def outputs(monkeypatch, impatient):
    """The outputs of the cell of a notebook, with IPython in the least form that it is used in."""
    outputs = []

    def display(content, *, display_id):
        assert display_id
        outputs.append(Output(content))
        return outputs[-1]

    class ZMQInteractiveShell:
        pass

    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    module.HTML, module.display, package.display = str, display, module
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    # Rich looks for the shell of a notebook among the names of Python.
    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    return outputs


@pytest.fixture(scope="module")
def problem():
    rng = torch.Generator().manual_seed(0)
    truth = low_rank(size=12, rank=1, generator=rng)
    return Problem.measure(GaussianSensing.draw(150, 12, generator=rng), truth, 0.01, generator=rng)


CALLS = {
    "recover": lambda problem, progress: recover(problem, progress=progress).matrix,
    "recover_robustly": lambda problem, progress: recover_robustly(problem, progress=progress).recovery.matrix,
    "agreement": lambda problem, progress: agreement(problem, progress=progress).second.matrix,
}


def trained(progress):
    model = torch.nn.Linear(3, 1)
    batch = (torch.ones(4, 3), torch.ones(4, 1))
    return train(model, torch.optim.SGD(model.parameters(), 0.01), [batch] * 5, TrainingPlan(2), progress=progress)


def sparsely_recovered(progress):
    A = gaussian_map(20, 40, torch.Generator().manual_seed(0))
    return sparse_recover(A, A.times(torch.eye(40, dtype=torch.float64)[3]), progress=progress)


OTHERS = {"train": (trained, "training"), "sparse_recover": (sparsely_recovered, "products")}
others = pytest.mark.parametrize(("call", "words"), OTHERS.values(), ids=OTHERS)
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@calls
def test_a_terminal_shows_it_and_the_answer_is_the_same(call, problem, terminal):
    terminal = terminal()
    quiet = call(problem, False)
    assert terminal.getvalue() == ""
    assert call(problem, True) == quiet
    assert "applications" in terminal.getvalue()
    # It is gone at the end: the last thing written makes the cursor visible again and clears the line.
    assert "\x1b[?25h" in terminal.getvalue()


@calls
def test_a_notebook_shows_it_in_one_output_that_is_empty_at_the_end(call, problem, outputs):
    call(problem, True)
    (output,) = outputs
    assert any("applications" in content for content in output.shown)
    assert output.shown[-1] == ""


@calls
def test_nothing_is_written_elsewhere(call, problem, impatient, capfd):
    call(problem, True)
    assert capfd.readouterr() == ("", "")


@others
def test_other_long_work_shows_it_alike(call, words, terminal, outputs):
    call(True)
    assert any(words in content for content in outputs[0].shown)
    assert outputs[0].shown[-1] == ""


@others
def test_other_long_work_shows_nothing_unless_it_is_asked_to(call, words, terminal, impatient, capfd):
    call(True)
    assert capfd.readouterr() == ("", "")
    screen = terminal()
    call(False)
    assert screen.getvalue() == ""


def test_it_is_off_by_default(problem, terminal, outputs):
    terminal = terminal()
    recover(problem)
    assert terminal.getvalue() == ""
    assert outputs == []


@pytest.mark.parametrize("budget", [None, 80])
def test_a_notebook_gets_a_bar_and_escaped_words(outputs, budget, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with watched(None, progress=True, budget=budget) as callback:
        callback(AT)
    bar, words = outputs[0].shown[1].split("</progress>")
    assert bar == ("<progress>" if budget is None else '<progress max="80" value="40">')
    parser = HTMLParser()
    texts = []
    parser.handle_data = texts.append
    parser.feed(words)
    assert "growth, rank <2>, step 3" in "".join(texts)
    assert "\x1b" not in words


@pytest.mark.parametrize("where", ["terminal", "outputs"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_no_display(where, error, request):
    place = request.getfixturevalue(where)
    place = place() if where == "terminal" else place

    def run():
        with watched(None, progress=True, budget=None) as callback:
            callback(AT)
            raise error

    with pytest.raises(error):
        run()
    if where == "terminal":
        assert place.getvalue().count("\x1b[?25h") == 1
    else:
        assert place[0].shown[-1] == ""


def test_the_callback_of_the_user_is_called_too_and_may_stop(problem, terminal):
    terminal()
    seen = []

    def callback(at):
        seen.append(at.step)
        return len(seen) == 2

    recovery = recover(problem, callback=callback, progress=True)
    assert str(recovery.status) == "stopped_by_user"
    assert len(seen) == 2


@pytest.mark.parametrize("progress", [print, 1, "yes", None], ids=repr)
def test_anything_but_true_or_false_is_refused(progress):
    with pytest.raises(InputError, match="progress that is True or False"):
        require_choices(holdout=None, callback=None, checkpoint=None, resume=False, progress=progress)
