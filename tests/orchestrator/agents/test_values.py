"""Profiles, the environment's allow-list, the outline's words: what needs no process."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.agents.environment import agent_environment
from orchestrator.agents.outline import Outline, outline_instruction, outline_of
from orchestrator.agents.profiles import BUILTIN, profile_of
from orchestrator.agents.session import Usage
from orchestrator.domain.errors import AgentStartError


def test_the_environment_is_an_allow_list() -> None:
    worker = {
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "https_proxy": "http://proxy:3128",
        "DATABASE_URL": "postgresql://secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PYTHONPATH": "/somewhere",
    }
    assert agent_environment(given={}, correlation_id="wf-1-001", workflow_id="wf-1", worker=worker) == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "https_proxy": "http://proxy:3128",
        "ORCHESTRATOR_CORRELATION_ID": "wf-1-001",
        "ORCHESTRATOR_WORKFLOW_ID": "wf-1",
    }


def test_the_spec_may_replace_what_is_inherited_but_not_the_ids() -> None:
    given = {"PATH": "/opt/bin", "ORCHESTRATOR_WORKFLOW_ID": "forged"}
    env = agent_environment(given=given, correlation_id="c", workflow_id="wf-1", worker={"PATH": "/bin"})
    assert (env["PATH"], env["ORCHESTRATOR_WORKFLOW_ID"]) == ("/opt/bin", "wf-1")


def test_the_built_in_provider_needs_nothing() -> None:
    assert profile_of("builtin") is BUILTIN


def test_a_command_is_a_provider() -> None:
    assert profile_of("command", ["my-agent", "--acp"]).command == ("my-agent", "--acp")


@pytest.mark.parametrize(
    ("provider", "command", "complaint"),
    [
        ("gpt", [], "'gpt' is not known; there are: builtin, claude, codex, command"),
        ("command", [], "needs a command"),
        ("builtin", ["x"], "takes no command"),
    ],
)
def test_a_provider_that_cannot_be_is_named(provider: str, command: list[str], complaint: str) -> None:
    with pytest.raises(AgentStartError, match=complaint):
        profile_of(provider, command)


def test_an_outline_is_read_back_from_the_query_that_asks_for_it() -> None:
    query = "Look.\n```outline\n## Not this\n```\nand this:" + outline_instruction(
        "A survey", ["Summary", "Next steps"]
    )
    assert outline_of(query) == Outline(title="A survey", headings=("Summary", "Next steps"))


def test_a_query_that_asks_for_no_outline_has_none() -> None:
    assert outline_of("") is None
    assert outline_of("Look at ```outline blocks.") is None
    assert outline_of("Not the end:" + outline_instruction("T", ["Summary"]) + "Now go.") is None


def test_what_is_unknown_does_not_become_zero_in_a_sum() -> None:
    known = Usage(input_tokens=3, output_tokens=None, cost_usd=Decimal("0.5"))
    assert Usage() + Usage() == Usage()
    assert Usage(input_tokens=4) + known == Usage(input_tokens=7, output_tokens=None, cost_usd=Decimal("0.5"))


def test_the_built_in_agent_starts_without_what_is_slow_to_import() -> None:
    source = "import sys; sys.path.append('.'); import orchestrator.agents.builtin.server; print(*sys.modules)"
    root = Path(__file__).parents[3]
    loaded = subprocess.check_output([sys.executable, "-I", "-S", "-c", source], cwd=root, text=True).split()
    assert not {"asyncio", "pathlib", "acp", "pydantic"} & set(loaded)


def test_the_protocol_is_imported_only_where_an_agent_starts() -> None:
    source = "import sys, orchestrator.agents.start, orchestrator.agents.checks; sys.exit('acp' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", source], cwd=root, check=False).returncode == 0
