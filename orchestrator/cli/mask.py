"""`orchestrator mask`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from orchestrator.observe.fields import SHIPPED_RULES
from orchestrator.observe.mask import CONFIG_VARIABLE, Mask
from orchestrator.observe.stream import masked_stream

_CHUNK = 1 << 20


@click.command("mask")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A masking settings file; without it that of {CONFIG_VARIABLE}, or the shipped one.",
)
@click.option("--print-config", is_flag=True, help="Print the shipped masking settings file, and nothing else.")
def command(*, config: Path | None, print_config: bool) -> None:
    """Print text or JSON lines from stdin with their secrets masked and all else byte for byte."""
    if print_config:
        click.echo(SHIPPED_RULES.read_text(encoding="utf-8"), nl=False)
        return
    mask = Mask.load({**os.environ, CONFIG_VARIABLE: str(config)} if config else os.environ)
    for masked in masked_stream(mask, _stdin()):
        sys.stdout.buffer.write(masked)
        sys.stdout.buffer.flush()


def _stdin() -> Iterator[bytes]:
    # What is there, not a full buffer: the lines of a process that goes on writing are shown as they come.
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        yield chunk
