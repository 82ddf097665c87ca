"""Which addresses and refs from a spec reach git, and how an address is shown."""

from __future__ import annotations

import time

import pytest

from orchestrator.domain.errors import GitRefNotFound, GitUrlRefused
from orchestrator.git import check_ref, check_url
from orchestrator.git.urls import mask, parse_url


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/api.git",
        "http://localhost:3000/acme/api",
        "ssh://git@github.com:22/acme/api.git",
        "git://example.org/x",
        "file:///srv/git/api.git",
        "git@github.com:acme/api.git",
        "/srv/my repositories/api",
    ],
)
def test_lets_ordinary_addresses_through(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c touch% /tmp/x",
        "fd::7",
        "transport::https://example.org/x",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x@host:path",
        "ssh://-oProxyCommand=x/path",
        "user@-oProxyCommand=x:path",
        "gopher://example.org/x",
        "https:///no-host",
        "https://[broken/x",
        "file://elsewhere/srv/x",
        "file:///srv/%0Ax",
        "../relative",
        "api",
        "https://example.org/a\nb",
        "https://example.org/a\x00b",
    ],
)
def test_refuses_what_could_run_a_command_or_is_no_address(url: str) -> None:
    with pytest.raises(GitUrlRefused, match="refused"):
        check_url(url)


def test_refusal_does_not_show_the_token_of_the_address() -> None:
    with pytest.raises(GitUrlRefused) as refused:
        check_url("gopher://me:ghp_secret@example.org/x")
    assert "ghp_secret" not in str(refused.value)
    assert "gopher://***@example.org/x" in str(refused.value)


@pytest.mark.parametrize("ref", ["main", "feature/a-b_c", "v1.2.3", "ünïcode", "0" * 40])
def test_lets_legal_refs_through(ref: str) -> None:
    check_ref(ref)


@pytest.mark.parametrize(
    "ref",
    [
        *("", "-d", "--upload-pack=x", "a..b", "a b", "a\nb", "a~1", "a^{commit}", "a:b", "a*", "a?", "a[b", "a\\b"),
        *("/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "@", "a@{1}", "a\x7fb"),
    ],
)
def test_refuses_refs_that_are_options_expressions_or_illegal(ref: str) -> None:
    with pytest.raises(GitRefNotFound, match=r"not a legal|is empty|starts with a dash"):
        check_ref(ref)


def test_credentials_of_a_web_address_are_kept_apart_and_decoded() -> None:
    remote = parse_url("https://me:p%40ss@example.org:8443/acme/api.git")
    assert (remote.url, remote.username, remote.password) == ("https://example.org:8443/acme/api.git", "me", "p@ss")


def test_user_of_an_ssh_address_stays_since_ssh_needs_it() -> None:
    assert parse_url("ssh://git@example.org/x").url == "ssh://git@example.org/x"


def test_masks_every_userinfo_in_a_text_even_with_an_unescaped_at_sign() -> None:
    said = "fatal: https://me:p@ss@example.org/x and http://t0ken@other.org/ but not user@host"
    assert mask(said) == "fatal: https://***@example.org/x and http://***@other.org/ but not user@host"


def test_masking_a_long_line_takes_linear_time() -> None:
    started = time.perf_counter()
    mask("a://" * 50_000 + "x" * 200_000)
    assert time.perf_counter() - started < 2
