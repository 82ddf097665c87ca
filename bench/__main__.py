"""Print every published figure, a line each; the exit code says only that they could be measured."""

from __future__ import annotations

import sys
from itertools import chain

from bench import health, launch, masking, memory, observability, overhead, pause, retention, scrape, task, worktree
from bench import help as help_

FIGURES = (overhead, worktree, memory, help_, task, pause, observability, scrape, health, masking)


def main() -> None:
    """Measure one after the other: side by side they would slow each other down."""
    for module in FIGURES:
        sys.stdout.write(f"{module.measure().line()}\n")
        sys.stdout.flush()
    for figure in chain(launch.measures(), retention.measures()):
        sys.stdout.write(f"{figure.line()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
