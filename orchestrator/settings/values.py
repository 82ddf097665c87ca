"""How one environment variable's text becomes a value: a `Kind` per form, with the words that say what is expected."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

from orchestrator.domain.cron import check_cron

T = TypeVar("T")

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)
# Larger values overflow a C int somewhere below: poll, setsockopt, a database column.
_MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One form of value.

    Attributes:
        expected: completes "expected …".
        read: text to value; a ValueError says that it is malformed, its text (which may be empty) why.
        secret: the text may hold credentials; `show` hides them.
    """

    expected: str
    read: Callable[[str], T]
    secret: bool = False

    def show(self, text: str) -> str:
        """The text as it may be printed."""
        return without_credentials(text) if self.secret else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden(Kind[T]):
    """A form of value of which nothing is shown."""

    def show(self, text: str) -> str:
        return "***" if text else ""


def without_credentials(url: str) -> str:
    """`url` with the credentials in it replaced by `***`; in doubt, as in a malformed url, more than those."""
    if url.startswith(("file:", "sqlite:")) or not url:
        return url
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    elif re.search(r":(?!\d{1,5}([/?#]|\Z))", rest.partition("/")[0]):
        rest = "***"  # `redis://:password` without its host
    return scheme + separator + re.sub(r"(?i)([?&][^=&]*(?:pass|pwd|secret|token|key)[^=&]*=)[^&]*", r"\1***", rest)


def sqlite_file(url: str) -> Path:
    """The file of a url that `DATABASE_URL.read` returned."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def one_of(*choices: str) -> Kind[str]:
    """One word of a closed list, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError
        return text.lower()

    return Kind(expected="one of " + ", ".join(choices), read=parse)


def _whole(lowest: int, highest: int = _MAX_INT) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() would also take "1_000", " 5 " and digits of other scripts.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not lowest <= int(text) <= highest:
            raise ValueError
        return int(text)

    return parse


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text.lower()]


def _gigabytes(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or float(text) == 0:
        raise ValueError
    return float(text)


def _path(text: str) -> Path:
    if "\0" in text or "${" in text:
        raise ValueError("a variable in it was not expanded" if "${" in text else "")
    # normpath and not resolve: a root may be a symbolic link to a volume, and stays the name that the operator gave it.
    return Path(os.path.normpath(Path.cwd() / Path(text).expanduser()))


def _database_url(text: str) -> str:
    scheme, _, rest = text.partition(":")
    if scheme in ("file", "sqlite"):
        return _sqlite_url(rest)
    url = _network_url(text, "postgres", "postgresql", "postgresql+psycopg2")
    if not url.path.strip("/"):
        raise ValueError("no database name")
    return "postgresql" + text.removeprefix("postgres") if scheme == "postgres" else text


def _sqlite_url(rest: str) -> str:
    """An absolute url from what follows the scheme: `./dev.db`, `///dev.db` (relative) or `////data/dev.db`."""
    location, mark, query = rest.partition("?")
    path = location[3:] if location.startswith("///") else location
    if not path or path.startswith(("//", ":memory:")):
        raise ValueError("it must name a file: every process opens the same one")
    return f"sqlite:///{_path(path)}{mark}{query}"


def _redis_url(text: str) -> str:
    if text.startswith("unix:///"):
        return text
    _network_url(text, "redis", "rediss")
    return text


def _http_url(text: str) -> str:
    _network_url(text, "http", "https")
    return text


def _network_url(text: str, *schemes: str) -> SplitResult:
    if "${" in text:
        raise ValueError("a variable in it was not expanded")
    if re.search(r"\s", text):
        raise ValueError("it holds a space")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        # The stock message quotes the text, and with it perhaps a password.
        raise ValueError("host or port malformed; a password with / : @ or # must be URL-encoded") from None
    if url.scheme not in schemes or not (url.hostname or "host=" in url.query) or port == 0:
        raise ValueError
    return url


def _addresses(text: str) -> tuple[str, ...]:
    found = tuple(text.split())
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address) for address in found):
        raise ValueError
    return found


def _url_path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", text):
        raise ValueError
    return text


def _cron(text: str) -> str:
    check_cron(text)
    return text


COUNT: Kind[int] = Kind(expected=f"a whole number from 0 to {_MAX_INT}", read=_whole(0))
POSITIVE: Kind[int] = Kind(expected=f"a whole number from 1 to {_MAX_INT}", read=_whole(1))
PORT: Kind[int] = Kind(expected="a port, 1 to 65535", read=_whole(1, 65535))
GIGABYTES: Kind[float] = Kind(expected="a number of gigabytes above 0", read=_gigabytes)
BOOLEAN: Kind[bool] = Kind(expected="true or false (also 1/0, yes/no, on/off)", read=_boolean)
TEXT: Kind[str] = Kind(expected="a text", read=str)
PATH: Kind[Path] = Kind(expected="a path", read=_path)
URL_PATH: Kind[str] = Kind(expected="a path that starts with /, such as /metrics", read=_url_path)
CRON: Kind[str] = Kind(expected="a cron expression of five fields, such as 0 * * * *", read=_cron)
HTTP_URL: Kind[str] = Kind(expected="a url http(s)://host:port", read=_http_url, secret=True)
REDIS_URL: Kind[str] = Kind(
    expected="a url redis://host:6379, rediss://… or unix:///path", read=_redis_url, secret=True
)
DATABASE_URL: Kind[str] = Kind(
    expected="postgresql://user:password@host:5432/database, or sqlite:///path or file:path",
    read=_database_url,
    secret=True,
)
ADDRESSES: Kind[tuple[str, ...]] = Hidden(
    expected="addresses such as slack://… mailto://… https://…, separated by spaces", read=_addresses, secret=True
)
