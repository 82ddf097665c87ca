"""Names that the code location gives to things in Dagster: asset keys, op names, pools."""

import hashlib
import re
from urllib.parse import urlsplit

import dagster as dg

from orchestrator.spec.load import LoadedSpec

AGENT_POOL = "agent"


def op_name(workflow: str, work: str) -> str:
    """`<workflow>__<work>`: unique in the location, since names hold single underscores only."""
    return f"{workflow}__{work}"


def report_key(workflow: str, work: str, task: str) -> dg.AssetKey:
    """The asset of the Report that a Task writes."""
    return dg.AssetKey([workflow, work, task])


def checkpoint_key(workflow: str, work: str) -> dg.AssetKey:
    """The asset of the Checkpoint that a Work ends in."""
    return dg.AssetKey([workflow, work, "checkpoint"])


def shared_git_key(url: str, ref: str) -> dg.AssetKey:
    """The asset of a Git: one node for every workflow that names the same url and ref.

    The repository's part of the key is its last two path segments, for people, and four digits of the url's hash,
    because `acme/api` on two hosts are two repositories.
    """
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    segments = [segment for segment in path.removesuffix(".git").split("/") if segment][-2:]
    repository = f"{_plain('_'.join(segments)) or 'repository'}_{_digits(url)}"
    plain_ref = _plain(ref)
    return dg.AssetKey(["git", repository, plain_ref if plain_ref == ref else f"{plain_ref}_{_digits(ref)}"])


def workflow_git_key(workflow: str, git: str) -> dg.AssetKey:
    """The asset of a Git whose url or ref takes inputs: it is not one repository, so it belongs to the workflow."""
    return dg.AssetKey([workflow, "git", git])


def git_key(loaded: LoadedSpec, name: str) -> dg.AssetKey:
    """The asset of one of a workflow's Gits."""
    if loaded.takes_inputs(name):
        return workflow_git_key(loaded.spec.name, name)
    git = loaded.spec.gits[name]
    return shared_git_key(git.url, git.ref)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4]
