"""The JSON schema for editors is fresh, takes good files, and refuses what it can see."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.spec import schema_file
from tests.orchestrator.spec.examples import GOOD, changed

# The example of the design, without the keys that later releases bring.
EXAMPLE = """\
type: orchestrator_defs.Workflow
attributes:
  name: harden_api
  description: Find and close input-validation gaps in both repositories.
  inputs:
    focus: {type: string, default: HTTP handlers}
  gits:
    api: {url: https://github.com/acme/api.git, ref: main}
    web: {url: ../web, ref: main}
  mcp_servers:
    github: {command: npx, args: [-y, "@modelcontextprotocol/server-github"], env: {GITHUB_TOKEN: "${GITHUB_TOKEN}"}}
  agent: {provider: claude, model: claude-sonnet-4-5}
  budget: {cost_usd: 5, tokens: 2000000}
  works:
    - name: diagnose
      tasks:
        - name: survey
          query: "List every handler in {{ inputs.focus }} that trusts its input."
          report: {title: Survey, outline: [Summary, Findings, Risks]}
    - name: fix
      gits: [api]
      agent: {model: claude-opus-4-5}
      mcp_servers: {github: {env_overrides: {GITHUB_TOKEN: "${GITHUB_TOKEN_RW}"}}}
      tasks:
        - {name: patch, query_file: prompts/patch.md}
      checks:
        - {name: tests, run: make test, git: api, blocking: true}
      retries: 2
      timeout: 1h
"""


def errors(text: str) -> list[Any]:
    return list(jsonschema.Draft202012Validator(schema_file.schema()).iter_errors(yaml.safe_load(text)))


def test_the_shipped_file_is_fresh() -> None:
    assert schema_file.PATH.read_text(encoding="utf-8") == schema_file.text(), (
        "run `python -m orchestrator.spec.schema_file`"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema_file.schema())


@pytest.mark.parametrize("text", [EXAMPLE, GOOD])
def test_a_good_file_passes(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("query:", "promt:"),
        ("name: fix", "name: my-work"),
        ("web:", "my.web:"),
        ("gits: [api]", "timeout: 10 minutes"),
        ("gits: [api]", "retries: 11"),
        ("type: orchestrator_defs.Workflow", "type: other"),
        ("type: string", "type: text"),
    ],
)
def test_a_bad_file_does_not(old: str, new: str) -> None:
    assert errors(changed(old, new))
