"""The built-in agent's answer: what its steps printed, as markdown, in the outline that the query asks for."""

from __future__ import annotations

import re
from bisect import bisect_left

from orchestrator.agents.builtin.blocks import Block
from orchestrator.agents.builtin.shell import Outcome
from orchestrator.agents.outline import Outline
from orchestrator.domain.reports import headings, missing_headings

NOTHING_TO_DO = "Nothing to do: the query has no `sh` or `git-history` block, and the built-in agent has no model."
NOTHING_TO_REPORT = "Nothing to report."


def section(block: Block, outcome: Outcome) -> str:
    """One step's part of the answer; output that is markdown already stays as it is."""
    output = outcome.output.strip("\n")
    title = block.title.replace("`", "'")
    if outcome.exit_code != 0:
        failed = f"### `{title}` failed: exit code {outcome.exit_code}"
        return f"{failed}\n\n{_fenced(output)}" if output else failed
    if headings(output.lstrip().partition("\n")[0]):
        return output
    return f"### `{title}`\n\n{_fenced(output) if output else 'It printed nothing.'}"


def outlined(body: str, outline: Outline) -> str:
    """The body with every heading of the outline.

    Headings it has are kept. Where the first heading is missing, what stands before all others becomes its section; the
    other missing ones say that there is nothing to report.
    """
    missing = missing_headings(body, outline.headings)
    parts = [body]
    if outline.headings and outline.headings[0] in missing:
        before, after = _split_at_outline(body, outline)
        parts = [f"## {outline.headings[0]}", before or NOTHING_TO_REPORT, after]
        missing = missing[1:]
    parts += [f"## {heading}\n\n{NOTHING_TO_REPORT}" for heading in missing]
    text = "\n\n".join(part for part in parts if part)
    return text if text.startswith("# ") or not outline.title else f"# {outline.title}\n\n{text}"


def _split_at_outline(body: str, outline: Outline) -> tuple[str, str]:
    """What stands before the first heading of the outline, and the rest."""
    lines = body.splitlines()

    def reaches_one(count: int) -> bool:
        return missing_headings("\n".join(lines[:count]), outline.headings) != outline.headings

    # The shortest beginning that holds one ends with it.
    end = bisect_left(range(len(lines) + 1), True, key=reaches_one) - 1
    return "\n".join(lines[:end]).strip("\n"), "\n".join(lines[end:])


def _fenced(output: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", output)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{output}\n{fence}"
