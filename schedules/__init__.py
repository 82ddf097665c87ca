"""Dagster schedules: what happens by the clock."""
