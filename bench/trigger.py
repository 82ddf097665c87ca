"""From a webhook to the run that it asks for, on the running system: `python -m bench.trigger`."""

from __future__ import annotations

import hashlib
import hmac
import json
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from bench.load import SECRET
from bench.measure import Figure, main
from bench.world import make_repository
from tests.parts.system import System

_SPEC = """\
type: orchestrator_defs.Workflow
attributes:
  name: fired{number}
  gits: {{book: {{url: {book}, ref: main}}}}
  agent: {{provider: builtin}}
  works: [{{name: write, tasks: [{{name: entry, query: Nothing.}}]}}]
  triggers: [{{webhook: {{source: ci, event: fire{number}}}}}]
"""
_RUNS = "{ runsOrError { ... on Runs { results { creationTime endTime tags { key value } } } } }"


def measure(tries: int = 8) -> Figure:
    """The 95th percentile of the time from sending the webhook to the run's creation."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        book = make_repository(folder / "book", files=1)
        for number in range(tries):
            (folder / "specs" / f"fired{number}").mkdir(parents=True)
            (folder / "specs" / f"fired{number}" / "defs.yaml").write_text(_SPEC.format(number=number, book=book))
        system = System.start(
            folder / "home", WORKFLOW_SPECS_PATH=str(folder / "specs"), WEBHOOK_SECRET_CI=SECRET, LOG_LEVEL="info"
        )
        try:
            sent = []
            for number in range(tries):
                sent.append(_send(system, number))
                # One at a time: what a run costs the machine is no part of this figure.
                runs = _ended(system, number + 1)
        finally:
            system.stop()
    began = dict(sent)
    took = [
        (run["creationTime"] - began[tag["value"]]) * 1000
        for run in runs
        for tag in run["tags"]
        if tag["key"] == "orchestrator/firing"
    ]
    what = f"p95 from webhook to run requested, {len(took)} webhooks, one after the other"
    return Figure(name="trigger", what=what, unit="ms", at_most=2000, ours=(quantiles(took, n=20)[18],))


def _ended(system: System, count: int) -> list[dict[str, Any]]:
    """The runs, once there are so many and all have ended."""
    deadline = time.monotonic() + 120
    while True:
        runs: list[dict[str, Any]] = system.graphql(_RUNS)["runsOrError"]["results"]
        if len(runs) >= count and all(run["endTime"] for run in runs):
            return runs
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(runs)} of {count} webhooks became runs that ended")
        time.sleep(0.3)


def _send(system: System, number: int) -> tuple[str, float]:
    """The firing that it made, and when it was sent."""
    body = json.dumps({"number": number}).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Signature-256": signature, "X-Delivery-Id": str(number), "X-Event": f"fire{number}"}
    began = time.time()
    url = f"http://127.0.0.1:{system.environment['PORT']}/webhooks/ci"
    answer = httpx.post(url, content=body, headers=headers, timeout=30)
    return answer.json()["fired"][0], began


if __name__ == "__main__":
    main(measure)
