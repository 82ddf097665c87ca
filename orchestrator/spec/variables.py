"""`${NAME}`: secrets that come from the environment when they are used, and are never stored with their value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from orchestrator.domain.errors import MissingVariable
from orchestrator.spec.model import AgentSpec, McpServerSpec, WorkflowSpec
from orchestrator.spec.problems import Problem
from orchestrator.spec.yaml_source import Loc

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
# `${` before anything but a name: a slip that would reach a server as it stands.
_MALFORMED = re.compile(r"\$\{(?![A-Za-z_][A-Za-z0-9_]*\})", re.ASCII)

_USERINFO = re.compile(r"\A[A-Za-z]+://[^/]*@")


class HoldsVariables(Protocol):
    """A spec or a plan: what can say which of its texts may name environment variables."""

    def texts_with_variables(self) -> Iterator[str]:
        """Every text in which `${NAME}` stands for a value."""
        ...


def names_in(text: str) -> tuple[str, ...]:
    """The variables that a text names, in order."""
    return tuple(VARIABLE.findall(text))


def missing_variables(named: HoldsVariables, environ: Collection[str]) -> tuple[str, ...]:
    """The names that are not set, sorted: a warning when a spec is validated, an error before a launch."""
    wanted = {name for text in named.texts_with_variables() for name in names_in(text)}
    return tuple(sorted(name for name in wanted if name not in environ))


def substitute(text: str, environ: Mapping[str, str], *, where: str = "spec") -> str:
    """The text with every `${NAME}` replaced; what a value holds is not looked at again.

    Raises:
        MissingVariable: one is not set; `where` says in its message what wanted it.
    """
    missing = [name for name in dict.fromkeys(names_in(text)) if name not in environ]
    if missing:
        raise MissingVariable(names=missing, where=where)
    return VARIABLE.sub(lambda found: environ[found[1]], text)


def variable_problems(spec: WorkflowSpec) -> Iterator[Problem]:
    """Malformed `${…}`, and `${NAME}` in places where nothing replaces it."""
    for name, git in spec.gits.items():
        yield from _malformed(git.url, ("gits", name, "url"))
        yield from _misplaced(_USERINFO.sub("", git.url), ("gits", name, "url"), 'a git url takes it before its "@"')
        yield from _misplaced(git.ref, ("gits", name, "ref"), "give the ref by an input")
    levels: list[tuple[Loc, AgentSpec | None, dict[str, McpServerSpec]]] = [((), spec.agent, spec.mcp_servers)]
    levels += [(("works", index), work.agent, work.mcp_servers) for index, work in enumerate(spec.works)]
    for loc, agent, servers in levels:
        if agent is not None:
            yield from _agent_problems(agent, (*loc, "agent"))
        for name, server in servers.items():
            yield from server_problems(server, (*loc, "mcp_servers", name))


def _agent_problems(agent: AgentSpec, loc: Loc) -> Iterator[Problem]:
    for key, value in agent.env.items():
        yield from _malformed(value, (*loc, "env", key))
    for index, word in enumerate(agent.command or ()):
        yield from _misplaced(word, (*loc, "command", index), 'set it under "env"')


def server_problems(server: McpServerSpec, loc: Loc) -> Iterator[Problem]:
    """Malformed and misplaced `${…}` in the definition of an MCP server."""
    values = {"env": server.env, "headers": server.headers, "env_overrides": server.env_overrides}
    for part, named in values.items():
        for key, value in named.items():
            yield from _malformed(value, (*loc, part, key))
    yield from _misplaced(server.command or "", (*loc, "command"), 'set it under "env"')
    yield from _misplaced(server.url or "", (*loc, "url"), 'set it under "headers"')
    for index, word in enumerate(server.args):
        yield from _misplaced(word, (*loc, "args", index), 'set it under "env"')


def _malformed(text: str, loc: Loc) -> Iterator[Problem]:
    if _MALFORMED.search(text):
        yield Problem(loc=loc, text='"${" without a name and "}"; write ${NAME} with letters, digits and underscores')


def _misplaced(text: str, loc: Loc, hint: str) -> Iterator[Problem]:
    found = VARIABLE.search(text)
    if found is not None:
        yield Problem(loc=loc, text=f"{found[0]} is not replaced here, and would show; {hint}")
