r"""Secrets known by the name before them in a running text: `token=…`, `"apiKey": "…"`, `--password …`, `env={…}`.

Linear in the text's length for the same reason, and by the same means, as `shapes`.
"""

from __future__ import annotations

import re

from orchestrator.observe.fields import FieldRules, Rule
from orchestrator.observe.shapes import HIDDEN, hide

_QUOTE = r"\\{0,2}[\"'`]"
_NAME = re.compile(
    rf"""
    (?<![\w.-]) (?P<flag>-{{1,2}}(?=\w))? (?P<name>\w[\w.-]*+)
    # Looked at and not taken: it may be a name itself, as in `var token = …`.
    (?=(?P<lead>
        (?:(?P<quoted>{_QUOTE})\]?)? [ \t]{{0,16}}
        (?:
            => | ={{1,3}} | \|\|:? | [?.+:]{{1,3}}=                          # assignments of a dozen languages
            | :[ \t]{{0,8}}[A-Za-z_][\w.]{{0,40}}[ \t]{{1,8}}=(?!=)            # `password: str = …`
            | [A-Za-z_][\w.]{{0,40}}[ \t]{{1,8}}:?=(?=[ \t]{{0,8}}{_QUOTE})    # `var password string = "…"`
            | :{{1,2}}
            | >\s{{0,40}}(?=[^\s<])                                        # <password>…
            | (?(quoted),(?=[ \t]{{0,8}}{_QUOTE})|(?!))                      # ("token", "…")
            | (?(flag)(?=[ \t][^-\s])|(?!))                              # --token …
        )
        [ \t]{{0,16}}
    ))
    """,
    re.ASCII | re.VERBOSE,
)
# One item of an environment written as a list: `name: API_KEY, value: …`, over two lines in YAML, as attributes in XML.
_ITEM = re.compile(
    rf"""
    (?i:(?<!\w)(?:name|key)) (?:{_QUOTE})? [ \t]{{0,4}} [=:] [ \t]{{0,4}} (?:{_QUOTE})? (?P<name>\w[\w.-]*+)
    (?P<lead> (?:{_QUOTE})? [\s,]{{1,40}} (?:{_QUOTE})? (?i:value) (?:{_QUOTE})? [ \t]{{0,4}} [=:] [ \t]{{0,4}} )
    """,
    re.ASCII | re.VERBOSE,
)
_QUOTED = re.compile(
    r"""
    (?P<open>["'`]) (?P<value>(?:(?!(?P=open))[^\\\r\n]|\\.)*)
    | (?P<escaped>\\{1,2}["'`]) (?P<inner>(?:(?!(?P=escaped))[^\r\n])*)
    """,
    re.VERBOSE,
)
# A stop that a further character follows, and no next pair, belongs to the value: passwords hold `&` and `)` too.
_STOP = r"\s\"'`&,;<>(){}\[\]\\"
# Groups are greedy, not possessive: before 3.11.5 CPython forgets to give up what a possessive group tried last
# (gh-106052). Nothing follows them, so that nothing is tried again.
_BARE = re.compile(rf"(?:[^{_STOP}]++|[&,;)}}\]](?=[^{_STOP}])(?![\w.-]{{1,40}}[=:]))+")
_BRACKETS = re.compile(r"\{[^{}]*+\}?|\[[^\[\]]*+\]?")
_LINE_START = re.compile(r"[ \t]*+(?:-[ \t]+|export[ \t]+)?")
_REST_OF_LINE = re.compile(r"(?:[^\s\"'`]++|[ \t]++(?![\w.-]{1,40}[=:]|[\s\"'`]|\Z))+")
# Longer rows of digits are ids of accounts, and keys, rather than counts.
_COUNT_OR_FLAG = re.compile(r"(?i)-?\d{1,9}(?:\.\d{1,9})?|true|false|null|none|undefined|nil")
# `${NAME}` and `$NAME` tell nothing, and a person who reads a command line needs them.
_REFERENCE = re.compile(r"(?:\$\{[A-Z_][A-Z0-9_]{0,80}\}|\$[A-Z_][A-Z0-9_]{0,80})(?=[\s\"'`,;&)}\]]|\Z)")


def hide_pairs(text: str, rules: FieldRules) -> str:
    """`text` with the value hidden behind every name that `rules` hide."""
    if "value" in text.lower():
        text = _hide_behind(_ITEM, text, rules)
    return _hide_behind(_NAME, text, rules)


def _hide_behind(names: re.Pattern[str], text: str, rules: FieldRules) -> str:
    done: list[str] = []
    copied = 0
    for found in names.finditer(text):
        rule = rules.rule(found["name"])
        if rule is Rule.SHOW or rule is Rule.QUERY or found.start() < copied:
            continue
        start, end, hidden = _value(text, found, rule)
        done += text[copied:start], hidden
        copied = end
    return "".join(done) + text[copied:] if done else text


def _value(text: str, found: re.Match[str], rule: Rule) -> tuple[int, int, str]:
    """Where the value behind a name begins and ends (without its quotes), and what stands there instead."""
    position = found.end("lead")
    if brackets := _BRACKETS.match(text, position):
        # A mapping under `env` or a list under `secrets` goes whole; in other mappings each name is judged by itself.
        if rule is Rule.ALL_WITHIN or (rule is Rule.NEVER and brackets[0].startswith("[")):
            opened = brackets[0][0]
            return position, brackets.end(), opened + HIDDEN + ("}" if opened == "{" else "]")
        return position, position, ""
    if rule is Rule.ALL_WITHIN or _REFERENCE.match(text, position):
        return position, position, ""
    if quoted := _QUOTED.match(text, position):
        group = "value" if quoted["value"] is not None else "inner"
        is_list = found["lead"].rstrip().endswith(",")
        if is_list and not (len(quoted[group]) >= 8 and any(map(str.isdigit, quoted[group]))):
            return position, position, ""  # ["token", "password"] lists names, not a secret
        return quoted.start(group), quoted.end(group), _replacement(quoted[group], rule)
    bare = _BARE.match(text, position)
    if bare is None:
        return position, position, ""
    if rule is Rule.NEVER and _begins_line(text, found.start()):
        # A line of YAML or of an env file: the value may hold blanks and ends with the line, or before the next name.
        bare = _REST_OF_LINE.match(text, position) or bare
    return position, bare.end(), _replacement(bare[0], rule)


def is_reference(value: str) -> bool:
    """Whether all of it names a variable, `${NAME}`, and so tells nothing."""
    return _REFERENCE.fullmatch(value) is not None


def _replacement(value: str, rule: Rule) -> str:
    if not value or is_reference(value) or (rule is Rule.TEXTS and _COUNT_OR_FLAG.fullmatch(value)):
        return value
    return hide(value) if rule is Rule.TEXTS else HIDDEN


def _begins_line(text: str, position: int) -> bool:
    before = max(text.rfind("\n", max(position - 200, 0), position) + 1, position - 200, 0)
    return _LINE_START.fullmatch(text, before, position) is not None
