"""Names of the moments at which a death matters: just before and just after something becomes durable.

The product only says where it is. What happens there is up to whoever arms the process: `tests/sweep` kills it at
each of them. Unarmed, a boundary costs a call and a comparison.
"""

from __future__ import annotations

from collections.abc import Callable

Act = Callable[[str], None]

_act: Act | None = None


def reached(boundary: str) -> None:
    """Say that this process is at the boundary of that name: `<part>.<what>`, ending in `.before` or `.after` a write.

    In any thread. Raises what the armed action raises.
    """
    if _act is not None:
        _act(boundary)


def arm(act: Act | None) -> None:
    """Call `act` with the name of every boundary from now on, in the thread that reaches it; None disarms."""
    global _act
    _act = act
