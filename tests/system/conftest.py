"""One running system for all tests here, with two small workflows; and the repositories they work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.git.repository import Repository, new_repository
from tests.parts.system import System

LIMIT = 2
# `hold` stays in its one Task for as long as the file that its input names is missing; `guard` fails where it is.
SPECS = {
    "note": """\
type: orchestrator_defs.Workflow
attributes:
  name: note
  inputs:
    text: {type: string, description: What to write}
    times: {type: int, default: 1}
  gits:
    book: {url: BOOK, ref: main}
  agent: {provider: builtin}
  works:
    - name: write
      tasks:
        - name: entry
          query: |
            ```sh
            echo "$ORCHESTRATOR_INPUT_TEXT" > book/entry.txt
            printf '# Entry\\n\\n## Written\\n\\n%s\\n' "$ORCHESTRATOR_INPUT_TEXT"
            ```
          report: {title: Entry, outline: [Written]}
      checks:
        - {name: is_there, run: test -s entry.txt, blocking: true}
""",
    "hold": """\
type: orchestrator_defs.Workflow
attributes:
  name: hold
  inputs:
    until: {type: string}
  gits:
    book: {url: BOOK, ref: main}
  agent: {provider: builtin}
  works:
    - name: wait
      tasks:
        - name: there
          query: |
            ```sh
            while ! test -e "$ORCHESTRATOR_INPUT_UNTIL"; do sleep 0.1; done
            ```
""",
    "guard": """\
type: orchestrator_defs.Workflow
attributes:
  name: guard
  inputs:
    file: {type: string}
  gits:
    book: {url: BOOK, ref: main}
  agent: {provider: builtin}
  works:
    - name: before
      tasks:
        - {name: look, query: Nothing to do.}
    - name: after
      tasks:
        - {name: look, query: Nothing to do.}
      checks:
        - {name: is_there, run: 'test -e "$ORCHESTRATOR_INPUT_FILE"', blocking: true}
""",
}


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The repository that the workflows write to."""
    repository = new_repository(tmp_path_factory.mktemp("gits") / "book")
    repository.write("README.md", "a book\n")
    repository.commit("first")
    return repository


@pytest.fixture(scope="session")
def specs(tmp_path_factory: pytest.TempPathFactory, book: Repository) -> Path:
    """A folder with the workflows above, and a broken one among them."""
    folder = tmp_path_factory.mktemp("specs")
    for name, text in {**SPECS, "broken": "type: orchestrator_defs.Workflow\nattributes: {nmae: x}\n"}.items():
        (folder / name).mkdir()
        (folder / name / "defs.yaml").write_text(text.replace("BOOK", str(book.path)))
    return folder


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, specs: Path) -> Iterator[System]:
    """The whole system, up."""
    folder = tmp_path_factory.mktemp("system")
    running = System.start(folder / "home", WORKFLOW_SPECS_PATH=str(specs), WORKFLOW_MAX_CONCURRENT=str(LIMIT))
    yield running
    running.stop()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that a `hold` waits for."""
    return tmp_path / "gate"
