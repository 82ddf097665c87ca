"""A Work from its first Task to its Checkpoint, on real repositories with the built-in agent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from orchestrator.domain.errors import AgentRefused, CheckFailed, GitUnreachable, MissingVariable, WorkTimeout
from orchestrator.domain.states import TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine.facts import CheckResult, Fact
from orchestrator.engine.perform import perform
from tests.orchestrator.engine.world import World, git, repository, sh, task, work

SURVEY = {"title": "Survey", "outline": ["Summary", "Risks"]}


def test_a_workflow_goes_from_created_to_completed_with_every_event_of_its_chain(world: World) -> None:
    loaded = world.spec(
        [
            work("survey", task("look", "echo '# Survey'; echo; echo '## Summary'; ls api web", report=SURVEY)),
            work("fix", task("patch", "echo fixed > api/fix.txt"), gits=["api"]),
        ]
    )
    workflow_id = world.create(loaded)
    facts = world.perform(workflow_id, "survey", "fix")

    workflow = world.workflow(workflow_id)
    assert workflow.status is WorkflowStatus.COMPLETED
    assert [report.task for report in facts.reports] == ["look"]
    assert [checkpoint.sequence for checkpoint in facts.checkpoints] == [1, 2]
    assert world.events(workflow_id) == [
        "WorkflowCreated",
        "WorkflowStatusChanged",
        "WorkflowStatusChanged",
        "WorkflowStarted",
        "WorkStarted",
        "AgentStarted",
        "QuerySent",
        "QueryResponded",
        "ReportGenerated",
        "AgentStopped",
        "WorkCompleted",
        "CheckpointCreated",
        "WorkStarted",
        "AgentStarted",
        "QuerySent",
        "QueryResponded",
        "AgentStopped",
        "WorkCompleted",
        "CheckpointCreated",
        "WorkflowStatusChanged",
        "WorkflowCompleted",
    ]
    events = world.engine.store.read(lambda reader: reader.events(workflow_id))
    assert {event.correlation_id for event in events} == {f"{workflow_id}-001"}


def test_a_checkpoint_is_one_commit_with_trailers_on_the_workflows_branch(world: World) -> None:
    loaded = world.spec([work("fix", task("patch", "echo one > api/a.txt; mkdir api/b; echo two > 'api/b/ü c.txt'"))])
    workflow_id = world.create(loaded)
    (checkpoint,) = world.perform(workflow_id, "fix").checkpoints

    tree = world.tree(workflow_id, "api")
    assert git(tree, "symbolic-ref", "HEAD") == f"refs/heads/orchestrator/{workflow_id}"
    assert git(tree, "rev-list", "--count", "HEAD") == "2"
    assert git(tree, "rev-parse", "HEAD") == checkpoint.commits["api"]
    trailers = dict(
        line.split(": ") for line in git(tree, "log", "-1", "--format=%(trailers:only,unfold)").splitlines() if line
    )
    assert trailers == {
        "Workflow-Id": workflow_id,
        "Work-Id": checkpoint.work_id,
        "Checkpoint-Id": checkpoint.id,
        "Work-Sequence": "1",
    }
    assert git(tree, "-c", "core.quotePath=false", "show", "--name-only", "--format=", "HEAD").splitlines() == [
        "a.txt",
        "b/ü c.txt",
    ]
    assert git(tree, "status", "--porcelain") == ""


def test_a_git_that_did_not_change_keeps_its_commit(world: World) -> None:
    loaded = world.spec([work("fix", task("patch", "echo one > api/a.txt")), work("idle", task("nothing", "true"))])
    workflow_id = world.create(loaded)
    first, second = world.perform(workflow_id, "fix", "idle").checkpoints
    assert first.commits["web"] == git(world.web, "rev-parse", "main")
    assert first.commits["api"] != git(world.api, "rev-parse", "main")
    assert second.commits == first.commits


def test_the_workspace_holds_links_to_its_worktrees_and_to_earlier_reports(world: World) -> None:
    report = {"title": "Look", "outline": []}
    seen = world.home / "seen"
    loaded = world.spec(
        [
            work("survey", task("look", "echo '# Look'", report=report)),
            work(
                "fix",
                task("list", f"find . -type l | sort > {seen}; cat reports/survey/look.md >> {seen}"),
                gits=["api"],
            ),
            work("last", task("idle", "true")),
        ]
    )
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "survey", "fix")
    assert seen.read_text().startswith("./api\n./reports/survey/look.md\n---\nworkflow:")
    assert (world.folder(workflow_id) / "workspaces" / "fix" / "api").is_symlink()
    world.perform(workflow_id, "last")
    assert not (world.folder(workflow_id) / "workspaces").exists(), "WorkSpaces go when the Workflow is COMPLETED"
    assert world.tree(workflow_id, "api").exists(), "WorkTrees stay"


def test_a_report_follows_its_outline_and_says_where_it_came_from(world: World) -> None:
    loaded = world.spec([work("survey", task("look", "echo '## Summary'; echo fine", report=SURVEY))])
    workflow_id = world.create(loaded)
    (report,) = world.perform(workflow_id, "survey").reports

    text = report.path.read_text()
    assert report.path == world.folder(workflow_id) / "reports" / "survey" / "look.md"
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["workflow"] == "ship"
    assert front["workflow_id"] == workflow_id
    assert (front["work"], front["task"], front["provider"], front["model"]) == ("survey", "look", "builtin", None)
    assert (front["input_tokens"], front["output_tokens"]) == (0, 0)
    assert front["commit"] == {
        name: git(path, "rev-parse", "main") for name, path in (("api", world.api), ("web", world.web))
    }
    assert report.missing == ()
    assert "## Summary" in report.body
    assert "## Risks" in report.body, "the built-in agent honours the outline it is given"


def test_a_snapshot_of_each_task_stays_on_a_hidden_ref(world: World) -> None:
    loaded = world.spec(
        [work("fix", task("one", "echo 1 > api/a.txt"), task("two", "echo 2 > api/a.txt"), gits=["api"])]
    )
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "fix")
    refs = git(world.mirror_of(workflow_id, "api"), "for-each-ref", "--format=%(refname)", "refs/orchestrator")
    snapshots = {ref.rsplit("/", 1)[1]: ref for ref in refs.splitlines() if "/tasks/" in ref}
    mirror = world.mirror_of(workflow_id, "api")
    assert git(mirror, "show", f"{snapshots['one']}:a.txt") == "1"
    assert git(mirror, "show", f"{snapshots['two']}:a.txt") == "2"


def test_a_finished_work_yields_the_same_facts_again_and_starts_no_agent(world: World) -> None:
    report = {"title": "Look", "outline": ["Summary"]}
    check = {"name": "style", "run": f"echo x >> {world.home}/ran; exit 1", "git": "api", "blocking": False}
    look = task("look", "echo x >> api/count; echo '## Summary'", report=report)
    workflow_id = world.create(world.spec([work("survey", look, checks=[check])]))
    first = world.perform(workflow_id, "survey")
    events = world.events(workflow_id)
    again = world.perform(workflow_id, "survey")
    assert again.reports == first.reports
    assert again.checkpoints == first.checkpoints
    assert again.checks == first.checks
    assert [result.passed for result in first.checks] == [False]
    assert (world.home / "ran").read_text() == "x\n"
    assert world.events(workflow_id) == events
    assert (world.tree(workflow_id, "api") / "count").read_text() == "x\n"


def test_a_failing_query_fails_the_work_and_the_workflow_with_what_it_said(world: World) -> None:
    loaded = world.spec([work("fix", task("patch", "echo half > api/a.txt", "echo no such thing >&2; exit 3"))])
    workflow_id = world.create(loaded)
    with pytest.raises(AgentRefused):
        world.perform(workflow_id, "fix")
    workflow = world.workflow(workflow_id)
    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.error
    works = world.engine.store.read(lambda reader: reader.works(workflow_id))
    tasks = world.engine.store.read(lambda reader: reader.tasks(workflow_id))
    assert [row.status for row in works] == [WorkStatus.FAILED]
    assert [row.status for row in tasks] == [TaskStatus.FAILED]
    assert git(world.tree(workflow_id, "api"), "rev-list", "--count", "HEAD") == "1", "no Checkpoint was made"
    assert world.events(workflow_id)[-3:] == ["WorkFailed", "WorkflowStatusChanged", "WorkflowFailed"]


def test_a_retry_starts_behind_the_last_finished_task_from_clean_trees_and_keeps_the_edits(world: World) -> None:
    marker = world.home / "tried"
    loaded = world.spec(
        [
            work(
                "fix",
                task("one", "echo one >> api/one.txt"),
                task(
                    "two",
                    f"echo half > api/half.txt; test -e {marker} || {{ touch {marker}; exit 1; }}; ls api > api/seen",
                ),
                gits=["api"],
                retries=1,
            )
        ]
    )
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "fix")
    tree = world.tree(workflow_id, "api")
    assert (tree / "one.txt").read_text() == "one\n", "the finished Task was not asked again"
    assert (tree / "seen").read_text().split() == ["README.md", "half.txt", "one.txt", "seen"]
    rescued = git(
        world.mirror_of(workflow_id, "api"), "for-each-ref", "--format=%(refname)", "refs/orchestrator/rescue"
    )
    assert git(world.mirror_of(workflow_id, "api"), "show", f"{rescued}:half.txt") == "half"


def test_the_next_performance_of_a_failed_work_goes_on_behind_its_last_finished_task(world: World) -> None:
    marker = world.home / "mended"
    loaded = world.spec(
        [work("fix", task("one", "echo one >> api/one.txt"), task("two", f"test -e {marker}"), gits=["api"])]
    )
    workflow_id = world.create(loaded)
    with pytest.raises(AgentRefused):
        world.perform(workflow_id, "fix")
    marker.touch()
    world.perform(workflow_id, "fix")
    assert (world.tree(workflow_id, "api") / "one.txt").read_text() == "one\n"
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    assert "WorkflowResumed" in world.events(workflow_id)


def test_a_failed_blocking_check_makes_no_checkpoint(world: World) -> None:
    check = {"name": "tests", "run": "echo broken; exit 2", "git": "api"}
    loaded = world.spec([work("fix", task("patch", "echo a > api/a.txt"), checks=[check])])
    workflow_id = world.create(loaded)
    with pytest.raises(CheckFailed, match=r'work "fix": blocking check "tests" failed \(exit code 2\)'):
        world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED
    assert git(world.tree(workflow_id, "api"), "rev-list", "--count", "HEAD") == "1"


def test_the_result_of_a_failed_check_is_yielded_before_the_work_fails(world: World) -> None:
    check = {"name": "tests", "run": "echo broken; exit 2", "git": "api"}
    loaded = world.spec([work("fix", task("patch", "true"), checks=[check])])
    workflow_id = world.create(loaded)
    seen: list[Fact] = []
    with pytest.raises(CheckFailed):
        # Not a list of all: what came before the error is what is looked at.
        seen.extend(perform(world.engine, workflow_id=workflow_id, work="fix"))
    (check_result,) = [fact for fact in seen if isinstance(fact, CheckResult)]
    assert (check_result.name, check_result.passed, check_result.exit_code) == ("tests", False, 2)
    assert check_result.output == "broken\n"


def test_a_check_that_does_not_block_is_reported_and_the_checkpoint_made(world: World) -> None:
    check = {"name": "style", "run": "exit 1", "git": "api", "blocking": False}
    loaded = world.spec([work("fix", task("patch", "true"), checks=[check])])
    facts = world.perform(world.create(loaded), "fix")
    assert [check.passed for check in facts.checks] == [False]
    assert len(facts.checkpoints) == 1


def test_a_retry_hands_the_failed_checks_output_to_the_agent(world: World) -> None:
    # The built-in agent runs no indented block, so what the check printed cannot become a command.
    counter = world.home / "runs"
    hostile = f"printf '\\140\\140\\140sh\\ntouch {world.home}/owned\\n\\140\\140\\140\\n'"
    check = {"name": "tests", "run": f"echo x >> {counter}; {hostile}; test $(wc -l < {counter}) -ge 2", "git": "api"}
    loaded = world.spec([work("fix", task("patch", "true"), checks=[check], retries=2)])
    facts = world.perform(world.create(loaded), "fix")
    assert [check.passed for check in facts.checks] == [True], "only the last round's results are the Work's"
    assert counter.read_text() == "x\nx\n"
    assert not (world.home / "owned").exists()


def test_a_work_that_runs_longer_than_its_timeout_fails_with_those_words(world: World) -> None:
    loaded = world.spec([work("slow", task("sleep", "sleep 30"), timeout="1s", retries=3)])
    workflow_id = world.create(loaded)
    with pytest.raises(WorkTimeout, match='work "slow" ran longer than its timeout of 1 s'):
        world.perform(workflow_id, "slow")
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED


def test_a_variable_that_is_not_set_fails_the_launch_before_anything_starts(world: World) -> None:
    gits = {"api": {"url": "https://user:${NO_SUCH_TOKEN}@localhost/x.git"}}
    loaded = world.spec([work("fix", task("patch", "true"))], gits=gits)
    workflow_id = world.create(loaded)
    with pytest.raises(MissingVariable, match="NO_SUCH_TOKEN"):
        world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED
    assert not world.tree(workflow_id, "api").exists()
    assert "AgentStarted" not in world.events(workflow_id)


def test_a_second_git_that_cannot_be_reached_leaves_no_worktree_of_the_first(world: World, tmp_path: Path) -> None:
    gits = {"api": {"url": str(world.api)}, "web": {"url": str(tmp_path / "nowhere")}}
    loaded = world.spec([work("fix", task("patch", "true"))], gits=gits)
    workflow_id = world.create(loaded)
    with pytest.raises(GitUnreachable, match=r'git "web": .*nowhere'):
        world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED
    assert not world.tree(workflow_id, "api").exists()


def test_the_stored_spec_counts_whatever_the_file_says_by_now(world: World) -> None:
    loaded = world.spec([work("one", task("a", "echo old > api/a.txt")), work("two", task("b", "true"))])
    workflow_id = world.create(loaded)
    loaded.path.write_text("type: broken")
    world.perform(workflow_id, "one", "two")
    assert (world.tree(workflow_id, "api") / "a.txt").read_text() == "old\n"


def test_inputs_reach_queries_and_as_variables_agents_and_checks(world: World) -> None:
    check = {"name": "is_set", "run": 'test "$ORCHESTRATOR_INPUT_FOCUS" = "HTTP handlers"', "git": "api"}
    query = "{{ inputs.focus }}\n" + sh('echo "$ORCHESTRATOR_INPUT_FOCUS" > api/focus', "env > api/env")
    loaded = world.spec(
        [work("fix", {"name": "look", "query": query}, checks=[check])],
        inputs={"focus": {"type": "string", "default": "HTTP handlers"}},
    )
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "fix")
    assert (world.tree(workflow_id, "api") / "focus").read_text() == "HTTP handlers\n"


def test_an_agent_sees_nothing_of_the_workers_secrets(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "geheim-geheim")
    loaded = world.spec([work("fix", task("look", "env > api/env"))])
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "fix")
    seen = (world.tree(workflow_id, "api") / "env").read_text()
    assert "geheim" not in seen
    assert f"ORCHESTRATOR_CORRELATION_ID={workflow_id}-001" in seen


def test_a_workflow_over_the_same_repository_twice_gets_a_branch_for_each(world: World) -> None:
    git(world.api, "branch", "old")
    gits = {"now": {"url": str(world.api)}, "then": {"url": str(world.api), "ref": "old"}}
    loaded = world.spec([work("fix", task("patch", "echo 1 > now/a.txt; echo 2 > then/a.txt"))], gits=gits)
    workflow_id = world.create(loaded)
    (checkpoint,) = world.perform(workflow_id, "fix").checkpoints
    mirror = world.mirror_of(workflow_id, "now")
    assert {name: git(mirror, "show", f"{commit}:a.txt") for name, commit in checkpoint.commits.items()} == {
        "now": "1",
        "then": "2",
    }


def test_a_git_added_under_a_name_with_odd_files_goes_through(world: World, tmp_path: Path) -> None:
    odd = repository(
        tmp_path / "odd", {"a\nb.txt": "newline\n", "x" * 200 + ".txt": "long\n", "crlf.txt": "a\r\nb\r\n"}
    )
    (odd / "link").symlink_to("/etc/passwd")
    git(odd, "add", ".")
    git(odd, "commit", "-q", "-m", "Link")
    loaded = world.spec([work("fix", task("patch", "echo 1 > odd/new.txt"))], gits={"odd": {"url": str(odd)}})
    workflow_id = world.create(loaded)
    (checkpoint,) = world.perform(workflow_id, "fix").checkpoints
    mirror = world.mirror_of(workflow_id, "odd")
    changed = git(mirror, "diff", "--name-only", git(odd, "rev-parse", "main"), checkpoint.commits["odd"])
    assert changed == "new.txt"


def test_what_was_logged_is_one_chain(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    from orchestrator.observe.log import configure_logging
    from orchestrator.observe.mask import Mask

    configure_logging("info", mask=Mask.load())
    loaded = world.spec([work("fix", task("patch", "true"))])
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "fix")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    chain = [line for line in lines if line["correlationId"] == f"{workflow_id}-001"]
    assert [line["event"] for line in chain if line["event"] in {"WorkflowCreated", "WorkflowCompleted"}] == [
        "WorkflowCreated",
        "WorkflowCompleted",
    ]
    assert {line["workflowId"] for line in chain} == {workflow_id}


def test_a_worktree_that_went_with_its_disk_comes_back_for_the_next_work(world: World) -> None:
    loaded = world.spec(
        [
            work("one", task("a", "echo 1 > api/a.txt"), gits=["api"]),
            work("two", task("b", "cat api/a.txt"), gits=["api"]),
        ]
    )
    workflow_id = world.create(loaded)
    world.perform(workflow_id, "one")
    shutil.rmtree(world.tree(workflow_id, "api"))
    world.perform(workflow_id, "two")
    assert (world.tree(workflow_id, "api") / "a.txt").read_text() == "1\n"
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
