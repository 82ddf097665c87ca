"""Which field names hide their value: the lists of a masking settings file, applied to one name at a time."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from orchestrator.domain.errors import SettingsError
from orchestrator.observe.words import words_of

SHIPPED_RULES = Path(__file__).with_name("masking.toml")

_LISTS = ("all_within", "never", "texts", "exempt", "queries")
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
        """Raises SettingsError, naming the file and what is wrong in it."""
        try:
            lists = tomllib.loads(path.read_text(encoding="utf-8"))
            compiled = {name: _any_of(lists.pop(name)) for name in _LISTS}
        except (OSError, ValueError, KeyError, TypeError, re.error) as error:
            what = f"the list {error} is missing" if isinstance(error, KeyError) else str(error)
            raise SettingsError(
                [f"MASKING_CONFIG_PATH: {path}: {what}; the shipped {SHIPPED_RULES} is a model"]
            ) from None
        if lists:
            raise SettingsError(
                [f"MASKING_CONFIG_PATH: {path}: unknown {', '.join(lists)}; expected {', '.join(_LISTS)}"]
            )
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
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError("every list must hold texts")
    return re.compile("|".join(f"(?:{re.compile(pattern).pattern})" for pattern in patterns) or r"(?!)", re.ASCII)
