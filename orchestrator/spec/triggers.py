"""What has to hold for the triggers of a spec, and for what it does once it has completed."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.cron import check_cron
from orchestrator.spec import template
from orchestrator.spec.giturl import problem_with_ref
from orchestrator.spec.model import TRIGGER_KINDS, PublishSpec, TriggerSpec, WorkflowSpec
from orchestrator.spec.payload import payload_faults
from orchestrator.spec.problems import Problem
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.variables import names_in
from orchestrator.spec.yaml_source import Loc


def trigger_problems(spec: WorkflowSpec) -> Iterator[Problem]:
    """Everything that is wrong with the triggers, `publish` and `notify`."""
    names: set[str] = set()
    for index, trigger in enumerate(spec.triggers or ()):
        loc: Loc = ("triggers", index)
        kinds = [kind for kind in TRIGGER_KINDS if getattr(trigger, kind) is not None]
        if len(kinds) != 1:
            text = f"give one of {', '.join(TRIGGER_KINDS)}" + (f", not {' and '.join(kinds)}" if kinds else "")
            yield Problem(loc=loc, text=text)
            return
        yield from _kind_problems(spec, trigger, loc)
        yield from _input_problems(spec, trigger, loc)
        if trigger.name in names:
            yield Problem(loc=(*loc, "name"), text="has the name of one above; rename one")
        names.add(trigger.name or "")
    if spec.publish is not None:
        yield from _publish_problems(spec, spec.publish)
    for index, url in enumerate(spec.notify.urls if spec.notify else ()):
        if not names_in(url):
            text = "an address may hold a secret: put it into the environment and write ${NAME}"
            yield Problem(loc=("notify", "urls", index), text=text)


def _kind_problems(spec: WorkflowSpec, trigger: TriggerSpec, loc: Loc) -> Iterator[Problem]:
    if trigger.schedule is not None:
        try:
            check_cron(trigger.schedule, trigger.timezone)
        except ValueError as error:
            yield Problem(loc=(*loc, "schedule"), text=str(error))
    elif trigger.timezone != "UTC":
        yield Problem(loc=(*loc, "timezone"), text='goes with "schedule", which is not there')
    if trigger.git_push is not None:
        git = spec.gits.get(trigger.git_push.git)
        if git is None:
            text = f'unknown git "{trigger.git_push.git[:60]}"{suggestion(trigger.git_push.git, spec.gits)}'
            yield Problem(loc=(*loc, "git_push", "git"), text=text)
            return
        ref = trigger.git_push.ref or git.ref
        if template.has_template(git.url) or template.has_template(ref):
            text = f'git "{trigger.git_push.git}" takes inputs: there is no one repository and ref to look at'
            yield Problem(loc=(*loc, "git_push", "git"), text=text)
        elif (problem := problem_with_ref(ref)) is not None:
            yield Problem(loc=(*loc, "git_push", "ref"), text=problem)
    if trigger.event is not None and trigger.event.workflow == spec.name:
        text = "is this workflow itself: it would start itself for ever"
        yield Problem(loc=(*loc, "event", "workflow"), text=text)


def _input_problems(spec: WorkflowSpec, trigger: TriggerSpec, loc: Loc) -> Iterator[Problem]:
    for name, value in trigger.inputs.items():
        at: Loc = (*loc, "inputs", name)
        if name not in spec.inputs:
            yield Problem(loc=at, text=f"unknown input{suggestion(name, spec.inputs)}")
        elif isinstance(value, str):
            for text in payload_faults(value):
                yield Problem(loc=at, text=text)
    for name, declared in spec.inputs.items():
        if declared.default is None and name not in trigger.inputs:
            yield Problem(loc=loc, text=f'input "{name}" has no default: give it under "inputs"')


def _publish_problems(spec: WorkflowSpec, publish: PublishSpec) -> Iterator[Problem]:
    loc: Loc = ("publish",)
    for index, name in enumerate(publish.gits or ()):
        if name not in spec.gits:
            text = f'unknown git "{name[:60]}"{suggestion(name, spec.gits)}'
            yield Problem(loc=(*loc, "gits", index), text=text)
    if not publish.push and publish.pull_request is not None:
        yield Problem(loc=(*loc, "pull_request"), text='goes with "push: true": its branch has to be there')
    if not template.has_template(publish.branch) and (problem := problem_with_ref(publish.branch)) is not None:
        yield Problem(loc=(*loc, "branch"), text=problem)
    titles = {"branch": publish.branch.replace("{{ workflow_id }}", ""), "pull_request": ""}
    if publish.pull_request is not None:
        titles["pull_request"] = publish.pull_request.title or ""
    for key, text in titles.items():
        for fault in template.faults(text, spec.inputs):
            yield Problem(loc=(*loc, key), text=fault.text)
