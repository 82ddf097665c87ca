"""The core of Workflow Orchestrator: plain Python that knows no Dagster."""
