"""What a user writes: the `defs.yaml` of a workflow, checked, made self-contained, and resolved with its inputs."""
