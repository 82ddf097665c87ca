"""`orchestrator agents`."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from orchestrator.agents.adapters import find_program
from orchestrator.agents.profiles import PROFILES, Profile
from orchestrator.agents.sandbox import find_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    profile: Profile
    installed: bool
    version: str | None
    path: str | None

    @property
    def install(self) -> str | None:
        return self.profile.adapter.install_command if self.profile.adapter else None

    def to_json(self) -> dict[str, object]:
        profile = self.profile
        return {
            "provider": profile.provider,
            "title": profile.title,
            "installed": self.installed,
            "version": self.version,
            "tested_version": profile.adapter.version if profile.adapter else None,
            "path": self.path,
            "install": self.install,
            "capabilities": {
                "resume": profile.resume,
                "tokens": profile.tokens,
                "cost": profile.cost,
                "model": profile.model_choice,
                "mcp": sorted(profile.mcp_kinds),
                "permissions": sorted(profile.permissions),
            },
        }


@click.command("agents")
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def command(*, as_json: bool) -> None:
    """Show the providers of agents: what is installed here, what each can do, and how to install it."""
    rows = [_row(profile) for profile in PROFILES.values()]
    if as_json:
        click.echo(json.dumps([row.to_json() for row in rows]))
        return
    for row in rows:
        click.echo(f"{row.profile.provider:<10}{_state(row):<34}{_capabilities(row.profile)}")
    for row in rows:
        if not row.installed and row.install:
            click.echo(f"{row.profile.provider}: {row.install}", err=True)
    sandbox = find_sandbox()
    click.echo(f"sandbox   {sandbox or 'none: install bubblewrap where the workers run'}", err=True)


def _row(profile: Profile) -> _Row:
    if profile.adapter is None:
        return _Row(profile=profile, installed=True, version=None, path=None)
    found = find_program(profile.adapter.program)
    version = found.version if found else None
    return _Row(profile=profile, installed=found is not None, version=version, path=str(found.path) if found else None)


def _state(row: _Row) -> str:
    if row.profile.adapter is None:
        return "part of the product" if row.profile.provider == "builtin" else "any program of yours"
    if not row.installed:
        return f"not installed (tested {row.profile.adapter.version})"
    tested = "" if row.version == row.profile.adapter.version else f" (tested {row.profile.adapter.version})"
    return f"{row.version or 'version unknown'}{tested}"


def _capabilities(profile: Profile) -> str:
    can = [
        *(["resume"] if profile.resume else []),
        *(["tokens"] if profile.tokens else []),
        *(["cost"] if profile.cost else []),
        *(["model"] if profile.model_choice else []),
        *([f"mcp {'/'.join(sorted(profile.mcp_kinds))}"] if profile.mcp_kinds else []),
        f"permissions {'/'.join(sorted(profile.permissions))}",
    ]
    return ", ".join(can)
