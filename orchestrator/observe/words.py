"""The words of a regular expression: short texts of which one is in everything that the expression matches.

`(\\w+_)?(tokens?|key)` needs `token` or `key`. A text that holds none of them need not be tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from itertools import product
from typing import Any

_MOST_WORDS = 64
_SHORTEST = 2


def words_of(patterns: Iterable[str]) -> tuple[str, ...] | None:
    """The words for a match of any of `patterns`, lower case letters and digits; None where one needs no word."""
    found: set[str] = set()
    for pattern in patterns:
        words = _words(pattern)
        if words is None:
            return None
        found |= words
    return tuple(sorted(word for word in found if not any(other in word for other in found - {word})))


def _words(pattern: str) -> set[str] | None:
    try:
        # The parser of `re` has no public name. Where a later Python moves it, every name is looked at: slower.
        parsed = import_module("re._parser").parse(pattern)
        return _best(parsed)
    except (ImportError, AttributeError, re.error):
        return None


def _best(sequence: Any) -> set[str] | None:
    """Of all that this sequence needs, the words that are longest; None where there are none of two letters."""
    candidates: list[set[str]] = []
    texts = {""}
    for item in [*sequence, None]:
        exact = None if item is None else _texts(item)
        joined = {a + b for a, b in product(texts, exact)} if exact is not None else set()
        if exact is not None and len(joined) <= _MOST_WORDS:
            texts = joined
            continue
        candidates.append(texts)
        texts = exact if exact is not None else {""}
        if item is not None and exact is None:
            inner = _inner(item)
            candidates += [inner] if inner is not None else []
    candidates.append(texts)
    longest = max(candidates, key=lambda words: min(map(len, words)))
    return longest if min(map(len, longest)) >= _SHORTEST else None


def _texts(item: Any) -> set[str] | None:
    """All that `item` can match, where that is a few short texts of letters and digits."""
    kind, value = str(item[0]), item[1]
    if kind == "LITERAL":
        letter = chr(value).lower()
        return {letter} if letter.isascii() and letter.isalnum() else None
    if kind == "SUBPATTERN":
        return _all_texts(value[-1])
    if kind == "BRANCH":
        branches = [_all_texts(branch) for branch in value[1]]
        known = [branch for branch in branches if branch is not None]
        return set().union(*known) if len(known) == len(branches) else None
    return None


def _all_texts(sequence: Any) -> set[str] | None:
    texts = {""}
    for item in sequence:
        exact = _texts(item)
        if exact is None or len(texts) * len(exact) > _MOST_WORDS:
            return None
        texts = {a + b for a, b in product(texts, exact)}
    return texts


def _inner(item: Any) -> set[str] | None:
    """What an item needs that can match many texts."""
    kind, value = str(item[0]), item[1]
    if kind == "SUBPATTERN":
        return _best(value[-1])
    if kind in ("MAX_REPEAT", "MIN_REPEAT") and value[0] > 0:
        return _best(value[2])
    if kind == "BRANCH":
        branches = [_best(branch) for branch in value[1]]
        known = [branch for branch in branches if branch is not None]
        return set().union(*known) if len(known) == len(branches) else None
    return None
