"""A stream of log lines, masked: what `orchestrator mask` does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from orchestrator.observe.jsontext import masked_json
from orchestrator.observe.mask import MASKING_FAILED, Mask

# A longer line is masked in parts, so that memory stays bounded whatever comes.
LONGEST_LINE = 1 << 20
_SHORTEST_PART = LONGEST_LINE - (64 << 10)
_JSON_LINE = re.compile(r"\s*[{\[]")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,60}-----")


def masked_stream(mask: Mask, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of `chunks`, masked, as soon as they are complete; what is not masked byte for byte as it came.

    A line that is a JSON object or list is masked by its fields and stays JSON. The text lines of a chunk are masked
    together, as a name and its value may stand on two; a private key is hidden to its end, however many chunks on.
    """
    in_key = False
    for block in _blocks(chunks):
        # Undecodable bytes become characters of their own and are written as they were.
        text = block.decode("utf-8", "surrogateescape")
        if in_key:
            ended = _KEY_ENDS.search(text)
            if ended is None:
                continue
            text, in_key = text[ended.end() :], False
        *_, last_begin = [None, *_KEY_BEGINS.finditer(text)]
        in_key = last_begin is not None and _KEY_ENDS.search(text, last_begin.end()) is None
        yield _masked(mask, text).encode("utf-8", "surrogateescape")


def _masked(mask: Mask, text: str) -> str:
    if not mask.may_change(text):
        return text
    done = []
    lines = text.splitlines(keepends=True) if text.isascii() else re.findall(r"[^\n]*\n|[^\n]+", text)
    for is_json, group in groupby(lines, key=lambda line: _JSON_LINE.match(line) is not None):
        if is_json:
            done += [_masked_line(mask, line) for line in group]
        else:
            done.append(mask.text("".join(group)))
    return "".join(done)


def _masked_line(mask: Mask, line: str) -> str:
    if not mask.may_change(line):
        return line
    try:
        masked = masked_json(line, mask.value)
    except Exception:  # noqa: BLE001 — as within the mask: the unmasked line must not get out
        return f"{MASKING_FAILED}\n"
    return mask.text(line) if masked is None else masked


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, as many as there are; of a line that is too long a part, cut where no word is cut if possible."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        end = rest.rfind(b"\n", len(rest) - len(chunk)) + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        while len(rest) >= LONGEST_LINE:
            cut = max(rest.rfind(b" ", _SHORTEST_PART), rest.rfind(b",", _SHORTEST_PART)) + 1 or LONGEST_LINE
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest
