"""A pull request on GitHub, a merge request on GitLab, through their APIs; also on servers of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from orchestrator.domain.errors import PublishFailed
from orchestrator.git.urls import parse_url

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPullRequest:
    """What to open: `branch`, which is pushed, into `base`."""

    title: str
    body: str
    branch: str
    base: str
    draft: bool


def open_pull_request(url: str, new: NewPullRequest, *, kind: str | None = None) -> str:
    """Open it unless one from the branch is open already; returns its address.

    Args:
        url: of the repository, https with the token as its password.
        kind: `github` or `gitlab` where the host's name does not say.

    Raises:
        PublishFailed: the server refused, or is none of the two.
    """
    remote = parse_url(url)
    parts = httpx.URL(remote.url)
    kind = kind or next((name for name in ("github", "gitlab") if name in parts.host), None)
    if kind is None or parts.scheme not in ("http", "https"):
        raise PublishFailed(f"pull request: {parts.host or 'this address'} is neither GitHub nor GitLab over https")
    if not remote.password:
        raise PublishFailed(f"pull request: no token for {parts.host}; put it into the url as ${{NAME}}")
    repository = parts.path.strip("/").removesuffix(".git")
    # The scheme, host and port of the repository itself.
    root = f"{parts.scheme}://{parts.netloc.decode()}"
    try:
        with httpx.Client(timeout=TIMEOUT_S) as client:
            if kind == "github":
                return _github(client, root, repository, remote.password, new)
            return _gitlab(client, root, repository, remote.password, new)
    except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
        raise PublishFailed(f"pull request: {parts.host}: {type(error).__name__}: {error}") from error


def _github(client: httpx.Client, root: str, repository: str, token: str, new: NewPullRequest) -> str:
    api = "https://api.github.com" if root == "https://github.com" else f"{root}/api/v3"
    pulls = f"{api}/repos/{repository}/pulls"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    owner = repository.partition("/")[0]
    open_ones = _answer(client.get(pulls, params={"head": f"{owner}:{new.branch}", "state": "open"}, headers=headers))
    if open_ones:
        return str(open_ones[0]["html_url"])
    asked = {"title": new.title, "body": new.body, "head": new.branch, "base": new.base, "draft": new.draft}
    return str(_answer(client.post(pulls, json=asked, headers=headers))["html_url"])


def _gitlab(client: httpx.Client, root: str, repository: str, token: str, new: NewPullRequest) -> str:
    requests = f"{root}/api/v4/projects/{quote(repository, safe='')}/merge_requests"
    headers = {"PRIVATE-TOKEN": token}
    open_ones = _answer(client.get(requests, params={"source_branch": new.branch, "state": "opened"}, headers=headers))
    if open_ones:
        return str(open_ones[0]["web_url"])
    asked = {
        "title": f"Draft: {new.title}" if new.draft else new.title,
        "description": new.body,
        "source_branch": new.branch,
        "target_branch": new.base,
    }
    return str(_answer(client.post(requests, json=asked, headers=headers))["web_url"])


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    # The body says why; the address and the headers stay out of the message.
    raise PublishFailed(f"pull request: HTTP {response.status_code}: {response.text[:300]}")
