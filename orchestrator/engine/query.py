"""The text that goes to an agent: the Task's query, and what the engine adds to it."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.agents import outline_instruction
from orchestrator.spec.resolve import TaskPlan


def compose(task: TaskPlan) -> str:
    """A Task's query, with the outline of its Report where it has one."""
    if task.report is None or not task.report.outline:
        return task.query
    return task.query.rstrip() + outline_instruction(task.report.title, task.report.outline)


def recap(*, done: Sequence[str], remembered: bool) -> str:
    """What goes before the first query of a Work that is taken up again.

    Args:
        done: names of the Work's Tasks that are finished.
        remembered: the agent is in the session that those were asked in.
    """
    if remembered:
        return (
            "The last query was interrupted. The working trees are back where the Task before it left them; "
            "go on from there.\n\n"
        )
    # By name and place, never by content: a Report may hold fences, and a fence may mean "run this".
    listed = ", ".join(f"`{name}`" for name in done)
    return (
        f"This continues work that another agent began. Done already: {listed}. Its edits are in the working trees, "
        "its reports under `reports/`; read them where you need them, and do not do it again.\n\n"
    )


def ask_for_headings(title: str, missing: Sequence[str]) -> str:
    """The one follow-up for an answer that left headings of its outline out."""
    asked = "Your answer lacks some sections of the outline. Write those sections now, and only those."
    return asked + outline_instruction(title, missing)


def ask_to_fix(*, check: str, run: str, exit_code: int | None, output: str) -> str:
    """What a failed blocking check gives the agent to do, while the spec's `retries` last."""
    ended = "passed its time-out" if exit_code is None else f"ended with exit code {exit_code}"
    # Indented, not fenced: what a command prints may hold fences of its own, and a fence may mean "run this".
    quoted = "\n".join(f"    {line}" for line in output.splitlines())
    return f"The check `{check}` (`{run}`) {ended}. Fix what it found. It printed:\n\n{quoted}\n"
