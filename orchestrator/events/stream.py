"""One Redis stream with a consumer group, on a single server or a cluster.

An entry names what is pending of one Workflow, in order, by the events' ids. What the events say stays in the store:
nothing that could be secret is in Redis, and an entry that comes twice is told from the store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from orchestrator.domain.errors import BusError
from orchestrator.settings.values import without_credentials

GROUP = "orchestrator"
# One hash tag: in a cluster both keys lie on one node, where a script changes them together.
_STREAM = "{orchestrator}:events"
_SEEN = "{orchestrator}:events:seen"

# An entry that is in the stream is not added again: the relay may have died between adding and noting it. After ten
# minutes it is, should somebody have trimmed the stream.
_ADD = """
local now = redis.call('TIME')[1]
local added = {}
for i = 1, #ARGV, 2 do
  local at = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if not at or now - at > 600 then
    redis.call('ZADD', KEYS[2], now, ARGV[i])
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'events', ARGV[i + 1])
    added[#added + 1] = ARGV[i]
  end
end
return added
"""
_ACKNOWLEDGE = """
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i + 1])
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was pending of one Workflow when it was published.

    Attributes:
        entry_id: the stream's; None until it was read.
        event_ids: in order.
    """

    event_ids: tuple[str, ...]
    entry_id: str | None = None

    @property
    def id(self) -> str:
        """What it is told apart by: its first event."""
        return self.event_ids[0]


class Stream:
    """The stream. Threads may share it. Every method raises `BusError` where the server does not do its part.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with user, password and TLS options as redis-py reads them. Any node
            of a cluster will do.
    """

    def __init__(self, url: str, *, timeout_s: float = 3.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._client: Any = None

    def ping(self) -> None:
        """Whether the server takes commands."""
        # A cluster without a master for our slot still answers PING on the others.
        self._ask(lambda client: client.zcard(_SEEN))

    def add(self, entries: Sequence[Entry]) -> set[str]:
        """Publish, all in one step; returns the ids of those that were not there yet. The others are left alone."""
        words = [word for entry in entries for word in (entry.id, json.dumps(entry.event_ids))]
        return set(self._ask(lambda client: client.eval(_ADD, 2, _STREAM, _SEEN, *words)))

    def read(self, consumer: str, *, count: int, block_ms: int) -> list[Entry]:
        """New entries, which are this consumer's from here on; waits for the first at most `block_ms`."""
        found = self._grouped(
            lambda client: client.xreadgroup(GROUP, consumer, {_STREAM: ">"}, count=count, block=block_ms)
        )
        return _entries(_of_stream(found))

    def take_over(self, consumer: str, *, idle_ms: int, count: int) -> list[Entry]:
        """Entries of consumers that have not been heard of for so long, this one's own included."""
        found = self._grouped(
            lambda client: client.xautoclaim(_STREAM, GROUP, consumer, min_idle_time=idle_ms, count=count)
        )
        return _entries(found[1])

    def keep(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Say that this consumer still works on these entries."""
        kept = [entry.entry_id for entry in entries]
        if kept:
            self._grouped(lambda client: client.xclaim(_STREAM, GROUP, consumer, 0, kept, justid=True))

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Take entries out of the stream."""
        words = [GROUP]
        for entry in entries:
            words += [str(entry.entry_id), entry.id]
        if entries:
            self._ask(lambda client: client.eval(_ACKNOWLEDGE, 2, _STREAM, _SEEN, *words))

    def depth(self) -> tuple[int, int]:
        """How many entries there are, and how many of them a consumer has in hand."""
        length = self._ask(lambda client: client.xlen(_STREAM))
        pending = self._grouped(lambda client: client.xpending(_STREAM, GROUP))
        return int(length), int(pending["pending"])

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()

    def _grouped(self, ask: Any) -> Any:
        """As `_ask`, with the group made where the server has none, or has lost it."""

        def asked(client: Any) -> Any:
            try:
                return ask(client)
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
            try:
                client.xgroup_create(_STREAM, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):  # another process was first
                    raise
            return ask(client)

        return self._ask(asked)

    def _ask(self, ask: Any) -> Any:
        try:
            if self._client is None:
                self._client = self._connect()
            return ask(self._client)
        # IndexError, KeyError, AttributeError: redis-py's, of a cluster whose nodes are gone while it looks at them.
        except (RedisError, OSError, IndexError, KeyError, AttributeError) as error:
            raise BusError(
                f"redis {without_credentials(self._url)}: {type(error).__name__}: {error}; events wait in the store "
                "until it is back"
            ) from error

    def _connect(self) -> Any:
        # No retries of its own: whoever calls tries again, and a command that was sent twice is seen in the stream.
        options: dict[str, Any] = {
            "decode_responses": True,
            "socket_timeout": self._timeout_s,
            "socket_connect_timeout": self._timeout_s,
        }
        single = redis.Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), health_check_interval=30, **options)
        try:
            if not single.info("cluster").get("cluster_enabled"):
                return single
        except BaseException:
            single.close()
            raise
        single.close()
        # Each of its commands looks for the master anew, so that a fail-over costs a few tries.
        return RedisCluster.from_url(self._url, retry=Retry(NoBackoff(), 2), **options)


def _of_stream(found: Any) -> Any:
    """RESP 2 answers with pairs, RESP 3 with a mapping whose values are lists of lists."""
    if not found:
        return []
    if isinstance(found, dict):
        (listed,) = found.values()
        return listed[0] if listed and listed[0] and isinstance(listed[0][0], list | tuple) else listed
    return found[0][1]


def _entries(found: Any) -> list[Entry]:
    # XAUTOCLAIM names a deleted entry without its fields.
    return [
        Entry(entry_id=entry_id, event_ids=tuple(json.loads(fields["events"]))) for entry_id, fields in found if fields
    ]
