"""What no single variable shows: settings that contradict each other, that are doubtful together, or that are misspelt.

`values` maps attributes of `Settings` to what was read; one that could not be read is missing and is not judged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from orchestrator.settings.table import VARIABLES, WEBHOOK_SECRET

ROOTS = ("git_root_path", "worktree_root_path", "workflow_root_path", "archive_root_path", "dagster_home")
_SERVED = ("/health", "/ready", "/webhooks")


def contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """One line per combination that cannot work."""
    yield from _out_of_order(values)
    yield from _nested_roots(values)
    if "port" in values and values["port"] == values.get("dagster_ui_port"):
        yield f"PORT={values['port']} and DAGSTER_UI_PORT={values['port']}: expected two different ports"
    if values.get("metrics_path", "").startswith(_SERVED):
        yield f'METRICS_PATH="{values["metrics_path"]}": expected a path that begins with none of {", ".join(_SERVED)}'
    if values.get("event_bus_type") == "redis":
        yield from _missing(values, "REDIS_URL", because="EVENT_BUS_TYPE=redis")
    if values.get("otel_enabled"):
        yield from _missing(values, "OTEL_EXPORTER_OTLP_ENDPOINT", because="OTEL_ENABLED=true")


def misplaced_roots(roots: Mapping[str, Path]) -> Iterator[str]:
    """One line per root that is a link, or that links bring to lie inside another; they exist."""
    for name, root in roots.items():
        if root.is_symlink():
            yield f"{name.upper()}={root}: is a symbolic link; name the folder itself, {root.resolve()}"
            return
    yield from _nested_roots({name: root.resolve() for name, root in roots.items()})


def doubts(values: Mapping[str, Any]) -> Iterator[str]:
    """One line per combination that works and is hardly meant; `values` is complete."""
    if values["app_env"] == "development":
        return
    if values["database_url"].startswith("sqlite:"):
        yield f"DATABASE_URL is SQLite with APP_ENV={values['app_env']}: it serves one machine only; use PostgreSQL"
    if values["event_bus_type"] == "in-memory":
        yield f"EVENT_BUS_TYPE is in-memory with APP_ENV={values['app_env']}: events stay in one process; use redis"


def misspelt(given: Mapping[str, str]) -> Iterator[str]:
    """One line per name in the environment that is nearly one of ours."""
    for name in sorted(set(given) - set(VARIABLES)):
        # Short names are near everything; the OTLP exporter has a dozen variables of its own, which its SDK reads.
        if len(name) < 8 or name.startswith(("OTEL_EXPORTER_OTLP_", WEBHOOK_SECRET)):
            continue
        near = _nearest(name)
        if near is not None:
            yield f"{name} is not a setting; did you mean {near}?"


# A comparison with every name of the table, for every variable of the environment: most of what reading settings costs.
@cache
def _nearest(name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.9)), None)


def _out_of_order(values: Mapping[str, Any]) -> Iterator[str]:
    for low, high, equal_too in (
        ("database_pool_min", "database_pool_max", True),
        ("report_archive_days", "report_delete_days", True),
        ("disk_critical_threshold_gb", "disk_warning_threshold_gb", False),
    ):
        if low not in values or high not in values:
            continue
        if values[low] > values[high] or (values[low] == values[high] and not equal_too):
            relation = "at most" if equal_too else "below"
            yield f"{low.upper()}={values[low]:g}: expected {relation} {high.upper()}, which is {values[high]:g}"


def _nested_roots(values: Mapping[str, Any]) -> Iterator[str]:
    # Retention removes what lies under a root: a root inside another would be its prey.
    for one, other in combinations((root for root in ROOTS if root in values), 2):
        outer, inner = sorted((one, other), key=lambda root: len(values[root].parts))
        if (outer, inner) == ("workflow_root_path", "archive_root_path") and values[outer] != values[inner]:
            continue
        if values[inner].is_relative_to(values[outer]):
            holder = f"{outer.upper()}, which is {values[outer]}"
            yield f"{inner.upper()}={values[inner]}: expected a folder outside {holder}"


def _missing(values: Mapping[str, Any], name: str, *, because: str) -> Iterator[str]:
    if values.get(name.lower(), "") is None:
        yield f"{name} is not set: expected {VARIABLES[name].kind.expected} (required when {because})"
