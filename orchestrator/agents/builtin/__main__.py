"""Runs the built-in agent on standard input and output: `python -I -S` and the path of this file."""

import sys

if __name__ == "__main__":
    # -I -S starts without site-packages and without this repository; the agent needs the latter alone.
    # Cut as text: pathlib would cost 7 ms.
    sys.path.append(__file__.rsplit("/", 4)[0])
    from orchestrator.agents.builtin.server import serve

    serve()
