"""Values and addresses that are wrong: one line for each says where, what and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.spec.examples import AGENT, API, CHECK, FOCUS, Cases, changed, problems_of, write_spec

VALUES: Cases = {
    "a malformed duration": (
        "gits: [api]",
        "gits: [api]\n      timeout: 10 minutes",
        ['13: work "fix": timeout: "10 minutes" is not a duration; write 90s, 10m, 1h30m or 7d'],
    ),
    "a duration without unit": (
        "gits: [api]",
        "gits: [api]\n      timeout: 90",
        ['13: work "fix": timeout: "90" is not a duration; write 90s, 10m, 1h30m or 7d'],
    ),
    "no duration at all": (
        "gits: [api]",
        "gits: [api]\n      timeout: 0s",
        ['13: work "fix": timeout: "0s" is out of range; a duration is more than 0s and at most 365d'],
    ),
    "a budget of nothing": (
        AGENT,
        AGENT + "\n  budget: {cost_usd: 0, tokens: -1}",
        [
            '10: workflow "ship": budget.cost_usd: has to be more than 0, found the number 0',
            '10: workflow "ship": budget.tokens: has to be more than 0, found the number -1',
        ],
    ),
    "a budget that is text": (
        AGENT,
        AGENT + "\n  budget: {cost_usd: five}",
        ['10: workflow "ship": budget.cost_usd: expected a number, found "five"'],
    ),
    "too many retries": (
        "gits: [api]",
        "gits: [api]\n      retries: 11",
        ['13: work "fix": retries: has to be at most 10, found the number 11'],
    ),
    "retries that are text": (
        "gits: [api]",
        "gits: [api]\n      retries: '2'",
        ['13: work "fix": retries: expected a whole number, found "2"'],
    ),
    "blocking that is no boolean": (
        CHECK,
        "- {name: tests, run: x, blocking: maybe}",
        ['18: work "fix", check "tests": blocking: expected true or false, found "maybe"'],
    ),
    "a list for a mapping": (
        "web: {url: ../web}",
        "web: [../web]",
        ['8: git "web": expected keys and values, found a list'],
    ),
    "a mapping for a list": (
        "gits: [api]",
        "gits: {api: 1}",
        ['12: work "fix": gits: expected a list, found a mapping'],
    ),
    "a number for a text": (
        API,
        "api: {url: ../api, ref: 1.10}",
        ['7: git "api": ref: expected text, found the number 1.1; put it in quotes'],
    ),
    "an input's type": (
        "type: string",
        "type: text",
        ["5: input \"focus\": type: expected 'string', 'int', 'float' or 'bool', found \"text\""],
    ),
    "a default of another type": (
        FOCUS,
        "focus: {type: int, default: ten}",
        ['5: input "focus": default: expected a whole number, found "ten"'],
    ),
    "a choice of another type": (
        FOCUS,
        "focus: {type: int, choices: [1, two]}",
        ['5: input "focus": choices: expected a whole number, found "two"'],
    ),
}
GIT: Cases = {
    "ext::": (
        API,
        "api: {url: 'ext::sh -c id'}",
        ['7: git "api": url: has the form "transport::address", which can run commands; use https, ssh or a path'],
    ),
    "a leading dash": (
        API,
        "api: {url: --upload-pack=id}",
        ['7: git "api": url: starts with a dash, which git would take for an option'],
    ),
    "an unknown scheme": (
        API,
        "api: {url: 'gopher://example.org/x'}",
        ['7: git "api": url: has the unknown scheme "gopher"; use one of https, http, ssh, git, file, or a path'],
    ),
    "a home folder": (
        API,
        "api: {url: ~/api}",
        ['7: git "api": url: starts with "~", which nothing expands; write the whole path'],
    ),
    "a password in the file": (
        API,
        "api: {url: 'https://me:hunter2@example.org/x'}",
        ['7: git "api": url: holds a password; put it into the environment and write "${NAME}" in its place'],
    ),
    "a ref with a leading dash": (
        API,
        "api: {url: ../api, ref: --all}",
        ['7: git "api": ref: starts with a dash, which git would take for an option'],
    ),
    "an illegal ref": (
        API,
        "api: {url: ../api, ref: 'a..b'}",
        ['7: git "api": ref: is not a legal branch, tag or commit; see `git help check-ref-format`'],
    ),
    "a malformed variable": (
        API,
        "api: {url: 'https://${TOKEN-x}@example.org/x'}",
        ['7: git "api": url: "${" without a name and "}"; write ${NAME} with letters, digits and underscores'],
    ),
    "a variable where none is replaced": (
        API,
        "api: {url: 'https://example.org/${ORG}/x'}",
        ['7: git "api": url: ${ORG} is not replaced here, and would show; a git url takes it before its "@"'],
    ),
    "a variable in an argument": (
        AGENT,
        "agent: {command: [x, '--key=${KEY}']}",
        ['9: workflow "ship": agent.command item 2: ${KEY} is not replaced here, and would show; set it under "env"'],
    ),
}


@pytest.mark.parametrize("case", [*VALUES, *GIT])
def test_says_where_what_and_what_to_do(folder: Path, case: str) -> None:
    old, new, expected = {**VALUES, **GIT}[case]
    assert problems_of(write_spec(folder, changed(old, new))) == expected
