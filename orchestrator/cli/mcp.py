"""`orchestrator mcp check`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

import click

from orchestrator.cli import context
from orchestrator.cli.folders import load_folders
from orchestrator.domain.errors import McpError
from orchestrator.domain.mcp import McpServer
from orchestrator.mcp import Registry, Validation, load_registry, resolve_servers, validate_servers
from orchestrator.settings import Settings
from orchestrator.spec.model import McpServerSpec


@click.group("mcp")
def command() -> None:
    """MCP servers."""


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def check(names: tuple[str, ...], *, as_json: bool) -> None:
    """Connect to the registered servers and to those that specs define, and list their tools.

    A server of a spec is named `<workflow>/<server>`, or `<workflow>/<work>/<server>`. The exit code is 1 where one
    that is required cannot be used, or a NAME is unknown.
    """
    settings = context.start(level="error")
    wanted, problems = _servers(settings, names)
    checks = validate_servers(wanted, timeout_ms=settings.mcp_validation_timeout_ms)
    if as_json:
        click.echo(json.dumps([_to_json(found) for found in checks]))
    else:
        for found in checks:
            click.echo(_line(found))
        if not checks and not problems:
            click.echo(f"no MCP servers; {settings.mcp_servers_path} registers them", err=True)
    for problem in problems:
        click.echo(f"error    {problem}", err=True)
    if problems or any(found.reason is not None and found.server.required for found in checks):
        sys.exit(1)


def _servers(settings: Settings, names: tuple[str, ...]) -> tuple[list[McpServer], list[str]]:
    """The servers to look at, named as the command names them, and what is wrong before one is asked."""
    registry = load_registry(settings.mcp_servers_path, max_servers=settings.mcp_max_servers)
    defined: dict[str, McpServerSpec] = dict(registry.servers)
    specs, problems = load_folders(settings, registered_mcp=registry.servers.keys())
    for loaded in specs:
        levels: list[tuple[str, Mapping[str, McpServerSpec]]] = [(loaded.spec.name, loaded.spec.mcp_servers)]
        levels += [(f"{loaded.spec.name}/{work.name}", work.mcp_servers) for work in loaded.spec.works]
        for where, servers in levels:
            defined |= {f"{where}/{name}": server for name, server in servers.items() if server.is_inline}
    problems = [] if names else problems
    problems += [
        f'no MCP server "{name}"; there are: {", ".join(defined) or "none"}' for name in names if name not in defined
    ]
    found: list[McpServer] = []
    for name, server in defined.items():
        if names and name not in names:
            continue
        try:
            found += resolve_servers({name: server}, Registry(servers={}), environ=os.environ)
        except McpError as error:
            problems += error.problems
    return found, problems


def _line(found: Validation) -> str:
    if found.reason is None:
        return (
            f"ok       {found.server.name:<32} {found.server.kind:<6} {len(found.tools)} tools, {found.duration_ms} ms"
        )
    verdict = "error   " if found.server.required else "warning "
    return f"{verdict} {found.server.name:<32} {found.server.kind:<6} {found.reason}"


def _to_json(found: Validation) -> dict[str, object]:
    return {
        "name": found.server.name,
        "kind": found.server.kind,
        "required": found.server.required,
        "tools": list(found.tools),
        "error": found.reason,
        "duration_ms": found.duration_ms,
    }
