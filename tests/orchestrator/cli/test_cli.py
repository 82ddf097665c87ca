"""The `orchestrator` command, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from sqlalchemy import create_engine, text

from orchestrator.cli.main import COMMANDS
from orchestrator.cli.run import parse_pairs
from orchestrator.domain.errors import InputError
from orchestrator.store.urls import database_url
from tests.orchestrator.engine.world import repository
from tests.parts.postgres import Postgres

WORKFLOW_ID_TAG = "orchestrator/workflow_id"


def orchestrator(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command with its data below `home`."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *arguments],
        env={"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_names_every_command_and_imports_neither_dagster_nor_a_database(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "--help")
    assert ended.returncode == 0
    assert all(name in ended.stdout for name in COMMANDS)
    program = "import sys; from orchestrator.cli.main import cli; cli(['--help'], standalone_mode=False)"
    report = "; print(*sys.modules, file=sys.stderr)"
    modules = subprocess.run(
        [sys.executable, "-c", program + report], capture_output=True, text=True, check=True
    ).stderr
    assert "click" in modules.split()
    assert not {"dagster", "sqlalchemy", "pydantic", "acp", "git", "structlog"} & set(modules.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(tmp_path: Path, name: str) -> None:
    ended = orchestrator(tmp_path, name, "--help")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Usage:")


def test_validate_lists_the_workflows_and_ends_well(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "validate", "--json")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert [workflow["name"] for workflow in answer["workflows"]] == ["demo"]
    assert answer["problems"] == []


def test_validate_names_every_malformed_setting(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "validate", PORT="eighty", WORKFLOW_MAX_CONCURRENT="0")
    assert ended.returncode == 1
    assert 'PORT="eighty"' in ended.stderr
    assert 'WORKFLOW_MAX_CONCURRENT="0"' in ended.stderr


def test_validate_reports_one_bad_spec_among_good_ones(tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    for name, provider in (("good", "builtin"), ("bad", "no_such")):
        (specs / name).mkdir(parents=True)
        (specs / name / "defs.yaml").write_text(
            "type: orchestrator_defs.Workflow\nattributes:\n"
            f"  name: {name}\n  gits: {{a: {{url: https://localhost/a.git}}}}\n  agent: {{provider: {provider}}}\n"
            "  works: [{name: w, tasks: [{name: t, query: hello}]}]\n"
        )
    ended = orchestrator(tmp_path, "validate", WORKFLOW_SPECS_PATH=str(specs))
    assert ended.returncode == 1
    assert f"{specs}/bad/defs.yaml:5: " in ended.stderr
    assert "good" in ended.stdout


def test_validate_remote_says_which_git_cannot_be_reached(tmp_path: Path) -> None:
    folder = tmp_path / "specs" / "far"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(
        "type: orchestrator_defs.Workflow\nattributes:\n"
        f"  name: far\n  gits: {{a: {{url: {tmp_path}/nowhere}}}}\n  agent: {{provider: builtin}}\n"
        "  works: [{name: w, tasks: [{name: t, query: hello}]}]\n"
    )
    assert orchestrator(tmp_path, "validate", str(folder.parent)).returncode == 0, "offline it cannot know"
    ended = orchestrator(tmp_path, "validate", "--remote", str(folder.parent))
    assert ended.returncode == 1
    assert 'git "a"' in ended.stderr
    assert "nowhere" in ended.stderr


def test_status_of_an_unknown_workflow_is_one_clear_line(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "status", "wf-000000000000")
    assert ended.returncode == 1
    assert (
        ended.stderr
        == "error: no workflow with id 'wf-000000000000'; `orchestrator list` shows the workflows there are\n"
    )


def test_run_without_a_running_system_says_how_to_start_one(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "run", "demo", "--url", "http://127.0.0.1:9")
    assert ended.returncode == 1
    assert "does not answer at http://127.0.0.1:9" in ended.stderr
    assert "orchestrator up" in ended.stderr


def test_an_unwritable_data_folder_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = orchestrator(tmp_path / "file", "list")
    assert ended.returncode == 1
    assert "ORCHESTRATOR_HOME" in ended.stderr
    assert str(tmp_path / "file") in ended.stderr


@pytest.mark.parametrize(
    ("pairs", "expected"), [(["a=1", "b=x=y"], {"a": "1", "b": "x=y"}), (["empty="], {"empty": ""}), ([], {})]
)
def test_inputs_are_split_at_the_first_equals_sign(pairs: list[str], expected: dict[str, str]) -> None:
    assert parse_pairs(pairs) == expected


def test_malformed_or_double_inputs_are_refused() -> None:
    with pytest.raises(click.UsageError, match="expected NAME=VALUE"):
        parse_pairs(["focus"])
    with pytest.raises(InputError, match='input "a" is given twice'):
        parse_pairs(["a=1", "a=2"])


def test_a_local_run_ends_with_one_json_object_and_list_and_status_agree(tmp_path: Path) -> None:
    handbook = repository(tmp_path / "handbook", {"README.md": "# Handbook\n"})
    ended = orchestrator(tmp_path / "home", "run", "demo", "--local", "--json", "--input", f"handbook={handbook}")
    assert ended.returncode == 0, ended.stderr[-3000:]
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert summary["status"] == "COMPLETED"
    assert summary["correlation_id"] == f"{summary['workflow_id']}-001"
    assert [checkpoint["sequence"] for checkpoint in summary["checkpoints"]] == [1, 2, 3]
    assert all(Path(report["path"]).exists() for report in summary["reports"])
    assert all(line.startswith("{") for line in ended.stderr.splitlines() if line), "stderr holds JSON lines alone"

    (listed,) = json.loads(orchestrator(tmp_path / "home", "list", "--json").stdout)
    assert listed == summary
    status = json.loads(orchestrator(tmp_path / "home", "status", summary["workflow_id"], "--json").stdout)
    assert {key: status[key] for key in summary} == summary
    assert [work["status"] for work in status["works"]] == ["COMPLETED"] * 3


def test_a_local_run_with_a_missing_input_starts_nothing(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "run", "demo", "--local", "--json")
    assert ended.returncode == 1
    assert 'input "handbook" is missing' in ended.stderr
    assert json.loads(orchestrator(tmp_path, "list", "--json").stdout) == []


def test_a_local_run_keeps_everything_in_postgresql_where_the_url_says_so(tmp_path: Path, postgres: Postgres) -> None:
    handbook = repository(tmp_path / "handbook", {"README.md": "# Handbook\n"})
    url = postgres.create_database()
    arguments = ("run", "demo", "--local", "--json", "--input", f"handbook={handbook}")
    ended = orchestrator(tmp_path / "home", *arguments, DATABASE_URL=url)
    assert ended.returncode == 0, ended.stderr[-3000:]
    workflow_id = json.loads(ended.stdout)["workflow_id"]
    assert not list((tmp_path / "home").rglob("*.db")), "no SQLite file beside it"
    with create_engine(database_url(url)).connect() as connection:
        ours = connection.execute(text("SELECT status FROM orchestrator.workflows")).scalars().all()
        dagsters = connection.execute(
            text("SELECT tags.value FROM run_tags tags WHERE key = :key"), {"key": WORKFLOW_ID_TAG}
        )
        assert ours == ["COMPLETED"]
        assert dagsters.scalars().all() == [workflow_id]


def masked(home: Path, text: bytes, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "mask", *arguments],
        env={"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(home), **environment},
        input=text,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_mask_prints_what_is_no_secret_byte_for_byte(tmp_path: Path) -> None:
    text = b'\xff ok\r\n{"n": 1.0, "password": 12, "input_tokens":5}\r\nsay 0pen-5esame\nno end \xe2\x82'
    shown = text.replace(b": 12", b': "***"').replace(b"0pen-5esame", b"***")
    ended = masked(tmp_path, text, SOME_SECRET="0pen-5esame")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, shown, b"")


def test_mask_takes_another_settings_file_and_names_what_is_wrong_in_it(tmp_path: Path) -> None:
    shipped = masked(tmp_path, b"", "--print-config").stdout
    config = tmp_path / "own.toml"
    config.write_bytes(shipped.replace(b"# Never shown, not even a number.\nnever = [", b"never = [\n  'pin',"))
    assert masked(tmp_path, b"pin=1234 password=x1\n", "--config", str(config)).stdout == b"pin=*** password=***\n"
    config.write_bytes(shipped.replace(b"'credential_ids?'", b"'('"))
    ended = masked(tmp_path, b"password=x1\n", MASKING_CONFIG_PATH=str(config))
    assert (ended.returncode, ended.stdout) == (1, b"")
    line = config.read_text().splitlines().index("  '(',") + 1
    assert f"{config}:{line}: exempt: '(' is no regular expression" in ended.stderr.decode()


def test_an_error_that_ends_a_command_is_masked(tmp_path: Path) -> None:
    ended = orchestrator(tmp_path, "status", "0pen-5esame", SOME_SECRET="0pen-5esame")
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert "0pen-5esame" not in ended.stderr
