"""The clean-up, by the clock."""

import dagster as dg

from orchestrator.domain.tags import CLEANUP_JOB
from orchestrator.settings import Settings


def cleanup_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Launches the job `cleanup` as CLEANUP_SCHEDULE_CRON says, in UTC."""
    return dg.ScheduleDefinition(
        name="cleanup_schedule",
        job_name=CLEANUP_JOB,
        cron_schedule=settings.cleanup_schedule_cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Removes what has had its time (CLEANUP_SCHEDULE_CRON).",
    )
