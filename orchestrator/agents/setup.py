"""How a provider's program is brought to do what a Work wants: values that go between profiles and conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.permissions import Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a Work wants of its agent.

    Attributes:
        model: as the provider names it; None leaves its default.
        env: what the agent's environment holds already.
        sandboxed: whether the program runs in a sandbox of ours.
    """

    model: str | None
    permissions: Permissions
    env: Mapping[str, str] = field(repr=False)
    sandboxed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What to do for that.

    Attributes:
        arguments: to append to the command.
        env: defaults; what the agent's environment holds already wins.
        override: goes over what the agent's environment holds.
        session: for the `_meta` of `session/new` and its like.
        mode: for `session/set_mode`; None leaves the agent's own.
        model_option: value of the session's option `model`; None where the model is set in another way.
    """

    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    override: Mapping[str, str] = field(default_factory=dict, repr=False)
    session: Mapping[str, Any] = field(default_factory=dict)
    mode: str | None = None
    model_option: str | None = None


def plain_setup(wanted: Wanted) -> Setup:
    """For an agent of which only the protocol is known."""
    return Setup(model_option=wanted.model)
