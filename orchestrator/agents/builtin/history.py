"""The `git-history` block: what happened in a repository of the WorkSpace, as markdown.

repository: NAME      one of the WorkSpace's; all of them when left out
since: 2 weeks ago    as `git log --since` takes it; all of the history when left out
limit: 10             how many files and subjects to list
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from orchestrator.agents.builtin.shell import Shell

# Files are counted over so many commits: over the whole history of a large repository it takes minutes.
FILES_COMMITS_MAX = 1_000
_LOG_MAX_BYTES = 8 * 1024 * 1024
_MARK = "\x01"


class HistoryError(Exception):
    """The block asks for something that is not there, or git failed; the message is for the query's author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """A parsed block. `repository` None means all, `since` empty means from the first commit."""

    repository: str | None
    since: str
    limit: int

    @classmethod
    def parse(cls, body: str) -> HistoryRequest:
        """Read `key: value` lines; an unknown key or a bad value is a `HistoryError`."""
        given: dict[str, str] = {}
        for line in filter(None, map(str.strip, body.splitlines())):
            key, _, value = line.partition(":")
            if key not in ("repository", "since", "limit") or not value.strip():
                raise HistoryError(f"git-history: cannot read {line!r}; it takes `repository:`, `since:` and `limit:`")
            given[key] = value.strip()
        limit = given.get("limit", "10")
        if not limit.isdecimal() or int(limit) == 0:
            raise HistoryError(f"git-history: limit {limit!r} is not a number above 0")
        return cls(repository=given.get("repository"), since=given.get("since", ""), limit=int(limit))


def history(request: HistoryRequest, shell: Shell) -> str:
    """The history of the repositories asked for.

    Raises:
        HistoryError: no such repository, or git failed.
    """
    there = _repositories(shell.directory)
    if request.repository is not None and request.repository not in there:
        listed = ", ".join(there) or "none"
        raise HistoryError(f"git-history: no repository {request.repository!r} in the WorkSpace; there are: {listed}")
    if not there:
        raise HistoryError("git-history: there is no repository in the WorkSpace")
    names = [request.repository] if request.repository is not None else there
    return "\n\n".join(_summary(name, request, shell) for name in names)


def _repositories(directory: str) -> list[str]:
    names = sorted(os.listdir(directory))  # noqa: PTH208 — pathlib would cost the agent 7 ms of start
    return [name for name in names if os.path.exists(f"{directory}/{name}/.git")]  # noqa: PTH110 — as above


def _summary(name: str, request: HistoryRequest, shell: Shell) -> str:
    if not _git(shell, name, "for-each-ref", "--count=1") and not _git(shell, name, "rev-list", "-n1", "--all"):
        return f"### {name}: no commits yet"
    since = [f"--since={request.since}"] if request.since else []
    # The last line: git puts its warnings before it, on the same stream.
    commits = int(_git(shell, name, "rev-list", "--count", *since, "HEAD").splitlines()[-1])
    authors = len(_git(shell, name, "shortlog", "-s", *since, "HEAD").splitlines())
    shown = [f"--max-count={FILES_COMMITS_MAX}", "--name-only", "--no-renames", f"--format={_MARK}%s"]
    log = _git(shell, name, "log", *shown, *since)
    lines = [line for line in log.splitlines() if line]
    subjects = [line[1:] for line in lines if line.startswith(_MARK)]
    changes = Counter(line for line in lines if not line.startswith(_MARK))
    period = f" since {request.since}" if request.since else ""
    files = [f"- `{path}` ({_count(times, 'change')})" for path, times in changes.most_common(request.limit)]
    note = f" (last {FILES_COMMITS_MAX:,} commits)" if commits > FILES_COMMITS_MAX else ""
    return "\n".join(
        [
            f"### {name}: {_count(commits, 'commit')} by {_count(authors, 'author')}{period}",
            "",
            f"#### Most changed files of {name}{note}",
            "",
            *(files or ["- none"]),
            "",
            f"#### Latest commits of {name}",
            "",
            *([f"- {subject}" for subject in subjects[: request.limit]] or ["- none"]),
        ]
    )


def _git(shell: Shell, name: str, *arguments: str) -> str:
    # The agent wrote in this repository, maybe its configuration too; nothing of it is to run here.
    command = ["git", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-C", name, "--no-pager", *arguments]
    outcome = shell.run(command, max_bytes=_LOG_MAX_BYTES)
    if outcome.exit_code != 0:
        raise HistoryError(f"git-history: git {arguments[0]} failed in {name!r}: {outcome.output.strip()}")
    return outcome.output


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
