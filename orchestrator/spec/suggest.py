"""`did you mean`: the nearest of the words that would have been right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, or None where none is near."""
    by_case = {name.casefold(): name for name in known}
    matches = get_close_matches(word.casefold(), list(by_case), n=1, cutoff=0.6)
    return by_case[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: a near one, else all there are."""
    names = sorted(known)
    near = nearest(word[:100], names)
    if near is not None:
        return f', did you mean "{near}"?'
    if not names:
        return "; there are none"
    return f"; there {'is' if len(names) == 1 else 'are'} " + ", ".join(f'"{name}"' for name in names[:20])
