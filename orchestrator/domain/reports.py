"""Reports: markdown that follows the outline a spec gives, with front matter that says where it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_FENCE = re.compile(r"\A {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"\A {0,3}#{1,6}[ \t]+(?P<text>.*?)(?:[ \t]+#+)?[ \t]*\Z")
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
FRONT_MATTER_MARK = "---"


def headings(markdown: str) -> tuple[str, ...]:
    """The texts of all headings, at any level, in order; what stands inside code fences is no heading."""
    return tuple(text for line in _outside_fences(markdown) if (text := _heading(line)) is not None)


def missing_headings(markdown: str, outline: Sequence[str]) -> tuple[str, ...]:
    """The headings of the outline that the markdown lacks; letter case and emphasis marks do not count."""
    present = {_plain(text) for text in headings(markdown)}
    return tuple(heading for heading in outline if _plain(heading) not in present)


def render(*, title: str, body: str, facts: Mapping[str, Any]) -> str:
    """A Report file: front matter of `facts` in their order, the title where the body lacks one, the body.

    Whatever a value holds, the front matter stays YAML that machines read.
    """
    lines = [FRONT_MATTER_MARK]
    lines += [f"{name}: {_scalar(value)}" for name, value in facts.items()]
    lines += [FRONT_MATTER_MARK, ""]
    text = body.strip("\n")
    if not any(line.startswith("# ") for line in _outside_fences(text)):
        lines += [f"# {title}", ""]
    return "\n".join([*lines, text]) + "\n"


def body_of(report: str) -> str:
    """A Report without its front matter: what people read in the UI."""
    if not report.startswith(FRONT_MATTER_MARK + "\n"):
        return report
    _, _, rest = report[len(FRONT_MATTER_MARK) + 1 :].partition(f"\n{FRONT_MATTER_MARK}\n")
    return rest.lstrip("\n")


def _scalar(value: Any) -> str:
    # JSON is YAML too, but for characters that YAML refuses (DEL) or reads as line breaks.
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _heading(line: str) -> str | None:
    found = _HEADING.match(line)
    return found["text"] if found else None


def _plain(text: str) -> str:
    return re.sub(r"[*_`]", "", text).strip().rstrip(":").casefold()


def _outside_fences(markdown: str) -> list[str]:
    kept: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if found:
            fence = found[1]
            continue
        kept.append(line)
    return kept
