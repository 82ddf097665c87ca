"""How a query says which headings its answer must have, in words for a model and in lines for a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_OPENED, _CLOSED = "```outline", "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The title and the headings, in order, that an answer must have; without their `#` signs."""

    title: str
    headings: tuple[str, ...]


def outline_instruction(title: str, headings: Sequence[str]) -> str:
    """What to append to a query so that the answer is a Report with these headings."""
    lines = [f"# {title}", *(f"## {heading}" for heading in headings)]
    block = "\n".join([_OPENED, *lines, _CLOSED])
    return (
        "\n\nAnswer in markdown: the report itself, nothing before or after it, with exactly these headings, "
        f"in this order. Write under each of them; where there is nothing to say, say so.\n\n{block}\n"
    )


def outline_of(query: str) -> Outline | None:
    """The outline that ends a query, or None where it asks for none."""
    _, opened, block = query.rstrip().rpartition(f"\n{_OPENED}\n")
    if not opened:
        return None
    *lines, last = block.splitlines()
    if last != _CLOSED or _CLOSED in lines:
        return None
    title = next((line[2:].strip() for line in lines if line.startswith("# ")), "")
    return Outline(title=title, headings=tuple(line[3:].strip() for line in lines if line.startswith("## ")))
