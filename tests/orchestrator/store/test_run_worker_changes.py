"""A run has one worker, whoever claims it and how often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from orchestrator.store import Store, Transaction


def claim(tx: Transaction, pid: int, *, run_id: str = "run", birth: str = "boot/1") -> bool:
    return tx.claim_run(run_id, host="here", pid=pid, birth=birth, log_path=f"/logs/{pid}.log")


def test_the_first_claim_stands_and_may_be_repeated(store: Store) -> None:
    assert store.write(lambda tx: claim(tx, 1))
    assert store.write(lambda tx: claim(tx, 1))
    assert not store.write(lambda tx: claim(tx, 2))
    assert not store.write(lambda tx: claim(tx, 1, birth="boot/2"))

    row = store.read(lambda reader: reader.run_worker("run"))
    assert row is not None
    assert (row.host, row.pid, row.birth, row.log_path) == ("here", 1, "boot/1", "/logs/1.log")


def test_of_many_claims_at_once_one_is_granted(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(lambda pid: store.write(lambda tx: claim(tx, pid)), range(1, 9)))

    assert granted.count(True) == 1


def test_workers_are_listed_by_machine_and_forgotten_by_age(store: Store) -> None:
    store.write(lambda tx: [claim(tx, pid, run_id=f"run{pid}") for pid in (1, 2)])

    now = store.read(lambda reader: reader.now)
    assert {row.pid for row in store.read(lambda reader: reader.run_workers("here"))} == {1, 2}
    assert store.read(lambda reader: reader.run_workers("elsewhere")) == []
    assert store.read(lambda reader: reader.run_worker("other")) is None
    assert store.write(lambda tx: tx.delete_run_workers(before=now - timedelta(days=1))) == []
    assert sorted(store.write(lambda tx: tx.delete_run_workers(before=now + timedelta(days=1)))) == [
        "/logs/1.log",
        "/logs/2.log",
    ]
