"""Problems of a spec: what is wrong and where, as one line for the person who wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from orchestrator.spec.model import WorkflowSpec
from orchestrator.spec.suggest import nearest
from orchestrator.spec.text import one_line, shown
from orchestrator.spec.yaml_source import Loc, Source

ATTRIBUTES = "attributes"
# Keys that are part of the design and not built yet: a typing error they are not.
_LATER = frozenset({"needs", "approval"})
_NAMED = {
    "works": "work",
    "tasks": "task",
    "checks": "check",
    "gits": "git",
    "inputs": "input",
    "triggers": "trigger",
    "mcp_servers": "mcp server",
}
_SECRET = frozenset({"env", "env_overrides", "headers", "url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        loc: of the key or item, below `attributes`.
        text: what, and what to do.
        line_in_text: counted from 1, where one line of a longer text is meant.
        names_key: whether `text` names the last key of `loc` itself.
    """

    loc: Loc
    text: str
    line_in_text: int | None = None
    names_key: bool = False


def sentence(problem: Problem, source: Source, files: Mapping[Loc, Path]) -> str:
    """`file:line: where: what`; the file is the query's own where the problem is in one (`files`)."""
    own = files.get(problem.loc)
    if own is not None and problem.line_in_text is not None:
        place = f"{own}:{problem.line_in_text}"
    else:
        place = f"{source.path}:{source.line((ATTRIBUTES, *problem.loc), problem.line_in_text)}"
    attributes = source.value.get(ATTRIBUTES) if isinstance(source.value, dict) else None
    return f"{place}: " + one_line(
        f"{_where(problem.loc[:-1] if problem.names_key else problem.loc, attributes)}: {problem.text}"
    )


def from_pydantic(error: ErrorDetails) -> Problem:
    """A pydantic error in our words, at the key it is about."""
    loc: Loc = tuple(part for part in error["loc"] if part != "[key]")
    kind, given = error["type"], error["input"]
    facts: dict[str, Any] = error.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(loc=loc, text=_unknown_key(loc), names_key=True)
    if kind == "missing":
        return Problem(loc=loc[:-1], text=f'key "{loc[-1]}" is missing')
    found = shown(given, secret=not _SECRET.isdisjoint(loc))
    if kind not in _SENTENCES:
        return Problem(loc=loc, text=error["msg"])
    return Problem(loc=loc, text=_SENTENCES[kind].format(found=found, **facts))


_SENTENCES = {
    "string_type": "expected text, found {found}; put it in quotes",
    "int_type": "expected a whole number, found {found}",
    "bool_type": "expected true or false, found {found}",
    "decimal_type": "expected a number, found {found}",
    "decimal_parsing": "expected a number, found {found}",
    "dict_type": "expected keys and values, found {found}",
    "model_type": "expected keys and values, found {found}",
    "tuple_type": "expected a list, found {found}",
    "enum": "expected {expected}, found {found}",
    "string_pattern_mismatch": "has another form than {pattern}",
    "literal_error": "expected {expected}, found {found}",
    "finite_number": "expected a finite number",
    "greater_than": "has to be more than {gt}, found {found}",
    "greater_than_equal": "has to be at least {ge}, found {found}",
    "less_than_equal": "has to be at most {le}, found {found}",
    "too_short": "is empty; give at least one",
    "too_long": "has more than {max_length}",
    "value_error": "{error}",
}


def _unknown_key(loc: Loc) -> str:
    key = str(loc[-1])
    if key in _LATER:
        return f'"{key}" is not supported yet; leave it out'
    known = _keys_at(loc[:-1])
    near = nearest(key, known)
    # People write `prompt` for what is `query` everywhere here; it is nearer to no other key.
    if near is None and nearest(key, ["prompt", "query"]) is not None:
        near = "query"
    listed = "" if near is not None else f"; there are {', '.join(known)}"
    level = "" if near is None or near in known else " in one of its tasks"
    return f'unknown key "{key}"' + (f', did you mean "{near}"{level}?' if near is not None else listed)


def _keys_at(loc: Loc) -> tuple[str, ...]:
    """The keys that the part at `loc` can have."""
    kind: Any = WorkflowSpec
    for part in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = _bare(kind.model_fields[str(part)].annotation)
        else:
            # dict[str, Part] or tuple[Part, ...]
            kind = _bare(get_args(kind)[1 if get_origin(kind) is dict else 0])
    return tuple(kind.model_fields)


def _bare(annotation: Any) -> Any:
    """The type without `| None`."""
    if get_origin(annotation) in {Union, UnionType}:
        return next(option for option in get_args(annotation) if option is not type(None))
    return annotation


def _where(loc: Loc, attributes: Any) -> str:
    """`work "fix", task "patch": report.title`, or the workflow itself."""
    labels: list[str] = []
    rest: list[str] = []
    value, parts = attributes, list(loc)
    while parts:
        part = parts.pop(0)
        value = _at(value, part)
        if not rest and part in _NAMED and parts and _has_name(value, parts[0]):
            label, value = _label(_NAMED[str(part)], parts.pop(0), value)
            labels.append(label)
        else:
            rest.append(f"item {part + 1}" if isinstance(part, int) else part)
    if not labels:
        name = _at(attributes, "name")
        labels = [f'workflow "{name[:60]}"' if isinstance(name, str) else "workflow"]
    key = ".".join(rest).replace(".item", " item")
    return ", ".join(labels) + (f": {key}" if key else "")


def _has_name(parts: Any, part: str | int) -> bool:
    """Whether people know it by name: `gits.api` and each of `tasks`, but not the second word in a Work's `gits`."""
    return isinstance(part, str) or isinstance(_at(parts, part), dict)


def _label(noun: str, part: str | int, value: Any) -> tuple[str, Any]:
    inner = _at(value, part)
    if isinstance(part, str):
        return f'{noun} "{part[:60]}"', inner
    name = _at(inner, "name")
    return (f'{noun} "{name[:60]}"' if isinstance(name, str) else f"{noun} {part + 1}"), inner


def _at(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None
