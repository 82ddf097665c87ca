"""`make screenshots`: the pictures of README and docs, taken from the real UI after a real run of the demo."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.parts.chromium import open_page
from tests.parts.system import System

IMAGES = Path(__file__).parent / "images"
PIXELS = 1600
# After the last piece of data is there, the UI still lays out and fades in.
SETTLE_MS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One view of the UI.

    Attributes:
        address: below the UI's own; `{run}` is the id of the demo's run.
        size: width and height of the page in its own pixels; the file is PIXELS wide, so a narrow page has large words.
        prepare: brings what is to be seen into view, and returns once it is there.
    """

    file: str
    address: str
    size: tuple[int, int]
    prepare: Callable[[Page], None]


def _lineage(page: Page) -> None:
    page.locator("svg").get_by_text("links").first.wait_for()
    # Closes the list of assets beside the graph; a double click on nothing then fits the graph into the room.
    page.get_by_placeholder("Jump to").locator("xpath=following::button[1]").click()
    page.get_by_placeholder("Jump to").wait_for(state="detached")
    page.wait_for_timeout(SETTLE_MS)
    page.mouse.dblclick(page.locator("body").evaluate("body => body.clientWidth") / 2, 460)


def _run(page: Page) -> None:
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    # Away from the timeline, where the mouse draws a line.
    page.mouse.move(0, 0)


def _report(page: Page) -> None:
    page.get_by_text("Documents").first.wait_for()
    page.get_by_placeholder("Filter metadata keys").evaluate("field => field.scrollIntoView()")


PICTURES = (
    Picture(
        file="lineage.png",
        address="/asset-groups?expanded=global@global:gits,global@global:demo",
        size=(1200, 480),
        prepare=_lineage,
    ),
    Picture(file="run.png", address="/runs/{run}", size=(1600, 900), prepare=_run),
    Picture(file="report.png", address="/assets/demo/survey/layout", size=(1200, 800), prepare=_report),
)


def main() -> int:
    """Write every picture, or raise for what keeps one from being taken."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        system = System.start(Path(folder) / "home")
        try:
            run_id = _run_demo(system, Path(folder) / "handbook")
            for picture in PICTURES:
                _take(picture, system.url + picture.address.format(run=run_id))
        finally:
            system.stop()
    return 0


def _run_demo(system: System, handbook: Path) -> str:
    """The run id of a finished demo over this repository and an empty handbook."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(handbook)], check=True)
    (handbook / "README.md").write_text("# Handbook\n")
    identity = ["-c", "user.name=Demo", "-c", "user.email=demo@localhost"]
    for arguments in (["add", "."], [*identity, "commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *arguments], cwd=handbook, check=True)
    ended = system.run("run", "demo", "--input", f"handbook={handbook}", "--wait", "--json")
    if ended.returncode != 0:
        raise RuntimeError(f"the demo did not complete:\n{ended.stderr}")
    return str(json.loads(ended.stdout)["run_id"])


def _take(picture: Picture, address: str) -> None:
    width, height = picture.size
    with open_page(width=width, height=height, scale=PIXELS / width) as page:
        page.goto(address)
        page.get_by_text("Hide navigation").click()
        picture.prepare(page)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=IMAGES / picture.file)
    sys.stdout.write(f"{IMAGES / picture.file}\n")


if __name__ == "__main__":
    sys.exit(main())
