"""Sessions of the built-in agent, each a small file in its HOME, so that a later process can go on with one."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from orchestrator.agents.builtin.shell import Shell

_ID = re.compile(r"\A[0-9a-f]{16}\Z")


class SessionError(Exception):
    """There is no such session, here or in HOME; or it is in the middle of a turn."""


class Session:
    """A conversation: its id, where its commands run, how many turns it has had."""

    def __init__(self, session_id: str, directory: str, turns: int, metadata: dict[str, Any]) -> None:
        self.id = session_id
        self.shell = Shell(directory)
        self.turns = turns
        self.metadata = metadata
        self.busy = False


class Sessions:
    """All sessions of this process, and the folder of their files."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: dict[str, Session] = {}

    def create(self, directory: str, metadata: dict[str, Any]) -> Session:
        session = Session(os.urandom(8).hex(), directory, 0, metadata)
        self._open[session.id] = session
        self._save(session)
        return session

    def resume(self, session_id: str, directory: str) -> Session:
        """Take up a session of an earlier process.

        Raises:
            SessionError: HOME holds none of that id.
        """
        if not _ID.match(session_id):
            raise SessionError(f"no session {session_id!r}")
        try:
            with open(f"{self._folder}/{session_id}.json", encoding="utf-8") as file:  # noqa: PTH123 — pathlib costs 7 ms
                state = json.load(file)
        except FileNotFoundError as error:
            raise SessionError(f"no session {session_id!r}") from error
        session = Session(session_id, directory, state["turns"], state["metadata"])
        self._open[session_id] = session
        return session

    def begin_turn(self, session_id: str) -> Session:
        """The session, ready to run commands.

        Raises:
            SessionError: it is not open, or its last turn has not ended.
        """
        session = self._open.get(session_id)
        if session is None:
            raise SessionError(f"no session {session_id!r} is open")
        if session.busy:
            raise SessionError(f"session {session_id!r} is in the middle of a turn")
        session.busy = True
        session.turns += 1
        session.shell.resume()
        return session

    def end_turn(self, session: Session) -> None:
        session.busy = False
        self._save(session)

    def cancel(self, session_id: Any) -> None:
        """End the session's turn; nothing where it has none."""
        if session := self._open.get(session_id):
            session.shell.cancel()

    def cancel_all(self) -> None:
        for session in self._open.values():
            session.shell.cancel()

    def _save(self, session: Session) -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103 — pathlib costs 7 ms
        path = f"{self._folder}/{session.id}.json"
        with open(f"{path}.new", "w", encoding="utf-8") as file:  # noqa: PTH123 — as above
            json.dump({"turns": session.turns, "metadata": session.metadata}, file)
        os.replace(f"{path}.new", path)  # noqa: PTH105 — as above
