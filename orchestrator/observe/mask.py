"""The one place through which everything passes that leaves a process: log lines, exception texts, metadata, answers.

    mask = Mask.load()
    mask.text("fetch https://x:ghp_…@host failed")      -> "fetch https://***@host failed"
    mask.value({"password": 12, "input_tokens": 345})   -> {"password": "***", "input_tokens": 345}

Masking twice changes nothing more. Where masking fails the text is withheld: better a lost line than a leaked key.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from orchestrator.observe.fields import SHIPPED_RULES, FieldRules, Rule
from orchestrator.observe.finder import Finder, Search, any_of
from orchestrator.observe.known import KnownSecrets, secrets_of, values_of
from orchestrator.observe.pairs import hide_pairs, is_reference
from orchestrator.observe.shapes import HIDDEN, RUN, SIGNED, hide, hide_shape

MASKING_FAILED = "[masking failed]"
CONFIG_VARIABLE = "MASKING_CONFIG_PATH"

_DEEPEST = 16
# Field names, ids, events and paths come again on every line.
_LONGEST_REMEMBERED = 80
_MOST_REMEMBERED = 4096
# The second pass nearly always finds nothing more; a replacement can bring together what the next pass reads as a pair.
_MOST_PASSES = 8
# The rules by their numbers in a search: known values, one for each shape, pairs, random runs.
_KNOWN, _PAIRS, _RUN = 0, 1 + len(SIGNED), 2 + len(SIGNED)
_SHAPES = {**dict(enumerate(SIGNED, start=1)), _RUN: RUN}
NUMBER_OF_RULES = 3 + len(SIGNED)
_HARMLESS = (Rule.SHOW, Rule.QUERY)
_QUERY_LENGTH = re.compile(r"\[length=\d+\]")


class Mask:
    """Field rules and known secrets; one is shared by all threads of a process."""

    def __init__(self, rules: FieldRules, *, secrets: Iterable[str] = (), search: Search | None = None) -> None:
        self._rules = rules
        self._known = KnownSecrets()
        self._known.add(secrets)
        self._search = search or self._finder()
        self._remembered: dict[str, str] = {}

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Mask:
        """The rules that MASKING_CONFIG_PATH names, or the shipped ones, and the secrets that the environment holds.

        Raises:
            SettingsError: the rules cannot be read.
        """
        rules = FieldRules.read(Path(environ.get(CONFIG_VARIABLE) or SHIPPED_RULES))
        return cls(rules, secrets=secrets_of(environ, rules))

    def add_environment(self, env: Mapping[str, str]) -> None:
        """Hide what an MCP server is given in its environment or headers, from now on and wherever it is printed."""
        self.add_values(values_of(env, self._rules))

    def add_values(self, values: Iterable[str]) -> None:
        """Hide these from now on, also URL-encoded, in base64 or escaped; one under 6 characters is passed over."""
        if not self._known.add(values):
            return
        self._search = self._finder()
        # Replaced and not cleared: a thread that masks at this moment stores its outdated answer in the old one.
        self._remembered = {}

    def text(self, text: str) -> str:
        """`text` without known values, logins in urls and headers, keys by their shape, and pairs by their name."""
        try:
            return self._text(text)
        except Exception:  # noqa: BLE001 — whatever went wrong, the unmasked text must not get out, nor its writer fail
            return MASKING_FAILED

    def may_change(self, text: str) -> bool:
        """Whether a secret may be in `text`, or in the JSON that it is; a no is certain, and costs a search or two."""
        found = self._search.rules(text)
        # What JSON escapes, `pass\\u0077ord`, no search sees.
        if "\\" in text or any(rule != _PAIRS for rule in found):
            return True
        return bool(found) and not all(
            # A field's name may have blanks, and its parts other rules than the whole.
            text[start - 1 : start] == text[end : end + 1] == '"' and self._rules.rule(text[start:end]) in _HARMLESS
            for start, end in self._search.names(text)
        )

    def value(self, value: Any, *, show_queries: bool = True) -> Any:
        """A copy of `value` in JSON types, masked by the names of its fields and, in its texts, as `text` does.

        What JSON does not know becomes its `str`. With `show_queries=False` the text of a query becomes `[length=N]`.
        """
        try:
            return self._value(value, Rule.SHOW, 0, show_queries)
        except Exception:  # noqa: BLE001 — as above
            return MASKING_FAILED

    def _text(self, text: str) -> str:
        if len(text) > _LONGEST_REMEMBERED:
            return self._masked(text)
        remembered = self._remembered
        masked = remembered.get(text)
        if masked is None:
            if len(remembered) >= _MOST_REMEMBERED:
                remembered.clear()
            masked = remembered[text] = self._masked(text)
        return masked

    def _masked(self, text: str) -> str:
        search = self._search
        for _ in range(_MOST_PASSES):
            masked = self._pass(text, search)
            if masked == text:
                return text
            text = masked
        return MASKING_FAILED

    def _pass(self, text: str, search: Search) -> str:
        rules = sorted(search.rules(text))
        while rules:
            rule, *rules = rules
            masked = self._apply(rule, text, search)
            if masked != text:
                text, rules = masked, sorted(later for later in search.rules(masked) if later > rule)
        return text

    def _apply(self, rule: int, text: str, search: Search) -> str:
        if rule == _KNOWN:
            return self._known.hide(text)
        if rule == _PAIRS:
            return hide_pairs(text, self._rules, search)
        return hide_shape(text, _SHAPES[rule], search.parts(text, rule))

    def _finder(self) -> Search:
        words = self._rules.words
        patterns = [
            any_of(self._known.beginnings()),
            *(shape.near for shape in SIGNED),
            b"" if words is None else any_of(words),
            RUN.near,
        ]
        return Finder(patterns, words)

    def _value(self, value: Any, rule: Rule, depth: int, show_queries: bool) -> Any:
        if isinstance(value, str):
            return self._string(str.__str__(value), rule, show_queries)
        if depth > _DEEPEST:
            return "[too deep]"
        if isinstance(value, Mapping):
            return self._mapping(value, rule, depth, show_queries)
        if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
            return [
                # `env` may be a list of `NAME=value`, or of mappings with a name and a value.
                self._value(
                    item,
                    Rule.NEVER if rule is Rule.ALL_WITHIN and not isinstance(item, Mapping) else rule,
                    depth + 1,
                    show_queries,
                )
                for item in value
            ]
        if rule is Rule.NEVER:
            return HIDDEN
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, bytes | bytearray):
            return self._string(bytes(value).decode("utf-8", "backslashreplace"), rule, show_queries)
        return self._string(str(value), rule, show_queries)

    def _string(self, text: str, rule: Rule, show_queries: bool) -> str:
        if rule is Rule.NEVER:
            return HIDDEN
        if rule is Rule.TEXTS:
            return text if not text or is_reference(text) else hide(text)
        if rule is Rule.QUERY and not show_queries:
            return text if _QUERY_LENGTH.fullmatch(text) else f"[length={len(text)}]"
        return self._text(text)

    def _mapping(self, value: Mapping[Any, Any], above: Rule, depth: int, show_queries: bool) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        # One item of an environment written as a list: the name of what is in `value` stands in `name`.
        item_name = value.get("name") if "value" in value else None
        for key, item in value.items():
            name = self._text(str(key))
            is_item = isinstance(item_name, str)
            rule = self._rules.rule(str(item_name) if is_item and name == "value" else name)
            masked[name] = self._value(
                item, _inherited(above, rule, is_item and name == "name"), depth + 1, show_queries
            )
        return masked


def _inherited(above: Rule, rule: Rule, names_an_item: bool) -> Rule:
    """The rule for a field whose own name says `rule`, in a mapping whose name says `above`."""
    if above is Rule.ALL_WITHIN:
        return Rule.SHOW if names_an_item else Rule.NEVER
    if above is Rule.NEVER or (above is Rule.TEXTS and rule is Rule.SHOW):
        return above
    return rule
