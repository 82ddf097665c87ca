"""The Gits as assets: one observable node for every url and ref that any workflow names."""

from collections.abc import Iterable

import dagster as dg

from orchestrator.spec.load import LoadedSpec
from orchestrator_defs import keys
from resources.git import GitResource


def git_assets(specs: Iterable[LoadedSpec]) -> list[dg.SourceAsset]:
    """Observable assets, their data version the head commit; one whose url takes inputs belongs to its workflow."""
    named: dict[dg.AssetKey, tuple[str, str]] = {}
    for loaded in specs:
        for name, git in loaded.spec.gits.items():
            if not loaded.takes_inputs(name):
                named.setdefault(keys.git_key(loaded, name), (git.url, git.ref))
    return [_git_asset(key, url, ref) for key, (url, ref) in named.items()]


def _git_asset(key: dg.AssetKey, url: str, ref: str) -> dg.SourceAsset:
    @dg.observable_source_asset(
        key=key,
        group_name="gits",
        description=f"`{ref}` of {url}. Its data version is the head commit.",
        metadata={"url": url, "ref": ref},
        tags={"dagster/kind/git": ""},
    )
    def head(git: GitResource) -> dg.DataVersion:
        return dg.DataVersion(git.remote_head(url, ref))

    return head
