"""Which addresses and refs a spec may name. Pure: whether they exist is found out when git is asked."""

from __future__ import annotations

import re

SCHEMES = ("https", "http", "ssh", "git", "file")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USERINFO = re.compile(r"\A[a-z]+://([^/?#]*)@", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[^}]*\}")
SCP_ADDRESS = re.compile(r"\A[A-Za-z0-9_][\w.+-]*@[A-Za-z0-9][\w.-]*:(?![:-]).+\Z", re.ASCII)
# git's own rule: a colon before the first slash, and no `://`, makes it `host:path` over ssh.
_SCP_LIKE = re.compile(r"\A[^/]+:")
# git-check-ref-format(1).
_ILLEGAL_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z|\A[/.]|\A@\Z")


def problem_with_url(url: str) -> str | None:
    """What is wrong with a repository's address, or None.

    Allowed: the schemes above, `user@host:path`, and paths. The text never repeats the address: it may hold a password.
    """
    if not url.strip():
        return "is empty; give the address of a repository"
    if _CONTROL.search(url):
        return "holds a control character"
    if url.startswith("-"):
        return "starts with a dash, which git would take for an option"
    # `ext::sh -c …` and its like have git run a helper program.
    if "::" in url.partition("/")[0]:
        return 'has the form "transport::address", which can run commands; use https, ssh or a path'
    if url.startswith("~"):
        return 'starts with "~", which nothing expands; write the whole path'
    return _problem_with_scheme(url)


def _problem_with_scheme(url: str) -> str | None:
    scheme = _SCHEME.match(url)
    if scheme is None:
        if url.startswith("://"):
            return 'has "://" without a scheme; use https, ssh or a path'
        if _SCP_LIKE.match(url) and "${" not in url and not SCP_ADDRESS.match(url):
            return "is neither a URL nor a path; write user@host:path for ssh"
        return None
    if scheme[1].lower() not in SCHEMES:
        return f'has the unknown scheme "{scheme[1][:20]}"; use one of {", ".join(SCHEMES)}, or a path'
    userinfo = _USERINFO.match(url)
    password = userinfo[1].partition(":")[2] if userinfo else ""
    if _VARIABLE.sub("", password):
        return 'holds a password; put it into the environment and write "${NAME}" in its place'
    return None


def problem_with_ref(ref: str) -> str | None:
    """What is wrong with the name of a branch, tag or commit, or None."""
    if not ref:
        return 'is empty; name a branch, tag or commit, such as "main"'
    if ref.startswith("-"):
        return "starts with a dash, which git would take for an option"
    if _ILLEGAL_REF.search(ref):
        return "is not a legal branch, tag or commit; see `git help check-ref-format`"
    return None


def is_relative_path(url: str) -> bool:
    """Whether an address is a path that counts from the spec's folder."""
    return not (url.startswith("/") or "://" in url or _SCP_LIKE.match(url))
