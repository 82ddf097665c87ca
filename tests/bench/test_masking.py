"""The mask's quality, on the corpus where there is one; the corpus is no part of the project."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import masking
from bench.world import ROOT
from orchestrator.observe.mask import Mask


def test_recall_and_false_positives_on_the_corpus() -> None:
    folder = masking.corpus()
    try:
        measured = masking.quality(folder)
    except FileNotFoundError:
        pytest.skip(f"there is no corpus in {folder}; MASKING_CORPUS names another folder")
    assert measured.recall >= 0.98, measured.leaked
    assert measured.false_positives <= 0.005, measured.changed
    assert measured.leaked.get("own:known-env-value", 0) == 0


def _write(folder: Path, kind: str, *rows: dict[str, object]) -> None:
    with gzip.open(folder / f"{kind}.x.jsonl.gz", "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_row_leaks_when_eight_characters_behind_the_first_four_are_there(tmp_path: Path) -> None:
    _write(
        tmp_path,
        "secrets",
        {"rule": "hidden", "text": "password=abcdefghijkl", "secret": "abcdefghijkl"},
        {"rule": "shown", "text": "say abcdefghijkl", "secret": "abcdefghijkl"},
        {"rule": "known", "text": "say qwertzuiop", "secret": "qwertzuiop", "known": True},
    )
    _write(
        tmp_path,
        "benign",
        {"rule": "b", "text": "input_tokens: 12"},
        {"rule": "b", "text": "password=xxxx"},
        {"rule": "b", "text": "password=xxxx", "placeholder": True},
    )
    measured = masking.quality(tmp_path)
    assert measured.leaked == {"shown": 1}
    assert measured.changed == ("password=xxxx",)
    assert measured.false_positives == 0.5
    assert masking.leaks("abcd12345678", "got 12345678")
    assert not masking.leaks("abcd12345678", "got abcd1234567")


def test_where_the_corpus_is_not_the_command_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.masking", "--tries", "1", "--corpus", str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"not measured: there is no corpus in {tmp_path}" in printed
    assert printed.startswith("masking ")


def test_ordinary_lines_hold_no_secret() -> None:
    mask = Mask.load({})
    lines = masking.ordinary_lines(20_000)
    assert [mask.text(line) for line in lines] == lines
