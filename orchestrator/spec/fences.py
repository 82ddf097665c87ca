"""Fenced blocks of a query, as the built-in agent finds them: what stands in one can be run."""

from __future__ import annotations

import re

FENCED = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^`\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
# Wider than the above: a value from outside holds none of these, whatever markdown reader looks at it.
FENCE_OR_BREAK = re.compile(r"```|~~~|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Its lines are arguments that the built-in agent checks, not commands.
_NO_SHELL = "git-history"


def in_block(text: str, mark: str) -> int | None:
    """The offset of the first `mark` inside a fenced block or its opening line, or None."""
    for found in FENCED.finditer(text):
        if found["language"].strip() != _NO_SHELL and mark in found[0]:
            return found.start() + found[0].index(mark)
    return None


def blocks(text: str) -> tuple[tuple[str, str], ...]:
    """Language and body of every fenced block."""
    return tuple((found["language"], found["body"]) for found in FENCED.finditer(text))
