"""Works, Tasks and agents that are wrong: one line for each says where, what and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.spec.examples import (
    AGENT,
    CHECK,
    GOOD_GITS,
    GOOD_WORKS,
    QUERY,
    Cases,
    changed,
    problems_of,
    write_spec,
)

WORKS_AND_TASKS: Cases = {
    "no Works": (GOOD_WORKS, "  works: []\n", ['10: workflow "ship": works: is empty; give at least one']),
    "no Gits": (GOOD_GITS, "  gits: {}\n", ['6: workflow "ship": gits: is empty; give at least one']),
    "Works left out": (GOOD_WORKS, "", ['2: workflow "ship": key "works" is missing']),
    "nothing under works": (GOOD_WORKS, "  works:\n", ['10: workflow "ship": works: expected a list, found nothing']),
    "no Tasks": (
        "tasks:\n        - {name: read, query: Read it all.}",
        "tasks: []",
        ['20: work "review": tasks: is empty; give at least one'],
    ),
    "an empty query": (
        QUERY,
        'query: ""',
        ['15: work "fix", task "patch": query: is empty; say what the agent is to do'],
    ),
    "a blank query": (
        QUERY,
        'query: "  "',
        ['15: work "fix", task "patch": query: is empty; say what the agent is to do'],
    ),
    "neither query nor query_file": (
        QUERY,
        "",
        ['14: work "fix", task "patch": key "query" is missing (or "query_file")'],
    ),
    "both query and query_file": (
        QUERY,
        QUERY + "\n          query_file: patch.md",
        ['16: work "fix", task "patch": query_file: "query" and "query_file" are both there; give one'],
    ),
    "a query_file that is missing": (
        QUERY,
        "query_file: patch.md",
        ['15: work "fix", task "patch": query_file: patch.md: no such file'],
    ),
    "a query_file outside": (
        QUERY,
        "query_file: ../patch.md",
        [
            '15: work "fix", task "patch": query_file: ../patch.md: is outside the spec\'s folder; '
            "keep query files in or below it, symlinks included"
        ],
    ),
    "an absolute query_file": (
        QUERY,
        "query_file: /etc/passwd",
        [
            '15: work "fix", task "patch": query_file: /etc/passwd: is outside the spec\'s folder; '
            "keep query files in or below it, symlinks included"
        ],
    ),
    "an unknown Git": (
        "gits: [api]",
        "gits: [apo]",
        ['12: work "fix": gits item 1: unknown git "apo", did you mean "api"?'],
    ),
    "a Git twice": (
        "gits: [api]",
        "gits: [api, api]",
        [
            '12: work "fix": gits item 2: git "api" is there twice; remove one',
            '18: work "fix", check "tests": key "git" is missing: the work has 2 gits; say in which the command runs',
        ],
    ),
    "an empty list of Gits": ("gits: [api]", "gits: []", ['12: work "fix": gits: is empty; give at least one']),
    "a check in a Git that the Work has not": (
        CHECK,
        "- {name: tests, run: make, git: web}",
        ['18: work "fix", check "tests": git: "web" is no git of this work; there is "api"'],
    ),
    "a check that has to name its Git": (
        "gits: [api]",
        "gits: [api, web]",
        ['18: work "fix", check "tests": key "git" is missing: the work has 2 gits; say in which the command runs'],
    ),
    "a check's empty command": (
        CHECK,
        '- {name: tests, run: " "}',
        ['18: work "fix", check "tests": run: is empty; write some text or leave the key out'],
    ),
}
AGENTS: Cases = {
    "an unknown provider": (
        "builtin",
        "bulitin",
        ['9: workflow "ship": agent.provider: unknown provider "bulitin", did you mean "builtin"?'],
    ),
    "permissions that the provider cannot be held to": (
        AGENT,
        "agent: {provider: builtin, permissions: read}",
        [
            '11: work "fix": provider "builtin" cannot be held to permissions "read"; it knows "edit", "full"',
            '19: work "review": provider "builtin" cannot be held to permissions "read"; it knows "edit", "full"',
        ],
    ),
    "a Work's permissions that the provider cannot be held to": (
        "name: fix",
        "name: fix\n      agent: {permissions: read}",
        [
            '12: work "fix": agent.permissions: provider "builtin" cannot be held to permissions "read"; '
            'it knows "edit", "full"'
        ],
    ),
    "a server over a transport that the provider does not take": (
        "name: fix",
        "name: fix\n      agent: {provider: codex}\n"
        "      mcp_servers: {docs: {url: https://localhost/sse, transport: sse}}",
        [
            '13: work "fix", mcp server "docs": provider "codex" takes no server over sse ("docs"); '
            'it takes "http", "stdio"'
        ],
    ),
    "a budget in dollars of a provider that does not tell them": (
        "name: fix",
        "name: fix\n      agent: {provider: codex}\n      budget: {cost_usd: 5}",
        [
            '13: work "fix": budget: provider "codex" does not report its cost, so budget.cost_usd cannot be kept; '
            "give budget.tokens"
        ],
    ),
    "a budget in tokens of a provider that does not tell them": (
        "name: fix",
        "name: fix\n      agent: {provider: opencode}\n      budget: {tokens: 5}",
        [
            '13: work "fix": budget: provider "opencode" does not report its tokens, so budget.tokens cannot be kept; '
            "give budget.cost_usd"
        ],
    ),
    "a model for the built-in agent": (
        AGENT,
        "agent: {provider: builtin, model: big}",
        ['9: workflow "ship": agent.model: builtin has no model; leave the key out'],
    ),
    "a Work's model for the built-in agent": (
        "name: fix",
        "name: fix\n      agent: {model: big}",
        ['12: work "fix": agent.model: builtin has no model; leave the key out'],
    ),
    "provider and command": (
        AGENT,
        "agent: {provider: builtin, command: [x]}",
        ['9: workflow "ship": agent.command: "provider" and "command" are both there; give one'],
    ),
    "no agent at all": (
        AGENT,
        "description: x",
        [
            '11: work "fix": has no agent; write "agent: {provider: builtin}" here or for the whole workflow',
            '19: work "review": has no agent; write "agent: {provider: builtin}" here or for the whole workflow',
        ],
    ),
    "servers for the built-in agent": (
        AGENT,
        AGENT + "\n  mcp_servers: {time: {command: mcp-time}}",
        [
            '12: work "fix": provider "builtin" takes no mcp_servers; '
            "leave them out, or give them only to Works of other providers",
            '20: work "review": provider "builtin" takes no mcp_servers; '
            "leave them out, or give them only to Works of other providers",
        ],
    ),
    "a Work's servers for the built-in agent": (
        "name: fix",
        "name: fix\n      mcp_servers: {time: {command: mcp-time}}",
        [
            '12: work "fix": mcp_servers: provider "builtin" takes no mcp_servers; '
            "leave them out, or give them only to Works of other providers"
        ],
    ),
    "an unknown server": (
        AGENT,
        "agent: {command: [x]}\n  mcp_servers: {tiem: {}}",
        ['10: mcp server "tiem": no such server is registered; define it by "command" or "url"'],
    ),
    "a server by command and url": (
        AGENT,
        "agent: {command: [x]}\n  mcp_servers: {a: {command: x, url: 'https://x'}}",
        ['10: mcp server "a": url: "command" and "url" are both there; give one'],
    ),
    "a server's url of another scheme": (
        AGENT,
        "agent: {command: [x]}\n  mcp_servers: {a: {url: 'ftp://x'}}",
        ['10: mcp server "a": url: is no http or https address'],
    ),
    "headers without url": (
        AGENT,
        "agent: {command: [x]}\n  mcp_servers: {a: {command: x, headers: {A: b}}}",
        ['10: mcp server "a": headers: goes with "url", which is not there'],
    ),
    "env_overrides of its own definition": (
        AGENT,
        "agent: {command: [x]}\n  mcp_servers: {a: {command: x, env_overrides: {A: b}}}",
        ['10: mcp server "a": env_overrides: is for a server defined elsewhere; put it into "env"'],
    ),
    "a number as a secret": (
        AGENT,
        "agent: {command: [x], env: {PIN: 4711}}",
        ['9: workflow "ship": agent.env.PIN: expected text, found a number; put it in quotes'],
    ),
}


@pytest.mark.parametrize("case", [*WORKS_AND_TASKS, *AGENTS])
def test_says_where_what_and_what_to_do(folder: Path, case: str) -> None:
    old, new, expected = {**WORKS_AND_TASKS, **AGENTS}[case]
    assert problems_of(write_spec(folder, changed(old, new))) == expected
