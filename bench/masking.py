"""Masking of log lines: its speed with and without the search before the exact rules, and its quality on a corpus.

`python -m bench.masking` prints the speed; where the corpus is, also recall and false positives. The corpus lies
outside the project: `--corpus FOLDER` or MASKING_CORPUS, else `../shared/masking` beside it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Figure, figure_of_costs, interleaved, timed
from orchestrator.observe.fields import FieldRules
from orchestrator.observe.finder import Everywhere
from orchestrator.observe.mask import NUMBER_OF_RULES, Mask

CORPUS_VARIABLE = "MASKING_CORPUS"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "masking"
_SECRETS = {"DB_PASSWORD": "Tr0ub4dor&3", "AGENT_TOKEN": "made-up-0123456789-abcdef"}
_SIZE = 1_000_000
# A row leaks when this many characters in a row of its secret are still there, behind the first ones that may stay.
_LEAK, _MAY_STAY = 8, 4


def measure(*, tries: int = 7) -> Figure:
    """Time for 1 MB of ordinary log lines, one by one, against the same rules without the search before them."""
    rules = FieldRules.read()
    searched = Mask(rules, secrets=_SECRETS.values())
    unsearched = Mask(rules, secrets=_SECRETS.values(), search=Everywhere(NUMBER_OF_RULES))
    lines = ordinary_lines(_SIZE)
    ours, baseline = (partial(timed, partial(_mask_all, mask.text, lines)) for mask in (searched, unsearched))
    return figure_of_costs(
        interleaved(ours, baseline, pairs=tries),
        name="masking",
        what="1 MB of log lines masked (20 MB/s are 50 ms), against the exact rules alone",
        at_most=0.2,
    )


def _mask_all(mask: Callable[[str], str], lines: list[str]) -> None:
    for line in lines:
        mask(line)


def ordinary_lines(size: int) -> list[str]:
    """Lines of our own, of Dagster, of git and of stacks, by turns, `size` characters in all; the same each time."""
    numbers = random.Random(1)  # noqa: S311 — a seed, so that every run measures the same

    def hexes(length: int) -> str:
        return "".join(numbers.choice("0123456789abcdef") for _ in range(length))

    def lines() -> Iterator[str]:
        while True:
            workflow, run, count = f"wf-{hexes(12)}", f"{hexes(8)}-{hexes(4)}-{hexes(4)}", numbers.randrange(9999)
            path = f"/data/worktrees/{workflow}/api/src/main_{count}.py"
            for work in ("plan", "fix", "review"):
                line: dict[str, object] = {"timestamp": "2026-11-22T10:24:00.123Z", "level": "INFO"}
                line |= {"correlationId": f"{workflow}-001", "workflowId": workflow, "workId": work, "taskId": None}
                line |= {
                    "event": "TaskCompleted",
                    "message": f"Task {count} of Work {work} completed",
                    "duration": count,
                }
                context = {"run_id": run, "input_tokens": count, "output_tokens": 7, "path": path}
                yield json.dumps({**line, "context": context, "service": "workflow-orchestrator"})
            yield f"2026-11-22 10:24:00 +0000 dagster INFO RUN_START {run} started execution for job fix in {count}"
            yield f"commit {hexes(40)} checkpoint for work {count}: 3 files changed, 120 insertions(+)"
            yield f'  File "/usr/lib/python3.11/site-packages/dagster/_core/execution/api.py", line {count}, in perform'

    made: list[str] = []
    length = 0
    for line in lines():
        made.append(line)
        length += len(line)
        if length >= size:
            return made
    raise AssertionError("the lines do not end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How the shipped rules do on a corpus.

    Attributes:
        leaked: how many of a rule's rows leaked, by rule; rules without a leak are not in it.
        changed: benign rows that were not printed as they are; rows that a person wrote as an example of a secret,
            `placeholder`, do not count.
    """

    secrets: int
    leaked: Mapping[str, int]
    benign: int
    changed: tuple[str, ...]

    @property
    def recall(self) -> float:
        return 1 - sum(self.leaked.values()) / self.secrets

    @property
    def false_positives(self) -> float:
        return len(self.changed) / self.benign

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        yield f"recall           {self.recall:.4f}  at least 0.98   ({self.secrets} rows; leaked: {dict(self.leaked)})"
        yield f"false positives  {self.false_positives:.4f}  at most 0.005   (of {self.benign} benign rows)"


def corpus(given: str | None = None) -> Path:
    """Where the corpus should be."""
    return Path(given or os.environ.get(CORPUS_VARIABLE) or _BESIDE)


def quality(folder: Path) -> Quality:
    """Mask every row of `secrets.*.jsonl.gz` and `benign.*.jsonl.gz` in `folder`.

    Raises:
        FileNotFoundError: there are none.
    """
    secrets, benign = list(_rows(folder, "secrets")), list(_rows(folder, "benign"))
    if not secrets or not benign:
        raise FileNotFoundError(folder)
    mask = Mask(FieldRules.read())
    leaked: Counter[str] = Counter()
    for row in secrets:
        knowing = Mask.load({"SOME_TOKEN": row["secret"]}) if row.get("known") else mask
        leaked[row["rule"]] += leaks(row["secret"], knowing.text(row["text"]))
    counted = [row["text"] for row in benign if not row.get("placeholder")]
    return Quality(
        secrets=len(secrets),
        leaked={rule: rows for rule, rows in leaked.items() if rows},
        benign=len(counted),
        changed=tuple(text for text in counted if mask.text(text) != text),
    )


def leaks(secret: str, shown: str) -> bool:
    """Whether `shown` still tells what `secret` was; of a short one, whether it is there."""
    rest = secret[_MAY_STAY:]
    if len(rest) < _LEAK:
        return secret in shown
    return any(rest[start : start + _LEAK] in shown for start in range(len(rest) - _LEAK + 1))


def _rows(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"{kind}.*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def main() -> None:
    """Print the speed, and the quality where the corpus is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tries", type=int, default=7, help="how many pairs")
    parser.add_argument("--corpus", help=f"the folder of the corpus; else {CORPUS_VARIABLE}, else {_BESIDE}")
    given = parser.parse_args()
    sys.stdout.write(f"{measure(tries=given.tries).line()}\n")
    folder = corpus(given.corpus)
    try:
        sys.stdout.writelines(f"{line}\n" for line in quality(folder).lines())
    except FileNotFoundError:
        sys.stdout.write(f"recall and false positives not measured: there is no corpus in {folder}\n")


if __name__ == "__main__":
    main()
