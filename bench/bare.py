"""A Dagster job of three ops that do nothing: what a run worker weighs without this product."""

import sys
import time

import dagster as dg

MARK = "between ops"


@dg.op
def first() -> int:
    return 1


@dg.op
def second(number: int) -> int:
    return number + 1


@dg.op
def third(number: int) -> int:
    # Said on a line of its own, so that whoever watches knows when to look, and has the time to.
    sys.stderr.write(f"{MARK}\n")
    sys.stderr.flush()
    time.sleep(1)
    return number


@dg.job(executor_def=dg.in_process_executor)
def three_ops() -> None:
    third(second(first()))


defs = dg.Definitions(jobs=[three_ops])
