"""MCP servers: which are registered, which a Work uses, and whether they can be reached.

Names are looked up when they are first used: the client library takes a second to import, and most commands need only
the registry.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.mcp.merge import resolve_servers
    from orchestrator.mcp.registry import Registry, load_registry
    from orchestrator.mcp.validate import Validation, usable_servers, validate_servers

_MODULES = {
    "Registry": "registry",
    "Validation": "validate",
    "load_registry": "registry",
    "resolve_servers": "merge",
    "usable_servers": "validate",
    "validate_servers": "validate",
}

__all__ = ["Registry", "Validation", "load_registry", "resolve_servers", "usable_servers", "validate_servers"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
