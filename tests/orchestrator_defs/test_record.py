"""What a run of a workflow's job leaves in Dagster."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from orchestrator.domain.events import EventType
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import WorkflowStatus
from orchestrator_defs import keys
from tests.orchestrator.agents.world import scripted
from tests.orchestrator_defs.world import CHECK, SHIP, World

FAILING = SHIP.replace(CHECK, '{name: tests, run: "echo broken; exit 3", git: web, blocking: true}')
SURVEY = dg.AssetKey(["ship", "diagnose", "survey"])
FIRST = dg.AssetKey(["ship", "diagnose", "checkpoint"])
SECOND = dg.AssetKey(["ship", "fix", "checkpoint"])


def materialized(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    return {
        event.asset_key: event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def agents_started(world: World) -> int:
    return sum(event.type is EventType.AGENT_STARTED for event in world.events())


def test_a_run_materializes_reports_and_checkpoints_with_what_plots_and_reads(world: World) -> None:
    result = world.execute(world.job())

    assert result.success
    found = materialized(result)
    survey = found[SURVEY].metadata
    assert survey["report"] == dg.MetadataValue.md("# Survey\n\n## Findings\n\nhandlers\n")
    assert {type(survey[name].value) for name in ("input_tokens", "output_tokens")} == {int}
    assert isinstance(survey["seconds"].value, float)
    workflow_id = workflow_id_of_run(result.run_id)
    commits = world.store.read(lambda reader: reader.checkpoints(workflow_id))[0].commits
    assert {git: found[FIRST].metadata[f"commit/{git}"].value for git in ("api", "web")} == dict(commits)
    assert checks(result) == {"outline": True, "tests": True}


def test_what_dagster_keeps_of_a_report_is_masked(world: World) -> None:
    result = world.execute(world.job(SHIP.replace("## Findings\\n\\n%s", "## Findings\\n\\npassword=horse-%s")))

    shown = materialized(result)[SURVEY].metadata["report"]
    assert shown == dg.MetadataValue.md("# Survey\n\n## Findings\n\npassword=***\n")


def test_nothing_is_out_of_date_after_a_run_on_new_commits(world: World) -> None:
    loaded = world.spec()
    job = world.definitions(loaded).resolve_job_def("ship")
    assert world.execute(job).success
    world.api.write("new.txt", "new\n")
    head = world.api.commit("second")

    result = world.execute(job)

    tags = materialized(result)[SURVEY].tags
    assert tags is not None
    assert tags[f"dagster/input_data_version/{keys.git_key(loaded, 'api').to_user_string()}"] == head


def test_a_work_executed_twice_yields_the_same_and_starts_no_agent(world: World) -> None:
    job = world.job(SHIP.replace(CHECK, CHECK.replace("true", "exit 1").replace(", git", ", blocking: false, git")))
    first = world.execute(job)
    started = agents_started(world)

    again = world.execute(job, workflow_id=workflow_id_of_run(first.run_id))

    assert again.success
    assert started == 2
    assert agents_started(world) == started
    before, after = materialized(first), materialized(again)
    assert {key: one.metadata for key, one in before.items()} == {key: one.metadata for key, one in after.items()}
    assert checks(again) == checks(first) == {"outline": True, "tests": False}


def test_a_failed_blocking_check_is_shown_and_leaves_no_checkpoint(world: World) -> None:
    result = world.execute(world.job(FAILING))

    assert not result.success
    assert FIRST in materialized(result)
    assert SECOND not in materialized(result)
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "tests"]
    assert not check.passed
    assert check.metadata["exit_code"].value == 3
    assert "broken" in str(check.metadata["output"].value)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert 'blocking check "tests" failed' in str(failure.step_failure_data.user_failure_data)


def test_a_missing_heading_is_a_warning_that_blocks_nothing(world: World) -> None:
    # The built-in agent leaves no heading out; this one knows one sentence.
    agent = scripted(world.folder, "ready()\nwhile prompt := hear():\n    speak('Nothing.')\n    end(prompt)\n")
    command = SHIP.replace("{provider: builtin}", json.dumps({"command": list(agent.command)}))

    result = world.execute(world.job(command))

    assert result.success
    [check] = [one for one in result.get_asset_check_evaluations() if one.asset_key == SURVEY]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["missing"].value == ["Findings"]


def test_a_variable_that_is_not_set_fails_the_run_before_anything_starts(world: World) -> None:
    result = world.execute(world.job(SHIP.replace("url: ../web", 'url: "https://${NO_SUCH_TOKEN}@git.invalid/web"')))

    assert not result.success
    assert agents_started(world) == 0
    workflow = world.store.read(lambda reader: reader.workflow(workflow_id_of_run(result.run_id)))
    assert workflow.status is WorkflowStatus.FAILED
    assert "NO_SUCH_TOKEN" in str(workflow.error)


@pytest.mark.parametrize("length", [10, 200_000])
def test_a_long_report_is_cut_in_the_event_log_and_whole_in_its_file(world: World, length: int) -> None:
    query = f"""printf '# Survey\\\\n\\\\n## Findings\\\\n\\\\n'; head -c {length} /dev/zero | tr '\\\\0' x"""
    start = SHIP.index("printf '# Survey")
    text = SHIP[:start] + query.replace("\\\\", "\\") + SHIP[SHIP.index("\n", start) :]

    metadata = materialized(world.execute(world.job(text)))[SURVEY].metadata

    shown = str(metadata["report"].value)
    assert shown.endswith("*(cut)*") == (length > 100_000)
    assert len(shown) < 101_000
    report = world.store.read(lambda reader: reader.reports(str(metadata["workflow_id"].value)))[0]
    assert report.bytes > length
