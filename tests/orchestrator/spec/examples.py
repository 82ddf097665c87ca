"""A small good spec, the parts of it that tests replace, and what is said about the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.errors import SpecError
from orchestrator.spec.load import load_spec

GOOD = """\
type: orchestrator_defs.Workflow
attributes:
  name: ship
  inputs:
    focus: {type: string, default: HTTP handlers}
  gits:
    api: {url: https://git.example.org/acme/api.git}
    web: {url: ../web}
  agent: {provider: builtin}
  works:
    - name: fix
      gits: [api]
      tasks:
        - name: patch
          query: Look at {{ inputs.focus }}.
          report: {title: Survey, outline: [Summary, Risks]}
      checks:
        - {name: tests, run: make test}
    - name: review
      tasks:
        - {name: read, query: Read it all.}
"""
FOCUS = "focus: {type: string, default: HTTP handlers}"
API = "api: {url: https://git.example.org/acme/api.git}"
AGENT = "agent: {provider: builtin}"
QUERY = "query: Look at {{ inputs.focus }}."
REPORT = "report: {title: Survey, outline: [Summary, Risks]}"
CHECK = "- {name: tests, run: make test}"
GOOD_GITS = GOOD[GOOD.index("  gits:") : GOOD.index("  agent:")]
GOOD_WORKS = GOOD[GOOD.index("  works:") :]

# What is replaced in the good spec, by what, and all that is said about the result, without the path and its colon.
Cases = dict[str, tuple[str, str, list[str]]]


def write_spec(folder: Path, text: str) -> Path:
    """Write a text as `<folder>/defs.yaml`, byte for byte."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "defs.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def changed(old: str, new: str) -> str:
    """The good spec with one part replaced; the part has to be there."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def problems_of(path: Path) -> list[str]:
    """What is said about a file, without the path and its colon."""
    with pytest.raises(SpecError) as refused:
        load_spec(path)
    return [problem.removeprefix(f"{path}:") for problem in refused.value.problems]
