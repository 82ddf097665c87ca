"""`orchestrator --help` against `python -c "import dagster"`: the command line must not pay for the framework."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from bench.measure import Figure, figure_of_costs, interleaved, main, timed

_HELP = [str(Path(sys.executable).with_name("orchestrator")), "--help"]
_IMPORT = [sys.executable, "-c", "import dagster"]


def measure(*, tries: int = 9) -> Figure:
    """Time to print the help against time to import Dagster."""
    for command in (_HELP, _IMPORT):
        _run(command)  # so that no side pays for writing byte code or for a cold disk
    pairs = interleaved(partial(timed, partial(_run, _HELP)), partial(timed, partial(_run, _IMPORT)), pairs=tries)
    return figure_of_costs(
        pairs, name="help", what='`orchestrator --help` against `python -c "import dagster"`', at_most=0.3
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main(measure)
