"""JSON with what was masked in it replaced, and all else as it was written: blanks, escapes, numbers, order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_BLANKS = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null", re.ASCII)
_DECODER = json.JSONDecoder()
_LONGEST_NUMBER = 400
_DEEPEST = 64


class _NotJson(Exception):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A value, its place in the text, and what it holds: items of a list, or a key and a value in turn."""

    value: Any
    start: int
    end: int
    within: tuple[_Node, ...] = ()


def masked_json(text: str, mask: Callable[[Any], Any]) -> str | None:
    """`text` with each value that `mask` changes replaced; None where it is no JSON object or list, or names one twice.

    Args:
        mask: gets the whole, and answers with a copy that differs in single values and in names only.
    """
    start = _blanks(text, 0)
    if text[start : start + 1] not in ("{", "["):
        return None
    try:
        node = _read(text, start, 0)
    except (_NotJson, ValueError):
        return None
    if _blanks(text, node.end) != len(text):
        return None
    done: list[str] = []
    copied = 0
    for place, new in _changes(node, mask(node.value)):
        done += text[copied : place.start], json.dumps(new, ensure_ascii=not _encodable(new))
        copied = place.end
    return "".join(done) + text[copied:]


def _changes(node: _Node, masked: Any) -> Iterator[tuple[_Node, Any]]:
    if isinstance(node.value, dict) and isinstance(masked, dict) and len(masked) == len(node.value):
        pairs = zip(node.within[::2], node.within[1::2], masked.items(), strict=True)
        for key, value, (new_key, new_value) in pairs:
            if key.value != new_key:
                yield key, new_key
            yield from _changes(value, new_value)
    elif isinstance(node.value, list) and isinstance(masked, list) and len(masked) == len(node.value):
        for item, new in zip(node.within, masked, strict=True):
            yield from _changes(item, new)
    elif node.value != masked:
        yield node, masked


def _read(text: str, at: int, depth: int) -> _Node:
    if depth > _DEEPEST:
        raise _NotJson
    opened = text[at : at + 1]
    if opened == '"':
        value, end = _DECODER.raw_decode(text, at)
        return _Node(value=value, start=at, end=end)
    if opened == "{":
        within, end = _items(text, at, depth, "}")
        value = {key.value: item.value for key, item in zip(within[::2], within[1::2], strict=True)}
        if len(value) * 2 != len(within):
            raise _NotJson
        return _Node(value=value, start=at, end=end, within=within)
    if opened == "[":
        within, end = _items(text, at, depth, "]")
        return _Node(value=[item.value for item in within], start=at, end=end, within=within)
    scalar = _SCALAR.match(text, at)
    if scalar is None or scalar.end() - at > _LONGEST_NUMBER:
        raise _NotJson
    return _Node(value=json.loads(scalar[0]), start=at, end=scalar.end())


def _items(text: str, at: int, depth: int, closing: str) -> tuple[tuple[_Node, ...], int]:
    within: list[_Node] = []
    at = _blanks(text, at + 1)
    if text[at : at + 1] == closing:
        return (), at + 1
    while True:
        if closing == "}":
            key = _read(text, at, depth + 1)
            at = _blanks(text, key.end)
            if not isinstance(key.value, str) or text[at : at + 1] != ":":
                raise _NotJson
            within.append(key)
            at = _blanks(text, at + 1)
        within.append(_read(text, at, depth + 1))
        at = _blanks(text, within[-1].end)
        sign = text[at : at + 1]
        if sign == closing:
            return tuple(within), at + 1
        if sign != ",":
            raise _NotJson
        at = _blanks(text, at + 1)


def _blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _encodable(value: Any) -> bool:
    # A lone half of a pair, `\ud800`, can stand in JSON and not in UTF-8.
    return not (isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value))
