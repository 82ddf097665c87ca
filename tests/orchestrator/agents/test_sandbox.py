"""The wall around an agent, with a real bubblewrap and real processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agents import checks
from orchestrator.agents.profiles import BUILTIN
from orchestrator.agents.sandbox import find_sandbox, sandboxed
from orchestrator.agents.session import AgentStart
from orchestrator.agents.start import start_agent
from orchestrator.domain.errors import AgentCrashed, AgentRefused, AgentUnavailable
from tests.orchestrator.agents.world import World
from tests.parts.bubblewrap import bubblewrap

__all__ = ["bubblewrap"]


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    find_sandbox.cache_clear()
    yield
    find_sandbox.cache_clear()


@pytest.fixture
def tree(world: World) -> Path:
    """A WorkTree of a real repository, linked from the WorkSpace, beside that of another Workflow."""
    mirror = world.folder / "git" / "api"
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "-q", "-b", "main", mirror], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Start"], cwd=mirror, check=True)
    for name in ("ours", "theirs"):
        subprocess.run(
            [*git, "worktree", "add", "-q", world.folder / "trees" / name, "-b", name], cwd=mirror, check=True
        )
    ours: Path = world.folder / "trees" / "ours"
    (world.workspace / "api").symlink_to(ours)
    (world.folder / "secret").write_text("hush")
    return ours


def walled(world: World, tree: Path, **changes: object) -> AgentStart:
    return world.start(BUILTIN, directories=(tree,), sandbox="required", **changes)


@pytest.mark.usefixtures("bubblewrap")
def test_an_agent_writes_in_its_workspace_its_trees_and_its_home(world: World, tree: Path) -> None:
    with world.nothing_left(within_s=5), start_agent(walled(world, tree)) as agent:
        agent.query("```sh\necho 1 > here; echo 2 > api/there; echo 3 > $HOME/own; echo 4 > /tmp/mine\n```")
    assert (world.workspace / "here").read_text() == "1\n"
    assert (tree / "there").read_text() == "2\n"
    assert (world.folder / "home" / "own").read_text() == "3\n"
    assert not Path("/tmp/mine").exists()


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize(
    "forbidden",
    [
        "cat {folder}/secret",
        "ls {folder}/trees/theirs",
        "echo x > /new",
        "echo x > /usr/new",
        "echo x > /etc/new",
        "cat /etc/shadow",
        "ls /root/.ssh /root",
        "cat /proc/{worker}/environ",
        "kill -0 {worker}",
        "echo x >> {folder}/git/api/.git/config",
        "touch {folder}/git/api/.git/hooks/post-checkout",
    ],
)
def test_an_agent_reaches_nothing_else(world: World, tree: Path, forbidden: str) -> None:
    command = forbidden.format(folder=world.folder, worker=os.getpid())
    with start_agent(walled(world, tree)) as agent, pytest.raises(AgentRefused):
        agent.query(f"```sh\n{command}\n```")


@pytest.mark.usefixtures("bubblewrap")
def test_what_is_written_beside_stays_behind_the_wall(world: World, tree: Path) -> None:
    with start_agent(walled(world, tree)) as agent:
        agent.query(f"```sh\necho x > {world.folder}/new || true; echo x > {world.folder}/trees/new || true\n```")
    assert not (world.folder / "new").exists()
    assert not (world.folder / "trees" / "new").exists()


@pytest.mark.usefixtures("bubblewrap")
def test_what_the_wall_forbids_is_allowed_without_it(world: World, tree: Path) -> None:
    with start_agent(world.start(BUILTIN, directories=(tree,))) as agent:
        assert "hush" in agent.query(f"```sh\ncat {world.folder}/secret; ls {world.folder}/trees/theirs\n```").text


@pytest.mark.usefixtures("bubblewrap")
def test_git_shows_history_and_status_behind_the_wall(world: World, tree: Path) -> None:
    with start_agent(walled(world, tree)) as agent:
        said = agent.query(
            "```sh\ncd api; echo x > new; git -c safe.directory='*' status --short; git log --format=%s\n```"
        )
    assert "?? new" in said.text
    assert "Start" in said.text


@pytest.mark.usefixtures("bubblewrap")
def test_who_may_only_read_cannot_write_the_trees(world: World, tree: Path) -> None:
    with start_agent(walled(world, tree, permissions="read")) as agent:
        assert agent.query("```sh\nls api/.git\n```").stop_reason == "end_turn"
        with pytest.raises(AgentRefused, match="Read-only"):
            agent.query("```sh\necho x > api/new\n```")


@pytest.mark.usefixtures("bubblewrap")
def test_earlier_reports_are_read_behind_the_wall(world: World, tree: Path) -> None:
    report = world.folder / "reports-of-the-workflow" / "survey.md"
    report.parent.mkdir()
    report.write_text("# Survey")
    (world.workspace / "reports" / "diagnose").mkdir(parents=True)
    (world.workspace / "reports" / "diagnose" / "survey.md").symlink_to(report)
    with start_agent(walled(world, tree)) as agent:
        assert "# Survey" in agent.query("```sh\ncat reports/diagnose/survey.md\n```").text
        with pytest.raises(AgentRefused):
            agent.query("```sh\necho x > reports/diagnose/survey.md\n```")
    assert report.read_text() == "# Survey"


@pytest.mark.usefixtures("bubblewrap")
def test_a_lock_goes_through_the_wall(world: World, tree: Path) -> None:
    lock = os.open(world.folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        with start_agent(walled(world, tree, pass_fds=(lock,))) as agent:
            assert "held" in agent.query(f"```sh\ntest -e /proc/self/fd/{lock} && echo held\n```").text
    finally:
        os.close(lock)


@pytest.mark.usefixtures("bubblewrap")
def test_a_death_behind_the_wall_is_a_crash_and_leaves_nothing(world: World, tree: Path) -> None:
    dies = "ready(); hear(); subprocess.Popen(['sleep', '600'], start_new_session=True); os.kill(os.getpid(), 9)"
    start = world.start(dies, directories=(tree,), sandbox="required")
    with world.nothing_left(within_s=5), start_agent(start) as agent, pytest.raises(AgentCrashed):
        agent.query("go")


@pytest.mark.usefixtures("bubblewrap")
def test_a_check_runs_behind_the_same_wall(world: World, tree: Path) -> None:
    home = world.folder / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = f"pwd; cat {world.folder}/secret || echo unseen; echo x > made"
    result = checks.run_command(command, cwd=tree, env=env, timeout_ms=20_000, sandbox="required")
    assert (result.exit_code, "hush" in result.output) == (0, False)
    assert "unseen" in result.output
    assert str(tree) in result.output
    assert (tree / "made").exists()


@pytest.mark.usefixtures("no_bubblewrap")
def test_required_without_bubblewrap_refuses_to_start(world: World) -> None:
    with pytest.raises(AgentUnavailable, match="AGENT_SANDBOX=required"), start_agent(walled(world, world.folder)):
        pass


@pytest.mark.usefixtures("no_bubblewrap")
def test_auto_without_bubblewrap_is_no_wall(world: World) -> None:
    command = sandboxed(("x",), mode="auto", workspace=world.workspace, writable=(), home=world.folder, env={})
    assert command == ("x",)


@pytest.mark.usefixtures("bubblewrap")
def test_a_pointer_that_the_agent_bent_opens_nothing(world: World, tree: Path) -> None:
    (world.folder / "trap").mkdir()
    (tree / ".git").write_text(f"gitdir: {world.folder}/trap\n")
    with start_agent(walled(world, tree)) as agent, pytest.raises(AgentRefused):
        agent.query(f"```sh\nls {world.folder}/trap\n```")
