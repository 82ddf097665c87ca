"""Texts from outside: which characters they may hold, and how a value is shown in a message."""

from __future__ import annotations

import json
import re

# NUL ends an environment variable and no PostgreSQL text can hold it; escape sequences would act on a terminal;
# a lone surrogate cannot be encoded.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SHOWN_CHARS = 60
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text for a log or a terminal: line breaks and control characters written as escapes."""
    return _NOT_IN_A_LINE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown(value: object, *, secret: bool = False) -> str:
    """A value as YAML would have it, short; only its kind where it may be a secret."""
    kinds = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", tuple: "a list"}
    if value is None:
        return "nothing"
    if secret or not isinstance(value, str | bool | int | float):
        return kinds.get(type(value), "a mapping")
    if isinstance(value, str):
        return json.dumps(value[:_SHOWN_CHARS] + ("…" if len(value) > _SHOWN_CHARS else ""), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    # Python refuses to print an integer of more than 4,300 digits.
    return f"the number {value}" if isinstance(value, float) or value.bit_length() < 256 else "a huge number"
