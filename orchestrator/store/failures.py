"""What a database error means: worth another try, or something a person has to do."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

from orchestrator.domain.errors import StoreError
from orchestrator.store.urls import shown, sqlite_path

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SERIALIZATION, _DEADLOCK = "40001", "40P01"
_SHUTDOWN, _CRASH_SHUTDOWN, _STARTING, _TOO_MANY = "57P01", "57P02", "57P03", "53300"
_PASSING_CODES = frozenset({_SERIALIZATION, _DEADLOCK, _SHUTDOWN, _CRASH_SHUTDOWN, _STARTING, _TOO_MANY})
_CONNECTION_CLASS = "08"
_MISSING_CODES = frozenset({"3F000", "42P01", "42703"})  # no such schema, table, column

# https://www.sqlite.org/rescode.html; extended codes carry the primary one in the low byte.
_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6

MIGRATE = "start `orchestrator up` or `orchestrator serve`, which migrate it"


# What the database or the way to it did. Anything else that SQLAlchemy raises is a mistake in this program.
DATABASE_ERRORS = (DBAPIError, TimeoutError)


def is_passing(error: SQLAlchemyError) -> bool:
    """Whether the same transaction may well succeed a moment later: nothing of it was kept."""
    if not isinstance(error, DBAPIError):
        return False
    if (sqlite := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return sqlite & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED)
    return is_lost(error) or _code(error) in _PASSING_CODES


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection to the server broke or could not be made."""
    if error.connection_invalidated or _code(error).startswith(_CONNECTION_CLASS):
        return True
    # A server that is not there has no code to give.
    return isinstance(error, (OperationalError, InterfaceError)) and getattr(error.orig, "pgcode", "none") is None


def explain(url: URL, error: SQLAlchemyError) -> StoreError:
    """One sentence for the person who has to act: which database, what happened, what to do."""
    # The first line alone: PostgreSQL's further ones quote the row, SQLAlchemy's the statement and its values.
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
    return StoreError(f"database {shown(url)}: {said}; {_advice(url, error, said)}")


def _advice(url: URL, error: SQLAlchemyError, said: str) -> str:
    if not isinstance(error, DBAPIError):
        return "every connection is in use: raise DATABASE_POOL_MAX"
    if _code(error) in _MISSING_CODES or said.startswith("no such "):
        return MIGRATE
    if url.get_backend_name() == "sqlite" and not isinstance(error, IntegrityError):
        return f"check that {sqlite_path(url).parent} can be written and has free space"
    if is_lost(error):
        return "check that the server runs and that DATABASE_URL names it"
    return "nothing was changed"


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""
