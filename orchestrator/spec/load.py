"""Load a workflow's `defs.yaml`: read, check the shape, make self-contained, check the meaning, digest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.domain.errors import SpecError
from orchestrator.spec.checks import spec_problems
from orchestrator.spec.contained import contain
from orchestrator.spec.document import digest_of, document_of, parse_document
from orchestrator.spec.model import WorkflowSpec
from orchestrator.spec.problems import ATTRIBUTES, Problem, from_pydantic, sentence
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.template import has_template
from orchestrator.spec.text import shown
from orchestrator.spec.yaml_source import Loc, Source, parse, read_text

__all__ = ["COMPONENT_TYPES", "DEFS_FILE", "LoadedSpec", "load_attributes", "load_spec", "parse_document"]

DEFS_FILE = "defs.yaml"
COMPONENT_TYPES = ("orchestrator_defs.Workflow", "orchestrator_defs.component.Workflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSpec:
    """A spec that can be launched.

    Attributes:
        spec: self-contained: equal to `parse_document(document)`, so its mappings are in the order of their keys.
        document: canonical JSON, what is stored with a Workflow; `${NAME}` stands in it as written.
        digest: 64 hex digits of the document.
        folder: where relative urls and query files counted from.
        path: the file.
        warnings: `file:line: where: what`, about what is allowed and likely meant otherwise.
    """

    spec: WorkflowSpec
    document: str
    digest: str
    folder: Path
    path: Path
    warnings: tuple[str, ...] = ()

    def takes_inputs(self, git: str) -> bool:
        """Whether each launch may mean another repository or ref by this Git."""
        named = self.spec.gits[git]
        return has_template(named.url) or has_template(named.ref)


def load_spec(path: Path, *, registered_mcp: Collection[str] = ()) -> LoadedSpec:
    """The spec in a file.

    Args:
        registered_mcp: names of the MCP servers that a spec may refer to without defining them.

    Raises:
        SpecError: with all problems of the file, in the order of its lines.
    """
    source = parse(read_text(path), path)
    problems = [*source.problems, *_file_problems(source)]
    attributes = source.value.get(ATTRIBUTES) if isinstance(source.value, dict) else None
    if not isinstance(attributes, dict):
        raise SpecError(problems)
    return _load(attributes, source, problems, registered_mcp)


def load_attributes(
    attributes: Mapping[str, Any], *, source: Path, text: str | None = None, registered_mcp: Collection[str] = ()
) -> LoadedSpec:
    """The spec in attributes that were parsed already; `text`, or else the file `source`, tells the lines.

    Raises:
        SpecError: as `load_spec` does.
    """
    parsed = parse(read_text(source) if text is None else text, source)
    return _load(dict(attributes), parsed, list(parsed.problems), registered_mcp)


def _load(attributes: dict[str, Any], source: Source, problems: list[str], registered: Collection[str]) -> LoadedSpec:
    spec, found = _shape(attributes)
    files: dict[Loc, Path] = {}
    if spec is not None:
        contained = contain(spec, source.path.parent)
        spec, files = contained.spec, contained.files
        # A Task with `promt` has no `query` either: one sentence about it is enough.
        misspelt = {problem.loc[:-1] for problem in found}
        found += [problem for problem in contained.problems if problem.loc not in misspelt]
        found += spec_problems(spec, registered_mcp=registered)
    if found or problems or spec is None:
        found.sort(key=lambda problem: source.line((ATTRIBUTES, *problem.loc), problem.line_in_text))
        raise SpecError([*problems, *dict.fromkeys(sentence(problem, source, files) for problem in found)])
    document = document_of(spec)
    return LoadedSpec(
        # Read back, so that what runs today is what a stored document will give tomorrow.
        spec=parse_document(document),
        document=document,
        digest=digest_of(document),
        folder=source.path.parent,
        path=source.path,
        warnings=tuple(sentence(problem, source, files) for problem in _warnings(spec)),
    )


def _file_problems(source: Source) -> Iterator[str]:
    top = source.value
    if not isinstance(top, dict):
        yield f'{source.path}:1: expected the keys "type" and "{ATTRIBUTES}", found {shown(top)}'
        return
    for key in top:
        if key not in {"type", ATTRIBUTES}:
            known = suggestion(key, ["type", ATTRIBUTES])
            yield f'{source.path}:{source.line((key,))}: unknown key "{key[:60]}"{known}'
    for key in ("type", ATTRIBUTES):
        if key not in top:
            yield f'{source.path}:1: key "{key}" is missing'
    if "type" in top and top["type"] not in COMPONENT_TYPES:
        yield f'{source.path}:{source.line(("type",))}: type has to be "{COMPONENT_TYPES[0]}", is {shown(top["type"])}'
    if ATTRIBUTES in top and not isinstance(top[ATTRIBUTES], dict):
        line = source.line((ATTRIBUTES,))
        yield f"{source.path}:{line}: {ATTRIBUTES}: expected keys and values, found {shown(top[ATTRIBUTES])}"


def _shape(attributes: dict[str, Any]) -> tuple[WorkflowSpec | None, list[Problem]]:
    """The spec as far as its shape is right, and what is wrong with its shape."""
    try:
        return WorkflowSpec.model_validate(attributes), []
    except ValidationError as error:
        # pydantic calls a list too short when the items that it has are wrong; those are named on their own.
        errors = [one for one in error.errors(include_url=False) if one["type"] != "too_short" or not one["input"]]
    problems = [from_pydantic(error) for error in errors]
    # Unknown keys alone do not keep the rest from being checked: one round shows all that is wrong.
    if any(error["type"] != "extra_forbidden" for error in errors):
        return None, problems
    try:
        return WorkflowSpec.model_validate(_without(attributes, {error["loc"] for error in errors})), problems
    except ValidationError:
        return None, problems


def _without(value: Any, unknown: Collection[Loc], loc: Loc = ()) -> Any:
    if isinstance(value, dict):
        return {key: _without(part, unknown, (*loc, key)) for key, part in value.items() if (*loc, key) not in unknown}
    if isinstance(value, list):
        return [_without(part, unknown, (*loc, index)) for index, part in enumerate(value)]
    return value


def _warnings(spec: WorkflowSpec) -> Iterator[Problem]:
    used = {name for work in spec.works for name in spec.effective_gits(work)}
    for name in spec.gits:
        if name not in used:
            yield Problem(loc=("gits", name), text="is used by no work")
