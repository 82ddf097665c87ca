"""The asset graph, job and inputs that a spec becomes."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.observe import observe

from orchestrator_defs import keys
from orchestrator_defs.gits import git_assets
from resources.git import GitResource
from tests.orchestrator_defs.world import SHIP, World

SURVEY = dg.AssetKey(["ship", "diagnose", "survey"])
PATCH = dg.AssetKey(["ship", "fix", "patch"])
FIRST = dg.AssetKey(["ship", "diagnose", "checkpoint"])
SECOND = dg.AssetKey(["ship", "fix", "checkpoint"])


def parents(definitions: dg.Definitions) -> dict[dg.AssetKey, set[dg.AssetKey]]:
    graph = definitions.resolve_asset_graph()
    return {key: set(graph.get(key).parent_keys) for key in graph.get_all_asset_keys()}


def test_a_report_hangs_on_the_checkpoint_before_and_a_checkpoint_on_both(world: World) -> None:
    loaded = world.spec()
    api, web = keys.git_key(loaded, "api"), keys.git_key(loaded, "web")

    assert parents(world.definitions(loaded)) == {
        api: set(),
        web: set(),
        SURVEY: {api},
        FIRST: {SURVEY, api},
        # `web` is new in the second Work; `api` comes to it through the Checkpoint.
        PATCH: {FIRST, web},
        SECOND: {PATCH, FIRST, web},
    }


def test_groups_and_kinds_say_workflow_form_and_provider(world: World) -> None:
    graph = world.definitions(world.spec()).resolve_asset_graph()

    assert {graph.get(key).group_name for key in (SURVEY, FIRST, PATCH, SECOND)} == {"ship"}
    assert graph.get(SURVEY).kinds == {"markdown", "builtin"}
    assert graph.get(SECOND).kinds == {"git", "builtin"}


def test_an_outline_check_hangs_on_each_report_and_a_works_checks_on_its_checkpoint(world: World) -> None:
    graph = world.definitions(
        world.spec(SHIP.replace('"true", git', '"true", blocking: true, git'))
    ).resolve_asset_graph()

    blocking = {(key.asset_key, key.name): graph.get_check_spec(key).blocking for key in graph.asset_check_keys}
    assert blocking == {(SURVEY, "outline"): False, (PATCH, "outline"): False, (SECOND, "tests"): True}


def test_every_work_takes_a_slot_of_the_agents_pool(world: World) -> None:
    job = world.job()

    assert {node.name: node.definition.pool for node in job.nodes} == {  # type: ignore[attr-defined]
        "ship__diagnose": "agent",
        "ship__fix": "agent",
    }


def test_inputs_are_typed_described_config_with_defaults(world: World) -> None:
    fields = world.job().run_config_schema.config_type.fields  # type: ignore[attr-defined]

    assert {name: (field.description, field.is_required) for name, field in fields.items()} == {
        "focus": ("What to look at", True),
        "depth": ("How far", False),
    }
    assert fields["depth"].default_value == 3
    assert fields["depth"].config_type.given_name == "Int"


def test_an_input_of_the_wrong_type_is_no_valid_config(world: World) -> None:
    job = world.job()

    with pytest.raises(dg.DagsterInvalidConfigError, match="depth"):
        job.execute_in_process(run_config={"focus": "x", "depth": "deep"}, instance=world.instance)


def test_two_workflows_that_name_one_url_and_ref_share_its_node(world: World) -> None:
    ship = world.spec()
    scan = world.spec(SHIP.replace("name: ship", "name: scan"), folder="scan")

    graph = parents(world.definitions(ship, scan))

    shared = keys.git_key(ship, "api")
    assert keys.git_key(scan, "api") == shared
    assert shared in graph[SURVEY]
    assert shared in graph[dg.AssetKey(["scan", "diagnose", "survey"])]


def test_a_git_whose_url_takes_inputs_belongs_to_the_workflow(world: World) -> None:
    loaded = world.spec(SHIP.replace("url: ../web", 'url: "{{ inputs.focus }}"'))

    graph = world.definitions(loaded).resolve_asset_graph()

    own = dg.AssetKey(["ship", "git", "web"])
    assert graph.get(own).group_name == "ship"
    assert own in graph.get(PATCH).parent_keys
    assert not graph.get(own).is_materializable


def test_a_gits_data_version_is_the_head_of_its_ref(world: World) -> None:
    loaded = world.spec()
    key = keys.git_key(loaded, "api")
    [git] = [git for git in git_assets([loaded]) if git.key == key]

    world.api.write("new.txt", "new\n")
    head = world.api.commit("second")
    observe([git], resources={"git": GitResource()}, instance=world.instance)

    record = world.instance.get_latest_data_version_record(key)
    assert record is not None
    assert record.asset_observation is not None
    assert record.asset_observation.tags is not None
    assert record.asset_observation.tags["dagster/data_version"] == head
