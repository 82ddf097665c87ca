"""Which triggers come true by what has happened: the firings of an event, a webhook delivery, a push."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.domain.errors import InputError
from orchestrator.domain.events import Event
from orchestrator.observe.log import mask_text
from orchestrator.spec.model import TriggerSpec, WorkflowSpec
from orchestrator.spec.payload import inputs_of
from orchestrator.store.firing_rows import NewFiring

# Workflows that start each other in a circle would never end, and each costs an agent.
MAX_DEPTH = 10
_NOWHERE = re.compile(r"\A0+\Z")

Specs = Mapping[str, WorkflowSpec]


def firing(
    spec: WorkflowSpec,
    name: str,
    trigger: TriggerSpec,
    *,
    key: str,
    payload: Mapping[str, Any],
    reason: str,
    depth: int = 1,
) -> NewFiring:
    """The firing of one trigger; one whose inputs cannot be had from the payload has failed, and says why."""
    inputs: Mapping[str, Any] = {}
    problem = None
    if depth > MAX_DEPTH:
        problem = f"{reason}: {MAX_DEPTH} workflows have started each other by events; the chain ends here"
    else:
        try:
            inputs = inputs_of(spec, trigger, payload)
        except InputError as error:
            problem = f"{reason}: {error}"
    return NewFiring(
        workflow=spec.name,
        trigger=name,
        kind=trigger.kind,
        key=key,
        overlap=trigger.overlap,
        inputs=inputs,
        reason=mask_text(problem or reason)[:1000],
        depth=depth,
        failed=problem is not None,
    )


def of_event(specs: Specs, event: Event, *, depth: int) -> Iterator[NewFiring]:
    """What an event of the bus fires; `depth` is that of the firing that its Workflow came from, 0 without one."""
    payload = {
        "id": event.id,
        "type": str(event.type),
        "workflow": event.workflow,
        "workflow_id": event.workflow_id,
        "correlation_id": event.correlation_id,
        "occurred_at": event.occurred_at.isoformat(),
        "context": dict(event.context),
    }
    for spec, name, trigger in _all(specs, "event"):
        wanted = trigger.event
        if wanted is None or wanted.type is not event.type or event.workflow == spec.name:
            continue
        if wanted.workflow is not None and wanted.workflow != event.workflow:
            continue
        if any(event.context.get(key) != value for key, value in wanted.where.items()):
            continue
        reason = f"{event.type} of {event.workflow_id or 'no workflow'}"
        yield firing(spec, name, trigger, key=event.id, payload=payload, reason=reason, depth=depth + 1)


def of_delivery(
    specs: Specs, *, source: str, event: str, delivery_id: str, payload: Mapping[str, Any]
) -> Iterator[NewFiring]:
    """What a webhook delivery fires by `webhook:`."""
    names = {event, f"{event}.{_action(payload)}"}
    for spec, name, trigger in _all(specs, "webhook"):
        wanted = trigger.webhook
        if wanted is None or wanted.source != source or (wanted.event is not None and wanted.event not in names):
            continue
        reason = f"webhook {source} {event}, delivery {delivery_id}"
        yield firing(spec, name, trigger, key=delivery_id, payload=payload, reason=reason)


def of_push(specs: Specs, payload: Mapping[str, Any]) -> Iterator[NewFiring]:
    """What the push that a webhook tells of fires by `git_push:`; their key is the head, for `put_push`."""
    ref, after = payload.get("ref"), payload.get("after")
    if not isinstance(ref, str) or not isinstance(after, str) or _NOWHERE.match(after):
        return  # no push, or the ref was deleted
    short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    places = {_place(url) for url in _urls(payload)}
    for spec, name, trigger in _all(specs, "git_push"):
        wanted = trigger.git_push
        if wanted is None:
            continue
        git = spec.gits[wanted.git]
        if (wanted.ref or git.ref) == short and _place(git.url) in places:
            yield pushed(spec, name, trigger, commit=after, before=str(payload.get("before")))


def pushed(spec: WorkflowSpec, name: str, trigger: TriggerSpec, *, commit: str, before: str | None) -> NewFiring:
    """The firing of one `git_push:` whose ref stands at another commit."""
    git = trigger.git_push.git if trigger.git_push else ""
    ref = (trigger.git_push.ref if trigger.git_push else None) or spec.gits[git].ref
    payload = {"git": git, "ref": ref, "commit": commit, "before": before}
    return firing(spec, name, trigger, key=commit, payload=payload, reason=f"{git} {ref} moved to {commit[:12]}")


def _all(specs: Specs, kind: str) -> Iterator[tuple[WorkflowSpec, str, TriggerSpec]]:
    for spec in specs.values():
        for name, trigger in spec.named_triggers().items():
            if trigger.kind == kind:
                yield spec, name, trigger


def _action(payload: Mapping[str, Any]) -> object:
    attributes = payload.get("object_attributes")
    return payload.get("action") or (attributes.get("action") if isinstance(attributes, dict) else None)


def _urls(payload: Mapping[str, Any]) -> Iterator[str]:
    """The addresses of the repository in a push of GitHub or GitLab."""
    for part, keys in (
        ("repository", ("clone_url", "ssh_url", "git_url", "html_url", "git_http_url", "git_ssh_url")),
        ("project", ("git_http_url", "git_ssh_url", "web_url")),
    ):
        found = payload.get(part)
        if isinstance(found, dict):
            yield from (found[key] for key in keys if isinstance(found.get(key), str))


def _place(url: str) -> str:
    """Host and path of an address, the same for https, ssh and `user@host:path`."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        rest = scheme.replace(":", "/", 1) if not scheme.startswith("/") else scheme
    return rest.rpartition("@")[2].removesuffix("/").removesuffix(".git").casefold()
