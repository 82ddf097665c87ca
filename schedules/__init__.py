"""Dagster schedules: what happens by the clock. The first ones come with retention and with the specs' cron triggers."""
