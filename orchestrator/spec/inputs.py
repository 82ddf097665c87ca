"""Inputs of a launch: their types, from values and from text, and as environment variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.domain.errors import InputError
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.text import CONTROL, shown

if TYPE_CHECKING:
    from orchestrator.spec.model import WorkflowSpec

InputType = Literal["string", "int", "float", "bool"]
Value = str | int | float | bool
_EXPECTED = {"string": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def fit(value: object, declared: InputType) -> Value:
    """The value in the declared type: a whole number is also a float, nothing else is converted.

    Raises:
        ValueError: it is of another type, not finite, or holds control characters.
    """
    if declared == "float" and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if declared == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if declared == "bool" and isinstance(value, bool):
        return value
    if declared == "string" and isinstance(value, str):
        if CONTROL.search(value):
            raise ValueError("holds a control character, which no query or environment variable can carry")
        return value
    raise ValueError(f"expected {_EXPECTED[declared]}, found {shown(value)}")


def check_inputs(spec: WorkflowSpec, given: Mapping[str, Any]) -> dict[str, Value]:
    """Every declared input with its value: the given one, else the default.

    Raises:
        InputError: one is missing, unknown, of the wrong type or not among the choices; a line for each.
    """
    problems = [
        f'input "{name}" is unknown{suggestion(name, spec.inputs)}' for name in given if name not in spec.inputs
    ]
    values: dict[str, Value] = {}
    for name, declared in spec.inputs.items():
        value = given.get(name, declared.default)
        if value is None:
            problems.append(f'input "{name}" is missing: expected {_EXPECTED[declared.type]}')
            continue
        try:
            values[name] = fit(value, declared.type)
        except ValueError as error:
            problems.append(f'input "{name}": {error}')
            continue
        if declared.choices is not None and values[name] not in declared.choices:
            listed = ", ".join(shown(choice) for choice in declared.choices)
            problems.append(f'input "{name}": expected one of {listed}; found {shown(value)}')
    if problems:
        raise InputError("\n".join(f'workflow "{spec.name}": {problem}' for problem in problems))
    return values


def parse_inputs(spec: WorkflowSpec, texts: Mapping[str, str]) -> dict[str, Any]:
    """The given inputs in their declared types, from text as a command line has it; then checked.

    Only what was given is returned: defaults are the spec's to fill in.

    Raises:
        InputError: as `check_inputs` does.
    """
    values = {
        name: _parse(text, spec.inputs[name].type) if name in spec.inputs else text for name, text in texts.items()
    }
    checked = check_inputs(spec, values)
    return {name: checked[name] for name in texts}


def as_environment(inputs: Mapping[str, Value]) -> dict[str, str]:
    """The inputs as agents and checks see them: `ORCHESTRATOR_INPUT_<NAME>`, booleans as `true` and `false`."""
    return {
        f"ORCHESTRATOR_INPUT_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in inputs.items()
    }


def _parse(text: str, declared: InputType) -> Value:
    """The text as the declared type; itself where it does not read as one, so that the check names it."""
    try:
        if declared == "int":
            return int(text)
        if declared == "float":
            return float(text)
    except ValueError:
        return text
    return _BOOLEANS.get(text.strip().lower(), text) if declared == "bool" else text
