"""Addresses of databases and repositories."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import StoreError
from orchestrator.store.urls import database_url, shown, without_credentials


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgresql://u:p@h:6432/d", "postgresql+psycopg2://u:p@h:6432/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
        ("file:./dev.db", "sqlite:///./dev.db"),
        ("file:///var/dev.db", "sqlite:////var/dev.db"),
        ("sqlite:///dev.db", "sqlite:///dev.db"),
    ],
)
def test_an_address_means_a_driver(text: str, means: str) -> None:
    assert database_url(text).render_as_string(hide_password=False) == means


@pytest.mark.parametrize("text", ["mysql://u:hunter22@h/d", "hunter22", "", "sqlite://", "sqlite:///:memory:", "file:"])
def test_an_address_that_cannot_be_used_is_refused_unquoted(text: str) -> None:
    with pytest.raises(StoreError, match=r"DATABASE_URL .* expected postgresql://") as caught:
        database_url(text)
    assert "hunter22" not in str(caught.value)


def test_a_shown_address_has_no_password_anywhere() -> None:
    assert shown(database_url("postgresql://u:p@h/d?password=p")) == "postgresql+psycopg2://u:***@h/d"


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://oauth2:t0ken@host/a.git", "https://host/a.git"),
        ("https://t0ken@host:8443/a.git", "https://host:8443/a.git"),
        ("https://host/a.git", "https://host/a.git"),
        ("ssh://git:pw@host/a.git", "ssh://git@host/a.git"),
        ("git@host:a.git", "git@host:a.git"),
        ("/srv/a@b.git", "/srv/a@b.git"),
        ("../web", "../web"),
    ],
)
def test_a_repository_is_stored_without_credentials(url: str, stored: str) -> None:
    assert without_credentials(url) == stored
