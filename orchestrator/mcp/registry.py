"""The servers that every spec may name: the file that MCP_SERVERS_PATH names.

servers:
  github: {command: npx, args: [-y, "@modelcontextprotocol/server-github"], env: {GITHUB_TOKEN: "${GITHUB_TOKEN}"}}
  docs: {url: https://mcp.acme.example/mcp, headers: {Authorization: "Bearer ${DOCS_TOKEN}"}, required: false}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.domain.errors import SpecError
from orchestrator.observe.log import get_logger
from orchestrator.observe.mask import Mask
from orchestrator.settings import Settings
from orchestrator.spec.mcp import definition_problems
from orchestrator.spec.model import McpServerSpec
from orchestrator.spec.names import McpName
from orchestrator.spec.problems import Problem, from_pydantic
from orchestrator.spec.suggest import suggestion
from orchestrator.spec.text import one_line
from orchestrator.spec.variables import names_in, server_problems
from orchestrator.spec.yaml_source import Source, parse, read_text

_SERVERS = "servers"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Registered servers by name; `path` is where they are written, None where there is no such file."""

    servers: Mapping[str, McpServerSpec]
    path: Path | None = None


def registered_servers(settings: Settings) -> frozenset[str]:
    """The names that a spec may use under these settings; none, with the error logged, where the file is bad.

    A Work that wants one of them is refused with the file's own problem when it starts.
    """
    try:
        return frozenset(load_registry(settings.mcp_servers_path, max_servers=settings.mcp_max_servers).servers)
    except SpecError as error:
        for problem in error.problems:
            _log.error("McpRegistryRefused", message=problem)
        return frozenset()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: dict[McpName, McpServerSpec] = {}


def load_registry(path: Path, *, max_servers: int) -> Registry:
    """The servers in a file; none where there is no file.

    Raises:
        SpecError: with a `file:line: what` for each thing that is wrong.
    """
    if not path.exists():
        return Registry(servers={})
    source = parse(read_text(path), path)
    problems = list(source.problems) or list(_file_problems(source, max_servers))
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    return Registry(servers=_servers(source), path=path)


def _file_problems(source: Source, max_servers: int) -> Iterator[str]:
    top = source.value or {}
    if not isinstance(top, dict):
        yield f'{source.path}:1: expected the key "{_SERVERS}"'
        return
    for key in top:
        if key != _SERVERS:
            yield f'{source.path}:{source.line((key,))}: unknown key "{key[:60]}"{suggestion(key, [_SERVERS])}'
    if not isinstance(top.get(_SERVERS) or {}, dict):
        yield f'{source.path}:{source.line((_SERVERS,))}: "{_SERVERS}": expected a name and a definition of each'
        return
    try:
        servers = _servers(source)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            # The words for what is wrong come from the spec, where the same definitions stand under `mcp_servers`.
            problem = from_pydantic({**found, "loc": ("mcp_servers", *found["loc"][1:])})
            yield _sentence(replace(problem, loc=(_SERVERS, *problem.loc[1:])), source)
        return
    if len(servers) > max_servers:
        line = source.line((_SERVERS,))
        text = f"{len(servers)} servers, at most {max_servers}; remove some or raise MCP_MAX_SERVERS"
        yield f"{source.path}:{line}: {text}"
    for name, server in servers.items():
        loc = (_SERVERS, name)
        if not server.is_inline:
            yield _sentence(Problem(loc=loc, text='has neither "command" nor "url"; give one'), source)
        found_problems = [
            *definition_problems(server, loc),
            *server_problems(server, loc),
            *_plain_secrets(name, server),
        ]
        for problem in found_problems:
            yield _sentence(problem, source)


def _servers(source: Source) -> dict[str, McpServerSpec]:
    return dict(_File.model_validate({_SERVERS: (source.value or {}).get(_SERVERS) or {}}).servers)


def _plain_secrets(name: str, server: McpServerSpec) -> Iterator[Problem]:
    """Values that the log would mask and that no `${NAME}` stands in: the file is no place for them."""
    mask = Mask.load()
    for part, values in (("env", server.env), ("headers", server.headers)):
        for key, value in values.items():
            if value and not names_in(value) and _hidden(mask, key, value):
                text = 'a secret in plain text; write "${NAME}" and set that variable where the workers run'
                yield Problem(loc=(_SERVERS, name, part, key), text=text)


def _hidden(mask: Mask, key: str, value: str) -> bool:
    shown: Any = mask.value({key: value})
    return not isinstance(shown, dict) or shown.get(key) != value


def _sentence(problem: Problem, source: Source) -> str:
    where = ".".join(str(part) for part in problem.loc[1:])
    named = f'mcp server "{problem.loc[1]}"' + (f": {where.partition('.')[2]}" if len(problem.loc) > 2 else "")
    what = f"{named}: {problem.text}" if len(problem.loc) > 1 and not problem.names_key else problem.text
    return f"{source.path}:{source.line(problem.loc)}: {one_line(what)}"
