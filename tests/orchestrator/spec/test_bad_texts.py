"""Templates and YAML itself that are wrong: one line for each says where, what and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.spec.examples import (
    AGENT,
    API,
    CHECK,
    GOOD,
    QUERY,
    REPORT,
    Cases,
    changed,
    problems_of,
    write_spec,
)

# Each line stands for ten times the one before it.
BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{of}'] * 10)}]\n" for of, name in zip("abcde", "bcdef", strict=True)
)

TEMPLATES: Cases = {
    "an unknown template variable": (
        QUERY,
        "query: Look at {{ inputs.focsu }}.",
        ['15: work "fix", task "patch": query: unknown template variable "inputs.focsu", did you mean "inputs.focus"?'],
    ),
    "a template variable that is no input": (
        QUERY,
        "query: Look at {{ focus }}.",
        ['15: work "fix", task "patch": query: unknown template variable "focus", did you mean "inputs.focus"?'],
    ),
    "a template variable far from all": (
        QUERY,
        "query: Look at {{ payload.title }}.",
        ['15: work "fix", task "patch": query: unknown template variable "payload"; there are: "inputs.focus"'],
    ),
    "a template over several lines": (
        QUERY,
        "query: |\n            Look.\n\n            At {{ inputs.x }}.",
        ['18: work "fix", task "patch": query: unknown template variable "inputs.x"; there are: "inputs.focus"'],
    ),
    "a broken template": (
        QUERY,
        "query: 'docker ps --format {{.Names}}'",
        [
            '15: work "fix", task "patch": query: template: unexpected \'.\'; '
            'to write "{{" itself, use {% raw %}{{ … }}{% endraw %}'
        ],
    ),
    "a loop": (
        QUERY,
        "query: '{% for x in inputs.focus %}{{ x }}{% endfor %}'",
        ['15: work "fix", task "patch": query: template: for is not allowed; use {{ inputs.<name> }}'],
    ),
    "a call": (
        QUERY,
        "query: '{{ inputs.focus.upper() }}'",
        ['15: work "fix", task "patch": query: template: call is not allowed; use {{ inputs.<name> }}'],
    ),
    "an unknown filter": (
        QUERY,
        "query: '{{ inputs.focus | uper }}'",
        ['15: work "fix", task "patch": query: template: unknown filter "uper", did you mean "upper"?'],
    ),
    "an unknown variable in a ref": (
        API,
        "api: {url: ../api, ref: '{{ inputs.ref }}'}",
        ['7: git "api": ref: unknown template variable "inputs.ref"; there are: "inputs.focus"'],
    ),
    "an unknown variable in a title": (
        REPORT,
        "report: {title: '{{ inputs.x }}'}",
        ['16: work "fix", task "patch": report.title: unknown template variable "inputs.x"; there are: "inputs.focus"'],
    ),
    "a template in an outline": (
        REPORT,
        "report: {outline: [A, '{{ inputs.focus }}']}",
        [
            '16: work "fix", task "patch": report.outline item 2: templates are not filled in here; '
            "the outline is the same for every launch"
        ],
    ),
    "a template in a command": (
        CHECK,
        "- {name: tests, run: 'test {{ inputs.focus }}'}",
        [
            '18: work "fix", check "tests": run: templates are not filled in here; '
            'a command gets inputs as "$ORCHESTRATOR_INPUT_<NAME>"'
        ],
    ),
    "an input in a block that is run": (
        QUERY,
        "query: |\n            Run:\n            ```sh\n            grep {{ inputs.focus }}\n            ```",
        [
            '18: work "fix", task "patch": query: an input inside a fenced block would become part of a command; '
            'use "$ORCHESTRATOR_INPUT_<NAME>" there'
        ],
    ),
}
YAML: Cases = {
    "no YAML": ("gits: [api]", "gits: [api", ["13: not valid YAML: did not find expected ',' or ']'"]),
    "a tab": ("  name: ship", "\tname: ship", ["3: not valid YAML: found character that cannot start any token"]),
    "an empty file": (GOOD, "", ["1: is empty; write `type: orchestrator_defs.Workflow` and `attributes:`"]),
    "only a comment": (GOOD, "# later\n", ["1: is empty; write `type: orchestrator_defs.Workflow` and `attributes:`"]),
    "a list": (GOOD, "- a\n", ['1: expected the keys "type" and "attributes", found a list']),
    "two documents": (
        GOOD,
        "---\n".join([GOOD, GOOD]),
        ["22: a second document; put each workflow in a folder of its own"],
    ),
    "a Python tag": (
        "name: ship",
        "name: !!python/object:os.system ship",
        ['3: tag "tag:yaml.org,2002:python/object:os.system" is not allowed; leave it out'],
    ),
    "a tag of its own": ("name: ship", "name: !env ship", ['3: tag "!env" is not allowed; leave it out']),
    "a merge key": (API, "<<: {api: {url: ../api}}", ['7: merge keys ("<<") are not supported; write the keys out']),
    "an alias of nothing": ("gits: [api]", "gits: *all", ['12: alias "*all" has no complete value before it']),
    "an alias of itself": ("gits: [api]", "gits: &all [*all]", ['12: alias "*all" has no complete value before it']),
    "an alias bomb": (
        "type:",
        BOMB + "type:",
        ["6: more than 50000 values with aliases written out"],
    ),
    "a hundred thousand brackets": ("name: ship", "name: " + "[" * 100_000, ["3: nested more than 40 levels deep"]),
    "a control character": (
        "name: ship",
        'name: "ship\\e[2J"',
        [
            "3: control characters are not allowed",
            '3: workflow "ship\\x1b[2J": name: "ship\\x1b[2J" is not a name; '
            "use letters, digits and single underscores, a letter first",
        ],
    ),
    "infinity": (
        AGENT,
        AGENT + "\n  budget: {cost_usd: .inf}",
        ['10: ".inf" is not a finite number', '10: workflow "ship": budget.cost_usd: expected a finite number'],
    ),
    "a list as key": ("name: ship", "[a]: ship", ["3: a key has to be text"]),
}


@pytest.mark.parametrize("case", [*TEMPLATES, *YAML])
def test_says_where_what_and_what_to_do(folder: Path, case: str) -> None:
    old, new, expected = {**TEMPLATES, **YAML}[case]
    assert problems_of(write_spec(folder, changed(old, new))) == expected
