"""A folder of workflows: good ones load, bad ones are reported and left out."""

from __future__ import annotations

from pathlib import Path

from orchestrator.spec.folder import load_folder
from tests.orchestrator.spec.examples import GOOD, changed, write_spec


def test_a_bad_file_is_left_out_and_the_others_load(tmp_path: Path) -> None:
    write_spec(tmp_path / "a", changed("name: ship", "name: first"))
    bad = write_spec(tmp_path / "b", changed("name: fix", "name: fix\n      neds: []"))
    write_spec(tmp_path / "c" / "deep", changed("name: ship", "name: last"))
    found = load_folder(tmp_path)
    assert [loaded.spec.name for loaded in found.specs] == ["first", "last"]
    (problem,) = found.problems
    assert problem.startswith(f'{bad}:12: work "fix": unknown key "neds"')


def test_a_name_used_twice_is_a_problem_that_names_both_files(tmp_path: Path) -> None:
    first = write_spec(tmp_path / "a", GOOD)
    second = write_spec(tmp_path / "b", GOOD)
    found = load_folder(tmp_path)
    assert [loaded.path for loaded in found.specs] == [first]
    assert found.problems == (f'{second}: workflow "ship" is defined in {first} too; rename one',)


def test_a_name_that_is_taken_elsewhere_is_left_out(tmp_path: Path) -> None:
    path = write_spec(tmp_path / "a", GOOD)
    found = load_folder(tmp_path, taken={"ship": Path("defs/ship/defs.yaml")})
    assert found.specs == ()
    assert found.problems == (f'{path}: workflow "ship" is defined in defs/ship/defs.yaml too; rename one',)


def test_a_mounted_config_map_counts_once(tmp_path: Path) -> None:
    write_spec(tmp_path / "ship" / "..2026_01_31", GOOD)
    (tmp_path / "ship" / "..data").symlink_to("..2026_01_31")
    (tmp_path / "ship" / "defs.yaml").symlink_to("..data/defs.yaml")
    found = load_folder(tmp_path)
    assert (len(found.specs), found.problems) == (1, ())


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write_spec(tmp_path / "elsewhere" / "ship", GOOD)
    root = tmp_path / "specs"
    root.mkdir()
    (root / "ship").symlink_to(tmp_path / "elsewhere" / "ship")
    (tmp_path / "elsewhere" / "ship" / "loop").symlink_to(root)
    found = load_folder(root)
    assert (len(found.specs), found.problems) == (1, ())


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    found = load_folder(tmp_path / "none")
    assert found.problems == (f"{tmp_path / 'none'}: no such folder of workflow specs",)
