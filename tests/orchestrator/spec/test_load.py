"""A good spec loads into something self-contained; files that are no spec say what they are."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from orchestrator.domain.errors import SpecError
from orchestrator.spec.document import digest_of, parse_document
from orchestrator.spec.load import load_attributes, load_spec
from orchestrator.spec.resolve import resolve
from tests.orchestrator.spec.examples import API, GOOD, GOOD_WORKS, QUERY, changed, problems_of, write_spec


def test_the_stored_document_is_the_spec(folder: Path) -> None:
    loaded = load_spec(write_spec(folder, GOOD))
    assert parse_document(loaded.document) == loaded.spec
    assert loaded.digest == digest_of(loaded.document)
    assert json.loads(loaded.document)["schema_version"] == 1


def test_the_digest_ignores_comments_and_the_order_of_keys(folder: Path) -> None:
    web = "    web: {url: ../web}\n"
    reordered = changed("  name: ship\n", "").replace("  agent:", "  # who\n  name: ship\n  agent:")
    reordered = reordered.replace(web, "").replace("  gits:\n", "  gits:\n" + web)
    assert load_spec(write_spec(folder, GOOD)).digest == load_spec(write_spec(folder, reordered)).digest


def test_the_digest_changes_with_a_query_file(folder: Path) -> None:
    path = write_spec(folder, changed(QUERY, "query_file: patch.md"))
    (folder / "patch.md").write_text("Look.\n")
    first = load_spec(path)
    (folder / "patch.md").write_text("Look again.\n")
    assert load_spec(path).digest != first.digest
    assert first.spec.works[0].tasks[0].query == "Look.\n"


def test_a_document_of_another_version_is_refused(folder: Path) -> None:
    document = load_spec(write_spec(folder, GOOD)).document
    with pytest.raises(SpecError, match="schema_version 2 is unknown here; use a newer release"):
        parse_document(document.replace('"schema_version":1', '"schema_version":2'))


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"schema_version":1}', "1", "\0"])
def test_a_damaged_document_is_refused(document: str) -> None:
    with pytest.raises(SpecError, match="stored spec"):
        parse_document(document)


def test_relative_paths_of_gits_count_from_the_folder(folder: Path) -> None:
    spec = load_spec(write_spec(folder, GOOD)).spec
    assert spec.gits["web"].url == str(folder.parent / "web")
    assert spec.gits["api"].url == "https://git.example.org/acme/api.git"


def test_a_check_without_git_runs_in_the_only_one(folder: Path) -> None:
    assert load_spec(write_spec(folder, GOOD)).spec.works[0].checks[0].git == "api"


def test_a_git_that_no_work_uses_is_a_warning(folder: Path) -> None:
    path = write_spec(folder, changed("name: review", "name: review\n      gits: [api]"))
    assert load_spec(path).warnings == (f'{path}:8: git "web": is used by no work',)


def test_dates_and_times_stay_text(folder: Path) -> None:
    spec = load_spec(write_spec(folder, changed(API, "api: {url: ../api, ref: 2026-01-31}"))).spec
    assert spec.gits["api"].ref == "2026-01-31"


def test_shell_is_no_template(folder: Path) -> None:
    shell = 'At {{ inputs.focus }}:\n```sh\nnames=(a b); echo "${#names[@]} ${names[0]} $HOME ${TOKEN}"\n```'
    text = changed(QUERY, f"query: {json.dumps(shell)}")
    spec = load_spec(write_spec(folder, text)).spec
    assert resolve(spec, {"focus": "x"}).works[0].tasks[0].query == shell.replace("{{ inputs.focus }}", "x")


def test_variables_stay_as_written(folder: Path) -> None:
    loaded = load_spec(write_spec(folder, changed(API, "api: {url: 'https://me:${TOKEN}@example.org/x'}")))
    assert "https://me:${TOKEN}@example.org/x" in loaded.document


def test_aliases_stand_for_their_value(folder: Path) -> None:
    text = GOOD.replace("gits: [api]", "gits: &own [api]").replace("name: review", "name: review\n      gits: *own")
    assert load_spec(write_spec(folder, text)).spec.works[1].gits == ("api",)


def test_attributes_that_are_parsed_already_get_the_same_checks(folder: Path) -> None:
    path = write_spec(folder, GOOD)
    assert load_attributes(yaml.safe_load(GOOD)["attributes"], source=path) == load_spec(path)
    bad = changed("gits: [api]", "gits: [apo]")
    with pytest.raises(SpecError, match=r'defs.yaml:12: work "fix": gits item 1: unknown git "apo"'):
        load_attributes(yaml.safe_load(bad)["attributes"], source=path, text=bad)


def test_a_problem_in_a_query_file_names_that_file_and_its_line(folder: Path) -> None:
    path = write_spec(folder, changed(QUERY, "query_file: patch.md"))
    (folder / "patch.md").write_text("Look.\n\nAt {{ inputs.focsu }}.\n")
    with pytest.raises(SpecError) as refused:
        load_spec(path)
    where = f'{folder / "patch.md"}:3: work "fix", task "patch": query'
    assert refused.value.problems == (
        f'{where}: unknown template variable "inputs.focsu", did you mean "inputs.focus"?',
    )


def test_a_link_out_of_the_folder_is_refused_as_query(folder: Path) -> None:
    (folder.parent / "secret.md").write_text("Outside.")
    (folder / "patch.md").symlink_to(folder.parent / "secret.md")
    assert problems_of(write_spec(folder, changed(QUERY, "query_file: patch.md"))) == [
        '15: work "fix", task "patch": query_file: patch.md: is outside the spec\'s folder; '
        "keep query files in or below it, symlinks included"
    ]


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "..data").mkdir()
    (folder / "..data" / "patch.md").write_text("Look.")
    (folder / "patch.md").symlink_to("..data/patch.md")
    assert load_spec(write_spec(folder, changed(QUERY, "query_file: patch.md"))).spec.works[0].tasks[0].query == "Look."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; say what the agent is to do"),
        (b"x" * 1_000_001, "is larger than 1 MB; a spec or a query is never that long"),
        (b"ok\n\xff", "2: is not UTF-8; save it in that encoding"),
        (b"\x1b[2J", "control characters are not allowed"),
    ],
)
def test_a_query_file_that_cannot_be_used_says_why(folder: Path, content: bytes, said: str) -> None:
    (folder / "patch.md").write_bytes(content)
    (problem,) = problems_of(write_spec(folder, changed(QUERY, "query_file: patch.md")))
    assert problem.startswith('15: work "fix", task "patch": query_file: patch.md:')
    assert problem.endswith(said)


def test_a_named_pipe_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "patch.md")
    (problem,) = problems_of(write_spec(folder, changed(QUERY, "query_file: patch.md")))
    assert problem.endswith("patch.md: is not a regular file")


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: no such file"):
        load_spec(folder / "nowhere.yaml")


def test_a_file_over_1_mb_is_refused(folder: Path) -> None:
    assert problems_of(write_spec(folder, GOOD + "# " + "x" * 1_000_000)) == [
        " is larger than 1 MB; a spec or a query is never that long"
    ]


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(folder: Path) -> None:
    path = write_spec(folder, "")
    path.write_bytes(GOOD.replace("HTTP", "Prüf").encode("latin-1"))
    assert problems_of(path) == ["5: is not UTF-8; save it in that encoding"]


def test_a_byte_order_mark_and_crlf_do_no_harm(folder: Path) -> None:
    spec = load_spec(write_spec(folder, GOOD)).spec
    assert load_spec(write_spec(folder, "\ufeff" + GOOD.replace("\n", "\r\n"))).spec == spec


def test_problems_hold_no_secret_and_no_line_break(folder: Path) -> None:
    text = changed(API, 'api: {url: "https://me:hunter2@example.org/x", "a\\nb": 1}')
    said = problems_of(write_spec(folder, text))
    assert "hunter2" not in "".join(said)
    assert [problem.splitlines() for problem in said] == [[problem] for problem in said]


def test_a_hundred_specs_load_within_a_second(folder: Path) -> None:
    paths = [write_spec(folder / str(number), GOOD) for number in range(100)]
    load_spec(paths[0])
    started = time.process_time()
    for path in paths:
        load_spec(path)
    assert time.process_time() - started < 1


def test_works_that_are_no_works_are_named_by_their_place(folder: Path) -> None:
    assert problems_of(write_spec(folder, changed(GOOD_WORKS, "  works: [later]\n"))) == [
        '10: workflow "ship": works item 1: expected keys and values, found "later"'
    ]
