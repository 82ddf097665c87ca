"""Templates in a spec: `{{ inputs.<name> }}`, checked when the spec is read, rendered when a Workflow is launched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.spec import fences
from orchestrator.spec.inputs import Value
from orchestrator.spec.suggest import nearest, suggestion

_ROOT = "inputs"
FILTERS = ("capitalize", "lower", "replace", "title", "trim", "upper")
# No loops, calls, arithmetic or macros: a template cannot run long, reach into objects, or load files.
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const,
    nodes.Filter, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or,
)  # fmt: skip
# A private-use character stands for what an expression will become.
_MARK = "\ue000"
_HINT = 'to write "{{" itself, use {% raw %}{{ … }}{% endraw %}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a template, and in which of its lines (from 1)."""

    line: int
    text: str


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        # The default `{#` is shell: "${#names[@]}" would open a comment that never ends.
        comment_start_string="{#\0",
        comment_end_string="\0#}",
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    return environment


_ENVIRONMENT = _environment()


def has_template(text: str) -> bool:
    """Whether a text has anything to fill in."""
    return "{{" in text or "{%" in text


def faults(text: str, declared: Collection[str]) -> tuple[Fault, ...]:
    """What is wrong with a template, given the declared inputs' names; nothing for a text that is none."""
    try:
        tree = _parse(text)
    except TemplateSyntaxError as error:
        return (Fault(line=error.lineno, text=f"template: {error.message}; {_HINT}"),)
    # Thousands of brackets: the parser is recursive.
    except RecursionError:
        return (Fault(line=1, text="template: nested too deep"),)
    return tuple(_faults(tree, declared))


def block_fault(text: str) -> Fault | None:
    """The first place where an input would become part of a fenced block, which the built-in agent runs."""
    flat = "".join(_flatten(_parse(text)))
    offset = fences.in_block(flat, _MARK)
    if offset is None:
        return None
    return Fault(
        line=flat.count("\n", 0, offset) + 1,
        text='an input inside a fenced block would become part of a command; use "$ORCHESTRATOR_INPUT_<NAME>" there',
    )


def inputs_in(text: str) -> frozenset[str]:
    """Names of the inputs that a template uses."""
    return frozenset(name for node in _parse(text).find_all(_ACCESS) if (name := _input_name(node)) is not None)


def render(text: str, inputs: Mapping[str, Value]) -> str:
    """The text with its inputs filled in.

    Raises:
        ValueError: an expression cannot be computed from these values.
    """
    if not has_template(text):
        return text
    try:
        return _ENVIRONMENT.from_string(text).render({_ROOT: dict(inputs)})
    except (TemplateError, TypeError) as error:
        raise ValueError(f"the template cannot be filled in: {error}") from error


_ACCESS = (nodes.Getattr, nodes.Getitem)


def _parse(text: str) -> nodes.Template:
    return _ENVIRONMENT.parse(text) if has_template(text) else nodes.Template([])


def _faults(tree: nodes.Template, declared: Collection[str]) -> Iterator[Fault]:
    named = set()
    for node in _walk(tree):
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            yield Fault(line=node.lineno, text=f"template: {word} is not allowed; use {{{{ inputs.<name> }}}}")
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield Fault(
                line=node.lineno, text=f'template: unknown filter "{node.name}"{suggestion(node.name, FILTERS)}'
            )
        elif isinstance(node, _ACCESS):
            name = _input_name(node)
            if name is not None:
                named.add(id(node.node))
            if name is not None and name not in declared:
                yield Fault(line=node.lineno, text=_unknown(f"{_ROOT}.{name}", declared))
        elif isinstance(node, nodes.Name) and id(node) not in named:
            yield Fault(line=node.lineno, text=_unknown(node.name, declared))


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    # Parents first, so that `inputs` is known to be part of `inputs.x` when its turn comes.
    yield node
    if isinstance(node, _ALLOWED):
        for child in node.iter_child_nodes():
            yield from _walk(child)


def _input_name(node: nodes.Node) -> str | None:
    """`x` of `inputs.x` and `inputs["x"]`."""
    if not isinstance(node, _ACCESS) or not isinstance(node.node, nodes.Name) or node.node.name != _ROOT:
        return None
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


def _unknown(variable: str, declared: Collection[str]) -> str:
    # Compared without the root, which would make any two names alike.
    near = nearest(variable.removeprefix(f"{_ROOT}."), declared)
    if near is not None:
        return f'unknown template variable "{variable}", did you mean "{_ROOT}.{near}"?'
    known = ", ".join(f'"{_ROOT}.{name}"' for name in sorted(declared)) or "none, declare one under inputs"
    return f'unknown template variable "{variable}"; there are: {known}'


def _flatten(node: nodes.Node) -> Iterator[str]:
    """The text of a template with a mark for each expression; the branches of an `if` one after the other."""
    if isinstance(node, nodes.TemplateData):
        yield node.data
    elif isinstance(node, nodes.If):
        for part in (*node.body, *node.elif_, *node.else_):
            yield from _flatten(part)
    elif isinstance(node, nodes.Template | nodes.Output):
        for part in node.iter_child_nodes():
            yield from _flatten(part)
    else:
        yield _MARK
