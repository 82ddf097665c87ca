"""A job of three ops, the first of which waits for a file when BENCH_GATE names one: what stock Dagster launches."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.op
def first() -> int:
    gate = os.environ.get("BENCH_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.1)
    return 1


@dg.op
def second(number: int) -> int:
    return number + 1


@dg.op
def third(number: int) -> int:
    return number


@dg.job(executor_def=dg.in_process_executor)
def three_ops() -> None:
    third(second(first()))


defs = dg.Definitions(jobs=[three_ops])
