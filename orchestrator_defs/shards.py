"""SQLite files that stay open between statements: a small pool each, bounded in number, never open across a fork."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

# A webserver or daemon comes by every run there ever was; each file that is open costs three descriptors.
MAX_OPEN = 16
_FORK_WAIT_SECONDS = 5.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Shard:
    """One file.

    Attributes:
        lock: held while a connection is in use, so that threads queue here and not, without order, at SQLite's lock.
        identity: of the file that is open; None before it was prepared.
        users: how many have taken it and not given it back.
        dropped: to be closed by its last user.
    """

    engine: Engine
    lock: threading.RLock = field(default_factory=threading.RLock)
    identity: tuple[int, int] | None = None
    users: int = 0
    dropped: bool = False


# The one used last comes last. Of the process, not of an instance: Dagster makes an instance for many a request.
_open: dict[Path, _Shard] = {}
_changed = threading.Condition()
# What a fork had to take along. Never closed: that would let go of locks that the parent relies on.
_inherited: list[_Shard] = []


@contextmanager
def connection(path: Path, *, prepare: Callable[[Engine], None]) -> Iterator[Connection]:
    """A connection in a transaction, committed at the end of the block.

    `prepare` makes the tables of a file that this process has not opened yet, with an engine of its own.
    """
    shard = _take(path)
    try:
        with shard.lock:
            if shard.identity is None:
                _prepare(path, prepare)
                shard.identity = _identity(path)
            with shard.engine.connect() as connected, connected.begin():
                yield connected
    finally:
        _give_back(shard)


def close(path: Path) -> None:
    """Close a file, or every file of a folder; one that is in use is closed by its last user."""
    with _changed:
        for file in [file for file in _open if path in (file, file.parent)]:
            _drop(file)


def _take(path: Path) -> _Shard:
    with _changed:
        shard = _open.get(path)
        # Wiped, by this process or another: the open file is one that nobody else sees.
        if shard is not None and shard.identity not in (None, _identity(path)):
            _drop(path)
        shard = _open.pop(path, None) or _Shard(engine=_pooled(path))
        _open[path] = shard
        shard.users += 1
        idle = [file for file, other in _open.items() if other.users == 0]
        for file in idle[: max(0, len(_open) - MAX_OPEN)]:
            _drop(file)
        return shard


def _give_back(shard: _Shard) -> None:
    with _changed:
        shard.users -= 1
        if shard.users == 0:
            if shard.dropped:
                shard.engine.dispose()
            _changed.notify_all()


def _drop(path: Path) -> None:
    shard = _open.pop(path)
    shard.dropped = True
    if shard.users == 0:
        shard.engine.dispose()


def _pooled(path: Path) -> Engine:
    # Nobody waits for the pool: whoever holds the lock and asks again, in the same thread, gets another connection.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connected: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        # In WAL mode NORMAL saves an fsync a commit. A power loss may take back what Dagster recorded in the last
        # moments, never damage the file, and never what is ours: our store writes with FULL.
        connected.execute("PRAGMA synchronous=NORMAL")

    return engine


def _prepare(path: Path, prepare: Callable[[Engine], None]) -> None:
    # Not pooled: making the tables takes a second connection while the first is in use.
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )
    prepare(engine)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


# SQLite counts its locks in the memory of the process. A child that inherits an open file believes to hold locks that
# it does not hold, also when it opens that file anew, and another process may then delete the log under it.
# https://www.sqlite.org/howtocorrupt.html, section 2.6
def _before_fork() -> None:
    _changed.acquire()
    _changed.wait_for(lambda: not any(shard.users for shard in _open.values()), timeout=_FORK_WAIT_SECONDS)
    for path in [path for path, shard in _open.items() if shard.users == 0]:
        _drop(path)


def _after_fork_in_child() -> None:
    # Waiters of the parent are in the old one, and do not exist here.
    global _changed
    _inherited.extend(_open.values())
    _open.clear()
    _changed = threading.Condition()


def _after_fork_in_parent() -> None:
    _changed.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
