"""What an agent said and did for each Task, live and afterwards: JSON lines, masked, bounded.

One file a Task, `<workflow folder>/transcripts/<work>/<task>.jsonl`; another try of the Task goes on in the same file.
An agent sends words in pieces of any length: they are joined into whole lines first, for a secret that is cut in two is
one that no mask finds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from orchestrator.agents.session import Update
from orchestrator.observe.log import get_logger, mask_text

Kind = Literal["query", "message", "thought", "notice", "tool_call", "end", "cut"]

FILE_LIMIT_BYTES = 16 * 1024 * 1024
LINE_LIMIT_CHARS = 16 * 1024
# Words without a line break are written when there are so many of them.
_JOINED_CHARS = 4 * 1024
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a transcript.

    Attributes:
        at: UTC, ISO 8601.
        text: masked; of a `tool_call` its title, of an `end` the stop reason or the error.
        tool_call_id, status, output: as in `Update`.
    """

    at: str
    kind: Kind
    text: str
    tool_call_id: str = ""
    status: str = ""
    output: str = ""

    def __str__(self) -> str:
        """As it stands in a log for people."""
        if self.kind == "tool_call":
            said = " ".join(part for part in (self.text or self.tool_call_id, self.status) if part)
            return f"[tool] {said}"
        return self.text if self.kind == "message" else f"[{self.kind}] {self.text}"


class LiveView:
    """Where the updates of one Work's agent go: to the file of the Task in flight, and to a listener.

    Args:
        listen: called with each line as it is written, in the agent's thread; must be quick.
    """

    def __init__(self, listen: Callable[[Line], None] | None = None) -> None:
        self._listen = listen
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._kind: Kind = "message"
        self._words = ""

    def hear(self, update: Update) -> None:
        """For `AgentStart.on_update`."""
        with self._lock:
            if update.kind in ("message", "thought"):
                if update.kind != self._kind:
                    self._flush()
                    self._kind = update.kind
                self._words += update.text
                self._write_whole_lines()
                return
            self._flush()
            self._write(
                update.kind,
                update.text,
                tool_call_id=update.tool_call_id,
                status=update.status,
                output=update.output,
            )

    @contextmanager
    def task(self, path: Path, query: str) -> Iterator[None]:
        """One Task's queries: what is heard within the block goes to `path`. An error that leaves it is written too."""
        with self._lock:
            self._file = _File(path)
            self._write("query", query)
        try:
            yield
        except BaseException as error:
            self._end(f"{type(error).__name__}: {error}")
            raise
        else:
            self._end("end_turn")

    def _end(self, why: str) -> None:
        with self._lock:
            self._flush()
            self._write("end", why)
            self._file = None

    def _write_whole_lines(self) -> None:
        whole, line_break, rest = self._words.rpartition("\n")
        if line_break:
            self._words = rest
            self._write(self._kind, whole)
        elif len(self._words) > _JOINED_CHARS:
            # Cut at a space, where no secret is cut in two.
            whole, _, rest = self._words.rpartition(" ")
            if whole or len(self._words) > LINE_LIMIT_CHARS:
                self._words = rest if whole else ""
                self._write(self._kind, whole or "[a line too long to show]")

    def _flush(self) -> None:
        words, self._words = self._words, ""
        if words.strip():
            self._write(self._kind, words)

    def _write(self, kind: Kind, text: str, *, tool_call_id: str = "", status: str = "", output: str = "") -> None:
        line = Line(
            at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            kind=kind,
            text=_shown(text),
            tool_call_id=tool_call_id,
            status=status,
            output=_shown(output),
        )
        if self._file is not None:
            self._file.write(line)
        if self._listen is not None:
            self._listen(line)


def read_transcript(path: Path, *, offset: int = 0) -> tuple[list[Line], int]:
    """The whole lines from a byte offset on, and the offset behind them; none where there is no file yet."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(2 * FILE_LIMIT_BYTES)
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    return [Line(**json.loads(line)) for line in whole.splitlines()], offset + len(whole)


class _File:
    """Appends lines up to a limit; a disk that is full costs the transcript, never the Work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = True

    def write(self, line: Line) -> None:
        if not self._open:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                if file.tell() > FILE_LIMIT_BYTES:
                    self._open = False
                    line = Line(at=line.at, kind="cut", text="more was said than a transcript holds")
                fields = {name: value for name, value in asdict(line).items() if value != ""}
                file.write(json.dumps({"text": "", **fields}, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            self._open = False
            _log.warning("TranscriptLost", message=f"{self._path}: {error.strerror or error}")


def _shown(text: str) -> str:
    masked = mask_text(text)
    return masked if len(masked) <= LINE_LIMIT_CHARS else f"{masked[:LINE_LIMIT_CHARS]} […]"
