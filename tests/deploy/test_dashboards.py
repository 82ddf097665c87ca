"""Dashboards and rules ask for metrics that there are, and the committed files are those that the code makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from deploy.grafana.make import DASHBOARDS, FOLDER, file_name, render
from orchestrator.domain.metrics import METRICS, MetricKind
from tests.deploy.test_alerts import DEPLOY, RULES

PANELS = [
    pytest.param(target["expr"], id=f"{title}: {panel['title']} {target['refId']}")
    for title in DASHBOARDS
    for panel in json.loads(render(title))["panels"]
    for target in panel["targets"]
    if panel["datasource"]["uid"] == "prometheus"
]
RECORDED = {
    rule["record"]
    for file in RULES.glob("*.yml")
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
EXPRESSIONS = [
    pytest.param(rule["expr"], id=rule.get("alert") or rule["record"])
    for file in sorted(RULES.glob("*.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
_PARTS = ("expr", "lhs", "rhs", "args", "vector_selector", "vs", "param")
_LABEL = re.compile(r"\{\{(\w+)\}\}")


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, list):
        for part in node:
            yield from selectors(part)
    else:
        for name in _PARTS:
            part = getattr(node, name, None)
            if part is not None and not isinstance(part, str | float):
                yield from selectors(part)


def known() -> dict[str, set[str]]:
    """Name of a series -> its labels."""
    found = {}
    for name, metric in METRICS.items():
        if metric.kind is MetricKind.HISTOGRAM:
            found[f"{name}_bucket"] = {*metric.labels, "le"}
            found[f"{name}_count"] = set(metric.labels)
        else:
            found[name] = set(metric.labels)
    return found


@pytest.mark.parametrize("expression", [*PANELS, *EXPRESSIONS])
def test_an_expression_parses_and_asks_for_what_there_is(expression: str) -> None:
    asked = list(selectors(promql_parser.parse(expression)))

    assert asked
    for selector in asked:
        if selector.name in RECORDED or selector.name == "up":
            continue
        assert selector.name in known()
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= known()[selector.name], f"{selector.name} has no such label"


@pytest.mark.parametrize("title", DASHBOARDS)
def test_a_legend_names_labels_that_the_expression_leaves(title: str) -> None:
    for panel in json.loads(render(title))["panels"]:
        for target in panel["targets"]:
            for label in _LABEL.findall(target.get("legendFormat", "")):
                names = [selector.name for selector in selectors(promql_parser.parse(target["expr"]))]
                assert all(label in known()[name] for name in names), (panel["title"], label)


@pytest.mark.parametrize("title", DASHBOARDS)
def test_the_committed_file_is_what_the_code_makes(title: str) -> None:
    file = FOLDER / f"{file_name(title)}.json"

    assert file.read_text() == render(title), "run `python -m deploy.grafana.make`"
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{file_name(each)}.json" for each in DASHBOARDS}


def test_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(param.values[0] for param in PANELS if isinstance(param.values[0], str))

    assert [name for name in METRICS if name not in shown] == []


def test_logs_and_traces_are_linked_both_ways() -> None:
    file = DEPLOY / "grafana" / "provisioning" / "datasources" / "datasources.yml"
    sources = {source["uid"]: source for source in yaml.safe_load(file.read_text())["datasources"]}
    line = '{"correlationId":"wf-0123456789ab-001","context":{"traceId":"%s"}}' % ("0af7" * 8)

    assert set(sources) == {"prometheus", "loki", "tempo"}
    fields = {field["name"]: field for field in sources["loki"]["jsonData"]["derivedFields"]}
    assert re.search(fields["Trace"]["matcherRegex"], line)[1] == "0af7" * 8  # type: ignore[index]  # it matches
    assert re.search(fields["Execution"]["matcherRegex"], line)[1] == "wf-0123456789ab-001"  # type: ignore[index]  # so does it
    assert fields["Trace"]["datasourceUid"] == "tempo"
    assert sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    dashboards = DEPLOY / "grafana" / "provisioning" / "dashboards" / "dashboards.yml"
    assert Path(yaml.safe_load(dashboards.read_text())["providers"][0]["options"]["path"]).name == FOLDER.name
