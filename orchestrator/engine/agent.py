"""Start the agent of a Work and see it stopped, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from orchestrator.agents import AgentSession, AgentStart, McpServer, agent_environment, profile_of, start_agent
from orchestrator.domain.events import EventType
from orchestrator.domain.measures import count
from orchestrator.engine import workspace
from orchestrator.engine.run import WorkRun
from orchestrator.mcp import load_registry, resolve_servers, usable_servers, validate_servers
from orchestrator.observe.log import hide_environment
from orchestrator.observe.trace import span
from orchestrator.spec.inputs import as_environment
from orchestrator.spec.variables import substitute
from orchestrator.store import Transaction


@contextmanager
def open_agent(run: WorkRun, *, resume_session_id: str | None) -> Iterator[AgentSession]:
    """The agent of this Work, ready for its next query; gone, with all it started, when the block is left.

    Args:
        resume_session_id: the session to go on in, where the provider can; `AgentSession.resumed` says whether it did.
    """
    started: AgentSession | None = None
    try:
        with ExitStack() as running:
            with span("agent.start", {"work.id": run.row.id, "work.model": run.work.model}) as step:
                agent = running.enter_context(start_agent(_start(run, resume_session_id), stop=run.stop))
                step.set("agent.process.pid", agent.pid)
                step.set("mcp.server.count", len(run.work.mcp_servers))
            _started(run, agent)
            started = agent
            yield agent
    finally:
        if started is not None:
            _event(run, EventType.AGENT_STOPPED, {"pid": started.pid, "provider": started.provider})


def _start(run: WorkRun, resume_session_id: str | None) -> AgentStart:
    settings = run.engine.settings
    return AgentStart(
        profile=profile_of(run.work.provider, run.work.command or ()),
        model=run.work.model,
        permissions=run.work.permissions,
        workspace=run.workspace,
        directories=tuple(tree.path for tree in run.trees.values()),
        home=workspace.agent_home(settings.workflow_root_path, run.workflow.id),
        env=environment(run),
        mcp_servers=mcp_servers(run),
        sandbox=settings.agent_sandbox,
        metadata={"correlationId": run.workflow.correlation_id},
        start_timeout_ms=run.remaining_ms(settings.agent_start_timeout_ms),
        query_timeout_ms=settings.agent_query_timeout_ms,
        stop_timeout_ms=settings.agent_stop_timeout_ms,
        pass_fds=(run.lock.fd,),
        resume_session_id=resume_session_id,
        on_update=run.live.hear,
    )


def environment(run: WorkRun) -> dict[str, str]:
    """What the agent and the Work's checks see: an allow-list, what the spec gives, the inputs, the chain's ids."""
    given = {name: substitute(value, os.environ) for name, value in run.work.agent_env.items()}
    return agent_environment(
        given={**given, **as_environment(run.plan.inputs)},
        correlation_id=run.workflow.correlation_id,
        workflow_id=run.workflow.id,
    )


def mcp_servers(run: WorkRun) -> tuple[McpServer, ...]:
    """The Work's servers, each connected to once: one that is needed and down fails the Work before its agent starts.

    Raises:
        McpError: with the name and the reason of each.
    """
    named = run.work.mcp_servers
    settings = run.engine.settings
    attributes = {
        "mcp.server.count": len(named),
        "mcp.global_refs": tuple(name for name, server in named.items() if not server.is_inline),
        "mcp.work_refs": tuple(named),
    }
    with span("mcp.config.merge", attributes):
        if not named:
            return ()
        registry = load_registry(settings.mcp_servers_path, max_servers=settings.mcp_max_servers)
        servers = resolve_servers(named, registry)
    hide_secrets(servers)
    home = workspace.agent_home(settings.workflow_root_path, run.workflow.id)
    validations = validate_servers(
        servers,
        timeout_ms=run.remaining_ms(settings.mcp_validation_timeout_ms),
        environ={**environment(run), "HOME": str(home)},
        cwd=run.workspace,
    )
    down = [count("mcp_validation_failure_total", server=one.server.name) for one in validations if one.reason]
    if down:
        run.engine.store.write(lambda tx: tx.add_measures(down))
    return usable_servers(validations)


def hide_secrets(servers: Iterable[McpServer]) -> None:
    """What servers are given is masked from now on in all that leaves this process."""
    for server in servers:
        hide_environment({**server.env, **server.headers})


def _started(run: WorkRun, agent: AgentSession) -> None:
    def write(tx: Transaction) -> None:
        tx.set_session(run.row.id, agent.session_id)
        tx.add_event(
            EventType.AGENT_STARTED,
            workflow_id=run.workflow.id,
            work_id=run.row.id,
            context={"pid": agent.pid, "provider": agent.provider, "model": agent.model},
            duration_ms=agent.start_duration_ms,
        )

    run.engine.store.write(write)


def _event(run: WorkRun, event: EventType, context: dict[str, object]) -> None:
    run.engine.store.write(
        lambda tx: tx.add_event(event, workflow_id=run.workflow.id, work_id=run.row.id, context=context)
    )
