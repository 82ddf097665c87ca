"""The figures of retention can be measured, small; how fast this machine is, is not tested."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench import retention
from bench.measure import Figure
from bench.world import ROOT

_LINE = re.compile(r"\w+ +[\d.]+ (x|ms) +at most [\d.]+ (x|ms) +(met|not met) +\(ours [\d.]+ ms, .+\): .+")


@pytest.mark.parametrize("name", retention.FIGURES)
def test_a_figure_is_one_line_with_its_limit_and_verdict(name: str) -> None:
    figure = _small(name)
    assert figure.name == name
    assert figure.value > 0
    assert _LINE.fullmatch(figure.line())


def test_one_figure_is_printed_by_itself() -> None:
    command = [sys.executable, "-m", "bench.retention", "--only", "archive", "--small"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert _LINE.fullmatch(printed.rstrip("\n"))


def _small(name: str) -> Figure:
    return retention.FIGURES[name](**retention.SMALL[name])
