"""The Work's `checks:`, run after its Tasks and before its Checkpoint."""

from __future__ import annotations

from collections.abc import Generator

from orchestrator.agents import AgentSession, run_command
from orchestrator.domain.errors import CheckFailed
from orchestrator.engine import query
from orchestrator.engine.agent import environment
from orchestrator.engine.facts import CheckResult, Fact
from orchestrator.engine.run import WorkRun
from orchestrator.engine.task import ask
from orchestrator.engine.workspace import agent_home
from orchestrator.observe.log import get_logger, mask_text
from orchestrator.spec.resolve import CheckPlan

_log = get_logger(__name__)


def pass_checks(run: WorkRun, agent: AgentSession, *, retries_left: int) -> Generator[Fact, None, int]:
    """Run every check; while retries are left, a failed blocking one goes to the agent to fix and all run again.

    Yields the results of the last round, and returns the retries that are left.

    Raises:
        CheckFailed: a blocking check failed and no retry is left.
    """
    while True:
        run.stop.check()
        results = [_run(run, check) for check in run.work.checks]
        _keep(run, results)
        failed = next((result for result in results if result.blocking and not result.passed), None)
        if failed is None or retries_left == 0:
            yield from results
            if failed is not None:
                raise CheckFailed(
                    work=run.work.name, check=failed.name, exit_code=failed.exit_code, output=failed.output
                )
            return retries_left
        retries_left -= 1
        _log.warning(
            "WorkRetried", message=f'check "{failed.name}" failed, the agent is asked to fix it', left=retries_left
        )
        command = next(check.run for check in run.work.checks if check.name == failed.name)
        ask(
            run,
            agent,
            query.ask_to_fix(check=failed.name, run=command, exit_code=failed.exit_code, output=failed.output),
        )


def _keep(run: WorkRun, results: list[CheckResult]) -> None:
    """Store the round's results: a Work that is finished yields them again without running anything."""
    if results:
        run.engine.store.write(lambda tx: tx.record_checks(run.row.id, results))


def _run(run: WorkRun, check: CheckPlan) -> CheckResult:
    settings = run.engine.settings
    limit_ms = check.timeout_s * 1000 if check.timeout_s is not None else settings.agent_query_timeout_ms
    ended = run_command(
        check.run,
        cwd=run.workspace / check.git,
        env={**environment(run), "HOME": str(agent_home(settings.workflow_root_path, run.workflow.id))},
        timeout_ms=run.remaining_ms(limit_ms),
        stop_timeout_ms=settings.agent_stop_timeout_ms,
        pass_fds=(run.lock.fd,),
        sandbox=settings.agent_sandbox,
        stop=run.stop,
    )
    passed = ended.exit_code == 0
    _log.info(
        "CheckEnded",
        message=f'check "{check.name}" {"passed" if passed else "failed"}',
        duration=ended.duration_ms,
        exitCode=ended.exit_code,
    )
    return CheckResult(
        name=check.name,
        passed=passed,
        blocking=check.blocking,
        exit_code=ended.exit_code,
        output=mask_text(ended.output),
        duration_ms=ended.duration_ms,
    )
