"""Addresses: what `DATABASE_URL` means, how it is shown, and a repository's address without its credentials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from orchestrator.domain.errors import StoreError

_FORMS = "expected postgresql://user:password@host:5432/database, sqlite:///file.db or file:./file.db"


def database_url(text: str) -> URL:
    """What `DATABASE_URL` means to SQLAlchemy. Raises `StoreError`, never quoting the text: it may hold a password."""
    try:
        # `file:` is how Prisma, which the variable comes from, writes a SQLite file.
        url = make_url(text) if not text.startswith("file:") else _file(text)
    except ArgumentError:
        raise StoreError(f"DATABASE_URL is not a database address; {_FORMS}") from None
    if url.drivername in ("postgres", "postgresql"):
        # Bare names pick whatever driver is installed; with psycopg 3, Dagster's own storage fails on this URL.
        return url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise StoreError(f"DATABASE_URL names a {url.drivername} database; {_FORMS}")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError(f"DATABASE_URL names a database in memory, which no other process could see; {_FORMS}")
    return url


def _file(text: str) -> URL:
    return URL.create("sqlite", database=text.removeprefix("file:").removeprefix("//"))


def shown(url: URL) -> str:
    """The address for messages: no password, and no query, which may hold one too."""
    return url.set(query={}).render_as_string(hide_password=True)


def sqlite_path(url: URL) -> Path:
    """The file of a SQLite URL, relative to the working directory unless absolute."""
    return Path(url.database or "")


def without_credentials(url: str) -> str:
    """A repository's address as it may be stored: the same for every token it is reached with.

    ssh keeps its user name, which is part of the address there; scp-like (`git@host:path`) and local forms stay.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url
    kept = userinfo.partition(":")[0] + "@" if parts.scheme.endswith("ssh") else ""
    return parts._replace(netloc=kept + host).geturl()
