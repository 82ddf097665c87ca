"""Cron expressions, in the five-field form that Dagster's schedules take."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_EXAMPLE = 'write five fields such as "0 3 * * 1"'


def check_cron(expression: str, timezone: str = "UTC") -> None:
    """Make sure that a schedule can be computed.

    Args:
        expression: minute, hour, day of month, month, day of week.
        timezone: an IANA name such as `Europe/Berlin`.

    Raises:
        ValueError: malformed, without any date ever, or in a time zone that does not exist.
    """
    try:
        zone = ZoneInfo(timezone)
    # Beside ZoneInfoNotFoundError (a KeyError): ValueError for paths, OSError for a directory such as `Europe`.
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'"{timezone}" is not a time zone; write an IANA name such as "Europe/Berlin"') from error
    # CronSim takes a sixth field, seconds; Dagster does not.
    if len(expression.split()) != 5:
        raise ValueError(f'"{expression}" is not a cron expression; {_EXAMPLE}')
    try:
        next(CronSim(expression, datetime.now(zone)))
    except CronSimError as error:
        raise ValueError(f'"{expression}" is not a cron expression ({error}); {_EXAMPLE}') from error
    except StopIteration:
        raise ValueError(f'"{expression}" never comes due; {_EXAMPLE}') from None


def next_time(expression: str, after: datetime) -> datetime:
    """When a schedule that was checked comes due next, in the zone of `after`."""
    return next(CronSim(expression, after))
