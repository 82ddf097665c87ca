"""Where in a text a rule may apply at all: one pass of RE2 before the exact rules, which cost fifty times as much.

RE2 reads each character once, whatever the pattern; `re` tries an alternation anew at every character. Every pattern
here is necessary for its rule and need not be enough: what it finds, the exact rule decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import re2  # type: ignore[import-untyped]  # the package ships no types

_NAME = re.compile(r"[\w.-]+", re.ASCII)
_SAMPLE, _DENSE = 64, 48
_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.case_sensitive = False
_OPTIONS.max_mem = 64 << 20


class Search(Protocol):
    """What is asked about a text before a rule is applied to it; rules are known by their number."""

    def rules(self, text: str) -> Collection[int]:
        """The rules of which something may be in `text`."""

    def parts(self, text: str, rule: int) -> Iterator[tuple[int, int]]:
        """Start and end of the lines, in order, in which something of `rule` may be."""

    def names(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end, in order, of the names, with dots and dashes, that may hide what is behind them."""


class Finder:
    """The search with RE2.

    Args:
        patterns: for each rule what every match of it contains, within one line; in RE2's syntax, Latin-1 only.
        words: one of them is in every name that hides something; None where that is not known.
    """

    def __init__(self, patterns: Sequence[bytes], words: Sequence[str] | None) -> None:
        self._set = re2.Set.SearchSet(_OPTIONS)
        for pattern in patterns:
            self._set.Add(pattern)
        # In every text: an answer without it says that RE2 gave up, for want of memory, and not that there is nothing.
        self._always = self._set.Add(b"")
        self._set.Compile()
        self._all = tuple(range(len(patterns)))
        self._named = re2.compile(rb"[\w.-]*(?:%b)[\w.-]*" % any_of(words) if words else rb"[\w.-]+", _OPTIONS)
        self._each = [re2.compile(pattern, _OPTIONS) for pattern in patterns]

    def rules(self, text: str) -> Collection[int]:
        found: list[int] = self._set.Match(_view(text)) or []
        if self._always not in found:
            return self._all
        found.remove(self._always)
        return found

    def parts(self, text: str, rule: int) -> Iterator[tuple[int, int]]:
        if "\n" not in text:
            yield 0, len(text)
            return
        view, pattern, end = _view(text), self._each[rule], 0
        while found := pattern.search(view, end):
            # From its end: what it begins with may be the line break itself.
            start = text.rfind("\n", end, found.end() - 1) + 1 or end
            end = text.find("\n", found.end())
            if end < 0:
                yield start, len(text)
                return
            yield start, end

    def names(self, text: str) -> Iterator[tuple[int, int]]:
        end = 0
        for number, found in enumerate(self._named.finditer(_view(text)), start=1):
            start, end = found.span()
            yield start, end
            if number % _SAMPLE == 0 and end < number * _DENSE:
                break
        else:
            return
        # A call of RE2 costs as much as `re` needs for ten names: where they stand this close, each is looked at.
        yield from (found.span() for found in _NAME.finditer(text, end))


class Everywhere:
    """No search at all: every rule is applied to the whole text. What the search is tested and measured against."""

    def __init__(self, number_of_rules: int) -> None:
        self._all = tuple(range(number_of_rules))

    def rules(self, text: str) -> Collection[int]:
        del text
        return self._all

    def parts(self, text: str, rule: int) -> Iterator[tuple[int, int]]:
        del rule
        yield 0, len(text)

    def names(self, text: str) -> Iterator[tuple[int, int]]:
        return (found.span() for found in _NAME.finditer(text))


def any_of(words: Sequence[str]) -> bytes:
    """A pattern for texts with one of `words` in them."""
    return b"|".join(re2.escape(_view(word)) for word in words) or b"[^\\x00-\\xff]"


def _view(text: str) -> bytes:
    # One byte for each character, so that places in one are places in the other; what Latin-1 lacks becomes `?`.
    return text.encode("latin-1", "replace")
