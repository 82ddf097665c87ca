"""Thin Dagster resources over the core: each opens what an op needs and closes it after the run."""
