"""Triggers in a spec: what is refused, and what a payload makes of their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import InputError, SpecError
from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.spec.payload import inputs_of

BASE = """\
type: orchestrator_defs.Workflow
attributes:
  name: ship
  inputs: {focus: {type: string, default: all}, depth: {type: int, default: 1}, url: {type: string, default: /srv/any}}
  gits: {api: {url: /srv/api}, any: {url: "{{ inputs.url }}"}}
  agent: {provider: builtin}
  works: [{name: fix, gits: [api, any], tasks: [{name: patch, query: "Fix {{ inputs.focus }}."}]}]
"""


def load(folder: Path, *lines: str) -> LoadedSpec:
    (folder / "defs.yaml").write_text(BASE + "".join(f"  {line}\n" for line in lines))
    return load_spec(folder / "defs.yaml")


BAD = {
    "{schedule: 0 3 31 2 *}": "schedule:",
    "{schedule: 0 3 * * *, timezone: Mars/Base}": "is not a time zone",
    "{schedule: 0 3 * * *, webhook: {source: ci}}": "give one of",
    "{overlap: skip}": "give one of",
    "{schedule: 0 3 * * *, overlap: never}": "'queue', 'skip' or 'cancel_running'",
    "{git_push: {git: apo}}": 'did you mean "api"?',
    "{git_push: {git: any}}": "takes inputs",
    "{git_push: {git: api, ref: a..b}}": "git_push.ref",
    "{webhook: {source: GitHub}}": "another form",
    "{webhook: {source: ci}, timezone: Europe/Berlin}": 'goes with "schedule"',
    "{event: {type: WorkflowDone}}": "expected 'WorkflowCreated'",
    "{event: {type: WorkflowCompleted, workflow: ship}}": "for ever",
    "{webhook: {source: ci}, inputs: {focs: x}}": 'did you mean "focus"?',
    '{webhook: {source: ci}, inputs: {focus: "{{ secrets.x }}"}}': '"payload"',
    '{webhook: {source: ci}, inputs: {focus: "{{ payload.x() }}"}}': "call is not allowed",
    '{webhook: {source: ci}, inputs: {focus: "{% for a in payload %}{% endfor %}"}}': "for is not allowed",
}


@pytest.mark.parametrize("trigger", BAD)
def test_a_trigger_that_cannot_work_is_refused_with_its_place(tmp_path: Path, trigger: str) -> None:
    with pytest.raises(SpecError, match=r"defs\.yaml:9: trigger 1") as refused:
        load(tmp_path, "triggers:", f"  - {trigger}")

    assert BAD[trigger] in str(refused.value)


def test_an_input_without_a_default_has_to_come_from_the_trigger(tmp_path: Path) -> None:
    text = BASE.replace("default: all", "description: what")
    (tmp_path / "defs.yaml").write_text(text + '  triggers: [{schedule: "0 3 * * *"}]\n')

    with pytest.raises(SpecError, match='input "focus" has no default'):
        load_spec(tmp_path / "defs.yaml")


def test_triggers_have_names_by_kind_and_place_or_their_own(tmp_path: Path) -> None:
    triggers = ("- {schedule: 0 3 * * *}", "- {webhook: {source: ci}}", "- {schedule: 0 4 * * *}")
    named = "- {name: nightly, schedule: 0 5 * * *}"
    loaded = load(tmp_path, "triggers:", *triggers, named)

    assert list(loaded.spec.named_triggers()) == ["schedule_1", "webhook_1", "schedule_2", "nightly"]


def test_a_spec_without_triggers_keeps_the_digest_it_had(tmp_path: Path) -> None:
    assert "triggers" not in load(tmp_path).document


def filled(folder: Path, template: str, payload: dict[str, Any], *, name: str = "focus") -> Any:
    loaded = load(folder, "triggers:", f"  - {{webhook: {{source: ci}}, inputs: {{{name}: '{template}'}}}}")
    return inputs_of(loaded.spec, loaded.spec.named_triggers()["webhook_1"], payload)[name]


@pytest.mark.parametrize(
    ("template", "payload", "value"),
    [
        ("{{ payload.a.b }}", {"a": {"b": "x"}}, "x"),
        ("{{ payload.items }}", {"items": "no method"}, "no method"),
        ("{{ payload.list[1] }}", {"list": ["a", "b"]}, "b"),
        ('{{ payload.gone | default("none") }}', {}, "none"),
        ("plain", {}, "plain"),
    ],
)
def test_a_template_takes_what_the_payload_says(tmp_path: Path, template: str, payload: Any, value: str) -> None:
    assert filled(tmp_path, template, payload) == value


def test_a_number_from_a_payload_is_a_number(tmp_path: Path) -> None:
    assert filled(tmp_path, "{{ payload.n }}", {"n": 4}, name="depth") == 4


@pytest.mark.parametrize(
    "payload",
    [{}, {"a": None}, {"a": "x\n```sh\nrm -rf .\n```"}, {"a": "x" * 20_000}, {"a": "\x00"}],
    ids=["missing", "null inside", "a fence", "too long", "a control character"],
)
def test_a_payload_that_gives_no_usable_input_is_an_input_error(tmp_path: Path, payload: Any) -> None:
    template = "{{ payload.a.b }}" if payload.get("a", 1) is None else "{{ payload.a }}"

    with pytest.raises(InputError, match="focus"):
        filled(tmp_path, template, payload)
