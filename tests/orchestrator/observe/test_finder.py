"""What RE2 finds first leaves out no match of the exact rules."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.observe.fields import FieldRules
from orchestrator.observe.finder import Everywhere, Finder, any_of
from orchestrator.observe.mask import NUMBER_OF_RULES, Mask
from orchestrator.observe.shapes import RUN, SIGNED, Shape, hide_shape
from orchestrator.observe.words import words_of

RULES = FieldRules.read()
SECRETS = ("Tr0ub4dor&3", "sk-ant-" + "q7" * 20, "비밀번호를-x")
SEARCHED = Mask(RULES, secrets=SECRETS)
UNSEARCHED = Mask(RULES, secrets=SECRETS, search=Everywhere(NUMBER_OF_RULES))

_random = random.Random(11)  # noqa: S311 — a seed, so that a failure comes again
LETTERS = string.ascii_letters + string.digits


def made_up(length: int, alphabet: str = LETTERS) -> str:
    return "".join(_random.choice(alphabet) for _ in range(length))


NAMES = st.sampled_from(
    [
        *(
            "token",
            "apiKey",
            "DB_PASSWORD",
            "client-secret",
            "env",
            "env.HOME",
            "credentials",
            "Authorization",
            "cookie",
        ),
        *("input_tokens", "primary_key", "name", "value", "key", "user", "x", "--token", "-u", "--user", "sKey", "éñv"),
    ]
)
BETWEEN = st.sampled_from(
    [
        "=",
        ": ",
        ' = "',
        '": "',
        "' => '",
        " ",
        "\n",
        ">",
        '", "',
        '":"',
        "=[",
        "={",
        "://",
        "@",
        ", ",
        "\n  value: ",
        "\t",
        "\\n",
    ]
)
SAMPLES = [
    *SECRETS,
    *(made_up(length) for length in (3, 8, 16, 20, 24, 40)),
    *(made_up(length, "0123456789abcdef") for length in (12, 16, 32, 40, 64)),
    *(made_up(length, "0123456789abcdefABCDEF") for length in (16, 40)),
    *(f"{prefix}{made_up(36)}" for prefix in ("ghp_", "sk-", "npm_", "hf_", "AIza", "acme_live_", "12345:A")),
    *("AKIA" + made_up(16, string.ascii_uppercase), "https://", "bob:horse@host", "hooks.slack.com/services/T0/x"),
    *("Bearer " + made_up(20), "eyJhbGciOi." + made_up(12), "abc1Q~" + made_up(32), "sha256:" + made_up(44)),
    *("-----BEGIN RSA PRIVATE KEY-----\nMII", "-----END RSA PRIVATE KEY-----", "12", "ＡＢ\u2028", "\udc80"),
    *("https://bob:horse@host/", "Authorization: Basic abc", "curl -u bob:horse", "got=-Q8Q~" + "-a." * 11, "-u=b:c"),
    *("glc_" + "a" * 16, "sq0csp-" + "b" * 20, "xoxb-" + "1" * 10, "AKCp" + "c" * 20, "A3-" + "E" * 30),
    *("sntrys_" + "f" * 16, "abcdefab1cdefab2cdefab3g4", "ABCDEF12ABCDEF12abcd", "1234567890ab1Acd"),
]  # fmt: skip
VALUES = st.sampled_from(SAMPLES)
LINES = st.lists(NAMES | BETWEEN | VALUES | st.text(max_size=4), max_size=16).map("".join)


@pytest.mark.parametrize("shape", [*SIGNED, RUN], ids=lambda shape: shape.near[:16].decode("ascii", "replace"))
@settings(deadline=None, max_examples=150)
@given(text=st.lists(LINES, max_size=3).map("\n".join))
def test_a_shape_is_found_wherever_it_matches(shape: Shape, text: str) -> None:
    finder = Finder([shape.near], [])
    found = hide_shape(text, shape, finder.parts(text, 0)) if finder.rules(text) else text
    assert found == hide_shape(text, shape, [(0, len(text))])


@pytest.mark.parametrize("shape", [*SIGNED, RUN], ids=lambda shape: shape.near[:16].decode("ascii", "replace"))
def test_each_sample_of_a_shape_is_found(shape: Shape) -> None:
    finder = Finder([shape.near], [])
    matched = [text for text in SAMPLES if hide_shape(text, shape, [(0, len(text))]) != text]
    assert matched
    assert [text for text in matched if not finder.rules(text) or list(finder.parts(f"\n{text}\n", 0)) == []] == []


@settings(deadline=None, max_examples=600)
@given(st.lists(LINES, max_size=4).map("\n".join))
def test_the_search_changes_nothing_of_what_is_masked(text: str) -> None:
    assert SEARCHED.text(text) == UNSEARCHED.text(text)


def test_nor_where_names_stand_close() -> None:
    text = "".join(
        f"{name}={made_up(_random.choice([1, 9, 30]))}," for name in ["token", "x", "my_key", "--secret"] * 200
    )
    assert SEARCHED.text(text) == UNSEARCHED.text(text)
    far_apart = text.replace(",", " and many a word without a meaning in between, so that it goes on and on\n")
    assert SEARCHED.text(far_apart) == UNSEARCHED.text(far_apart)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="abfgABFG019-_./=", max_size=60))
def test_nor_for_rows_of_letters_and_digits(text: str) -> None:
    assert SEARCHED.text(text) == UNSEARCHED.text(text)


def test_a_line_without_a_sign_of_a_secret_is_given_to_no_rule() -> None:
    finder = Finder([b"", any_of(["token"]), any_of(["hooks."])], ["token"])
    assert set(finder.rules("Workflow wf-0123456789ab moved from READY to RUNNING")) == {0}
    assert set(finder.rules("the TOKEN of hooks.")) == {0, 1, 2}
    assert list(finder.parts("a\nthe token is\nb\ntoken", 1)) == [(2, 14), (17, 22)]
    assert list(finder.names("é my.token-x: 1, key: 2")) == [(2, 12)]


def test_any_of_no_words_is_in_no_text() -> None:
    assert Finder([any_of([])], []).rules("any text, ÿ and more") == []


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ([r"(\w+_)?(tokens?|key)"], ("key", "token")),
        ([r"\w+_(pass|pwd|pw)"], ("pass", "pw")),
        (["api_key", "a.*secret"], ("api", "secret")),
        (["(ab){2,3}c?"], ("ab",)),
        (["pin|[a-z]+"], None),
        ([".*"], None),
        (["x?"], None),
    ],
)
def test_the_words_of_a_pattern_are_in_all_that_it_matches(patterns: list[str], words: tuple[str, ...] | None) -> None:
    assert words_of(patterns) == words


def test_rules_without_words_are_applied_to_every_name() -> None:
    rules = FieldRules(patterns=RULES.patterns, exempt=RULES.exempt, words=None)
    assert Mask(rules).text("a: 1, api_key=abcdefg1, b") == "a: 1, api_key=***, b"
