from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]


class _OneSystem(LoadScopeScheduling):  # type: ignore[misc]
    """Each test goes where there is room; those of the running system to one worker, which starts it once."""

    def _split_scope(self, nodeid: str) -> str:
        return "system" if nodeid.startswith("tests/system/") else nodeid


# Marks cannot say it: pytest 9.2 does not look at what xdist's `xdist_group` writes.
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _OneSystem:
    return _OneSystem(config, log)
