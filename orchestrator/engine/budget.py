"""Budgets of a Workflow and of a Work: what may be spent before it pauses."""

from __future__ import annotations

from orchestrator.domain.errors import Paused
from orchestrator.domain.states import PauseReason
from orchestrator.engine.run import WorkRun
from orchestrator.spec.model import BudgetSpec
from orchestrator.store.rows import Usage


def check_budget(run: WorkRun) -> None:
    """Raise `Paused` where the queries so far, of all attempts that were finished, have used a budget up."""
    if run.plan.budget is not None:
        used = run.engine.store.read(lambda reader: reader.usage(run.workflow.id))
        _check(f'workflow "{run.plan.workflow}"', run.plan.budget, used)
    if run.work.budget is not None:
        used = run.engine.store.read(lambda reader: reader.usage(run.workflow.id, work_id=run.row.id))
        _check(f'work "{run.work.name}"', run.work.budget, used)


def _check(where: str, budget: BudgetSpec, used: Usage) -> None:
    tokens = (used.input_tokens or 0) + (used.output_tokens or 0)
    if budget.tokens is not None and tokens >= budget.tokens:
        raise Paused(
            f"{where} has used {tokens} of its {budget.tokens} tokens; raise `budget.tokens` in the spec and resume",
            reason=PauseReason.BUDGET,
        )
    if budget.cost_usd is not None and (used.cost_usd or 0) >= budget.cost_usd:
        raise Paused(
            f"{where} has used {used.cost_usd} of its {budget.cost_usd} USD; "
            "raise `budget.cost_usd` in the spec and resume",
            reason=PauseReason.BUDGET,
        )
