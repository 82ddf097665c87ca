"""Everything in the code location: the project's own specs, those of WORKFLOW_SPECS_PATH, and the Gits they share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from orchestrator.domain.errors import SpecError
from orchestrator.mcp.registry import registered_servers
from orchestrator.observe.log import get_logger
from orchestrator.settings import Settings, load_settings
from orchestrator.spec.folder import load_folder
from orchestrator.spec.load import LoadedSpec
from orchestrator_defs.cleanup import cleanup, cleanup_job, disk_asset
from orchestrator_defs.component import Workflow
from orchestrator_defs.control import CONTROL_JOBS
from orchestrator_defs.gits import git_assets
from orchestrator_defs.logger import JSON_LOGGER, json_logger
from orchestrator_defs.workflow import build_definitions
from resources.engine import EngineResource
from resources.git import GitResource
from resources.telemetry import start_logging
from schedules.retention import cleanup_schedule
from schedules.triggers import trigger_schedules
from sensors.disk import disk_monitor, stale_checkpoints
from sensors.resume import resume_sensor
from sensors.run_status import cancelled_runs, failed_runs
from sensors.triggers import trigger_sensors

_log = get_logger(__name__)


def build(settings: Settings) -> dg.Definitions:
    """The definitions under these settings; a bad spec of WORKFLOW_SPECS_PATH is logged and left out."""
    tree = dg.ComponentTree.for_project(Path(__file__).parent.parent)
    own = [component.loaded for component in tree.get_all_components(of_type=Workflow)]
    refuse_twins(own)
    added = _added(settings, {loaded.spec.name: loaded.path for loaded in own})
    workflows = dg.Definitions.merge(tree.build_defs(), *(build_definitions(loaded) for loaded in added))
    jobs = list(workflows.jobs or ())
    specs = [*own, *added]
    return dg.Definitions.merge(
        workflows,
        dg.Definitions(
            assets=[*git_assets(specs), cleanup, disk_asset],
            jobs=[*CONTROL_JOBS, cleanup_job],
            schedules=[cleanup_schedule(settings), *_schedules(specs, jobs)],
            sensors=[
                *(failed_runs, cancelled_runs, disk_monitor, stale_checkpoints),
                *([resume_sensor(jobs)] if jobs else []),
                *_sensors(specs, jobs),
            ],
            resources={"engine": EngineResource(), "git": GitResource()},
            loggers={JSON_LOGGER: json_logger},
        ),
    )


def _added(settings: Settings, taken: Mapping[str, Path]) -> list[LoadedSpec]:
    if settings.workflow_specs_path is None:
        return []
    registered = registered_servers(settings)
    folder = load_folder(settings.workflow_specs_path, taken=taken, registered_mcp=registered)
    for problem in folder.problems:
        _log.error("SpecRefused", message=problem)
    return list(folder.specs)


def _sensors(specs: list[LoadedSpec], jobs: list[Any]) -> list[dg.SensorDefinition]:
    by_name = {job.name: job for job in jobs}
    return [sensor for loaded in specs for sensor in trigger_sensors(loaded, by_name[loaded.spec.name])]


def _schedules(specs: list[LoadedSpec], jobs: list[Any]) -> list[dg.ScheduleDefinition]:
    by_name = {job.name: job for job in jobs}
    return [schedule for loaded in specs for schedule in trigger_schedules(loaded, by_name[loaded.spec.name])]


def refuse_twins(specs: list[LoadedSpec]) -> None:
    """Raise `SpecError`, naming both files, where two of the project's own specs have one name."""
    first: dict[str, LoadedSpec] = {}
    for loaded in specs:
        twin = first.setdefault(loaded.spec.name, loaded)
        if twin is not loaded:
            raise SpecError([f'{loaded.path}: workflow "{loaded.spec.name}" is defined in {twin.path} too; rename one'])


start_logging()
defs = build(load_settings())
