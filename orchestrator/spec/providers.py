"""Providers that a spec may name, what each can do, and what is wrong with how a Work uses one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.domain.mcp import ALL_MCP_KINDS, McpKind
from orchestrator.domain.permissions import DEFAULT_PERMISSIONS, Permissions
from orchestrator.spec.model import AgentSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.yaml_source import Loc

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a spec can ask of one provider's agents; `orchestrator.agents.profiles` says the same, and how.

    Attributes:
        mcp_kinds: the kinds of MCP server that it takes.
        tokens: whether it reports them, so that a budget can be counted.
        cost: likewise.
    """

    model: bool = True
    mcp_kinds: frozenset[McpKind] = ALL_MCP_KINDS
    permissions: frozenset[Permissions] = frozenset({"full", "edit", "read"})
    tokens: bool = True
    cost: bool = True


PROVIDERS = {
    BUILTIN: Provider(model=False, mcp_kinds=frozenset(), permissions=frozenset({"full", "edit"}), cost=False),
    "claude": Provider(),
    "codex": Provider(mcp_kinds=frozenset({"stdio", "http"}), cost=False),
    "gemini": Provider(cost=False),
    "opencode": Provider(tokens=False),
}


def agent_problems(spec: WorkflowSpec) -> Iterator[Problem]:
    """What is wrong with the Workflow's agent, and with each Work's."""
    if spec.agent is not None:
        yield from _own_problems(spec.agent, ("agent",))
    for index, work in enumerate(spec.works):
        if work.agent is not None:
            yield from _own_problems(work.agent, ("works", index, "agent"))
        yield from _effective_problems(spec, work, ("works", index))


def _own_problems(agent: AgentSpec, loc: Loc) -> Iterator[Problem]:
    name = agent.provider
    if name is not None and agent.command is not None:
        yield Problem(loc=(*loc, "command"), text='"provider" and "command" are both there; give one')
    if name is not None and name not in PROVIDERS:
        yield Problem(loc=(*loc, "provider"), text=f'unknown provider "{name[:60]}"{suggestion(name, PROVIDERS)}')
    if name is not None and agent.model is not None and not _can(name).model:
        yield Problem(loc=(*loc, "model"), text=_no_model(name))


def _effective_problems(spec: WorkflowSpec, work: WorkSpec, loc: Loc) -> Iterator[Problem]:
    agent = spec.effective_agent(work)
    name = agent.provider
    if name is None and agent.command is None:
        yield Problem(loc=loc, text='has no agent; write "agent: {provider: builtin}" here or for the whole workflow')
        return
    own = work.agent
    if name is not None and own is not None and own.provider is None and own.model is not None and not _can(name).model:
        yield Problem(loc=(*loc, "agent", "model"), text=_no_model(name))
    permissions = agent.permissions or DEFAULT_PERMISSIONS
    if name is not None and permissions not in _can(name).permissions:
        where: Loc = (*loc, "agent", "permissions") if own is not None and own.permissions else loc
        known = _listed(_can(name).permissions)
        text = f'provider "{name}" cannot be held to permissions "{permissions}"; it knows {known}'
        yield Problem(loc=where, text=text)
    if name is not None:
        yield from _server_problems(spec, work, loc, name)
        yield from _budget_problems(spec, work, loc, name)


def _server_problems(spec: WorkflowSpec, work: WorkSpec, loc: Loc, name: str) -> Iterator[Problem]:
    """Servers that the provider's agents do not take."""
    kinds = _can(name).mcp_kinds
    if not kinds and (spec.mcp_servers or work.mcp_servers):
        where: Loc = (*loc, "mcp_servers") if work.mcp_servers else loc
        text = f'provider "{name}" takes no mcp_servers; leave them out, or give them only to Works of other providers'
        yield Problem(loc=where, text=text)
        return
    for server_name, server in {**spec.mcp_servers, **work.mcp_servers}.items():
        # Where a registered one is, only the machine that runs it knows; the engine looks again.
        if server.url is not None and (server.transport or "http") not in kinds:
            where = (*loc, "mcp_servers", server_name) if server_name in work.mcp_servers else loc
            kind = server.transport or "http"
            text = f'provider "{name}" takes no server over {kind} ("{server_name}"); it takes {_listed(kinds)}'
            yield Problem(loc=where, text=text)


def _budget_problems(spec: WorkflowSpec, work: WorkSpec, loc: Loc, name: str) -> Iterator[Problem]:
    """Budgets that nobody could count. The built-in agent spends nothing, so it keeps to every one."""
    if name == BUILTIN:
        return
    for budget, where in ((spec.budget, loc), (work.budget, (*loc, "budget"))):
        if budget is None:
            continue
        if budget.cost_usd is not None and not _can(name).cost:
            text = f'provider "{name}" does not report its cost, so budget.cost_usd cannot be kept; give budget.tokens'
            yield Problem(loc=where, text=text)
        if budget.tokens is not None and not _can(name).tokens:
            text = (
                f'provider "{name}" does not report its tokens, so budget.tokens cannot be kept; give budget.cost_usd'
            )
            yield Problem(loc=where, text=text)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in sorted(words))


def _can(name: str) -> Provider:
    return PROVIDERS.get(name, Provider())


def _no_model(name: str) -> str:
    return f"{name} has no model; leave the key out"
