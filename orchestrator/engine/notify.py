"""Who is told of how a Workflow goes: by Slack-compatible and generic webhooks, e-mail, and all that Apprise knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import httpx

from orchestrator.domain.errors import MissingVariable, NotFound, NotifyFailed
from orchestrator.domain.events import Event, EventType
from orchestrator.observe.log import get_logger, mask_text
from orchestrator.settings import Settings
from orchestrator.spec.load import parse_document
from orchestrator.spec.variables import substitute
from orchestrator.store import Store

_log = get_logger(__name__)
_SAID = {
    EventType.WORKFLOW_COMPLETED: "completed",
    EventType.WORKFLOW_FAILED: "failed",
    EventType.WORKFLOW_PAUSED: "paused",
}
TIMEOUT_S = 10.0


class NotifyHandler:
    """Tells each address of a Workflow's end or pause, once, as far as the address says that it got it."""

    name = "notify"
    types = frozenset(_SAID)

    def __init__(self, settings: Settings, store: Store) -> None:
        self._everywhere = settings.notify_urls or ()
        self._store = store

    def handle(self, event: Event) -> None:
        failed: list[str] = []
        for url in dict.fromkeys(self._addresses(event)):
            # By address: the others are not told again because one could not be.
            mark = f"{self.name}:{hashlib.sha256(url.encode()).hexdigest()[:12]}"
            if self._store.read(lambda reader, mark=mark: reader.was_handled(mark, event.id)):  # type: ignore[misc]
                continue
            try:
                send(url, event)
            except NotifyFailed as error:
                failed.append(str(error))
                continue
            self._store.write(lambda tx, mark=mark: tx.handle_once(mark, event.id))  # type: ignore[misc]
            _log.info("NotificationSent", message=f"{event.workflow} {_SAID[event.type]}", kind=url.partition(":")[0])
        if failed:
            raise NotifyFailed("; ".join(failed))

    def _addresses(self, event: Event) -> Iterator[str]:
        yield from self._everywhere
        try:
            row = self._store.read(lambda reader: reader.workflow(event.workflow_id or ""))
        except NotFound:
            return
        spec = parse_document(self._store.read(lambda reader: reader.spec_document(row.spec_digest)))
        if spec.notify is None or _SAID[event.type] not in spec.notify.on:
            return
        for url in spec.notify.urls:
            try:
                yield substitute(url, os.environ, where=f'workflow "{spec.name}": notify')
            except MissingVariable as error:
                _log.warning("NotificationSkipped", message=str(error))


def message_of(event: Event) -> tuple[str, dict[str, Any]]:
    """One line for people, and the same for programs; masked."""
    said = _SAID[event.type]
    reason = event.context.get("error") or event.context.get("reason")
    why = f": {mask_text(str(reason))[:500]}" if reason and said != "completed" else ""
    text = f"{event.workflow} {said} ({event.workflow_id}){why}"
    fields = {
        "event": str(event.type),
        "workflow": event.workflow,
        "workflowId": event.workflow_id,
        "correlationId": event.correlation_id,
        "reason": event.context.get("reason"),
        "occurredAt": event.occurred_at.isoformat(),
    }
    return text, fields


def send(url: str, event: Event) -> None:
    """Tell one address. Raises `NotifyFailed`, which names its kind and host and nothing else of it."""
    # Here: the library takes a tenth of a second to import, and most systems notify nobody.
    import apprise

    text, fields = message_of(event)
    scheme, _, rest = url.partition("://")
    where = f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is not None:
        kind = apprise.NotifyType.SUCCESS if _SAID[event.type] == "completed" else apprise.NotifyType.WARNING
        if not service.notify(body=text, title=f"Workflow {event.workflow}", notify_type=kind):
            raise NotifyFailed(f"notification to {where} was not taken")
    elif scheme in ("http", "https"):
        # `text` is what Slack and all that imitate it show; the rest is for programs.
        try:
            httpx.post(url, json={"text": text, **fields}, timeout=TIMEOUT_S).raise_for_status()
        except httpx.HTTPStatusError as error:
            raise NotifyFailed(f"notification to {where}: HTTP {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotifyFailed(f"notification to {where}: {type(error).__name__}") from None
    else:
        raise NotifyFailed(f"notification to {where}: an unknown kind of address")
