"""Who sent a webhook: the signatures of GitHub, GitLab, Standard Webhooks, and a plain HMAC, over the raw body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import WebhookRefused

# https://www.standardwebhooks.com: a signed delivery is taken for five minutes.
TOLERANCE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What the headers of a delivery say, once the signature was found right.

    Attributes:
        event: as `webhook.event` names it.
        signed_id: the signature covers the id: a replay under another id is refused by it.
    """

    delivery_id: str
    event: str
    signed_id: bool = False


def authenticate(source: str, secret: str, headers: Mapping[str, str], body: bytes) -> Sender:
    """Who sent it. Header names in lower case. Raises `WebhookRefused`, 401 or 400."""
    if "webhook-signature" in headers:
        return _standard(secret, headers, body, event=_gitlab_event(headers) if source.startswith("gitlab") else None)
    if source.startswith("gitlab"):
        _same(headers.get("x-gitlab-token", ""), secret)
        delivery = headers.get("idempotency-key") or headers.get("x-gitlab-event-uuid")
        return Sender(delivery_id=_id(delivery), event=_gitlab_event(headers))
    signature = headers.get("x-hub-signature-256") or headers.get("x-signature-256") or ""
    _same(signature, "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest())
    if source.startswith("github"):
        return Sender(delivery_id=_id(headers.get("x-github-delivery")), event=_word(headers.get("x-github-event")))
    delivery = headers.get("x-delivery-id") or headers.get("x-request-id")
    return Sender(delivery_id=_id(delivery), event=_word(headers.get("x-event", "event")))


def _standard(secret: str, headers: Mapping[str, str], body: bytes, *, event: str | None) -> Sender:
    id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > TOLERANCE_S:
        raise _unsigned("its webhook-timestamp is not within five minutes of now")
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    right = base64.b64encode(hmac.new(key, f"{id}.{sent_at}.".encode() + body, hashlib.sha256).digest()).decode()
    # Several while a key is rotated.
    given = [part.partition(",") for part in headers["webhook-signature"].split(" ")[:10]]
    if not any(hmac.compare_digest(value.encode(), right.encode()) and kind == "v1" for kind, _, value in given):
        raise _unsigned("no signature of its webhook-signature is right")
    return Sender(delivery_id=_id(id), event=event or _word(headers.get("x-event", "event")), signed_id=True)


def _gitlab_event(headers: Mapping[str, str]) -> str:
    return _word(headers.get("x-gitlab-event")).lower().removesuffix(" hook").replace(" ", "_")


def _same(given: str, right: str) -> None:
    if not hmac.compare_digest(given.encode(), right.encode()):
        raise _unsigned("its signature or token is missing or wrong")


def _unsigned(why: str) -> WebhookRefused:
    return WebhookRefused(f"webhook refused: {why}; compare the secret with the sender's", status=401)


def _id(value: str | None) -> str:
    if not value or len(value) > 200 or not value.isprintable():
        raise WebhookRefused("webhook refused: it has no delivery id in its headers", status=400)
    return value


def _word(value: str | None) -> str:
    if not value or len(value) > 100 or not value.isprintable():
        raise WebhookRefused("webhook refused: its headers name no event", status=400)
    return value
