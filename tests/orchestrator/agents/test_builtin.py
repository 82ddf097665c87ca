"""The built-in agent as a process on its own: what it does with a query's blocks, and its manners as a server."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.outline import outline_instruction
from orchestrator.agents.profiles import BUILTIN
from orchestrator.domain.reports import headings


class Builtin:
    """The built-in agent, spoken to line by line."""

    def __init__(self, workspace: Path) -> None:
        workspace.mkdir(exist_ok=True)
        env = {"PATH": os.environ["PATH"], "HOME": str(workspace / "home")}
        self.process = subprocess.Popen(
            BUILTIN.command, cwd=workspace, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.workspace = workspace
        self.updates: list[dict[str, Any]] = []
        self._id = 0

    def send(self, method: str, **params: Any) -> int:
        assert self.process.stdin is not None
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        return self._id

    def receive(self) -> dict[str, Any]:
        """The next answer; updates on the way are kept."""
        assert self.process.stdout is not None
        while True:
            message: dict[str, Any] = json.loads(self.process.stdout.readline())
            if "id" in message:
                return message
            self.updates.append(message["params"]["update"])

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.send(method, **params)
        return self.receive()

    def session(self) -> str:
        answer = self.ask("session/new", cwd=str(self.workspace), mcpServers=[])
        return str(answer["result"]["sessionId"])

    def prompt(self, session_id: str, query: str) -> tuple[str, str]:
        """The answer and the stop reason."""
        self.updates.clear()
        answer = self.ask("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": query}])
        return self.said(), answer["result"]["stopReason"]

    def said(self) -> str:
        chunks = [update for update in self.updates if update["sessionUpdate"] == "agent_message_chunk"]
        return "".join(chunk["content"]["text"] for chunk in chunks)

    def answer(self, query: str) -> str:
        """The answer to one query that succeeds."""
        text, stop_reason = self.prompt(self.session(), query)
        assert stop_reason == "end_turn", text
        return text


@pytest.fixture
def builtin(tmp_path: Path) -> Iterator[Builtin]:
    agent = Builtin(tmp_path / "workspace")
    yield agent
    agent.process.kill()
    agent.process.communicate()


def repository(path: Path, commits: list[tuple[str, str, dict[str, str]]]) -> None:
    """A git repository: (author, subject, files) per commit."""
    git = ["git", "-C", str(path)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    for author, subject, files in commits:
        for name, text in files.items():
            (path / name).write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        who = ["-c", f"user.name={author}", "-c", "user.email=dev@example.invalid"]
        subprocess.run([*git, *who, "commit", "-q", "-m", subject], check=True)


def test_a_query_without_a_block_is_nothing_to_do(builtin: Builtin) -> None:
    assert builtin.answer("Please fix everything.").startswith("Nothing to do: ")


def test_blocks_run_one_after_another_in_the_workspace(builtin: Builtin) -> None:
    text = builtin.answer("First:\n```sh\necho one > f\n```\nThen:\n```sh\necho two >> f\ncat f\n```\n")
    assert "### `echo one > f`\n\nIt printed nothing." in text
    assert "### `echo two >> f`\n\n```\none\ntwo\n```" in text


def test_output_that_is_markdown_stays_as_it_is(builtin: Builtin) -> None:
    assert builtin.answer("```sh\nprintf '# Findings\\n\\n- one\\n'\n```") == "# Findings\n\n- one"


def test_output_that_holds_fences_is_fenced_wider(builtin: Builtin) -> None:
    assert "````\n```\ncode\n```\n````" in builtin.answer("```sh\nprintf '```\\ncode\\n```\\n'\n```")


def test_blocks_of_other_languages_and_blocks_inside_them_do_not_run(builtin: Builtin) -> None:
    text = builtin.answer("```python\nopen('f', 'w')\n```\n````markdown\n```sh\ntouch f\n```\n````\n")
    assert text.startswith("Nothing to do")
    assert not (builtin.workspace / "f").exists()


def test_a_block_stops_at_its_first_error_and_later_blocks_do_not_run(builtin: Builtin) -> None:
    query = "```sh\necho before\nfalse\necho after\n```\n```sh\ntouch ran\n```"
    text, stop_reason = builtin.prompt(builtin.session(), query)
    assert stop_reason == "refusal"
    assert "### `echo before` failed: exit code 1\n\n```\nbefore\n```" in text
    assert not (builtin.workspace / "ran").exists()


def test_a_long_output_loses_its_middle(builtin: Builtin) -> None:
    text = builtin.answer("```sh\necho begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end\n```")
    assert len(text) < 300 * 1024
    assert "begin" in text
    assert "bytes left out here]" in text
    assert text.rstrip("`\n").endswith("end")


def test_something_left_in_the_background_does_not_hold_the_block(builtin: Builtin) -> None:
    began = time.monotonic()
    assert "started" in builtin.answer("```sh\nsleep 5 &\necho started\n```")
    assert time.monotonic() - began < 2


def test_a_block_is_shown_while_it_runs(builtin: Builtin) -> None:
    builtin.answer("```sh\necho early; sleep 0.5; echo late; sleep 0.1\n```")
    calls = [update for update in builtin.updates if update["sessionUpdate"].startswith("tool_call")]
    assert calls[0]["status"] == "in_progress"
    assert calls[0]["rawInput"]["body"].startswith("echo early")
    assert any("late" in str(call["content"]) for call in calls[1:-1])
    assert calls[-1]["status"] == "completed"


def test_a_cancel_kills_the_block_with_its_group(builtin: Builtin) -> None:
    session_id = builtin.session()
    builtin.send(
        "session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "```sh\nsleep 60 | cat\n```"}]
    )
    time.sleep(0.3)
    assert builtin.process.stdin is not None
    cancel = {"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session_id}}
    builtin.process.stdin.write(json.dumps(cancel).encode() + b"\n")
    builtin.process.stdin.flush()
    assert builtin.receive()["result"]["stopReason"] == "cancelled"
    assert builtin.prompt(session_id, "```sh\necho again\n```")[1] == "end_turn"


def test_the_end_of_input_ends_it_in_the_middle_of_a_block(builtin: Builtin) -> None:
    builtin.send(
        "session/prompt", sessionId=builtin.session(), prompt=[{"type": "text", "text": "```sh\nsleep 60\n```"}]
    )
    time.sleep(0.2)
    assert builtin.process.stdin is not None
    builtin.process.stdin.close()
    assert builtin.process.wait(timeout=2) == 0
    builtin.process.stdin = None


def test_reports_zero_tokens(builtin: Builtin) -> None:
    answer = builtin.ask("session/prompt", sessionId=builtin.session(), prompt=[{"type": "text", "text": "hi"}])
    assert answer["result"]["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("session/fork", {}, -32601),
        ("session/new", {}, -32602),
        ("session/prompt", {"sessionId": "nobody", "prompt": []}, -32002),
        ("session/load", {"sessionId": "../../etc/passwd", "cwd": "/"}, -32002),
        ("session/resume", {"sessionId": "0123456789abcdef", "cwd": "/"}, -32002),
    ],
)
def test_a_bad_request_gets_its_error_and_the_agent_lives_on(
    builtin: Builtin, method: str, params: dict[str, Any], code: int
) -> None:
    assert builtin.ask(method, **params)["error"]["code"] == code
    assert builtin.ask("initialize", protocolVersion=1)["result"]["protocolVersion"] == 1


def test_an_unreadable_line_gets_its_error_and_the_agent_lives_on(builtin: Builtin) -> None:
    assert builtin.process.stdin is not None
    builtin.process.stdin.write(b"hello?\n")
    builtin.process.stdin.flush()
    assert builtin.receive()["error"]["code"] == -32700
    assert builtin.session()


def test_keeps_the_metadata_of_a_session_in_its_home(builtin: Builtin) -> None:
    answer = builtin.ask("session/new", cwd=str(builtin.workspace), mcpServers=[], _meta={"correlationId": "wf-1-001"})
    state = builtin.workspace / "home" / ".builtin-agent" / f"{answer['result']['sessionId']}.json"
    assert json.loads(state.read_text()) == {"turns": 0, "metadata": {"correlationId": "wf-1-001"}}


def test_history_counts_commits_authors_and_changes(builtin: Builtin) -> None:
    repository(
        builtin.workspace / "api",
        [
            ("Ada", "Begin", {"a.txt": "1", "b c.txt": "1"}),
            ("Bob", "Grow", {"a.txt": "2"}),
            ("Ada", "Finish ✓", {"ü.txt": "1"}),
        ],
    )
    assert builtin.answer("```git-history\nlimit: 2\n```").splitlines() == [
        "### api: 3 commits by 2 authors",
        "",
        "#### Most changed files of api",
        "",
        "- `a.txt` (2 changes)",
        "- `ü.txt` (1 change)",
        "",
        "#### Latest commits of api",
        "",
        "- Finish ✓",
        "- Grow",
    ]


def test_history_takes_all_repositories_or_the_one_named(builtin: Builtin) -> None:
    for name in ("api", "web"):
        repository(builtin.workspace.parent / name, [("Ada", f"Begin {name}", {"f": "1"})])
        (builtin.workspace / name).symlink_to(builtin.workspace.parent / name)
    both = builtin.answer("```git-history\n```")
    one = builtin.answer("```git-history\nrepository: web\nsince: 2 weeks ago\n```")
    assert both.index("### api: 1 commit by 1 author") < both.index("### web: 1 commit")
    assert one.startswith("### web: 1 commit by 1 author since 2 weeks ago")


def test_history_of_a_repository_without_commits(builtin: Builtin) -> None:
    repository(builtin.workspace / "new", [])
    assert builtin.answer("```git-history\n```") == "### new: no commits yet"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("repository: ../../etc", "no repository '../../etc' in the WorkSpace; there are: api"),
        ("limit: 0", "limit '0' is not a number above 0"),
        ("format: json", "cannot read 'format: json'"),
    ],
)
def test_a_history_block_that_asks_for_what_is_not_there_fails(builtin: Builtin, body: str, complaint: str) -> None:
    repository(builtin.workspace / "api", [("Ada", "Begin", {"f": "1"})])
    text, stop_reason = builtin.prompt(builtin.session(), f"```git-history\n{body}\n```")
    assert stop_reason == "refusal"
    assert complaint in text


def test_an_outline_gets_every_heading_with_the_output_under_the_first(builtin: Builtin) -> None:
    query = "```sh\necho found\n```" + outline_instruction("Survey", ["Summary", "Risks"])
    assert builtin.answer(query) == (
        "# Survey\n\n## Summary\n\n### `echo found`\n\n```\nfound\n```\n\n## Risks\n\nNothing to report."
    )


def test_headings_that_were_printed_are_kept(builtin: Builtin) -> None:
    printed = "# Mine\\n\\nintro\\n\\n```\\n## Risks\\n```\\n\\n### Risks\\n\\n- one\\n"
    query = f"````sh\nprintf '{printed}'\n````" + outline_instruction("Survey", ["Summary", "Risks", "Next"])
    text = builtin.answer(query)
    assert headings(text) == ("Survey", "Summary", "Mine", "Risks", "Next")
    assert text.count("### Risks") == 1
    assert text.endswith("## Next\n\nNothing to report.")


def test_a_complete_report_is_left_alone(builtin: Builtin) -> None:
    query = "```sh\nprintf '# S\\n\\n## Summary\\n\\nfine\\n'\n```" + outline_instruction("Survey", ["Summary"])
    assert builtin.answer(query) == "# S\n\n## Summary\n\nfine"


def test_an_outline_of_a_large_output_takes_no_time(builtin: Builtin) -> None:
    query = "```sh\necho '# Log'; seq 1 40000\n```" + outline_instruction("Survey", ["Summary", "Risks"])
    began = time.monotonic()
    assert "## Risks" in builtin.answer(query)
    # Below one second on an idle machine; a look at every beginning of the text takes minutes.
    assert time.monotonic() - began < 20
