"""Providers that a spec may name, what each can do, and what is wrong with how a Work uses one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.spec.model import AgentSpec, WorkflowSpec, WorkSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.yaml_source import Loc

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a spec can ask of one provider's agents."""

    model: bool = True
    mcp_servers: bool = True
    supported: bool = False


PROVIDERS = {
    BUILTIN: Provider(model=False, mcp_servers=False, supported=True),
    "claude": Provider(),
    "codex": Provider(),
    "gemini": Provider(),
    "opencode": Provider(),
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
    elif name is not None and not PROVIDERS[name].supported:
        text = f'provider "{name}" is not supported yet; use "builtin", or "command" with a program that speaks ACP'
        yield Problem(loc=(*loc, "provider"), text=text)
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
    if name is not None and not _can(name).mcp_servers and (spec.mcp_servers or work.mcp_servers):
        where: Loc = (*loc, "mcp_servers") if work.mcp_servers else loc
        text = f'provider "{name}" takes no mcp_servers; leave them out, or give them only to Works of other providers'
        yield Problem(loc=where, text=text)


def _can(name: str) -> Provider:
    return PROVIDERS.get(name, Provider())


def _no_model(name: str) -> str:
    return f"{name} has no model; leave the key out"
