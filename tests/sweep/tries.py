"""One try: a Workflow whose workers die where they are told to, taken up until it is done, then checked."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]  # it ships no types
import yaml

from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.store import open_store
from tests.sweep import scenario
from tests.sweep.checker import Edit, Kind, Problem, check, edits_of, reruns, wait_until_gone
from tests.sweep.rows import read_rows
from tests.sweep.worker import Fault, Task, start

_WORKER_SECONDS = 180
_ORPHAN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """What came of one try.

    Attributes:
        faults: the boundaries at which a worker was to die, or its disk to be full, by number.
        names: what happened, at the boundary of which name; none: the worker was done before, so the sweep is over.
        gone_ms: from the last worker's end until nothing of the Workflow ran any more.
        queries_again: queries that were sent more than once.
    """

    faults: tuple[int, ...]
    names: tuple[str, ...]
    problems: tuple[Problem, ...]
    gone_ms: int
    queries_again: int


class World:
    """Where tries are made: repositories, the spec and a migrated database, once for all of them.

    One process and one thread: tries are forked from it.
    """

    def __init__(self, folder: Path, *, database: str | None = None, keep: bool = False) -> None:
        """`database`: the url of an empty PostgreSQL database, of which each try gets a copy; None is SQLite.

        `keep`: what the tries leave stays, for a person to look at.
        """
        self.folder = folder
        self._keep = keep
        self._postgres = database
        for name in scenario.GITS:
            scenario.repository(folder / name)
        self._spec = self._load()
        store = open_store(database or f"sqlite:///{folder}/template.db")
        store.migrate()
        store.close()

    def make_try(
        self, name: str, faults: Sequence[Fault], *, naive: bool = False, wait: bool = False, settled: bool = False
    ) -> Try:
        """Have one worker after another die of the faults, and one finish what they left.

        Args:
            naive: with the control's flaws.
            wait: take the Workflow up only when nothing of the dead worker runs any more; what stood in the WorkTrees
                then has to be found on some ref at the end.
            settled: the Workflow is FAILED before it is taken up, as the sensor does it that sees the dead run.
        """
        home = self.folder / name
        home.mkdir()
        database = self._database(home)
        problems: list[Problem] = []
        names: list[str] = []
        edits: list[Edit] = []
        fired = True
        for number, fault in enumerate(faults):
            exit_code = self._perform(home, database, fault, naive=naive, settled=settled and number > 0)
            reached = (home / "ledger").read_text().splitlines()
            fired = len(reached) >= fault.boundary
            if fired and exit_code != (1 if fault.action == "full" else -signal.SIGKILL):
                problems.append(Problem(kind=Kind.UNFINISHED, text=f"a worker ended with {exit_code} at its fault"))
            if not fired:
                problems += [] if exit_code == 0 else [self._unfinished(home, exit_code)]
                break
            names.append(f"{fault.action} {reached[fault.boundary - 1]}")
            if wait:
                wait_until_gone(str(home), seconds=_ORPHAN_SECONDS)
                edits += edits_of(database)
        if fired:
            exit_code = self._perform(home, database, None, naive=naive, settled=settled)
            problems += [] if exit_code == 0 else [self._unfinished(home, exit_code)]
        gone_s, left = wait_until_gone(str(home), seconds=_ORPHAN_SECONDS)
        problems += [Problem(kind=Kind.ORPHAN, text=f"process {pid} still runs") for pid in left]
        problems += check(home, database, deaths=len(names), edits=edits)
        made = Try(
            faults=tuple(fault.boundary for fault in faults),
            names=tuple(names),
            problems=tuple(problems),
            gone_ms=round(gone_s * 1000),
            queries_again=reruns(read_rows(database, scenario.WORKFLOW_ID)),
        )
        if not self._keep:
            self._clear(home)
        return made

    def boundaries(self, *, naive: bool = False) -> list[str]:
        """The names of all boundaries, in the order in which a worker reaches them that does not die."""
        home = self.folder / ("naive-clean" if naive else "clean")
        home.mkdir()
        exit_code = self._perform(home, self._database(home), None, naive=naive)
        if exit_code != 0:
            raise RuntimeError(self._unfinished(home, exit_code).text)
        return (home / "ledger").read_text().splitlines()

    def _perform(self, home: Path, database: str, fault: Fault | None, *, naive: bool, settled: bool = False) -> int:
        """A worker's life: its exit code, negative the signal that ended it."""
        task = Task(
            home=home,
            database=database,
            document=self._spec.document,
            digest=self._spec.digest,
            ledger=home / "ledger",
            fault=fault,
            naive=naive,
            settled=settled,
        )
        pid = start(task)
        give_up_at = time.monotonic() + _WORKER_SECONDS
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            if time.monotonic() > give_up_at:
                os.kill(pid, signal.SIGABRT)
                ended = os.waitpid(pid, 0)
                break
            time.sleep(0.01)
        return os.waitstatus_to_exitcode(ended[1])

    def _load(self) -> LoadedSpec:
        file = self.folder / "spec" / "defs.yaml"
        file.parent.mkdir()
        file.write_text(yaml.safe_dump(scenario.spec(self.folder), sort_keys=False))
        return load_spec(file)

    def _database(self, home: Path) -> str:
        if self._postgres is None:
            shutil.copyfile(self.folder / "template.db", home / "state.db")
            return f"sqlite:///{home}/state.db"
        server, _, template = self._postgres.rpartition("/")
        name = f"{template}_{home.name.replace('-', '_')}"
        with closing(psycopg2.connect(f"{server}/postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"{server}/{name}"

    def _clear(self, home: Path) -> None:
        shutil.rmtree(home)
        if self._postgres is not None:
            server, _, template = self._postgres.rpartition("/")
            with closing(psycopg2.connect(f"{server}/postgres")) as connection:
                connection.autocommit = True
                connection.cursor().execute(f'DROP DATABASE "{template}_{home.name.replace("-", "_")}"')

    def _unfinished(self, home: Path, exit_code: int) -> Problem:
        said = (home / "worker.log").read_text()[-1500:]
        return Problem(kind=Kind.UNFINISHED, text=f"a worker that nothing happened to ended with {exit_code}: {said}")
