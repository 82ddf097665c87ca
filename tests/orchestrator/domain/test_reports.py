"""Reports: outline, front matter."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.reports import body_of, headings, missing_headings, render


def test_headings_match_at_any_level_and_whatever_their_case_or_emphasis() -> None:
    markdown = "# Report\n\n#### **summary:**\n\ntext\n\n## Findings ##\n"
    assert missing_headings(markdown, ["Summary", "Findings", "Risks"]) == ("Risks",)


def test_what_stands_in_a_code_fence_is_no_heading() -> None:
    markdown = "```sh\n# Summary\n```\n~~~\n# Risks\n```\n~~~\n# Findings\n"
    assert headings(markdown) == ("Findings",)


def test_a_report_starts_with_front_matter_that_yaml_reads() -> None:
    text = render(
        title="Survey",
        body="## Summary\n\nfine\n",
        facts={"work": 'diag: "x"', "input_tokens": None, "commit": {"api": "abc"}},
    )
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == {"work": 'diag: "x"', "input_tokens": None, "commit": {"api": "abc"}}
    assert body_of(text) == "# Survey\n\n## Summary\n\nfine\n"


def test_a_body_with_a_title_of_its_own_gets_no_second_one() -> None:
    assert body_of(render(title="Survey", body="# My survey\n\ntext", facts={"work": "w"})) == "# My survey\n\ntext\n"


@given(body=st.text(), name=st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_an_agent_answers_the_front_matter_stays_readable(body: str, name: str) -> None:
    text = render(title="T", body=body, facts={"work": name})
    assert text.startswith("---\n")
    assert yaml.safe_load(text.split("\n")[1]) == {"work": name}
