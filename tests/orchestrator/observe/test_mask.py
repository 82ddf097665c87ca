from __future__ import annotations

import base64
import json
import random
import time
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import SettingsError
from orchestrator.observe.fields import SHIPPED_RULES
from orchestrator.observe.mask import MASKING_FAILED, Mask

MASK = Mask.load({})
# Made up here, so that no scanner takes them for real ones: random, of the length and alphabet of the real kind.
_random = random.Random(7)  # noqa: S311 — a seed, so that a failure comes again


def made_up(length: int, alphabet: str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") -> str:
    return "".join(_random.choice(alphabet) for _ in range(length))


KEY = "sk-ant-" + made_up(40)
GITHUB = "ghp_" + made_up(36)
SHORT = "Tr0ub4dor&3"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # git urls: the source's own example, then what git, GitPython and people print
        (f"https://x-access-token:{GITHUB}@github.com/org/repo.git", "https://***@github.com/org/repo.git"),
        (f"https://{GITHUB}@github.com/org/repo.git", "https://***@github.com/org/repo.git"),
        ("fatal: 'http://user:a/b%40@host:8443/r.git/': 403", "fatal: 'http://***@host:8443/r.git/': 403"),
        ("postgresql+psycopg2://orc:p@ss@db:5432/orc", "postgresql+psycopg2://***@db:5432/orc"),
        ("redis://:hunter2@redis:6379/0", "redis://***@redis:6379/0"),
        # agent keys: the first four characters
        (f"key is {KEY} today", "key is sk-a**...**** today"),
        (f"ANTHROPIC_API_KEY={KEY}", "ANTHROPIC_API_KEY=sk-a**...****"),
        # pairs, by their name
        (f"DB_PASSWORD={SHORT}", "DB_PASSWORD=***"),
        (f"login failed, password: {SHORT}, user: bob", "login failed, password: ***, user: bob"),
        (f'{{"clientSecret": "{SHORT}", "n": 1}}', '{"clientSecret": "***", "n": 1}'),
        (f'{{\\"api_key\\": \\"{SHORT}\\"}}', '{\\"api_key\\": \\"***\\"}'),
        (f"{{'NPM_TOKEN': '{SHORT}'}}", "{'NPM_TOKEN': '***'}"),
        (f"tool --token {SHORT} --dry-run", "tool --token *** --dry-run"),
        (f'var dbPassword string = "{SHORT}"', 'var dbPassword string = "***"'),
        ('password: str = "horse"', 'password: str = "***"'),
        (f"<password>{SHORT}</password>", "<password>***</password>"),
        ("  redis_password: correct horse battery\nport: 1", "  redis_password: ***\nport: 1"),
        (f"GET /v1?api_key={SHORT[:9]}&page=2", "GET /v1?api_key=***&page=2"),
        ("secret=12345", "secret=***"),
        ("env.HOME=/root/x", "env.HOME=***"),
        ("McpServer(command='npx', env={'REGION': 'eu'})", "McpServer(command='npx', env={***})"),
        ("env=[EnvVariable(name='REGION', value='eu')]", "env=[***]"),
        ("- name: DB_PASSWORD\n  value: horse", "- name: DB_PASSWORD\n  value: ***"),
        # headers and logins
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("headers={'Authorization': 'Bearer abc', 'Accept': 'x'}", "headers={'Authorization': '***', 'Accept': 'x'}"),
        ("Cookie: session=abc; theme=dark", "Cookie: ***"),
        ("sent bearer " + "a1" * 10, "sent bearer ***"),
        ("curl -u bob:horse https://h/", "curl -u *** https://h/"),
        # shapes
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nnext", "[private key ***]\nnext"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIE and cut off", "[private key ***]"),
        ("post to https://hooks.slack.com/services/T0/B0/abc", "post to [webhook ***]"),
    ],
)  # fmt: skip
def test_a_secret_in_a_text_is_hidden(text: str, masked: str) -> None:
    assert MASK.text(text) == masked


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-" + made_up(40),
        "gho_" + made_up(36),
        "github_pat_" + made_up(60),
        "glpat-" + made_up(20),
        "xoxb-1234567890-" + made_up(24),
        "AKIA" + made_up(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        "AIza" + made_up(35),
        "hf_" + made_up(34),
        "npm_" + made_up(36),
        "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(made_up(30).encode()).decode() + "." + made_up(43),
    ],
)
def test_a_key_of_a_known_maker_keeps_four_characters_wherever_it_stands(key: str) -> None:
    for before, after in (("", ""), ("got ", " back"), ("('", "',)"), ("path/", "/x"), ("a=", ";")):
        assert MASK.text(before + key + after) == before + key[:4] + "**...****" + after


@pytest.mark.parametrize(
    "text",
    [
        "Workflow wf-0123456789ab moved from READY to RUNNING",
        "input_tokens=123 output_tokens: 45 token_count=3 max_tokens=4096",
        '{"primary_key": "id", "asset_key": "wf/fix", "cache_key": "main", "keyboard": "us", "monkey": "patch"}',
        "KeyError: 'primary_key'",
        "The token budget for this query was exceeded; never commit a secret or a password",
        "tokens = tokenizer.encode(text)",
        "secret_name: db, password_min_length: 12, secretary=Ann, passwordless: yes, token_type=bearer",
        "export GITHUB_TOKEN=${GITHUB_TOKEN}",
        "env=production environment: staging",
        "token: 12, has_key=true, next_token: null",
        "git@github.com:acme/app.git and ssh://git@github.com/acme/app.git",
        "http://registry:4873/@scope/name and http://127.0.0.1:3000/health",
        "commit a6289589fe273ead130033607b14cae821e81593 run 4fa55fef-af14-1c57-39f3-bfb967dd8726",
        "image: ghcr.io/acme/app@sha256:3531180216439f27085ad14173e69affffea37e16431ffbdc528a5ebde546b3c",
        '"integrity": "sha512-R9leRQk6yyJhpdPbrxNaE/91aKZV0FxPlRJXat5+KNR2lZmorxSwABRFCYbNBrxoVAIxZHANFBKn50z1inCRy"',
        "/data/worktrees/wf-0123456789ab/api/tests/test_monkey_patch.py:12",
        "docker run -u 1000:1000 image; git push -u origin main",
        "비밀번호를 확인하세요 → 완료",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert MASK.text(text) == text


def test_known_values_are_hidden_in_every_form_they_may_be_printed_in() -> None:
    value = 'pä"ss/w&rd+1'
    mask = Mask.load({"SOME_PASSWORD": value})
    in_basic_auth = [base64.b64encode(f"{user}:{value}".encode()).decode() for user in ("a", "ab", "abc")]
    for printed in (
        value,
        quote(value, safe=""),
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        *in_basic_auth,
    ):
        masked = mask.text(f"got >{printed}< back")
        assert "***" in masked
        assert len(masked) < len(f"got >{printed}< back")
        assert not any(printed[at : at + 8] in masked for at in range(8, len(printed) - 12)), masked


def test_secrets_of_the_environment_are_those_whose_name_says_so_and_passwords_in_its_urls() -> None:
    mask = Mask.load(
        {"DEPLOY_KEY": "abcdef-1", "DATABASE_URL": "postgresql://u:abcdef-2@h/d", "HOME": "/home/abcdef-3"}
    )
    assert mask.text("abcdef-1 abcdef-2 /home/abcdef-3") == "*** *** /home/abcdef-3"


def test_a_value_registered_later_is_hidden_also_where_its_text_was_seen_before() -> None:
    mask = Mask.load({})
    assert mask.text("short sesame-1") == "short sesame-1"
    mask.add_values(["sesame-1", "short"])
    assert mask.text("short sesame-1") == "short ***"


def test_a_known_value_that_is_a_plain_word_is_hidden_as_a_word_only() -> None:
    mask = Mask.load({"POSTGRES_PASSWORD": "postgres"})
    assert mask.text("postgresql as postgres") == "postgresql as ***"


def test_what_an_mcp_server_is_given_is_hidden_in_every_form_and_places_words_and_numbers_stay() -> None:
    mask = Mask.load({})
    value = 'k3y/with "quotes"&more'
    mask.add_environment(
        {
            **{"LICENCE": value, "ROOT": "/data/repo", "MODE": "production", "PORT": "300000", "DB_PASSWORD": "sesame"},
            **{
                "URL": "https://u:p4ssw0rd-1@host/",
                "Authorization": "Bearer abc-123-def",
                "PLAIN_URL": "http://host:80/",
            },
        }
    )
    forms = [value, quote(value), json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode().rstrip("=")]
    for printed in (*forms, "sesame", "p4ssw0rd-1", "abc-123-def"):
        assert printed not in mask.text(f"got <{printed}> back"), printed
    assert mask.text("in /data/repo at production 300000, http://host:80/") == (
        "in /data/repo at production 300000, http://host:80/"
    )


class Color(str, Enum):  # noqa: UP042 — the older form, whose `str()` is not its value
    RED = "red"


def test_fields_are_masked_by_name_at_any_depth_and_counts_stay() -> None:
    context = {
        "apiKey": KEY,
        "x-api-key": "short-one",
        "bot_token": "12345678",
        "deploy_key": "${DEPLOY_KEY}",
        "password": 1234,
        "clientSecret": None,
        "credentials": {"user": "bob", "nested": ["a", 1]},
        "token": {"value": "abcdefgh", "expires_in": 3600},
        "access_tokens": ["abc", "def"],
        "input_tokens": 123,
        "token": 12,  # noqa: F601 — the later one stands, as in a mapping that was updated
        "primary_key": "id",
        "deep": [{"deeper": ({"db_password": "x"},)}],
    }
    assert MASK.value(context) == {
        "apiKey": "sk-a**...****",
        "x-api-key": "***",
        "bot_token": "***",
        "deploy_key": "${DEPLOY_KEY}",
        "password": "***",
        "clientSecret": "***",
        "credentials": {"user": "***", "nested": ["***", "***"]},
        "token": 12,
        "access_tokens": ["***", "***"],
        "input_tokens": 123,
        "primary_key": "id",
        "deep": [{"deeper": [{"db_password": "***"}]}],
    }


@pytest.mark.parametrize("name", ["env", "envOverrides", "env_overrides"])
def test_every_value_of_an_mcp_environment_is_hidden_whatever_its_name(name: str) -> None:
    assert MASK.value({name: {"REGION": "eu", "PORT": 3000, "MORE": {"A": "b"}}}) == {
        name: {"REGION": "***", "PORT": "***", "MORE": {"A": "***"}}
    }
    assert MASK.value({name: [{"name": "REGION", "value": "eu"}]}) == {name: [{"name": "REGION", "value": "***"}]}
    assert MASK.value({name: ["REGION=eu"]}) == {name: ["***"]}
    assert MASK.value({name: "production"}) == {name: "production"}


def test_an_item_of_a_list_of_variables_is_masked_by_the_name_beside_its_value() -> None:
    items = [{"name": "API_TOKEN", "value": "abc"}, {"name": "REGION", "value": "eu"}]
    assert MASK.value(items) == [{"name": "API_TOKEN", "value": "***"}, {"name": "REGION", "value": "eu"}]


def test_a_query_is_shown_or_told_by_its_length() -> None:
    assert MASK.value({"query": "List it."}) == {"query": "List it."}
    assert MASK.value({"sent": [{"query": "List it."}]}, show_queries=False) == {"sent": [{"query": "[length=8]"}]}


def test_what_json_does_not_know_becomes_text() -> None:
    value = {
        "path": Path("/a"),
        "nan": float("nan"),
        3: b"raw\xff",
        "color": Color.RED,
        "set": {1},
        "error": ValueError("token=abc"),
    }
    assert MASK.value(value) == {
        "path": "/a", "nan": "nan", "3": "raw\\xff", "color": "red", "set": [1], "error": "token=***"
    }  # fmt: skip


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_where_masking_fails_nothing_gets_out() -> None:
    assert MASK.value({"a": Unprintable(), "b": "readable"}) == MASKING_FAILED
    assert MASK.text(None) == MASKING_FAILED  # type: ignore[arg-type]


def test_a_mapping_that_holds_itself_ends() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert "[too deep]" in json.dumps(MASK.value(loop))


NAMES = st.sampled_from(["token", "password", "env", "key", "Authorization", "cookie", "name", "value", "-u", "a", "é"])
SIGNS = st.sampled_from(["--", "://", ":", "=", "=>", *"@><$\"'\\{}[],&. \n"])
SECRETS = st.sampled_from(
    [KEY, GITHUB, SHORT, "***", "**...****", "12", "Bearer", "hooks.slack.com/", "-----BEGIN PRIVATE KEY-----"]
)
PARTS = NAMES | SIGNS | SECRETS
TEXTS = st.one_of(st.text(), st.lists(PARTS, max_size=14).map("".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | PARTS, inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None)  # a test machine is shared
@given(TEXTS)
def test_masking_a_text_twice_changes_nothing_more(text: str) -> None:
    once = MASK.text(text)
    assert MASK.text(once) == once


@settings(deadline=None)
@given(JSON)
def test_masking_a_value_twice_changes_nothing_more(value: Any) -> None:
    once = MASK.value(value)
    assert MASK.value(once) == once


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_known_value_is_hidden_whatever_stands_around_it(before: str, after: str) -> None:
    mask = Mask.load({"SOME_SECRET": "0pen-5esame"})
    assert "0pen-5esame" not in mask.text(before + "0pen-5esame" + after)


HOSTILE = {
    "one word": "a" * 1_000_000,
    "base64": base64.b64encode(_random.randbytes(750_000)).decode(),
    "compact json": json.dumps(
        [{"name": "x", "count": n, "path": "/a/b"} for n in range(25_000)], separators=(",", ":")
    ),
    "dots": "a." * 500_000,
    "quotes": '"' * 1_000_000,
    "backslashes": "\\" * 1_000_000,
    "dashes": "-" * 1_000_000,
    "logins that never end": "://u:" + "x/" * 500_000,
    "private keys that never end": "-----BEGIN PRIVATE KEY-----" * 37_000,
    "beginnings of keys": "sk-" * 333_000,
    "one password": "password=" + "x&" * 500_000,
    "an environment that never ends": "env={" + "a" * 1_000_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_line_of_a_megabyte_without_blanks_takes_under_a_second(kind: str) -> None:
    mask = Mask.load({"SOME_SECRET": "0pen-5esame"})
    started = time.process_time()
    assert mask.text(HOSTILE[kind]) != MASKING_FAILED
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "unit",
    ["token=a,", "a=", "a:", "a>", "://u:", 'password="', "env={", "key=aaaa&", "password=a b ", '"token",', "-u:"],
)
def test_time_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.process_time()
        MASK.text(text)
        return time.process_time() - started

    # Ten times the length: linear is 10 times the time, quadratic 100.
    assert seconds(200_000) < 40 * max(seconds(20_000), 0.002)


def test_another_settings_file_replaces_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "masking.toml"
    rules.write_text("all_within = []\nnever = ['pin']\ntexts = []\nexempt = []\nqueries = []")
    mask = Mask.load({"MASKING_CONFIG_PATH": str(rules)})
    assert mask.value({"pin": 1234, "password": "visible"}) == {"pin": "***", "password": "visible"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("never = [", "Invalid value"),
        ("never = []", "the list 'all_within' is missing"),
        (SHIPPED_RULES.read_text() + "\nnevr = []", "unknown 'nevr', did you mean 'never'?"),
        (
            "all_within = []\nnever = [\n'a', '(',\n]\ntexts = []\nexempt = []\nqueries = []",
            ":3: never: '(' is no regular",
        ),
        ("all_within = []\nnever = 'x'\ntexts = []\nexempt = []\nqueries = []", "toml:2: never: expected a list"),
        ("all_within = []\nnever = []\ntexts = [1]\nexempt = []\nqueries = []", "toml:3: texts: expected a regular"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, content: str | None, said: str
) -> None:
    rules = tmp_path / "masking.toml"
    if content is not None:
        rules.write_text(content)
    with pytest.raises(SettingsError, match=r"MASKING_CONFIG_PATH: .*masking\.toml:") as caught:
        Mask.load({"MASKING_CONFIG_PATH": str(rules)})
    assert said in str(caught.value)
