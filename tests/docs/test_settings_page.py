"""`docs/settings.md` has every setting, with its default and what is expected of it."""

from __future__ import annotations

import re

import pytest

from orchestrator.settings.table import VARIABLES
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()
_ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \| (?P<default>[^|]*) \| (?P<expected>[^|]*) \|", re.MULTILINE)


def test_every_setting_has_one_row_and_no_row_is_of_another() -> None:
    assert sorted(row["name"] for row in _ROW.finditer(PAGE)) == sorted(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_row_has_the_default_and_the_expectation_of_the_code(name: str) -> None:
    kind, default, required = VARIABLES[name]
    row = next(row for row in _ROW.finditer(PAGE) if row["name"] == name)

    assert row["default"].strip() == ("" if default is None else f"`{default}`") + (" *" if required else "")
    assert row["expected"].strip() == kind.expected
