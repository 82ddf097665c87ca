"""The live view: whole lines, masked, bounded, in the Task's own file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator.agents import transcript
from orchestrator.agents.profiles import BUILTIN
from orchestrator.agents.session import Update
from orchestrator.agents.start import start_agent
from orchestrator.agents.transcript import Line, LiveView, read_transcript
from tests.orchestrator.agents.world import World


def message(text: str) -> Update:
    return Update(kind="message", text=text)


def test_a_real_agents_turn_is_seen_and_stays_readable(world: World) -> None:
    seen: list[Line] = []
    live = LiveView(seen.append)
    path = world.folder / "transcripts" / "fix" / "patch.jsonl"
    with start_agent(world.start(BUILTIN, on_update=live.hear)) as agent, live.task(path, "do it"):
        agent.query("```sh\necho hello\n```")
    lines, _ = read_transcript(path)
    assert lines == seen
    assert (lines[0].kind, lines[-1].kind) == ("query", "end")
    calls = [line for line in lines if line.kind == "tool_call"]
    assert (calls[0].text, calls[-1].status) == ("echo hello", "completed")
    assert any("hello" in line.text for line in lines if line.kind == "message")
    assert str(calls[0]) == "[tool] echo hello in_progress"


def test_pieces_are_joined_into_lines(tmp_path: Path) -> None:
    live = LiveView()
    with live.task(tmp_path / "t", "q"):
        for piece in ("I lo", "ok at ", "it\nand th", "en "):
            live.hear(message(piece))
        live.hear(Update(kind="thought", text="hm"))
        live.hear(message("done"))
    lines, _ = read_transcript(tmp_path / "t")
    assert [(line.kind, line.text) for line in lines[1:-1]] == [
        ("message", "I look at it"), ("message", "and then "), ("thought", "hm"), ("message", "done"),
    ]  # fmt: skip


def test_a_secret_that_comes_in_pieces_is_masked(tmp_path: Path) -> None:
    live = LiveView()
    with live.task(tmp_path / "t", "use token=ghp_0123456789abcdefghijklmnopqrstuvwxyz"):
        for piece in ("the token is ghp_0123456789", "abcdefghijklmnop", "qrstuvwxyz ok"):
            live.hear(message(piece))
        live.hear(Update(kind="tool_call", text="env", output="GITHUB_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvwxyz"))
    written = (tmp_path / "t").read_text()
    assert "abcdefghijklmnop" not in written
    assert "the token is" in written


def test_a_secret_without_a_line_break_is_not_cut_in_two(tmp_path: Path) -> None:
    live = LiveView()
    secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
    with live.task(tmp_path / "t", "q"):
        text = "word " * 810 + secret + " end" * 900
        for start in range(0, len(text), 97):
            live.hear(message(text[start : start + 97]))
    written = (tmp_path / "t").read_text()
    assert "klmnopqrstuvwxyz" not in written
    assert written.count("end") > 800


def test_an_error_is_the_last_line(tmp_path: Path) -> None:
    live = LiveView()

    def fail() -> None:
        live.hear(message("half a sent"))
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), live.task(tmp_path / "t", "q"):
        fail()
    lines, _ = read_transcript(tmp_path / "t")
    assert [(line.kind, line.text) for line in lines[1:]] == [("message", "half a sent"), ("end", "ValueError: boom")]


def test_another_try_goes_on_in_the_same_file(tmp_path: Path) -> None:
    live = LiveView()
    for query in ("one", "two"):
        with live.task(tmp_path / "t", query):
            pass
    assert [line.text for line in read_transcript(tmp_path / "t")[0] if line.kind == "query"] == ["one", "two"]


def test_a_follower_reads_on_where_it_was_and_never_half_a_line(tmp_path: Path) -> None:
    live = LiveView()
    path = tmp_path / "t"
    assert read_transcript(path) == ([], 0)
    with live.task(path, "q"):
        first, offset = read_transcript(path)
        live.hear(message("more\n"))
        with path.open("ab") as file:
            file.write(b'{"at": "half')
        second, offset = read_transcript(path, offset=offset)
        assert read_transcript(path, offset=offset) == ([], offset)
    assert ([line.kind for line in first], [line.text for line in second]) == (["query"], ["more"])


def test_a_file_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "FILE_LIMIT_BYTES", 10_000)
    live = LiveView()
    with live.task(tmp_path / "t", "q"):
        for _ in range(1_000):
            live.hear(message("x" * 100 + "\n"))
    assert (tmp_path / "t").stat().st_size < 12_000
    assert read_transcript(tmp_path / "t")[0][-1].kind == "cut"


def test_endless_words_cost_no_memory(tmp_path: Path) -> None:
    live = LiveView()
    with live.task(tmp_path / "t", "q"):
        for _ in range(200):
            live.hear(message("x" * 1_000))
    assert (tmp_path / "t").stat().st_size < 100_000


def test_a_disk_that_cannot_be_written_costs_no_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    seen: list[Line] = []
    live = LiveView(seen.append)
    with live.task(tmp_path / "file" / "t", "q"):
        live.hear(message("said\n"))
    assert [line.kind for line in seen] == ["query", "message", "end"]


def test_what_is_said_between_tasks_reaches_the_listener_alone(tmp_path: Path) -> None:
    seen: list[Line] = []
    live = LiveView(seen.append)
    threads = [threading.Thread(target=live.hear, args=(message(f"{number}\n"),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(line.text) for line in seen) == list(range(20))
