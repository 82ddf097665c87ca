"""Whether what the system depends on works: all dependencies asked at once, each with its own time limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestrator.observe.log import mask_text
from orchestrator.ops.probe import Probe

# A DOWN is said in one line; the rest is in the log of whoever met the same error at work.
_DETAIL_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What looking at a dependency found.

    Attributes:
        fields: what `/ready` says of it beside `status` and `responseTime`.
    """

    up: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a dependency is looked at.

    Attributes:
        name: its key in `/ready` and its label in the metrics.
        look: raises, or hangs, where the dependency does not work.
        otherwise: the fields when `look` gave none.
        timed: whether `/ready` says how long it took.
    """

    name: str
    timeout_s: float
    look: Callable[[], Look]
    otherwise: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a dependency is.

    Attributes:
        error: why it is DOWN, masked; None where it is up or the fields say it.
    """

    name: str
    up: bool
    response_ms: int
    fields: Mapping[str, Any]
    error: str | None = None
    timed: bool = True

    def body(self) -> dict[str, Any]:
        """Its object in `/ready`: `detail` tells of a DOWN where the fields have none."""
        timing = {"responseTime": self.response_ms} if self.timed else {}
        why = {} if self.error is None else {"detail": self.error}
        return {"status": _word(self.up), **timing, **self.fields, **why}


class Health:
    """The checks of one process; safe to ask from many places at once."""

    def __init__(self, checks: Sequence[Check], *, informing: Sequence[Check] = ()) -> None:
        self._checks = [(check, Probe(f"check-{check.name}", check.look)) for check in checks]
        self._informing = [(check, Probe(f"check-{check.name}", check.look)) for check in informing]

    async def look(self) -> list[Outcome]:
        """Every dependency, in the time of the slowest one's limit at most."""
        return list(await asyncio.gather(*(_outcome(check, probe) for check, probe in self._checks)))

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether all are UP, and the body of `/ready`; what only informs decides nothing."""
        outcomes, informing = await asyncio.gather(
            self.look(), asyncio.gather(*(_outcome(check, probe) for check, probe in self._informing))
        )
        up = all(outcome.up for outcome in outcomes)
        body = {
            "status": _word(up),
            "timestamp": timestamp(),
            "checks": {outcome.name: outcome.body() for outcome in outcomes},
            "info": {outcome.name: outcome.body() for outcome in informing},
        }
        return up, body


def timestamp() -> str:
    """Now, as the bodies say it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _outcome(check: Check, probe: Probe[Look]) -> Outcome:
    began = time.monotonic()
    error: str | None = None
    found = Look(up=False, fields=check.otherwise)
    try:
        # Shielded: a call under way is not ours alone, and cannot be cancelled anyway.
        found = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(probe.start())), check.timeout_s)
    except TimeoutError:
        error = f"no answer in {check.timeout_s:g} s"
    except Exception as failure:  # noqa: BLE001 — a check that fails in whatever way says that its dependency is DOWN
        error = mask_text(str(failure) or type(failure).__name__)[:_DETAIL_CHARS]
    return Outcome(
        name=check.name,
        up=found.up,
        response_ms=round((time.monotonic() - began) * 1000),
        fields=found.fields,
        error=error,
        timed=check.timed,
    )


def _word(up: bool) -> str:
    return "UP" if up else "DOWN"
