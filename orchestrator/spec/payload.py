"""Inputs of a launch from what fired its trigger: `{{ payload.issue.title }}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.domain.errors import InputError
from orchestrator.spec.inputs import Value, parse_inputs
from orchestrator.spec.model import TriggerSpec, WorkflowSpec
from orchestrator.spec.resolve import resolve
from orchestrator.spec.template import FILTERS, has_template

_ROOT = "payload"
# What an input from outside may hold at most: a query is no place for a whole log.
MAX_LENGTH = 10_000
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const,
    nodes.Filter, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Neg,
)  # fmt: skip


class _Environment(SandboxedEnvironment):
    """Names after a dot are keys: `payload.items` is what the payload says, never a method of Python's."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument] if isinstance(obj, dict | list) else self.undefined(obj=obj, name=str(argument))
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=str(argument))


def _environment() -> SandboxedEnvironment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in (*FILTERS, "default")}
    return environment


_ENVIRONMENT = _environment()


def payload_faults(text: str) -> Iterator[str]:
    """What is wrong with a template over a payload; whether the payload has what it names shows only when it fires."""
    if not has_template(text):
        return
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        yield f"template: {error.message}"
        return
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            yield f"template: {type(node).__name__.lower()} is not allowed; use {{{{ payload.<key> }}}}"
        elif isinstance(node, nodes.Filter) and node.name not in _ENVIRONMENT.filters:
            yield f'template: unknown filter "{node.name}"; there are: {", ".join(sorted(_ENVIRONMENT.filters))}'
        elif isinstance(node, nodes.Name) and node.name != _ROOT:
            yield f'unknown template variable "{node.name}"; there is: "{_ROOT}", what fired the trigger'


def inputs_of(spec: WorkflowSpec, trigger: TriggerSpec, payload: Mapping[str, Any]) -> dict[str, Value]:
    """The inputs that this trigger launches with; only those that it gives.

    Raises:
        InputError: a template finds nothing in the payload, or the inputs do not fit the spec.
    """
    given: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for name, value in trigger.inputs.items():
        if isinstance(value, str) and has_template(value):
            texts[name] = _render(spec, name, value, payload)
        else:
            given[name] = value
    declared = {name: text for name, text in texts.items() if name in spec.inputs}
    # What was rendered is text; only the rest of the inputs has to be left out of its check.
    only = spec.model_copy(update={"inputs": {name: spec.inputs[name] for name in declared}})
    inputs = {**given, **parse_inputs(only, declared)}
    resolve(spec, inputs)
    return inputs


def _render(spec: WorkflowSpec, name: str, text: str, payload: Mapping[str, Any]) -> str:
    where = f'workflow "{spec.name}": input "{name}"'
    try:
        rendered = _ENVIRONMENT.from_string(text).render({_ROOT: dict(payload)})
    except (TemplateError, TypeError, RecursionError) as error:
        raise InputError(f"{where}: the template cannot be filled in from the payload: {error}") from error
    if len(rendered) > MAX_LENGTH:
        raise InputError(f"{where}: has {len(rendered)} characters, at most {MAX_LENGTH} are taken from a payload")
    return rendered
