"""Which field names hide their value: the lists of a masking settings file, applied to one name at a time."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum, auto
from pathlib import Path

from orchestrator.domain.errors import SettingsError
from orchestrator.observe.words import words_of

SHIPPED_RULES = Path(__file__).with_name("masking.toml")

_LISTS = ("all_within", "never", "texts", "exempt", "queries")
_MODEL = "`orchestrator mask --print-config` prints a model"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
# Names come from outside too: the cache may not grow with them, and what decides stands at a name's end.
_CACHED_NAMES = 4096
LONGEST_NAME = 120


class Rule(Enum):
    """What a field's name says about its value."""

    SHOW = auto()
    TEXTS = auto()  # hide texts; numbers, booleans and null are counts and flags
    NEVER = auto()  # hide whatever it is
    ALL_WITHIN = auto()  # hide every value of the mapping, whatever the names in it
    QUERY = auto()  # what an agent is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """The rules of one settings file; `rule` answers for a name.

    Attributes:
        words: one of them is in every name that is not shown, in lower case; None where that cannot be told.
    """

    patterns: Mapping[Rule, re.Pattern[str]]
    exempt: re.Pattern[str]
    words: tuple[str, ...] | None
    _known: dict[str, Rule] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path = SHIPPED_RULES) -> FieldRules:
        """The rules of the file at `path`.

        Raises:
            SettingsError: it cannot be used; each problem names the file, the line, the list and what is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
            lists = tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise _unusable(f"{path}: {error}") from None
        problems = [_unknown(path, text, name) for name in lists if name not in _LISTS]
        problems += [f"{path}: the list '{name}' is missing" for name in _LISTS if name not in lists]
        problems += [
            f"{path}:{_line(text, name, pattern)}: {name}: {what}"
            for name in _LISTS
            if name in lists
            for pattern, what in _faults(lists[name])
        ]
        if problems:
            raise _unusable(*problems)
        compiled = {name: _any_of(lists[name]) for name in _LISTS}
        exempt = compiled.pop("exempt")
        rules = (Rule.ALL_WITHIN, Rule.NEVER, Rule.TEXTS, Rule.QUERY)
        patterns = dict(zip(rules, compiled.values(), strict=True))
        hiding = [patterns[rule].pattern for rule in (Rule.ALL_WITHIN, Rule.NEVER, Rule.TEXTS)]
        return cls(patterns=patterns, exempt=exempt, words=words_of(hiding))

    def rule(self, name: str) -> Rule:
        """The rule for a field; a dotted name is a path, `env.HOME` a field within `env`."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _CACHED_NAMES:
                self._known.clear()
            known = self._known[name] = self._decide(name[-LONGEST_NAME:])
        return known

    def _decide(self, name: str) -> Rule:
        *parents, _ = name.split(".")
        if any(self.patterns[Rule.ALL_WITHIN].fullmatch(snake_case(parent)) for parent in parents):
            return Rule.NEVER
        snake = snake_case(name)
        if self.exempt.fullmatch(snake):
            return Rule.SHOW
        return next((rule for rule, pattern in self.patterns.items() if pattern.fullmatch(snake)), Rule.SHOW)


def snake_case(name: str) -> str:
    """`apiKey`, `API-KEY` and `api.key` are all `api_key`."""
    return _NO_WORD.sub("_", _CAMEL.sub("_", name)).strip("_").lower()


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)", re.ASCII)


def _faults(patterns: object) -> Iterator[tuple[str, str]]:
    """Each entry that cannot be used, as it is written, with what is wrong; of no list, that it is none."""
    if not isinstance(patterns, list):
        yield "", f"expected a list of regular expressions in quotes, found {patterns!r}"
        return
    for pattern in patterns:
        if not isinstance(pattern, str):
            yield str(pattern), f"expected a regular expression in quotes, found {pattern!r}"
            continue
        try:
            re.compile(f"(?:{pattern})", re.ASCII)
        except re.error as error:
            yield pattern, f"'{pattern}' is no regular expression: {error.msg}"


def _unknown(path: Path, text: str, name: str) -> str:
    near = get_close_matches(name, _LISTS, n=1)
    said = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(_LISTS)}"
    return f"{path}:{_line(text, name, '')}: unknown '{name}', {said}"


def _line(text: str, name: str, entry: str) -> int:
    """The line of `entry` in the list `name`, or of the list itself; TOML's own reader tells no lines."""
    begin = re.search(rf"^[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    start = begin.start() if begin else 0
    # A text in double quotes has its backslashes doubled and may not be found; then its list is named.
    places = [text.find(written, start) for written in (f"'{entry}'", f'"{entry}"', entry)] if entry else []
    return text.count("\n", 0, next((place for place in places if place >= 0), start)) + 1


def _unusable(*problems: str) -> SettingsError:
    return SettingsError([f"MASKING_CONFIG_PATH: {problem}; {_MODEL}" for problem in problems])
