"""Keys and names that are wrong: each mistake gets one line with the file's line, the place, what, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.spec.examples import (
    AGENT,
    API,
    CHECK,
    FOCUS,
    GOOD,
    QUERY,
    REPORT,
    Cases,
    changed,
    problems_of,
    write_spec,
)

KEYS: Cases = {
    "a misspelt key of a Task": (
        QUERY,
        "promt: Look.",
        ['15: work "fix", task "patch": unknown key "promt", did you mean "query"?'],
    ),
    "prompt beside query": (
        QUERY,
        "query: Look.\n          prompt: Look.",
        ['16: work "fix", task "patch": unknown key "prompt", did you mean "query"?'],
    ),
    "prompt in a Work": (
        "name: fix",
        "name: fix\n      prompt: Look.",
        ['12: work "fix": unknown key "prompt", did you mean "query" in one of its tasks?'],
    ),
    "a misspelt key of a Report": (
        REPORT,
        "report: {titel: Survey}",
        ['16: work "fix", task "patch": report: unknown key "titel", did you mean "title"?'],
    ),
    "a key like no other": (API, "api: {url: ../api, zzz: 1}", ['7: git "api": unknown key "zzz"; there are url, ref']),
    "keys that come later": (
        AGENT,
        AGENT + "\n  approval: {}",
        ['10: workflow "ship": "approval" is not supported yet; leave it out'],
    ),
    "a reserved word of a Work": (
        "name: fix",
        "name: fix\n      needs: [review]",
        ['12: work "fix": "needs" is not supported yet; leave it out'],
    ),
    "unknown keys and other problems at once": (
        "gits: [api]",
        "gits: [apo]\n      retrys: 1",
        [
            '12: work "fix": gits item 1: unknown git "apo", did you mean "api"?',
            '13: work "fix": unknown key "retrys", did you mean "retries"?',
        ],
    ),
    "a duplicate key": ("name: ship", "name: ship\n  name: shop", ['4: key "name" is there twice; remove one']),
    "a duplicate Git": (API, API + "\n    api: {url: ../other}", ['8: key "api" is there twice; remove one']),
    "an unknown key of the file": ("type:", "typ: x\ntype:", ['1: unknown key "typ", did you mean "type"?']),
    "a missing key": ("- name: fix\n      gits", "- gits", ['11: work 1: key "name" is missing']),
    "a file without attributes": (GOOD, "type: orchestrator_defs.Workflow\n", ['1: key "attributes" is missing']),
    "another component": (
        "orchestrator_defs.Workflow",
        "my.Component",
        ['1: type has to be "orchestrator_defs.Workflow", is "my.Component"'],
    ),
    "an unknown key of an agent": (
        AGENT,
        "agent: {provider: builtin, modle: x}",
        ['9: workflow "ship": agent: unknown key "modle", did you mean "model"?'],
    ),
}
NAMES: Cases = {
    "two Works of one name": ("name: review", "name: fix", ['19: work "fix": has the name of one above; rename one']),
    "two Works of nearly one name": (
        "name: review",
        "name: Fix",
        ['19: work "Fix": differs from "fix" only in case; rename one'],
    ),
    "two Tasks of one name": (
        REPORT,
        REPORT + "\n        - {name: patch, query: Again.}",
        ['17: work "fix", task "patch": has the name of one above; rename one'],
    ),
    "two checks of one name": (
        CHECK,
        CHECK + "\n        - {name: tests, run: make test}",
        ['19: work "fix", check "tests": has the name of one above; rename one'],
    ),
    "two Gits of nearly one name": ("web:", "API:", ['8: git "API": differs from "api" only in case; rename one']),
    "two inputs of nearly one name": (
        FOCUS,
        FOCUS + "\n    Focus: {}",
        ['6: input "Focus": differs from "focus" only in case; rename one'],
    ),
    "a name that Dagster refuses": (
        "name: ship",
        "name: config",
        ['3: workflow "config": name: "config" is reserved by Dagster; choose another name'],
    ),
    "a Python keyword": (
        "name: fix",
        "name: import",
        ['11: work "import": name: "import" is reserved by Dagster; choose another name'],
    ),
    "a dash in a name": (
        "name: fix",
        "name: my-work",
        [
            '11: work "my-work": name: "my-work" is not a name; '
            "use letters, digits and single underscores, a letter first"
        ],
    ),
    "two underscores in a name": (
        "name: fix",
        "name: my__work",
        [
            '11: work "my__work": name: "my__work" is not a name; '
            "use letters, digits and single underscores, a letter first"
        ],
    ),
    "a name that is a path": (
        "name: patch",
        "name: ../patch",
        [
            '14: work "fix", task "../patch": name: "../patch" is not a name; '
            "use letters, digits and single underscores, a letter first"
        ],
    ),
    "a very long name": (
        "name: fix",
        "name: " + "x" * 61,
        [f'11: work "{"x" * 60}": name: "{"x" * 20}…" is too long; a name has 60 characters at most'],
    ),
    "a name that YAML reads as a boolean": (
        "name: fix",
        "name: on",
        ["11: work 1: name: expected text, found true; put it in quotes"],
    ),
    "a control job's name": (
        "name: ship",
        "name: cleanup",
        ['3: workflow "cleanup": name: "cleanup" is reserved: it is the name of a control job; choose another name'],
    ),
    "a Task named checkpoint": (
        "name: patch",
        "name: checkpoint",
        [
            '14: work "fix", task "checkpoint": name: "checkpoint" is reserved: it is the Work\'s own '
            "asset beside its Reports; choose another name"
        ],
    ),
    "a Git named reports": (
        "web:",
        "Reports:",
        ['8: git "Reports": "Reports" is reserved: it is a folder of every WorkSpace; choose another name'],
    ),
    "a bad name of a Git": (
        "web:",
        "my.web:",
        ['8: git "my.web": "my.web" is not a name; use letters, digits and single underscores, a letter first'],
    ),
    "a bad name of an environment variable": (
        AGENT,
        "agent: {provider: builtin, env: {a-b: x}}",
        ['9: workflow "ship": agent.env.a-b: "a-b" is not the name of an environment variable'],
    ),
}


@pytest.mark.parametrize("case", [*KEYS, *NAMES])
def test_says_where_what_and_what_to_do(folder: Path, case: str) -> None:
    old, new, expected = {**KEYS, **NAMES}[case]
    assert problems_of(write_spec(folder, changed(old, new))) == expected
