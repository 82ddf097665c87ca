"""A spec and inputs become a Plan; inputs that do not fit, or would add commands, are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.errors import InputError, MissingVariable, NotFound
from orchestrator.spec.document import parse_document
from orchestrator.spec.load import load_spec
from orchestrator.spec.model import WorkflowSpec
from orchestrator.spec.resolve import as_environment, parse_inputs, resolve
from orchestrator.spec.variables import missing_variables, substitute
from tests.orchestrator.spec.examples import AGENT, API, CHECK, FOCUS, QUERY, REPORT, changed, write_spec

TYPED = "count: {type: int, default: 3}\n    ratio: {type: float, default: 1}\n    deep: {type: bool, default: false}"
COMMAND = "agent: {command: [my-agent, --acp]}"


def spec_of(folder: Path, old: str, new: str) -> WorkflowSpec:
    return load_spec(write_spec(folder, changed(old, new))).spec


def test_a_plan_says_all_that_a_launch_will_do(folder: Path) -> None:
    loaded = load_spec(write_spec(folder, changed(CHECK, CHECK + "\n      retries: 2\n      timeout: 1h30m")))
    plan = resolve(loaded.spec, {"focus": "the parser"})
    assert (plan.workflow, plan.spec_digest, plan.inputs) == ("ship", loaded.digest, {"focus": "the parser"})
    assert [(git.name, git.ref) for git in plan.gits] == [("api", "main"), ("web", "main")]
    fix, review = plan.works
    assert (fix.sequence, fix.gits, fix.provider, fix.retries, fix.timeout_s) == (1, ("api",), "builtin", 2, 5400)
    assert (review.sequence, review.gits, review.timeout_s) == (2, ("api", "web"), None)
    (task,) = fix.tasks
    assert (task.order, task.query) == (1, "Look at the parser.")
    assert task.report is not None
    assert (task.report.title, task.report.outline) == ("Survey", ("Summary", "Risks"))
    assert [(check.name, check.git, check.blocking) for check in fix.checks] == [("tests", "api", True)]
    assert plan.work("review") is review
    with pytest.raises(NotFound):
        plan.work("deploy")


def test_a_stored_document_gives_the_same_plan(folder: Path) -> None:
    loaded = load_spec(write_spec(folder, changed(AGENT, COMMAND + "\n  budget: {cost_usd: 0.5}")))
    assert resolve(loaded.spec, {}) == resolve(parse_document(loaded.document), {})


def test_inputs_fill_urls_refs_queries_and_titles(folder: Path) -> None:
    spec = spec_of(folder, API, "api: {url: 'https://example.org/{{ inputs.focus }}', ref: 'v/{{ inputs.focus }}'}")
    plan = resolve(spec, {"focus": "x"})
    assert (plan.gits[0].url, plan.gits[0].ref) == ("https://example.org/x", "v/x")
    titled = spec_of(folder, REPORT, "report: {title: 'About {{ inputs.focus | upper }}'}")
    report = resolve(titled, {"focus": "x"}).works[0].tasks[0].report
    assert report is not None
    assert report.title == "About X"


def test_a_report_without_title_has_the_tasks_name(folder: Path) -> None:
    report = resolve(spec_of(folder, REPORT, "report: {}"), {}).works[0].tasks[0].report
    assert report is not None
    assert (report.title, report.outline) == ("patch", ())


def test_conditions_may_use_inputs(folder: Path) -> None:
    text = "query: '{% if inputs.focus == \"all\" %}Everything{% else %}{{ inputs.focus }}{% endif %}'"
    spec = spec_of(folder, QUERY, text)
    assert resolve(spec, {"focus": "all"}).works[0].tasks[0].query == "Everything"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, 'input "focus" is missing: expected text'),
        ({"focus": 3}, 'input "focus": expected text, found the number 3'),
        ({"focus": None}, 'input "focus" is missing: expected text'),
        ({"focus": "x", "fokus": "y"}, 'input "fokus" is unknown, did you mean "focus"?'),
        ({"focus": "x", "count": "3"}, 'input "count": expected a whole number, found "3"'),
        ({"focus": "x", "count": True}, 'input "count": expected a whole number, found true'),
        ({"focus": "x", "ratio": "big"}, 'input "ratio": expected a number, found "big"'),
        ({"focus": "x", "ratio": float("nan")}, 'input "ratio": expected a number, found the number nan'),
        ({"focus": "x", "deep": 1}, 'input "deep": expected true or false, found the number 1'),
        (
            {"focus": "a\0b"},
            'input "focus": holds a control character, which no query or environment variable can carry',
        ),
    ],
)
def test_an_input_that_does_not_fit_is_named(folder: Path, inputs: dict[str, object], said: str) -> None:
    spec = spec_of(folder, FOCUS, f"focus: {{}}\n    {TYPED}")
    with pytest.raises(InputError) as refused:
        resolve(spec, inputs)
    assert str(refused.value) == f'workflow "ship": {said}'


def test_all_inputs_that_do_not_fit_are_named_at_once(folder: Path) -> None:
    spec = spec_of(folder, FOCUS, f"focus: {{}}\n    {TYPED}")
    with pytest.raises(InputError) as refused:
        resolve(spec, {"count": "x", "other": 1})
    assert len(str(refused.value).splitlines()) == 3


def test_a_value_has_to_be_one_of_the_choices(folder: Path) -> None:
    spec = spec_of(folder, FOCUS, "focus: {default: api, choices: [api, web]}")
    with pytest.raises(InputError, match='expected one of "api", "web"; found "cli"'):
        resolve(spec, {"focus": "cli"})


def test_texts_from_a_command_line_become_typed(folder: Path) -> None:
    spec = spec_of(folder, FOCUS, f"focus: {{default: all}}\n    {TYPED}")
    typed = parse_inputs(spec, {"count": "7", "ratio": "2", "deep": "yes"})
    assert typed == {"count": 7, "ratio": 2.0, "deep": True}
    with pytest.raises(InputError, match='input "count": expected a whole number, found "many"'):
        parse_inputs(spec, {"count": "many"})


def test_inputs_reach_shells_as_environment() -> None:
    assert as_environment({"focus": "a b", "deep": True, "ratio": 0.5}) == {
        "ORCHESTRATOR_INPUT_FOCUS": "a b",
        "ORCHESTRATOR_INPUT_DEEP": "true",
        "ORCHESTRATOR_INPUT_RATIO": "0.5",
    }


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\u2028b", "```sh", "see ```x```", "~~~"])
def test_the_built_in_agent_takes_no_fence_or_break_from_outside(folder: Path, value: str) -> None:
    with pytest.raises(InputError, match='task "patch": input "focus" holds a code fence or a line break'):
        resolve(spec_of(folder, QUERY, QUERY), {"focus": value})


def test_an_agent_with_a_model_takes_any_text(folder: Path) -> None:
    value = "first\n```sh\nid\n```\n"
    assert value in resolve(spec_of(folder, AGENT, COMMAND), {"focus": value}).works[0].tasks[0].query


def test_a_fence_put_together_from_inputs_is_refused(folder: Path) -> None:
    query = r'query: "{{ inputs.focus }}{{ inputs.b }}\nid\n```\n"'
    spec = load_spec(write_spec(folder, changed(FOCUS, "focus: {}\n    b: {}").replace(QUERY, query))).spec
    assert resolve(spec, {"focus": "`x`", "b": "y"}).works[0].tasks[0].query.startswith("`x`y")
    with pytest.raises(InputError, match="these inputs together would change the fenced blocks of the query"):
        resolve(spec, {"focus": "``", "b": "`sh"})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ext::sh -c id", 'url: with these inputs has the form "transport::address"'),
        ("--upload-pack=id", "url: with these inputs starts with a dash"),
        ("gopher://x/y", 'url: with these inputs has the unknown scheme "gopher"'),
        ("../api", "url: with these inputs is a relative path"),
        ("", "url: with these inputs is empty"),
    ],
)
def test_a_url_made_from_inputs_is_checked_again(folder: Path, value: str, said: str) -> None:
    spec = spec_of(folder, API, "api: {url: '{{ inputs.focus }}'}")
    with pytest.raises(InputError) as refused:
        resolve(spec, {"focus": value})
    assert str(refused.value).startswith(f'workflow "ship": git "api": {said}')


def test_a_ref_made_from_inputs_is_checked_again(folder: Path) -> None:
    spec = spec_of(folder, API, "api: {url: ../api, ref: '{{ inputs.focus }}'}")
    with pytest.raises(InputError, match="ref: with these inputs starts with a dash"):
        resolve(spec, {"focus": "--all"})


def test_a_relative_url_with_inputs_still_counts_from_the_folder(folder: Path) -> None:
    spec = spec_of(folder, API, "api: {url: '../{{ inputs.focus }}'}")
    assert resolve(spec, {"focus": "api"}).gits[0].url == f"{folder}/../api"


def test_a_works_agent_stands_over_the_workflows(folder: Path) -> None:
    text = changed(AGENT, "agent: {command: [a], model: small, env: {A: x}}")
    text = text.replace("name: fix", "name: fix\n      agent: {model: big, env: {B: '${B}'}}")
    text = text.replace("name: review", "name: review\n      agent: {provider: builtin}")
    fix, review = resolve(load_spec(write_spec(folder, text)).spec, {}).works
    assert (fix.provider, fix.command, fix.model) == ("command", ("a",), "big")
    assert fix.agent_env == {"A": "x", "B": "${B}"}
    assert (review.provider, review.command, review.model) == ("builtin", None, None)


def test_a_work_adds_servers_and_overrides_their_environment(folder: Path) -> None:
    text = changed(AGENT, COMMAND + "\n  mcp_servers: {git: {command: mcp-git, env: {A: '${A}', B: b}}}")
    own = "mcp_servers: {git: {env_overrides: {A: '${A_RW}'}}, time: {}}"
    path = write_spec(folder, text.replace("name: fix", f"name: fix\n      {own}"))
    spec = load_spec(path, registered_mcp={"time"}).spec
    fix, review = resolve(spec, {}).works
    assert fix.mcp_servers["git"].env_overrides == {"A": "${A_RW}"}
    assert not fix.mcp_servers["time"].is_inline
    assert sorted(review.mcp_servers) == ["git"]
    assert missing_variables(spec, {"A": "x"}) == missing_variables(resolve(spec, {}), {"A": "x"}) == ("A_RW",)


def test_a_works_overrides_stand_over_the_workflows(folder: Path) -> None:
    text = changed(AGENT, COMMAND + "\n  mcp_servers: {time: {env_overrides: {A: a, B: b}}}")
    own = "mcp_servers: {time: {env_overrides: {A: own}}}"
    path = write_spec(folder, text.replace("name: fix", f"name: fix\n      {own}"))
    fix, review = resolve(load_spec(path, registered_mcp={"time"}).spec, {}).works
    assert fix.mcp_servers["time"].env_overrides == {"A": "own", "B": "b"}
    assert review.mcp_servers["time"].env_overrides == {"A": "a", "B": "b"}


def test_variables_are_substituted_once() -> None:
    assert substitute("a ${X} ${Y}", {"X": "${Y}", "Y": "y"}) == "a ${Y} y"
    with pytest.raises(MissingVariable, match=r'git "api": environment variable not set: X, Y'):
        substitute("${X}${Y}${X}", {}, where='git "api"')
