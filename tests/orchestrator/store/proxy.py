"""A TCP proxy that can lose the answer to a COMMIT: the server commits, the client never hears of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CommitLosingProxy:
    """Stands on `port`, forwards to a server's port; `armed`, it cuts the connection instead of answering a COMMIT."""

    def __init__(self, server_port: int) -> None:
        self.armed = threading.Event()
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            lose = threading.Event()
            threading.Thread(target=self._requests, args=(client, server, lose), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, lose), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, lose: threading.Event) -> None:
        while data := _receive(client):
            if self.armed.is_set() and b"COMMIT" in data:
                self.armed.clear()
                lose.set()
            server.sendall(data)
        server.close()

    def _answers(self, client: socket.socket, server: socket.socket, lose: threading.Event) -> None:
        while (data := _receive(server)) and not lose.is_set():
            client.sendall(data)
        # close() alone would leave the connection up for as long as the other thread waits in recv().
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def commit_losing_proxy(server_port: int) -> Iterator[CommitLosingProxy]:
    """A proxy for the time of one test."""
    proxy = CommitLosingProxy(server_port)
    try:
        yield proxy
    finally:
        proxy.close()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""
