"""References to MCP servers: which server a name means, and what a Work changes of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from orchestrator.spec.model import McpServerSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.yaml_source import Loc

_DEFINE = '; define it by "command" or "url"'
_HTTP = re.compile(r"\Ahttps?://[^/\s]+", re.IGNORECASE)


def effective_servers(spec: WorkflowSpec, work: WorkSpec) -> dict[str, McpServerSpec]:
    """The servers of a Work, by name: the Workflow's and its own, with both levels' `env_overrides`, the Work's last.

    One that is not inline is a registered server.
    """
    servers = dict(spec.mcp_servers)
    for name, own in work.mcp_servers.items():
        base = servers.get(name)
        if base is None:
            servers[name] = own
        else:
            overrides = {**base.env_overrides, **own.env_overrides}
            required = base.required if own.required is None else own.required
            servers[name] = base.model_copy(update={"env_overrides": overrides, "required": required})
    return dict(sorted(servers.items()))


def mcp_problems(spec: WorkflowSpec, registered: Collection[str]) -> Iterator[Problem]:
    """Names that mean no server, and definitions that mix two kinds."""
    for name, server in spec.mcp_servers.items():
        yield from _reference_problems(name, server, ("mcp_servers", name), registered)
    for index, work in enumerate(spec.works):
        for name, server in work.mcp_servers.items():
            loc: Loc = ("works", index, "mcp_servers", name)
            yield from _reference_problems(name, server, loc, {*registered, *spec.mcp_servers})
            if server.is_inline and name in spec.mcp_servers:
                text = 'is defined for the whole workflow; give only "env_overrides" here, or take another name'
                yield Problem(loc=loc, text=text)


def _reference_problems(name: str, server: McpServerSpec, loc: Loc, known: Collection[str]) -> Iterator[Problem]:
    if not server.is_inline and name not in known:
        listed = suggestion(name, known) if known else ""
        yield Problem(loc=loc, text=f"no such server is registered{listed or _DEFINE}")
    yield from definition_problems(server, loc)


def definition_problems(server: McpServerSpec, loc: Loc) -> Iterator[Problem]:
    """What of a server's definition does not go together."""
    if server.command is not None and server.url is not None:
        yield Problem(loc=(*loc, "url"), text='"command" and "url" are both there; give one')
        return
    if server.is_inline and server.env_overrides:
        yield Problem(loc=(*loc, "env_overrides"), text='is for a server defined elsewhere; put it into "env"')
    if server.url is not None and not _HTTP.match(server.url):
        yield Problem(loc=(*loc, "url"), text="is no http or https address")
    for key, needed, given in (
        ("args", "command", server.command),
        ("env", "command", server.command),
        ("headers", "url", server.url),
        ("transport", "url", server.url),
    ):
        if getattr(server, key) and given is None:
            yield Problem(loc=(*loc, key), text=f'goes with "{needed}", which is not there')
