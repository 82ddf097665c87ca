"""What a document points to is there: files, pictures, headings, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli.main import COMMANDS
from tests.docs.pages import PAGES, name, prose

_LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
# In code, as people type it: `orchestrator run NAME`, `$ orchestrator run …`, `.venv/bin/orchestrator run`.
_COMMAND = re.compile(r"(?:^|[`\s/])orchestrator (?P<command>[a-z]+(?:-[a-z]+)*)\b")
_CODE = re.compile(r"^```(?:sh|console)\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_heading_that_exist(page: Path) -> None:
    broken = []
    for found in _LINK.finditer(prose(page)):
        target = (page.parent / found["path"]).resolve() if found["path"] else page
        if not target.exists() or (found["heading"] and found["heading"] not in anchors(target)):
            broken.append(found[0])

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    code = "\n".join(part for found in _CODE.findall(page.read_text()) for part in found if part)

    assert {found["command"] for found in _COMMAND.finditer(code)} - set(COMMANDS) == set()


def test_the_readme_names_every_command() -> None:
    (readme,) = (page for page in PAGES if name(page) == "README.md")

    assert [command for command in COMMANDS if f"`orchestrator {command}" not in readme.read_text()] == []
