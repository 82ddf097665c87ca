"""The store: transactions over one database, tried again as a whole when a failure passes."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, cast

import structlog
from sqlalchemy import URL, Connection, Engine, QueuePool, text
from sqlalchemy.exc import DBAPIError

from orchestrator.domain.errors import StoreError
from orchestrator.domain.events import Event
from orchestrator.domain.failpoints import reached
from orchestrator.store import connect, migrate
from orchestrator.store.failures import DATABASE_ERRORS, MIGRATE, explain, is_lost, is_passing
from orchestrator.store.reader import Reader
from orchestrator.store.transaction import Transaction
from orchestrator.store.urls import database_url, shown

T = TypeVar("T")
Announce = Callable[[Sequence[Event]], None]

log = structlog.get_logger(__name__)

# Between the tries of one transaction; together longer than a PostgreSQL restart usually takes.
_PAUSES_SECONDS = (0.1, 0.5, 2.0)

# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT, from PostgreSQL 13 on.
_NUMBER = text("SELECT CAST(pg_current_xact_id() AS text)")
_OUTCOME = text("SELECT pg_xact_status(CAST(:number AS xid8))")


def open_store(
    url: str,
    *,
    pool_min: int = 2,
    pool_max: int = 10,
    connection_timeout_ms: int = 5000,
    observe: connect.Observe | None = None,
    announce: Announce | None = None,
) -> Store:
    """A store over the database that `url` (the form of `DATABASE_URL`) names; makes a SQLite file's folder.

    `announce` gets the events of each transaction once it is committed.

    Connects on first use. Raises `StoreError` where the address is malformed or the folder cannot be made.
    """
    parsed = database_url(url)
    engine = connect.connect(parsed, pool_min=pool_min, pool_max=pool_max, connection_timeout_ms=connection_timeout_ms)
    return Store(parsed, engine, pool_max=pool_max, observe=observe, announce=announce)


class Store:
    """One database. Threads may share it; so may a process and its forks, each of which makes its own connections.

    Attributes:
        url: of the database, without its password.
        pool_max: how many connections one process may hold.
    """

    def __init__(
        self,
        url: URL,
        engine: Engine,
        *,
        pool_max: int,
        observe: connect.Observe | None = None,
        announce: Announce | None = None,
    ) -> None:
        self.url = shown(url)
        self.pool_max = pool_max
        self._address = url
        self._engine = engine
        self._observe = observe
        self._announce = announce
        self._guard: Callable[[Transaction], None] | None = None
        self._closing: list[Callable[[], None]] = []
        self._pid = os.getpid()
        if observe:
            connect.observe_statements(engine, observe)

    def write(self, fn: Callable[[Transaction], T], *, patient: bool = True) -> T:
        """Run `fn` in one transaction and return what it returns.

        On a lost connection, a deadlock or a busy database the whole of it runs again, up to three times: `fn` must
        change nothing but the transaction. What `fn` raises is raised, and nothing is kept. Raises `StoreError` when
        the database stays out of reach; at the first failure where the caller is not `patient`.
        """
        return self._persist(lambda: self._write_once(fn), pauses=_PAUSES_SECONDS if patient else ())

    def read(self, fn: Callable[[Reader], T], *, patient: bool = True) -> T:
        """Run the queries of `fn`, which see one moment of the database. Retries and raises as `write` does."""

        def once() -> T:
            with connect.reading(self._own_engine()).connect() as connection, connection.begin():
                return fn(Reader(connection))

        return self._persist(once, pauses=_PAUSES_SECONDS if patient else ())

    def guarded(self, guard: Callable[[Transaction], None]) -> Store:
        """The same database, with `guard` called first in each transaction that writes; what it raises ends that."""
        other = copy.copy(self)
        other._guard = guard
        return other

    def migrate(self) -> None:
        """Bring the tables up to this program's version; any number of processes may do it at once, and again."""
        self._persist(lambda: migrate.upgrade(self._own_engine()))

    def check(self) -> None:
        """Raise `StoreError` unless the database answers now, without a second try, and is migrated."""
        found = self._persist(lambda: migrate.version(self._own_engine()), pauses=())
        if found is None or found < migrate.REVISION:
            raise StoreError(
                f"database {self.url} is at version {found or 'none'}, this program needs {migrate.REVISION}; {MIGRATE}"
            )

    def connections_in_use(self) -> int:
        """Connections of this process that a transaction holds now (`db.connection.pool.active`)."""
        return cast(QueuePool, self._engine.pool).checkedout()

    def instrument(self, hook: Callable[[Engine], None]) -> None:
        """Let `hook` listen in on the engine."""
        hook(self._engine)

    def on_close(self, call: Callable[[], None]) -> None:
        """Have `call` made before the connections are closed."""
        self._closing.append(call)

    def close(self) -> None:
        """Close the idle connections; those in use close when their transaction ends."""
        while self._closing:
            self._closing.pop()()
        self._engine.dispose()

    def ping(self) -> None:
        """Raise `StoreError` unless the database answers `SELECT 1` now."""

        def once() -> None:
            with self._own_engine().connect() as connection:
                connection.execute(text("SELECT 1"))

        self._persist(once, pauses=())

    def _write_once(self, fn: Callable[[Transaction], T]) -> T:
        with connect.writing(self._own_engine()).connect() as connection, connection.begin() as transaction:
            number = _transaction_number(connection)
            changes = Transaction(connection)
            if self._guard:
                self._guard(changes)
            result = fn(changes)
            changes.write_measures()
            boundary = f"store.{_use(fn, changes.written)}"
            reached(f"{boundary}.before")
            started = time.perf_counter()
            try:
                transaction.commit()
            except DBAPIError as error:
                if not is_lost(error) or not self._was_committed(number):
                    raise
            reached(f"{boundary}.after")
            if self._observe:
                self._observe("commit", (time.perf_counter() - started) * 1000)
        if self._announce and changes.written:
            self._announce(changes.written)
        return result

    def _was_committed(self, number: str | None) -> bool:
        """What became of a transaction whose connection broke in COMMIT: only the server knows."""

        def ask() -> bool:
            with self._engine.connect() as connection:
                while (status := connection.scalar(_OUTCOME, {"number": number})) == "in progress":
                    time.sleep(_PAUSES_SECONDS[0])
                return bool(status == "committed")

        try:
            return self._persist(ask)
        except StoreError as error:
            raise StoreError(
                f"{error}; whether the last change was kept is unknown, look before repeating it"
            ) from error

    def _persist(self, attempt: Callable[[], T], *, pauses: Sequence[float] = _PAUSES_SECONDS) -> T:
        for pause in pauses:
            try:
                return attempt()
            except DATABASE_ERRORS as error:
                failure = explain(self._address, error)
                if not is_passing(error):
                    raise failure from error
                log.warning("StoreRetried", message=str(failure), context={"pauseMs": int(pause * 1000)})
            time.sleep(pause)
        try:
            return attempt()
        except DATABASE_ERRORS as error:
            raise explain(self._address, error) from error

    def _own_engine(self) -> Engine:
        if self._pid != os.getpid():
            # Forked: the connections are the parent's. They are kept, unused, because closing one here would end the
            # parent's session on PostgreSQL and, on SQLite, touch locks that the parent still counts on.
            self._inherited = self._engine.pool
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        return self._engine


def _use(fn: Callable[..., object], written: Sequence[Event]) -> str:
    """What a transaction was for: the events that it told, or the function where it told none."""
    named = fn.func if isinstance(fn, partial) else fn
    function: str = getattr(named, "__qualname__", type(named).__name__)
    return "+".join(event.type for event in written) or function.partition(".<")[0].lstrip("_")


def _transaction_number(connection: Connection) -> str | None:
    """The server's number for this transaction, to ask for its outcome by; None on SQLite, which has no server."""
    if connection.dialect.name == "sqlite":
        return None
    number: str = connection.scalar(_NUMBER)
    return number
