"""Performs Works and carries the use cases of a Workflow's life. Ops call it and record what it yields."""
