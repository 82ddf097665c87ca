"""`python -m bench.load PORT SECONDS PER_SECOND`: sends signed webhooks, prints each one's milliseconds and status.

A process of its own that does little else, so that it is the server that is measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time

SECRET = "secret"  # noqa: S105 — of a server that lives for ten seconds
_CONNECTIONS = 40


def _requests(count: int) -> list[bytes]:
    """Made beforehand: signing is the sender's work."""
    made = []
    for number in range(count):
        body = json.dumps({"number": number, "text": "x" * 2000}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST /webhooks/ci HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
            f"X-Signature-256: sha256={signature}\r\nX-Delivery-Id: {number}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def _send(port: int, seconds: int, per_second: int) -> None:
    requests = _requests(seconds * per_second)
    began = time.perf_counter()
    numbers = iter(range(len(requests)))
    took: list[tuple[float, int]] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            # From when it was due: a server that falls behind is not excused by a sender that waits for it.
            took.append(((time.perf_counter() - due) * 1000, int(head[9:12])))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    json.dump({"took": took, "seconds": time.perf_counter() - began}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(_send(*(int(argument) for argument in sys.argv[1:4])))
