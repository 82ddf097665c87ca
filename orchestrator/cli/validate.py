"""`orchestrator validate`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path

import click

from orchestrator.cli import context
from orchestrator.cli.folders import load_folders
from orchestrator.domain.errors import GitError, SettingsError, SpecError
from orchestrator.engine.engine import git_settings
from orchestrator.mcp import load_registry
from orchestrator.settings import Settings, load_settings
from orchestrator.spec.load import LoadedSpec
from orchestrator.spec.template import has_template
from orchestrator.spec.variables import missing_variables, substitute


@click.command("validate")
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--remote", is_flag=True, help="Also ask every Git whether its ref exists.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(folders: tuple[Path, ...], *, remote: bool, as_json: bool) -> None:
    """Check the settings and every spec: the project's own, those of WORKFLOW_SPECS_PATH, and those in FOLDERS."""
    try:
        settings = load_settings()
    except SettingsError as error:
        _finish([], problems=list(error.problems), warnings=[], as_json=as_json)
        return
    context.start(level="error")
    problems: list[str] = []
    warnings = list(settings.warnings)
    registered: Collection[str] = ()
    try:
        registered = load_registry(settings.mcp_servers_path, max_servers=settings.mcp_max_servers).servers
    except SpecError as error:
        problems += error.problems
    specs, found = load_folders(settings, folders, registered_mcp=registered)
    problems += found
    for loaded in specs:
        warnings += loaded.warnings
        warnings += [
            f"{loaded.path}: environment variable {name} is not set here; a launch without it is refused"
            for name in missing_variables(loaded.spec, os.environ)
        ]
    if remote:
        problems += [problem for loaded in specs for problem in _unreachable(loaded, settings)]
    _finish(specs, problems=problems, warnings=warnings, as_json=as_json)


def _unreachable(loaded: LoadedSpec, settings: Settings) -> list[str]:
    from orchestrator.git import remote_head

    problems = []
    for name, git in loaded.spec.gits.items():
        if has_template(git.url) or has_template(git.ref):
            continue
        try:
            remote_head(substitute(git.url, os.environ), git.ref, git_settings(settings))
        except GitError as error:
            problems.append(f'{loaded.path}: git "{name}": {error}')
    return problems


def _finish(specs: list[LoadedSpec], *, problems: list[str], warnings: list[str], as_json: bool) -> None:
    if as_json:
        workflows = [{"name": loaded.spec.name, "path": str(loaded.path), "digest": loaded.digest} for loaded in specs]
        click.echo(json.dumps({"workflows": workflows, "problems": problems, "warnings": warnings}))
    else:
        for loaded in specs:
            click.echo(f"ok       {loaded.spec.name:<24} {loaded.path}")
        for warning in warnings:
            click.echo(f"warning  {warning}", err=True)
        for problem in problems:
            click.echo(f"error    {problem}", err=True)
    if problems:
        sys.exit(1)
