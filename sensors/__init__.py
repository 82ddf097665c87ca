"""Dagster sensors: what happens because something else did."""
