"""The specs in the documents load."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.spec.load import load_spec
from tests.docs.pages import PAGES, blocks, name

EXAMPLES = [
    pytest.param(text, id=f"{name(page)}-{number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "yaml"), start=1)
    if text.startswith("type: ")
]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_spec_without_problems_or_warnings(text: str, tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(text)

    assert load_spec(file).warnings == ()
