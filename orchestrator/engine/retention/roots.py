"""Whether a root is the one that the database's rows speak of: not an empty mount point, not another system's folder.

Each root has a mark with the database's own id. Where it is missing though it was there, or is another's, nothing below
that root is touched.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from orchestrator.domain.errors import RootNotOurs
from orchestrator.engine.files import write_whole
from orchestrator.git.control import read_plain
from orchestrator.store import Store, Transaction

MARK = ".orchestrator-root"


def check_root(store: Store, root: Path, *, variable: str) -> bool:
    """Whether the root was ours before; False: it is since now, and what it lacks may be elsewhere.

    Raises:
        RootNotOurs: it is another database's, or has lost its mark; nothing in it may be removed.
    """
    name = f"root{root}"
    mine, known = store.write(lambda tx: (_own_id(tx), tx.note(name) is not None))
    mark = root / MARK
    found = (read_plain(mark) or "").strip()
    if found and found != mine:
        raise RootNotOurs(
            f"{variable}={root} belongs to another database (id {found}, ours is {mine}): nothing in it is removed. "
            f"Name the right folder or the right DATABASE_URL; if both are right, write {mine} into {mark}"
        )
    if not found and known:
        raise RootNotOurs(
            f"{variable}={root} has lost its mark {MARK}, as an empty mount point has: nothing in it is removed. "
            f"Mount it; if this is the right folder, write {mine} into {mark}"
        )
    if not found:
        write_whole(mark, f"{mine}\n")
    if not known:
        store.write(lambda tx: tx.put_note(name, {}))
    return known


def _own_id(tx: Transaction) -> str:
    noted = tx.note("store")
    if noted is None:
        noted = {"id": uuid.uuid4().hex}
        tx.put_note("store", noted)
    return str(noted["id"])
