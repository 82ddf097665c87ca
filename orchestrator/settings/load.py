"""From the environment to `Settings`, with every problem named at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.domain.errors import SettingsError
from orchestrator.settings import checks
from orchestrator.settings.table import VARIABLES, WEBHOOK_SECRET, Settings
from orchestrator.settings.values import sqlite_file


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check everything.

    Raises:
        SettingsError: one line per problem: the variable, its value (credentials masked), and what is expected.
    """
    # An empty value is how a compose file or a chart says "not set".
    given = {name: text.strip() for name, text in environ.items() if text.strip()}
    if "APP_ENV" not in given and "NODE_ENV" in given:
        given["APP_ENV"] = given["NODE_ENV"]
    values, problems = _read(given)
    problems += checks.contradictions(values)
    misspelt = list(checks.misspelt(given))
    if problems:
        # With what is missing belongs what was perhaps meant to be it.
        raise SettingsError(problems + misspelt)
    secrets = {
        name.removeprefix(WEBHOOK_SECRET).lower(): secret
        for name, secret in given.items()
        if name.startswith(WEBHOOK_SECRET) and name != WEBHOOK_SECRET
    }
    return Settings(
        **values,
        webhook_secrets=MappingProxyType(secrets),
        warnings=(*misspelt, *checks.doubts(values)),
        from_environment=frozenset(given) & frozenset(VARIABLES),
    )


def prepare_folders(settings: Settings) -> None:
    """Make the data folders and write once into each, so that a read-only or full disk shows before anything starts.

    Raises:
        SettingsError: one line per folder that cannot be used, with its variable.
    """
    problems = []
    for name, folder in _data_folders(settings):
        try:
            folder.mkdir(mode=0o700 if name == "ORCHESTRATOR_HOME" else 0o777, parents=True, exist_ok=True)
            probe = folder / f".probe-{os.getpid()}"
            try:
                probe.write_bytes(b"probe")
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            problems.append(f"{name}: cannot write in {folder} ({reason}); make it writable or name another folder")
    problems += checks.misplaced_roots({name: getattr(settings, name) for name in checks.ROOTS})
    specs = settings.workflow_specs_path
    if specs is not None and not specs.is_dir():
        problems.append(f"WORKFLOW_SPECS_PATH: no folder at {specs}; make it or unset the variable")
    if problems:
        raise SettingsError(problems)


def _read(given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Values by attribute, in the order of the table, and a line for each that is missing or malformed."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    shown_above = {"installed_version": _installed_version()}
    for name, (kind, default, required) in VARIABLES.items():
        attribute = name.lower()
        text = given.get(name)
        # For a default further down, also where the value turns out malformed: one fault must not look like two.
        shown_above[attribute] = text or ""
        if text is None and required and values.get("app_env") in ("staging", "production"):
            problems.append(f"{name} is not set: expected {kind.expected} (required when APP_ENV={values['app_env']})")
            continue
        if text is None and default is not None:
            text = default.format(**shown_above)
        try:
            values[attribute] = None if text is None else kind.read(text)
        except ValueError as error:
            said = "NODE_ENV" if name == "APP_ENV" and text == given.get("NODE_ENV") else name
            reason = f" ({error})" if str(error) else ""
            problems.append(f'{said}="{kind.show(text or "")}": expected {kind.expected}{reason}')
        else:
            shown_above[attribute] = str(values[attribute])
    return values, problems


def _data_folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "ORCHESTRATOR_HOME", settings.orchestrator_home
    if settings.database_url.startswith("sqlite:"):
        yield "DATABASE_URL", sqlite_file(settings.database_url).parent
    for name in checks.ROOTS:
        yield name.upper(), getattr(settings, name)


def _installed_version() -> str:
    # Here and not above: it costs as much as all other imports of this package together.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("workflow-orchestrator")
    except PackageNotFoundError:
        return "unknown"
