"""Repository addresses and ref names from outside: which are let through to git, and how they are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from orchestrator.domain.errors import GitRefNotFound, GitUrlRefused
from orchestrator.spec.giturl import SCHEMES, SCP_ADDRESS, problem_with_ref

_ALLOWED = "use https://, http://, ssh://, git://, file://, user@host:path or an absolute path"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Up to the last `@` before the path, since a password may hold an unescaped `@`; bounded: a long line stays linear.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/'\"]{1,512}@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A repository address that passed the check, with its credentials apart.

    Attributes:
        url: what git gets on its command line: no user name or password where the scheme is http or https.
        username: percent-decoded; empty where the address has none.
        password: likewise.
        path: the folder, where the address is on this machine; else None.
    """

    url: str
    username: str = ""
    password: str = ""
    path: Path | None = None


def parse_url(url: str) -> Remote:
    """The address in the form that git gets; `GitUrlRefused` for a transport or form that could run commands."""
    if not url or url.startswith("-") or _CONTROL.search(url):
        raise _refused(url, "it is empty, starts with a dash, or holds control characters")
    if url.startswith("/"):
        return Remote(url=url, path=Path(url))
    if "::" in url.partition("/")[0]:
        raise _refused(url, "`transport::address` runs a helper program")
    scheme, separator, _ = url.partition("://")
    if not separator:
        if SCP_ADDRESS.match(url):
            return Remote(url=url)
        raise _refused(url, "it is neither a URL nor an absolute path")
    if scheme not in SCHEMES:
        raise _refused(url, f"scheme {scheme[:20]!r} is not allowed")
    return _parse_schemed(url, scheme)


def _parse_schemed(url: str, scheme: str) -> Remote:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise _refused(url, "it is not a well-formed URL") from error
    if scheme == "file":
        path = unquote(parts.path)
        if host not in {"", "localhost"} or not path.startswith("/") or _CONTROL.search(path):
            raise _refused(url, "a file URL names an absolute path on this machine")
        return Remote(url=url, path=Path(path))
    if not host or host.startswith("-"):
        raise _refused(url, "it names no host")
    if scheme not in {"http", "https"}:
        return Remote(url=url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return Remote(url=bare, username=unquote(parts.username or ""), password=unquote(parts.password or ""))


def check_url(url: str) -> None:
    """Raise `GitUrlRefused` unless git may be given this address."""
    parse_url(url)


def check_ref(ref: str) -> None:
    """Raise `GitRefNotFound` for a name that no branch or tag can have, one read as an option included."""
    problem = problem_with_ref(ref)
    if problem is not None:
        raise GitRefNotFound(f"ref {ref[:200]!r} {problem}", command="check")


def mask(text: str) -> str:
    """The text with the user and password of every URL in it replaced: `https://***@host/path`."""
    return _USERINFO.sub(r"\1***@", text)


def _refused(url: str, why: str) -> GitUrlRefused:
    return GitUrlRefused(f"git url {mask(url)[:200]!r} refused: {why}; {_ALLOWED}", command="check")
