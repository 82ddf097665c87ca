"""A YAML file as plain values, with the line of every key and item.

Read event by event into lists and dicts of our own: PyYAML's loaders let a second equal key win in silence, build
anything a tag asks for, and the C one died of a segmentation fault at 100,000 nested brackets (PyYAML 6.0.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.domain.errors import SpecError
from orchestrator.spec.text import CONTROL, one_line

Loc = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
# Counted with every alias written out: nine lines of aliases can stand for a billion values.
MAX_VALUES = 50_000
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset({"null", "bool", "int", "float"})
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Where a value stands in its file, from 1.

    Attributes:
        key: the line of its key, or of the item in a list.
        text: the first line of its text, which for a block (`|`) is below the key.
        end: the last line of its text.
    """

    key: int
    text: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A YAML file: its value, lines, and what is wrong with it as YAML (`file:line: what`)."""

    path: Path
    value: Any
    lines: Mapping[Loc, Lines]
    problems: tuple[str, ...]

    def line(self, loc: Loc, line_in_text: int | None = None) -> int:
        """The line of a key or item, or of the nearest thing around it; or of one line of its text."""
        while loc and loc not in self.lines:
            loc, line_in_text = loc[:-1], None
        found = self.lines.get(loc)
        if found is None:
            return 1
        # A folded text does not say where its lines were broken: stay inside it.
        return found.key if line_in_text is None else min(found.text + line_in_text - 1, found.end)


def read_text(path: Path) -> str:
    """The text of a regular file of at most `MAX_BYTES`; `SpecError` says what it is instead."""
    try:
        # Before opening: a named pipe would block.
        if not path.is_file():
            raise SpecError([f"{path}: {'is not a regular file' if path.exists() else 'no such file'}"])
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    # ValueError: a NUL in the path.
    except (OSError, ValueError) as error:
        raise SpecError([f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from error
    if len(data) > MAX_BYTES:
        raise SpecError([f"{path}: is larger than {MAX_BYTES // 1_000_000} MB; a spec or a query is never that long"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError([f"{path}:{line}: is not UTF-8; save it in that encoding"]) from error


def parse(text: str, path: Path) -> Source:
    """Read a text as one YAML document.

    Duplicate keys, tags and the like are in the result's `problems`, all of them.

    Raises:
        SpecError: it is not YAML, or is built to exhaust memory.
    """
    reader = _Reader(text, path)
    try:
        value = reader.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise SpecError([f"{path}:{line}: not valid YAML: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise SpecError([f"{path}:1: not valid YAML: {str(error).splitlines()[0]}"]) from error
    return Source(path=path, value=value, lines=reader.lines, problems=tuple(reader.problems))


@dataclass(slots=True)
class _Anchored:
    value: Any
    count: int


@dataclass(slots=True)
class _Reader:
    text: str
    path: Path
    # Any: the stubs leave the event methods untyped.
    loader: Any = field(init=False)
    lines: dict[Loc, Lines] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.loader = _Loader(self.text)

    def document(self) -> Any:
        self.loader.get_event()
        if self.loader.check_event(yaml.StreamEndEvent):
            raise SpecError([f"{self.path}:1: is empty; write `type: orchestrator_defs.Workflow` and `attributes:`"])
        self.loader.get_event()
        value = self._value(())
        self.loader.get_event()
        if not self.loader.check_event(yaml.StreamEndEvent):
            raise self._fatal(self.loader.peek_event(), "a second document; put each workflow in a folder of its own")
        return value

    def _value(self, loc: Loc, key_line: int | None = None) -> Any:
        event = self.loader.get_event()
        line = event.start_mark.line + 1
        # An empty value is marked where the next key begins.
        self.lines[loc] = Lines(key=key_line or line, text=line, end=max(line, event.end_mark.line + 1))
        self._spend(event, 1)
        if len(loc) > MAX_DEPTH:
            raise self._fatal(event, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.count
        value = self._anchorable(event, loc)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, self.count - before + 1)
        return value

    def _anchorable(self, event: Any, loc: Loc) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, loc)
        if event.tag is not None and event.tag not in {_TAG + "map", _TAG + "seq"}:
            self._note(event, f'tag "{event.tag}" is not allowed; leave it out')
        return self._mapping(loc) if isinstance(event, yaml.MappingStartEvent) else self._sequence(loc)

    def _alias(self, event: Any) -> Any:
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            raise self._fatal(event, f'alias "*{event.anchor}" has no complete value before it')
        self._spend(event, anchored.count)
        return anchored.value

    def _sequence(self, loc: Loc) -> list[Any]:
        items: list[Any] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self._value((*loc, len(items))))
        self.loader.get_event()
        return items

    def _mapping(self, loc: Loc) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            event = self.loader.peek_event()
            key = self._key(event)
            value = self._value((*loc, key), event.start_mark.line + 1)
            if key in entries:
                self._note(event, f'key "{key[:60]}" is there twice; remove one')
            else:
                entries[key] = value
        self.loader.get_event()
        return entries

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fatal(event, "a key has to be text")
        self.loader.get_event()
        if event.tag is None and event.implicit[0]:
            tag = self.loader.resolve(yaml.ScalarNode, event.value, (True, False))
            if tag == _TAG + "merge":
                raise self._fatal(event, 'merge keys ("<<") are not supported; write the keys out')
            # `on:` and `1:` are a boolean and a number in YAML 1.1; as keys they can only be meant as text.
        return str(event.value)

    def _scalar(self, event: Any, loc: Loc) -> Any:
        if event.style in {"|", ">"}:
            mark = event.start_mark.line + 2
            self.lines[loc] = Lines(key=self.lines[loc].key, text=mark, end=max(mark, event.end_mark.line))
        if CONTROL.search(event.value):
            self._note(event, "control characters are not allowed")
        tag = event.tag or self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = tag.removeprefix(_TAG)
        # Dates stay text, as in Dagster's own loader: `ref: 2026-01-31` names a tag.
        if kind in {"str", "timestamp", "value", "merge"}:
            return event.value
        if kind not in _PLAIN:
            self._note(event, f'tag "{tag}" is not allowed; leave it out')
            return event.value
        try:
            value = self.loader.construct_object(yaml.ScalarNode(tag, event.value))
        except (ValueError, KeyError, yaml.YAMLError):
            self._note(event, f'"{event.value[:60]}" cannot be read as {kind}; put it in quotes')
            return event.value
        if isinstance(value, float) and not math.isfinite(value):
            self._note(event, f'"{event.value[:60]}" is not a finite number')
        return value

    def _spend(self, event: Any, count: int) -> None:
        self.count += count
        if self.count > MAX_VALUES:
            raise self._fatal(event, f"more than {MAX_VALUES} values with aliases written out")

    def _note(self, event: Any, what: str) -> None:
        self.problems.append(f"{self.path}:{event.start_mark.line + 1}: {one_line(what)}")

    def _fatal(self, event: Any, what: str) -> SpecError:
        return SpecError([*self.problems, f"{self.path}:{event.start_mark.line + 1}: {one_line(what)}"])
