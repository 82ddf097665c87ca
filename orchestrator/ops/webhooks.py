"""`POST /webhooks/<source>`: checked, stored with what it fires, then answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.contextvars import bound_contextvars

from orchestrator.domain import ids
from orchestrator.domain.errors import StoreError, WebhookRefused
from orchestrator.engine.specs import Specs
from orchestrator.engine.trigger_handler import log_firings
from orchestrator.engine.triggers import of_delivery, of_push
from orchestrator.observe.log import get_logger
from orchestrator.ops.signatures import Sender, authenticate
from orchestrator.settings import Settings
from orchestrator.store import Store, Transaction
from orchestrator.store.firing_rows import FiringRow, NewFiring

_log = get_logger(__name__)
# GitHub sends 25 MB at most and nearly always less than this; what is larger cannot be an issue or a push.
MAX_BYTES = 2_000_000
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    source: str
    sender: Sender
    digest: str
    fired: tuple[NewFiring, ...]
    pushed: tuple[NewFiring, ...]


class Webhooks:
    """Takes deliveries. Those that come at the same time share a transaction: each costs the database a fraction.

    Args:
        fired: called after something has fired.
    """

    def __init__(self, settings: Settings, store: Store, specs: Specs, *, fired: Callable[[], None]) -> None:
        self._secrets = settings.webhook_secrets
        self._store = store
        self._specs = specs
        self._fired = fired
        self._waiting: list[tuple[_Delivery, asyncio.Future[list[FiringRow] | None]]] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def route(self) -> Route:
        """Where it is served."""
        return Route("/webhooks/{source}", self.receive, methods=["POST"])

    async def receive(self, request: Request) -> JSONResponse:
        """202: stored, and how many triggers it fired; 200: it came before."""
        correlation_id = ids.new_request_id()
        with bound_contextvars(correlationId=correlation_id):
            source = request.path_params["source"]
            try:
                delivery = await self._read(source, request)
                fired = await self._store_soon(delivery)
            except WebhookRefused as error:
                _log.warning("WebhookRefused", message=str(error), source=source[:40], status=error.status)
                return JSONResponse({"error": str(error)}, status_code=error.status)
            except StoreError as error:
                # The sender tries again: nothing was stored.
                _log.error("WebhookNotStored", message=str(error), source=source)
                return JSONResponse({"error": "not stored; send it again"}, status_code=503)
            if fired is None:
                return JSONResponse({"status": "duplicate", "correlationId": correlation_id})
            log_firings(fired)
            if fired:
                self._fired()
            answer = {"status": "accepted", "correlationId": correlation_id, "fired": [firing.id for firing in fired]}
            return JSONResponse(answer, status_code=202)

    async def _read(self, source: str, request: Request) -> _Delivery:
        secret = self._secrets.get(source)
        if secret is None:
            message = f'webhook refused: no source "{source[:40]}"; set WEBHOOK_SECRET_<SOURCE>'
            raise WebhookRefused(message, status=404)
        body = await _body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        sender = authenticate(source, secret, headers, body)
        payload = _payload(headers, body)
        specs = self._specs.current()
        return _Delivery(
            source=source,
            sender=sender,
            digest=hashlib.sha256(body).hexdigest(),
            fired=tuple(
                of_delivery(specs, source=source, event=sender.event, delivery_id=sender.delivery_id, payload=payload)
            ),
            pushed=tuple(of_push(specs, payload)) if sender.event in ("push", "tag_push") else (),
        )

    async def _store_soon(self, delivery: _Delivery) -> list[FiringRow] | None:
        """What it fired, once that is stored; None where the delivery came before."""
        done: asyncio.Future[list[FiringRow] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            deliveries = [delivery for delivery, _ in batch]
            try:
                results = await asyncio.to_thread(
                    self._store.write, lambda tx, deliveries=deliveries: [_put(tx, each) for each in deliveries]
                )
            except Exception as error:  # noqa: BLE001 — whoever waits has to be told, whatever it was
                for _, done in batch:
                    if not done.cancelled():
                        done.set_exception(error)
                continue
            for (_, done), fired in zip(batch, results, strict=True):
                if not done.cancelled():
                    done.set_result(fired)


def _put(tx: Transaction, delivery: _Delivery) -> list[FiringRow] | None:
    new = tx.put_delivery(
        delivery.source,
        delivery.sender.delivery_id,
        digest=delivery.digest,
        event=delivery.sender.event,
        # GitHub and GitLab sign no id: a body that comes again under another one is a replay. No two of theirs are the
        # same; those of a generic sender may well be.
        once=delivery.source.startswith(("github", "gitlab")) and not delivery.sender.signed_id,
    )
    if not new:
        return None
    fired = [*(tx.put_firing(each) for each in delivery.fired), *(tx.put_push(each) for each in delivery.pushed)]
    return [firing for firing in fired if firing is not None]


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > MAX_BYTES:
        raise WebhookRefused(f"webhook refused: at most {MAX_BYTES} bytes", status=413)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BYTES:
                raise WebhookRefused(f"webhook refused: at most {MAX_BYTES} bytes", status=413)
            parts.append(part)
    except ClientDisconnect as error:
        raise WebhookRefused("webhook refused: it ended before its announced length", status=400) from error
    return b"".join(parts)


def _payload(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode()
        if headers.get("content-type", "").startswith(_FORM):
            text = parse_qs(text, strict_parsing=True, max_num_fields=10)["payload"][0]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise WebhookRefused("webhook refused: its body is no JSON in UTF-8", status=400) from error
    if not isinstance(payload, dict):
        raise WebhookRefused("webhook refused: its body is no JSON object", status=400)
    return payload
