"""Secrets known by their value: those of the environment and those registered, in every form they may be printed in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from orchestrator.observe.fields import FieldRules, Rule
from orchestrator.observe.shapes import HIDDEN, hide, is_key_of_known_maker

# A shorter value would hide parts of ordinary words everywhere.
_SHORTEST = 6
_BEGINNING = 16
_URL_PASSWORD = re.compile(r"://[^\s/?#@:]{0,256}:([^\s@]{1,1024})@")
_NO_SECRET = re.compile(r"[A-Za-z_-]+|[\d.,:]+|(?:~|\.{0,2})/[^@\s]*|[a-z+]{2,16}://[^@\s]*")


class KnownSecrets:
    """A set of values that `hide` takes out of a text."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        # Replaced whole by `add`, so that a thread that reads it sees the old list or the new one.
        self._forms: tuple[tuple[str, str], ...] = ()

    def add(self, values: Iterable[str]) -> bool:
        """Hide these from now on; values under 6 characters are passed over. False where none of them is new."""
        new = {value for value in values if len(value) >= _SHORTEST} - self._values
        if not new:
            return False
        self._values |= new
        forms = {form: shown for value in self._values for form, shown in _forms(value)}
        # The longest first: one secret may begin with another.
        self._forms = tuple(sorted(forms.items(), key=lambda form: len(form[0]), reverse=True))
        return True

    def beginnings(self) -> list[str]:
        """How each form begins: enough for a search, and short, so that long values cost it no more than short ones."""
        return sorted({form[:_BEGINNING] for form, _ in self._forms})

    def hide(self, text: str) -> str:
        """`text` with every form of every value replaced."""
        for form, shown in self._forms:
            # `in` and `replace` are linear and run in C; an alternation of all forms would try each at each character.
            if form in text:
                text = _replaced(text, form, shown)
        return text


def secrets_of(environ: Mapping[str, str], rules: FieldRules) -> set[str]:
    """Values of variables whose names hide them, and the passwords of urls in the others."""
    named = {value for name, value in environ.items() if rules.rule(name) in (Rule.NEVER, Rule.TEXTS)}
    return named | {password for value in environ.values() for password in _URL_PASSWORD.findall(value)}


def values_of(env: Mapping[str, str], rules: FieldRules) -> set[str]:
    """What an MCP server is given, without what names a place, a number or a word: that stands in every other line.

    Of `Bearer …` also what is behind the scheme.
    """
    secret = {
        value
        for name, value in env.items()
        if rules.rule(name) in (Rule.NEVER, Rule.TEXTS) or not _NO_SECRET.fullmatch(value)
    }
    passwords = {password for value in env.values() for password in _URL_PASSWORD.findall(value)}
    return secret | {value.split()[-1] for value in secret if value.strip()} | passwords


def _replaced(text: str, form: str, shown: str) -> str:
    if form.isalpha():
        # A password that is a plain word, `postgres`, is hidden as a word and not within `postgresql`.
        return re.sub(rf"(?<![^\W\d_]){re.escape(form)}(?![^\W\d_])", shown, text)
    return text.replace(form, shown)


def _forms(value: str) -> Iterator[tuple[str, str]]:
    """Each way in which `value` may be printed, with what is shown in its place."""
    plain = hide(value) if is_key_of_known_maker(value) else HIDDEN
    yield value, plain
    raw = value.encode("utf-8", "surrogatepass")
    for escaped in (
        quote(raw, safe=""),
        quote_plus(raw),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
    ):
        if escaped != value:
            yield escaped, HIDDEN
    yield from ((encoded, HIDDEN) for encoded in _in_base64(raw))


def _in_base64(raw: bytes) -> Iterator[str]:
    # In `user:password` a value starts at any of three offsets within base64's groups of three bytes; what it shares a
    # character with is not part of it.
    for offset, shared in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(raw)) * 8 // 6
        padded = b"\0" * offset + raw
        yield base64.b64encode(padded)[shared:whole].decode()
        yield base64.urlsafe_b64encode(padded)[shared:whole].decode()
