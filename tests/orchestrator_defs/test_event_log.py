"""Dagster's event log over files that stay open: what it stores, what it closes, and what crosses no fork."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orchestrator_defs import shards
from orchestrator_defs.event_log import PooledSqliteEventLogStorage

RUN = "0b5e7f9a-0000-4000-8000-000000000001"
ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def log(folder: Path) -> Iterator[PooledSqliteEventLogStorage]:
    storage = PooledSqliteEventLogStorage(str(folder))
    yield storage
    storage.dispose()


def entry(message: str, *, run_id: str = RUN) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster's own, made without types
        error_info=None, level=20, user_message=message, run_id=run_id, timestamp=time.time(), dagster_event=None
    )


def messages(storage: SqliteEventLogStorage, *, run_id: str = RUN) -> list[str]:
    return [logged.user_message for logged in storage.get_logs_for_run(run_id)]


def open_files(folder: Path) -> set[str]:
    """The databases of the folder that this process has open, by name."""
    paths = [Path(file.path) for file in psutil.Process().open_files()]
    return {path.name for path in paths if path.parent == folder and path.suffix == ".db"}


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_file_stays_open_and_dispose_closes_it(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("one"))
    assert f"{RUN}.db" in open_files(folder)
    log.dispose()
    assert open_files(folder) == set()
    assert messages(log) == ["one"], "it opens again when it is asked"


def test_what_either_class_stores_the_other_reads(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    plain = SqliteEventLogStorage(str(folder))
    plain.store_event(entry("plain"))
    log.store_event(entry("pooled"))
    plain.store_event(entry("plain again"))
    assert messages(plain) == messages(log) == ["plain", "pooled", "plain again"]


def test_a_commit_does_not_wait_for_the_disk_and_the_file_is_in_wal_mode(log: PooledSqliteEventLogStorage) -> None:
    with log.run_connection(RUN) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_thread_that_asks_while_it_holds_a_connection_gets_another(log: PooledSqliteEventLogStorage) -> None:
    log.store_event(entry("one"))
    read: list[list[str]] = []

    def nested() -> None:
        with log.run_connection(RUN), log.run_connection(RUN):
            read.append(messages(log))

    thread = threading.Thread(target=nested, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert read == [["one"]]


def test_a_failed_statement_leaves_nothing_behind(log: PooledSqliteEventLogStorage) -> None:
    log.store_event(entry("one"))
    with suppress(ZeroDivisionError), log.run_connection(RUN) as connection:
        connection.execute(log.prepare_insert_event(entry("two")))
        raise ZeroDivisionError
    assert messages(log) == ["one"]


def test_threads_write_to_one_run_and_lose_nothing(log: PooledSqliteEventLogStorage) -> None:
    def write(number: int) -> None:
        for turn in range(10):
            log.store_event(entry(f"{number}.{turn}"))

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    assert sorted(messages(log)) == sorted(f"{number}.{turn}" for number in range(4) for turn in range(10))


def test_old_runs_are_closed_and_the_one_in_use_is_not(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("one"))
    with log.run_connection(RUN) as connection:
        for number in range(shards.MAX_OPEN + 3):
            log.store_event(entry("other", run_id=f"run{number}"))
        assert len(open_files(folder)) <= shards.MAX_OPEN
        connection.execute(log.prepare_insert_event(entry("two")))
    assert messages(log) == ["one", "two"]
    assert messages(log, run_id="run0") == ["other"], "a closed one is opened again"


def test_a_deleted_run_is_closed(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("one"))
    log.delete_events(RUN)
    assert f"{RUN}.db" not in open_files(folder)
    assert messages(log) == []


def test_files_wiped_by_another_process_are_made_anew(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("one"))
    wipe = f"from dagster._core.storage.event_log import SqliteEventLogStorage as S; S({str(folder)!r}).wipe()"
    subprocess.run([sys.executable, "-c", wipe], check=True)
    assert not (folder / f"{RUN}.db").exists()
    log.store_event(entry("two"))
    assert messages(SqliteEventLogStorage(str(folder))) == ["two"]


def test_wipe_leaves_no_file_open_that_is_gone(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("one"))
    log.wipe()
    assert open_files(folder) <= {"index.db"}
    assert messages(log) == []


def test_a_fork_takes_no_connection_along_and_both_sides_go_on(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("before"))
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            assert open_files(folder) == set()
            log.store_event(entry("child"))
            ended = 0
        finally:
            os._exit(ended)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log.store_event(entry("parent"))
    assert messages(log) == ["before", "child", "parent"]


def test_a_fork_waits_for_a_thread_that_is_writing(log: PooledSqliteEventLogStorage, folder: Path) -> None:
    log.store_event(entry("before"))
    holding, forking = threading.Event(), threading.Event()

    def hold() -> None:
        with log.run_connection(RUN) as connection:
            holding.set()
            forking.wait(DEADLINE_SECONDS)
            time.sleep(0.2)
            connection.execute(log.prepare_insert_event(entry("thread")))

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert holding.wait(DEADLINE_SECONDS)
    forking.set()
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            ended = 0 if open_files(folder) == set() and messages(log) == ["before", "thread"] else 1
        finally:
            os._exit(ended)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join(DEADLINE_SECONDS)


def test_a_watcher_sees_what_another_process_writes_while_the_file_stays_open(
    log: PooledSqliteEventLogStorage, folder: Path
) -> None:
    log.store_event(entry("one"))
    seen: list[str] = []
    log.watch(RUN, None, lambda logged, cursor: seen.append(logged.user_message))
    writer = (
        "import sys; from tests.orchestrator_defs.test_event_log import PooledSqliteEventLogStorage, entry; "
        f"storage = PooledSqliteEventLogStorage({str(folder)!r}); storage.store_event(entry('two')); "
        "print('written', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", writer]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        # It has not closed the file, so nothing has reached `.db` yet.
        wait_until(lambda: "two" in seen)
        process.communicate()
    assert seen == ["one", "two"]


def test_assets_and_checks_of_a_run_are_found(folder: Path, tmp_path: Path) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("headings", asset="report")])
    def report() -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        yield dg.Output(None, metadata={"tokens": 7})
        yield dg.AssetCheckResult(passed=True)

    module = {"module": "orchestrator_defs.event_log", "class": "PooledSqliteEventLogStorage"}
    overrides = {"event_log_storage": {**module, "config": {"base_dir": str(folder)}}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        result = dg.materialize([report], instance=instance)
        event = instance.get_latest_materialization_event(dg.AssetKey("report"))
        assert event is not None
        assert event.run_id == result.run_id
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["tokens"].value == 7
        assert [
            record.event_log_entry.run_id
            for record in instance.fetch_materializations(dg.AssetKey("report"), limit=5).records
        ] == [result.run_id]
        key = dg.AssetCheckKey(dg.AssetKey("report"), "headings")
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        assert latest[key].status.value == "SUCCEEDED"
        instance.wipe_assets([dg.AssetKey("report")])
        assert instance.get_latest_materialization_event(dg.AssetKey("report")) is None
        instance.delete_run(result.run_id)
        assert instance.all_logs(result.run_id) == []
