r"""Secrets known by the name before them in a running text: `token=…`, `"apiKey": "…"`, `--password …`, `env={…}`.

Linear in the text's length for the same reason, and by the same means, as `shapes`.
"""

from __future__ import annotations

import re

from orchestrator.observe.fields import LONGEST_NAME, FieldRules, Rule
from orchestrator.observe.finder import Search
from orchestrator.observe.shapes import HIDDEN, hide

_QUOTES = "\\\"'`"
_QUOTE = r"\\{0,2}[\"'`]"
_FLAG = re.compile(r"--?(?![-.])")
_ASSIGNMENT = rf"""
    => | ={{1,3}} | \|\|:? | [?.+:]{{1,3}}=                              # assignments of a dozen languages
    | :[ \t]{{0,8}}[A-Za-z_][\w.]{{0,40}}[ \t]{{1,8}}=(?!=)                # `password: str = …`
    | [A-Za-z_][\w.]{{0,40}}[ \t]{{1,8}}:?=(?=[ \t]{{0,8}}{_QUOTE})        # `var password string = "…"`
    | :{{1,2}}
    | >\s{{0,40}}(?=[^\s<])                                            # <password>…
    | (?(quoted),(?=[ \t]{{0,8}}{_QUOTE})|(?!))                          # ("token", "…")
"""
_BEFORE = rf"(?:(?P<quoted>{_QUOTE})\]?)? [ \t]{{0,16}}"
_LEAD = re.compile(rf"{_BEFORE} (?:{_ASSIGNMENT}) [ \t]{{0,16}}", re.ASCII | re.VERBOSE)
# `--token …`
_FLAG_LEAD = re.compile(rf"{_BEFORE} (?:{_ASSIGNMENT} | (?=[ \t][^-\s])) [ \t]{{0,16}}", re.ASCII | re.VERBOSE)
# One item of an environment written as a list: `name: API_KEY, value: …`, over two lines in YAML, as attributes in XML.
_ITEM_BEFORE = re.compile(rf"(?i)(?<![A-Za-z0-9_])(?:name|key)(?:{_QUOTE})?[ \t]{{0,4}}[=:][ \t]{{0,4}}(?:{_QUOTE})?\Z")
_LONGEST_ITEM_BEFORE = 24
_ITEM_VALUE = rf"(?:{_QUOTE})?[\s,]{{1,40}}(?:{_QUOTE})?value(?:{_QUOTE})?[ \t]{{0,4}}[=:][ \t]{{0,4}}"
_ITEM_LEAD = re.compile(rf"(?i){_ITEM_VALUE}", re.ASCII)
_ITEM_NAME = re.compile(
    rf"(?i)key(?:{_QUOTE})?[ \t]{{0,4}}[=:][ \t]{{0,4}}(?:{_QUOTE})?[\w.-]{{1,200}}{_ITEM_VALUE}", re.ASCII
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
# Nothing follows the groups below, so that nothing is tried again.
_BARE = re.compile(rf"(?:[^{_STOP}]+|[&,;)}}\]](?=[^{_STOP}])(?![\w.-]{{1,40}}[=:]))+")
_ENDS = ("", " ", "\n", ",")
_BRACKETS = re.compile(r"\{[^{}]*\}?|\[[^\[\]]*\]?")
_LINE_START = re.compile(r"[ \t]*(?:-[ \t]+|export[ \t]+|--?)?")
_REST_OF_LINE = re.compile(r"(?:[^\s\"'`]+|[ \t]+(?![\w.-]{1,40}[=:]|[\s\"'`]|\Z))+")
# Longer rows of digits are ids of accounts, and keys, rather than counts.
_COUNT_OR_FLAG = re.compile(r"(?i)-?\d{1,9}(?:\.\d{1,9})?|true|false|null|none|undefined|nil")
# In a list or a call: a secret has a digit, or is longer than most words.
_SHORTEST_IN_LIST = 8
_SHORTEST_WORD = 12
# `${NAME}` and `$NAME` tell nothing, and a person who reads a command line needs them.
_REFERENCE = re.compile(r"(?:\$\{[A-Z_][A-Z0-9_]{0,80}\}|\$[A-Z_][A-Z0-9_]{0,80})(?=[\s\"'`,;&)}\]]|\Z)")


def hide_pairs(text: str, rules: FieldRules, search: Search) -> str:
    """`text` with the value hidden behind every name that `rules` hide."""
    done: list[str] = []
    copied = 0
    for start, end in search.names(text):
        rule = rules.rule(text[max(start, end - LONGEST_NAME) : end])
        if rule is Rule.SHOW or rule is Rule.QUERY or start < copied:
            continue
        if end - start == len("key") and _ITEM_NAME.match(text, start):
            continue
        is_flag = text[start] == "-" and _FLAG.match(text, start) is not None
        lead = _item_lead(text, start, end) or (_FLAG_LEAD if is_flag else _LEAD).match(text, end)
        if lead is None:
            continue
        begin, value_end, hidden = _value(text, start, lead, rule, rules)
        done += text[copied:begin], hidden
        copied = value_end
    return "".join(done) + text[copied:] if done else text


def _item_lead(text: str, start: int, end: int) -> re.Match[str] | None:
    lead = _ITEM_LEAD.match(text, end)
    if lead is None or not _ITEM_BEFORE.search(text, max(start - _LONGEST_ITEM_BEFORE, 0), start):
        return None
    return lead


def _value(text: str, start: int, lead: re.Match[str], rule: Rule, rules: FieldRules) -> tuple[int, int, str]:
    """Where the value behind a name begins and ends (without its quotes), and what stands there instead."""
    position = lead.end()
    if text.startswith(HIDDEN, position) and text[position + 3 : position + 4] in _ENDS:
        return position, position, ""
    first = text[position : position + 1]
    if first in ("{", "[") and (brackets := _BRACKETS.match(text, position)):
        # A mapping under `env` or a list under `secrets` goes whole; in other mappings each name is judged by itself.
        if rule is Rule.ALL_WITHIN or (rule is Rule.NEVER and brackets[0].startswith("[")):
            opened = brackets[0][0]
            return position, brackets.end(), opened + HIDDEN + ("}" if opened == "{" else "]")
        return position, position, ""
    if rule is Rule.ALL_WITHIN or (first == "$" and _REFERENCE.match(text, position)):
        return position, position, ""
    if first in _QUOTES and (quoted := _QUOTED.match(text, position)):
        group = "value" if quoted["value"] is not None else "inner"
        if lead[0].rstrip().endswith(",") and _is_word_of_a_list(text, quoted[group], start, quoted.end(), rules):
            return position, position, ""
        return quoted.start(group), quoted.end(group), _replacement(quoted[group], rule)
    bare = _BARE.match(text, position)
    if bare is None:
        return position, position, ""
    if (rule is Rule.NEVER or text[start : lead.start()].isupper()) and _begins_line(text, start):
        # A line of YAML or of an env file: the value may hold blanks and ends with the line, or before the next name.
        bare = _REST_OF_LINE.match(text, position) or bare
    return position, bare.end(), _replacement(bare[0], rule)


def _is_word_of_a_list(text: str, value: str, name: int, end: int, rules: FieldRules) -> bool:
    """`["token", "password"]` lists names, and tells no secret; `("DROPBOX_TOKEN", "tawpgjmqxobfein")` does."""
    if len(value) >= _SHORTEST_IN_LIST and any(map(str.isdigit, value)):
        return False
    before, behind = text[max(name - 4, 0) : name], text[end : end + 4]
    is_call = before.rstrip(_QUOTES).endswith("(") and behind.lstrip(_QUOTES).startswith(")")
    return not (is_call and len(value) >= _SHORTEST_WORD and value.isalnum() and rules.rule(value) is Rule.SHOW)


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
