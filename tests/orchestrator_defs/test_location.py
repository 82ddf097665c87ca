"""The whole code location: the project's specs, a folder with more, and what `dg` says about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain import tags
from orchestrator.domain.errors import SpecError
from orchestrator.settings import load_settings
from orchestrator_defs.definitions import build, refuse_twins
from tests.orchestrator_defs.world import SHIP, World

ROOT = Path(__file__).parent.parent.parent
DG = Path(sys.executable).with_name("dg")
# The smallest project whose one workflow is a component of ours.
PROJECT = """\
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "shop"
registry_modules = ["orchestrator_defs"]
"""
DEFINITIONS = """\
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


def jobs(folder: Path) -> set[str]:
    definitions = build(load_settings({**os.environ, "WORKFLOW_SPECS_PATH": str(folder)}))
    return {job.name for job in definitions.resolve_all_job_defs() if tags.SPEC_METADATA in job.metadata}


def test_a_bad_spec_in_the_folder_is_left_out_with_an_error_and_the_others_load(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.spec(folder="specs")
    bad = world.folder / "specs" / "bad" / "defs.yaml"
    bad.parent.mkdir()
    bad.write_text(SHIP.replace("focus: {", "focus: {typ: int, ").replace("name: ship", "name: bad"))

    assert jobs(world.folder / "specs") == {"demo", "ship"}
    [said] = [line for line in map(json.loads, capfd.readouterr().err.splitlines()) if line["event"] == "SpecRefused"]
    assert said["level"] == "ERROR"
    assert said["message"].startswith(f"{bad}:5:")
    assert '"typ"' in said["message"]


def test_a_name_taken_twice_is_left_out_of_the_folder(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.spec(SHIP.replace("name: ship", "name: demo"), folder="specs")

    assert jobs(world.folder / "specs") == {"demo"}
    assert 'workflow \\"demo\\" is defined in' in capfd.readouterr().err


def test_a_name_taken_twice_in_the_project_names_both_files(world: World) -> None:
    first, second = world.spec(), world.spec(folder="other")

    with pytest.raises(SpecError, match=rf"{second.path}.*defined in {first.path}"):
        refuse_twins([first, second])


def dg(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{cwd}{os.pathsep}{ROOT}", "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run([DG, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_dg_lists_the_component_and_finds_the_project_sound() -> None:
    listed = dg("list", "components")
    checked = dg("check", "defs")

    assert "orchestrator_defs.Workflow" in listed.stdout, listed.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dg_check_yaml_names_file_and_line_of_a_defect(tmp_path: Path) -> None:
    spec = tmp_path / "shop" / "defs" / "ship" / "defs.yaml"
    spec.parent.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "definitions.py").write_text(DEFINITIONS)
    spec.write_text(SHIP)

    good = dg("check", "yaml", cwd=tmp_path)
    spec.write_text(
        SHIP.replace("        - name: survey\n          query:", "        - name: survey\n          promt:")
    )
    bad = dg("check", "yaml", cwd=tmp_path)

    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode == 1
    line = SHIP.splitlines().index("        - name: survey") + 2
    assert f"defs/ship/defs.yaml:{line}" in bad.stdout + bad.stderr
    assert "promt" in bad.stdout + bad.stderr
