"""What each command does: it runs, and its trouble becomes one line and an exit code."""

from wnsense.checks import InputError
from wnsense.cli.app import EXIT_BAD_INPUT
from wnsense.cli.bench import bench
from wnsense.cli.check import check
from wnsense.cli.demo import demo
from wnsense.cli.demo_networks import demo_networks
from wnsense.cli.interrupts import EXIT_INTERRUPTED
from wnsense.cli.options import (
    BenchOptions,
    CheckOptions,
    DemoOptions,
    NetworkDemoOptions,
    Options,
    RecoverOptions,
    ReportOptions,
    SimulateOptions,
    SparseOptions,
)
from wnsense.cli.recover import recover
from wnsense.cli.report import report
from wnsense.cli.simulate import simulate
from wnsense.cli.sparse import sparse
from wnsense.cli.study import study
from wnsense.cli.terminal import complain


def execute(options: Options) -> int:
    """Run the command that the options are of; returns the exit code."""
    try:
        return _run(options)
    except InputError as error:
        complain(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED


def _run(options: Options) -> int:
    if isinstance(options, RecoverOptions | SparseOptions):
        return recover(options) if isinstance(options, RecoverOptions) else sparse(options)
    if isinstance(options, CheckOptions):
        return check(options)
    if isinstance(options, DemoOptions | NetworkDemoOptions):
        return demo(options) if isinstance(options, DemoOptions) else demo_networks(options)
    if isinstance(options, BenchOptions):
        return bench(options)
    if isinstance(options, SimulateOptions):
        return simulate(options)
    return report(options) if isinstance(options, ReportOptions) else study(options)
