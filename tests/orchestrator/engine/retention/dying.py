"""A pass in a process of its own that is killed just before the n-th thing it would have changed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.engine.engine import Engine
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.git.command import Runner
from orchestrator.store import Store

# Whatever a pass changes, it changes by one of these.
_CHANGES: list[tuple[Any, str]] = [
    (Store, "_write_once"),
    (Runner, "_perform"),
    *((Path, name) for name in ("rename", "replace", "unlink", "rmdir")),
    (shutil, "rmtree"),
]


def pass_killed_at(engine: Engine, step: int) -> bool:
    """Whether the pass was killed at that step, from 1; False: it ended before it came to so many."""
    engine.store.close()
    child = os.fork()
    if child == 0:
        try:
            _arm(step)
            clean_up(engine)
        except BaseException:  # noqa: BLE001 — nothing of the child may get into pytest
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def passes_at_once(engine: Engine, count: int) -> None:
    """So many passes, each in a process of its own, all of which have to end well."""
    engine.store.close()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            try:
                clean_up(engine)
            except BaseException:  # noqa: BLE001 — as above
                os._exit(2)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * count


def _arm(step: int) -> None:
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return change

    for owner, name in _CHANGES:
        setattr(owner, name, counted(getattr(owner, name)))
