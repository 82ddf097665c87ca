"""The steps in a query: its fenced `sh` and `git-history` blocks, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.agents.builtin.history import HistoryError, HistoryRequest, history
from orchestrator.agents.builtin.shell import Outcome, Shell

# The same blocks as those that a launch's inputs are kept out of: what is run here is what is guarded there.
from orchestrator.spec.fences import FENCED

_LANGUAGES = ("sh", "git-history")
_TITLE_MAX_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One step: `language` is `sh` or `git-history`, `body` what stands between the fences."""

    language: str
    body: str

    @property
    def title(self) -> str:
        """One line that names the step to people."""
        if self.language == "git-history":
            return "git history"
        lines = [line.strip() for line in self.body.splitlines() if line.strip()]
        told = next((line for line in lines if not line.startswith("#")), "empty block")
        return told if len(told) <= _TITLE_MAX_CHARS else told[: _TITLE_MAX_CHARS - 1] + "…"


def blocks_of(query: str) -> tuple[Block, ...]:
    """The steps of a query; other fenced blocks, with whatever stands in them, are not ours to run."""
    fenced = (Block(language=found["language"].strip(), body=found["body"]) for found in FENCED.finditer(query))
    return tuple(block for block in fenced if block.language in _LANGUAGES)


def perform(block: Block, shell: Shell, on_output: Callable[[str], None]) -> Outcome:
    """Do one step. A step that cannot even start ends as shells say so: 127."""
    try:
        if block.language == "sh":
            return shell.run(["sh", "-e", "-c", block.body], on_output=on_output)
        return Outcome(exit_code=0, output=history(HistoryRequest.parse(block.body), shell))
    except HistoryError as error:
        return Outcome(exit_code=1, output=str(error))
    except OSError as error:
        return Outcome(exit_code=127, output=str(error))
