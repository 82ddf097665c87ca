"""Whatever a file holds, the loader returns a spec or raises SpecError with lines about that file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import SpecError
from orchestrator.spec.document import parse_document
from orchestrator.spec.load import load_spec
from tests.orchestrator.spec.examples import GOOD

# The wall clock of a shared machine says nothing about the loader; its speed has a test of its own.
_UNHURRIED = settings(deadline=None)
# What YAML, templates and Python each treat in a way of their own.
_YAML = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "&a ",
    "*a",
    "!!int ",
    "|\n",
    "'",
    '"',
    "<<: ",
    "? ",
    "---\n",
    "~",
    "null",
    "\t",
    "\0",
]
_OTHER = ["{{", "{% if %}", "${", "1e999", "0x_", "works:", '"\\ud800"']
_PIECES = st.sampled_from([*_YAML, *_OTHER])


@_UNHURRIED
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 30), piece=_PIECES | st.text(max_size=20))
def test_a_damaged_spec_gives_a_spec_error_or_loads(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, piece: str
) -> None:
    damaged = GOOD[:at] + piece + GOOD[at + cut :]
    _loads_or_is_refused(tmp_path_factory.getbasetemp(), damaged.encode("utf-8", "replace"))


@_UNHURRIED
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_spec_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    _loads_or_is_refused(tmp_path_factory.getbasetemp(), content)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
_KEYS = st.sampled_from(["name", "inputs", "gits", "mcp_servers", "agent", "budget", "works", "description"])


@_UNHURRIED
@given(given_attributes=st.dictionaries(_KEYS, _JSON))
def test_any_values_give_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, given_attributes: dict[str, object]
) -> None:
    good = yaml.safe_load(GOOD)["attributes"]
    attributes = {"type": "orchestrator_defs.Workflow", "attributes": {**good, **given_attributes}}
    _loads_or_is_refused(tmp_path_factory.getbasetemp(), json.dumps(attributes).encode())


def _loads_or_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "defs.yaml"
    path.write_bytes(content)
    try:
        loaded = load_spec(path)
    except SpecError as refused:
        problems = refused.problems
    else:
        assert parse_document(loaded.document) == loaded.spec
        return
    assert problems
    assert [problem for problem in problems if not problem.startswith(f"{path}:")] == []
