r"""Secrets known by their shape, whatever their name: keys of known makers, logins in urls and headers, random runs.

Every pattern is linear in the text's length, as a log line may come from outside and be hostile: it starts where a
look-behind finds a boundary or behind a fixed word, and what follows is bounded or cannot fail once it has begun.
None is possessive: CPython before 3.11.5 matches possessive groups wrongly (gh-106052).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

HIDDEN = "***"
_TAIL = "**...****"
_SHOWN = 4
_SHORTEST_WITH_START_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of secret.

    Attributes:
        near: what every match contains, within one line, as RE2 reads it: letter case does not count.
        exact: what is hidden. Its matches lie within one line, unless `over_lines`.
        shown: stands in its place.
    """

    near: bytes
    exact: re.Pattern[str]
    shown: str | Callable[[re.Match[str]], str]
    over_lines: bool = False


def hide(secret: str) -> str:
    """Its first 4 characters where it has 20 or more, so that a person can tell two keys apart; else nothing of it."""
    if secret.endswith(_TAIL) and len(secret) == _SHOWN + len(_TAIL):
        return secret
    return secret[:_SHOWN] + _TAIL if len(secret) >= _SHORTEST_WITH_START_SHOWN else HIDDEN


def is_key_of_known_maker(text: str) -> bool:
    """Whether all of it is one key, such as an agent's `sk-…`."""
    return _PREFIXED.fullmatch(text) is not None


def hide_shape(text: str, shape: Shape, parts: Iterable[tuple[int, int]]) -> str:
    """`text` without the secrets of this shape; `parts` are the lines, start and end, in which there may be any."""
    if shape.over_lines:
        return shape.exact.sub(shape.shown, text)
    done: list[str] = []
    copied = 0
    for start, end in parts:
        done += text[copied:start], shape.exact.sub(shape.shown, text[start:end])
        copied = end
    return "".join(done) + text[copied:]


def _hide_match(found: re.Match[str]) -> str:
    return hide(found[0])


# Keys by their first letters. `re.ASCII` with a boundary before it; RE2 reads the same text.
_PREFIXES = (
    r"(?:sk|rk|pk|xai|pplx|nvapi|tskey)[-_][\w-]{16,}"
    r"|(?:gh[oprsu]|github_pat|hf|npm|lin_api|lin_oauth|api_org|shp(?:at|ca|pa|ss)|gsk|r8|figd|clojars|shippo|duffel)_\w{16,}"
    r"|(?:rubygems|rdme|sgp|sm_[ps]at|sm_aat|sqa|sqp|squ|whsec|phc|ntn|nfp|lip|pnu|hvb|fo1|tfp|doo|ccipat|vercel)_\w{16,}"
    # `acme_live_…`, `acme_pat_…`: many name the kind of key, or where it is valid.
    r"|[A-Za-z][A-Za-z0-9]{1,15}_(?:live|prod|pat|sat|oauth)_[A-Za-z0-9]{16,}"
    r"|(?:glc|glsa|ops|pscale_[a-z]{2,8}|sntry[su])_[\w=+/.-]{16,}"
    r"|(?:gl[a-z]{2,6}|pypi|PMAK|NRAK|NRJS|NRII|HRKU|FLW[A-Z_]{3,12}|pul|ico|xkeysib|xsmtpsib|sq0[a-z]{3}|s-s4t2[a-z]{2})-[\w.-]{12,}"
    r"|xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-[\w-]{16,}"
    r"|LTAI[A-Za-z0-9]{12,}|(?:EZAK|EZTK|EAAA|ABSK|dapi|AKCp|cmVmd)[\w+/=-]{20,}"
    r"|(?:AIza|ya29\.|AT(?:BB|ATT|CTT)|dt0c01\.|hv[sbr]\.|SG\.|do[opr]_v1_|dp\.[a-z]{2,5}\.|sha256~|t1\.|v1\.0-)[\w.~=-]{20,}"
    r"|\d{5,16}:A[\w-]{34}"
    r"|A3-[A-Z0-9-]{30,}|GR1348941[\w-]{12,}|AGE-SECRET-KEY-[A-Z0-9]{20,}"
)
_EXACT_PREFIXES = (
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|[\w~.]{3}\dQ~[\w~.-]{31,34}"
    # Not within a run of words and dashes: each of them would be read to its end.
    r"|(?<![\w-])ey[\w-]{8,}\.[\w=-]{8,}(?:\.[\w=-]*)?"
)
_PREFIXED = re.compile(rf"(?<![A-Za-z0-9])(?:{_PREFIXES}{_EXACT_PREFIXES})", re.ASCII)
# The beginning is enough, and keeps RE2 from counting.
_NEAR_PREFIXES = "(?:^|[^A-Za-z0-9])(?:" + re.sub(r"\{(?:1[02]|16|20|30|34),?\}", "{6}", _PREFIXES)
_NEAR_PREFIXES += r"|A[KSBC][IC]A[A-Z0-9]{6})|\dQ~|(?:^|[^\w-])ey[\w-]{6}"

# All that has a sign of its own, in the order in which it is hidden.
SIGNED = (
    # A key cut off before its END goes to the end of the text.
    Shape(
        near=b"-----BEGIN ",
        exact=re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL
        ),
        shown="[private key ***]",
        over_lines=True,
    ),
    # All between scheme and host. A raw password may hold slashes: behind a colon the part goes on to its `@`, unless
    # the colon leads a port. `ssh://git@host` names a user that everyone knows.
    Shape(
        near=rb"://[^\t-\r ]+@",
        exact=re.compile(
            r"(?<=://)(?!git@|\*\*\*@)"
            r"(?:[^\s/?#\"'<>`]{1,2048}@|[^\s/?#@\"'<>`:]{0,256}:(?!\d{1,5}[/?#])[^\s@:\"'<>`]{1,2048}@)",
            re.ASCII,
        ),
        shown="***@",
    ),
    # The address is the secret: whoever has it can post.
    Shape(
        near=rb"hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/",
        exact=re.compile(
            r"(?:https?://)?(?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|(?<![\w.-])(?:[\w-]{1,60}\.)?webhook\.office\.com)/"
            r"[\w/@-]+",
            re.ASCII,
        ),
        shown="[webhook ***]",
    ),
    Shape(
        near=b"authorization|cookie",
        exact=re.compile(
            r"(?i)(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie)(\\?[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\?[\"']?)"
            r"[^\"'\\\r\n]+",
            re.ASCII,
        ),
        shown=r"\1\2***",
    ),
    Shape(
        near=rb"(?:bearer|basic|token)[ \t]+[\w.~+/=-]{16}",
        exact=re.compile(r"(?i)(?<![\w-])(bearer|basic|token)([ \t]{1,4})(?=[^\s\d]{0,64}\d)[\w.~+/=-]{16,}", re.ASCII),
        shown=r"\1\2***",
    ),
    # `-u 1000:1000` is docker's user and group; a login made of `$NAME`s or `<placeholders>` tells nothing.
    Shape(
        near=rb"-(?:u|-user)[ =]+[^\t-\r ]*:",
        exact=re.compile(
            r"(?<![\w-])(-u|--user)([ =]{1,4})(?!\d{1,9}:\d{1,9}\b)(?=[^\s:$<*]{0,200}:)[^\s$<]+", re.ASCII
        ),
        shown=r"\1\2***",
    ),
    Shape(near=_NEAR_PREFIXES.encode(), exact=_PREFIXED, shown=_hide_match),
)

# Long and too mixed for a word; the digests that package managers and registries print stay as they are.
_RUN = re.compile(r"(?<![\w+=~./-])[\w+=~./-]{20,}", re.ASCII)
_PART = re.compile(r"[^./]+")
_DIGEST = re.compile(r"(?i)sha\d{1,3}[-:]")
_DENSE = re.compile(r"[A-Za-z0-9]{16,}")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_TURN = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_FEWEST_TURNS = 4
_MIXED = re.compile(r"[0-9]|[a-z][A-Z]|[A-Z][a-z]")


def _hide_dense_run(found: re.Match[str]) -> str:
    """From the first part that looks random to the last that is mixed: keys hold the dots and slashes of paths too."""
    run = found[0]
    if _DIGEST.search(found.string, max(found.start() - 7, 0), found.start()):
        return run
    parts = list(_PART.finditer(run))
    for number, part in enumerate(parts):
        if _DIGEST.match(part[0]):
            return run
        if len(part[0]) >= _SHORTEST_WITH_START_SHOWN and any(map(_is_random, _DENSE.findall(part[0]))):
            end = next(later.end() for later in reversed(parts[number:]) if later is part or _MIXED.search(later[0]))
            return run[: part.start()] + hide(run[part.start() : end]) + run[end:]
    return run


def _is_random(part: str) -> bool:
    """Letters and digits take turns as in no word; hex is far more often an id of git, a trace or a run than a key."""
    turns = _TURN.finditer(part)
    return not _HEX.fullmatch(part) and sum(1 for _ in zip(range(_FEWEST_TURNS), turns, strict=False)) == _FEWEST_TURNS


# Hidden last: what has a name is hidden by it, and the name stays.
# Sixteen letters and digits of which one is not of hex, or that are hex in both letter cases. Counted from where they
# begin: counted from each of them, RE2 would have a state for every row of sixteen.
_NO_HEX = "|".join(f"[0-9a-f]{{{before}}}[g-z][a-z0-9]{{{15 - before}}}" for before in range(16))
_TWO_CASES = "|".join(
    rf"[0-9{one}]{{8,}}[{other}]|[0-9{one}]*[{one}][0-9]*[{other}][0-9A-Fa-f]{{8}}"
    for one, other in (("a-f", "A-F"), ("A-F", "a-f"))
)
_NEAR_RUN = f"(?:^|[^a-z0-9])(?:{_NO_HEX}|[0-9a-f]{{16,}}[g-z]|(?-i:{_TWO_CASES}))"
RUN = Shape(near=_NEAR_RUN.encode(), exact=_RUN, shown=_hide_dense_run)
