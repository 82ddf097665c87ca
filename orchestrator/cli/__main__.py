"""`python -m orchestrator.cli`: the command, also where its script is not on the PATH."""

from orchestrator.cli.main import main

main()
