"""The file of registered servers, and what of it a Work gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.errors import McpError, SpecError
from orchestrator.mcp import Registry, load_registry, resolve_servers
from orchestrator.spec.mcp import effective_servers
from orchestrator.spec.model import McpServerSpec, WorkflowSpec

GOOD = """\
servers:
  github:
    command: npx
    args: [-y, server-github]
    env: {GITHUB_TOKEN: "${GITHUB_TOKEN}", LOG: quiet}
  docs: {url: "https://mcp.acme.example/mcp", headers: {Authorization: "Bearer ${DOCS_TOKEN}"}, required: false}
  events: {url: "https://mcp.acme.example/sse", transport: sse}
"""
ENVIRON = {"GITHUB_TOKEN": "ghp-read", "DOCS_TOKEN": "docs-token", "GITHUB_TOKEN_RW": "ghp-write"}


def written(folder: Path, text: str) -> Path:
    path = folder / "mcp_servers.yaml"
    path.write_text(text)
    return path


def registry(folder: Path) -> Registry:
    return load_registry(written(folder, GOOD), max_servers=50)


def test_servers_of_every_kind_are_read(tmp_path: Path) -> None:
    found = resolve_servers(
        {name: McpServerSpec() for name in registry(tmp_path).servers}, registry(tmp_path), environ=ENVIRON
    )
    docs, events, github = found
    assert (github.name, github.kind, github.command, github.args) == (
        "github",
        "stdio",
        "npx",
        ("-y", "server-github"),
    )
    assert github.env == {"GITHUB_TOKEN": "ghp-read", "LOG": "quiet"}
    assert (docs.kind, docs.headers, docs.required) == ("http", {"Authorization": "Bearer docs-token"}, False)
    assert (events.kind, events.url, events.required) == ("sse", "https://mcp.acme.example/sse", True)
    assert "ghp-read" not in repr(found)


def test_no_file_is_no_server(tmp_path: Path) -> None:
    assert load_registry(tmp_path / "none.yaml", max_servers=50) == Registry(servers={})


def test_an_empty_file_is_no_server(tmp_path: Path) -> None:
    assert load_registry(written(tmp_path, "servers:\n"), max_servers=50).servers == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server: {}\n", ':1: unknown key "server", did you mean "servers"?'),
        ("- a\n", ":1: expected the key"),
        ("servers: [1]\n", ':1: "servers": expected a name and a definition'),
        ("servers:\n  a: {}\n", ':2: mcp server "a": has neither "command" nor "url"; give one'),
        ("servers:\n  a: {command: x, url: 'http://h/'}\n", ':2: mcp server "a": url: "command" and "url" are both'),
        ("servers:\n  a: {comand: x}\n", "comand"),
        ("servers:\n  a: {url: 'ftp://h/'}\n", ':2: mcp server "a": url: is no http or https address'),
        ("servers:\n  a: {command: x, args: ['${TOKEN}']}\n", "args.0: ${TOKEN} is not replaced here"),
        (
            "servers:\n  a:\n    command: x\n    env: {API_TOKEN: hunter2hunter2}\n",
            ':4: mcp server "a": env.API_TOKEN: a secret',
        ),
        (
            "servers:\n  a: {url: 'http://h/', headers: {Authorization: Bearer abcdefghijklmnop}}\n",
            ':2: mcp server "a": headers.Authorization: a secret in plain text; write "${NAME}"',
        ),
        ("servers:\n  'a b': {command: x}\n", "is not a server name"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        load_registry(written(tmp_path, text), max_servers=50)
    assert problem in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "mcp_servers.yaml"))
    assert "hunter2" not in str(refused.value)


def test_there_is_a_limit(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="3 servers, at most 2; remove some or raise MCP_MAX_SERVERS"):
        load_registry(written(tmp_path, GOOD), max_servers=2)


def test_the_last_level_wins(tmp_path: Path) -> None:
    spec = WorkflowSpec.model_validate(
        {
            "name": "ship",
            "gits": {"api": {"url": "https://localhost/api.git"}},
            "agent": {"command": ["agent"]},
            "mcp_servers": {"github": {"env_overrides": {"LOG": "loud", "GITHUB_TOKEN": "${DOCS_TOKEN}"}}, "docs": {}},
            "works": [
                {
                    "name": "fix",
                    "mcp_servers": {
                        "github": {"env_overrides": {"GITHUB_TOKEN": "${GITHUB_TOKEN_RW}"}, "required": False},
                        "docs": {"required": True},
                        "own": {"command": "own-server", "env": {"A": "b"}},
                    },
                    "tasks": [{"name": "t", "query": "q"}],
                }
            ],
        }
    )
    docs, github, own = resolve_servers(effective_servers(spec, spec.works[0]), registry(tmp_path), environ=ENVIRON)
    assert github.env == {"GITHUB_TOKEN": "ghp-write", "LOG": "loud"}
    assert (github.required, docs.required, own.required) == (False, True, True)
    assert (own.command, own.env) == ("own-server", {"A": "b"})


def test_what_cannot_be_resolved_is_named_all_at_once(tmp_path: Path) -> None:
    wanted = {"github": McpServerSpec(), "gone": McpServerSpec(), "docs": McpServerSpec()}
    with pytest.raises(McpError) as failed:
        resolve_servers(wanted, registry(tmp_path), environ={})
    github, gone = failed.value.problems
    assert github == 'mcp server "github": environment variable not set: GITHUB_TOKEN; set it where the workers run'
    assert gone.startswith('mcp server "gone" is not registered')
    assert str(tmp_path) in gone


def test_one_that_is_not_required_is_left_out(tmp_path: Path) -> None:
    wanted = {"gone": McpServerSpec(required=False), "docs": McpServerSpec()}
    assert resolve_servers(wanted, registry(tmp_path), environ={}) == ()
