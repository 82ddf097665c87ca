"""`python -m orchestrator_defs.process MODULE …`: what `python -m MODULE …` does, with our logs from the first line on.

Dagster's own programs configure their logs before they import anything of ours; this module comes first. They also read
Dagster's migrations once only.
"""

import runpy
import sys

from orchestrator_defs.migrations import read_migrations_once
from resources.telemetry import start_logging


def main() -> None:
    """Become the program that the arguments name."""
    start_logging()
    read_migrations_once()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
