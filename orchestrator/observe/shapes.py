r"""Secrets known by their shape, whatever their name: keys of known makers, logins in urls and headers, random runs.

Every pattern is linear in the text's length, as a log line may come from outside and be hostile: it starts where a
look-behind finds a boundary, and its repetitions are possessive (`++`) or bounded: no character is read many times.
"""

from __future__ import annotations

import re

HIDDEN = "***"
_TAIL = "**...****"
_SHOWN = 4
_SHORTEST_WITH_START_SHOWN = 20

# A key cut off before its END goes to the end of the text.
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL
)
# All between scheme and host. A raw password may hold slashes: behind a colon the part goes on to its `@`, unless the
# colon leads a port. `ssh://git@host` names a user that everyone knows.
_URL_LOGIN = re.compile(
    r"(?<=://)(?!git@|\*\*\*@)"
    r"(?:[^\s/?#\"'<>`]{1,2048}@|[^\s/?#@\"'<>`:]{0,256}:(?!\d{1,5}[/?#])[^\s@:\"'<>`]{1,2048}@)"
)
# The address is the secret: whoever has it can post.
_WEBHOOK_URL = re.compile(r"(?<=hooks\.slack\.com/)[\w/-]++|(?<=discord\.com/api/webhooks/)[\w/-]++")
_HEADER = re.compile(
    r"(?i)(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie)(\\?[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\?[\"']?)"
    r"[^\"'\\\r\n]++"
)
_SCHEME = re.compile(r"(?i)(?<![\w-])(bearer|basic|token)([ \t]{1,4})(?=[^\s\d]{0,64}\d)[\w.~+/=-]{16,}+")
# `-u 1000:1000` is docker's user and group; a login made of `$NAME`s or `<placeholders>` tells nothing.
_CURL_LOGIN = re.compile(r"(?<![\w-])(-u|--user)([ =]{1,4})(?!\d{1,9}:\d{1,9}\b)(?=[^\s:$<*]{0,200}:)[^\s$<]++")

_WORDED = (
    ("-----begin", _PEM, "[private key ***]"),
    ("://", _URL_LOGIN, "***@"),
    (".com/", _WEBHOOK_URL, HIDDEN),
    ("authorization", _HEADER, r"\1\2***"),
    ("cookie", _HEADER, r"\1\2***"),
    ("bearer", _SCHEME, r"\1\2***"),
    ("basic", _SCHEME, r"\1\2***"),
    ("token", _SCHEME, r"\1\2***"),
    ("-u", _CURL_LOGIN, r"\1\2***"),
)

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|rk|pk)[-_][\w-]{16,}+"
    r"|(?:gh[oprsu]|github_pat|hf|npm|lin_api|api_org|shp(?:at|ca|pa|ss))_\w{16,}+"
    r"|(?:glc|glsa|ops|pscale_\w{2,8}?|sntry[su])_[\w=+/.-]{16,}+"
    r"|(?:gl[a-z]{2,6}|pypi|PMAK|NRAK|NRJS|HRKU|FLW\w{3,12}|pul|ico)-[\w.-]{12,}+"
    r"|xox[a-z](?:\.xox[a-z])?-[\w-]{10,}+|xapp-[\w-]{16,}+"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])|LTAI[A-Za-z0-9]{12,}+"
    r"|(?:AIza|ya29\.|AT(?:BB|ATT)|AKCp|dt0c01\.|hv[sbr]\.|SG\.|do[opr]_v1_|sha256~|t1\.)[\w.~=-]{20,}+"
    r"|ey[\w-]{8,}+\.[\w=-]{8,}+(?:\.[\w=-]*+)?"
    r"|[\w~.]{3}\dQ~[\w~.-]{31,34}|A3-[A-Z0-9-]{30,}+|GR1348941[\w-]{12,}+|AGE-SECRET-KEY-[A-Z0-9]{20,}+"
    r")",
    re.ASCII,
)

# Long and too mixed for a word; the digests that package managers and registries print stay as they are.
_RUN = re.compile(r"(?<![\w+=~-])(?:(?P<digest>sha\d{1,3}[-:][\w+/=]++)|[\w+=~-]{20,}+)", re.ASCII)
_DENSE = re.compile(r"[A-Za-z0-9]{16,}+")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_TURN = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_FEWEST_TURNS = 4


def hide(secret: str) -> str:
    """Its first 4 characters where it has 20 or more, so that a person can tell two keys apart; else nothing of it."""
    if secret.endswith(_TAIL) and len(secret) == _SHOWN + len(_TAIL):
        return secret
    return secret[:_SHOWN] + _TAIL if len(secret) >= _SHORTEST_WITH_START_SHOWN else HIDDEN


def is_key_of_known_maker(text: str) -> bool:
    """Whether all of it is one key, such as an agent's `sk-…`."""
    return _PREFIXED.fullmatch(text) is not None


def hide_shapes(text: str) -> str:
    """`text` with every part that has the shape of a secret hidden."""
    # Finding a fixed word costs a hundredth of a pattern's search, and most lines hold none of these.
    lower = text.lower()
    for word, pattern, shown in _WORDED:
        if word in lower:
            text = pattern.sub(shown, text)
    text = _PREFIXED.sub(lambda found: hide(found[0]), text)
    return _RUN.sub(_hide_dense_run, text)


def _hide_dense_run(run: re.Match[str]) -> str:
    if run["digest"] is None and any(_is_random(part) for part in _DENSE.findall(run[0])):
        return hide(run[0])
    return run[0]


def _is_random(part: str) -> bool:
    """Letters and digits take turns as in no word; hex is far more often an id of git, a trace or a run than a key."""
    turns = _TURN.finditer(part)
    return not _HEX.fullmatch(part) and sum(1 for _ in zip(range(_FEWEST_TURNS), turns, strict=False)) == _FEWEST_TURNS
