"""What keeps the system running: the operations server, the Dagster instance, and all processes on one machine."""
