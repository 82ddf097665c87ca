"""Durations, cron expressions, addresses and refs: what is let through, and what is said about the rest."""

from __future__ import annotations

import pytest

from orchestrator.domain.cron import check_cron
from orchestrator.spec.duration import parse_duration
from orchestrator.spec.giturl import problem_with_ref, problem_with_url


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("7d", 604800), ("1h30m", 5400), ("1d1s", 86401)]
)
def test_durations_are_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "10 m", "-1m", "1.5h", "1m1h", "10M", "m", "1h\n", "٣m", "0s", "366d", None]
)
def test_other_durations_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(("expression", "zone"), [("0 3 * * 1", "UTC"), ("*/5 * * * *", "Europe/Berlin")])
def test_cron_expressions_that_come_due_pass(expression: str, zone: str) -> None:
    check_cron(expression, zone)


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("often", "UTC", '"often" is not a cron expression'),
        ("* * * * * *", "UTC", "is not a cron expression"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("* * * * *", "Berlin", '"Berlin" is not a time zone'),
        ("* * * * *", "../UTC", "is not a time zone"),
        ("* * * * *", "Europe", "is not a time zone"),
        ("* * * * *", "", "is not a time zone"),
    ],
)
def test_other_cron_expressions_are_refused(expression: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_cron(expression, zone)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.git",
        "https://org@dev.example.org/a",
        "https://me:${TOKEN}@example.org/a",
        "https://${TOKEN}@example.org/a",
        "ssh://git@example.org:22/a",
        "git@example.org:acme/a.git",
        "file:///srv/a.git",
        "/srv/a",
        "../a",
        "a b/Ü",
    ],
)
def test_addresses_of_repositories_pass(url: str) -> None:
    assert problem_with_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "ext::sh", "fd::7", "-x", "--upload-pack=x", "ftp://x/y", "a\nb", "a\0b", "~/x", "://x"),
        *("https://me:secret@example.org/a", "https://me:${A}x@example.org/a"),
    ],
)
def test_other_addresses_do_not(url: str) -> None:
    assert problem_with_url(url) is not None


@pytest.mark.parametrize("ref", ["main", "feature/x", "v1.2", "HEAD", "a" * 40, "ünï", "refs/tags/x"])
def test_legal_refs_pass(ref: str) -> None:
    assert problem_with_ref(ref) is None


@pytest.mark.parametrize(
    "ref", ["", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\", "@{1}", "@", "a//b", "/a", "a/", "a."]
)
def test_illegal_refs_do_not(ref: str) -> None:
    assert problem_with_ref(ref) is not None
