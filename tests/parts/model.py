"""A model that runs here: the three APIs that agents speak, on 127.0.0.1, doing what the prompt itself tells it to.

A prompt carries its script, a JSON list of steps in a block that opens with ```script. The model is stateless: it takes
the last script of a conversation and does the step after those whose tool results stand behind it.

    {"sh": "echo hi > f"}                       call the agent's shell tool
    {"mcp": "server/tool", "input": {…}}        call a tool of an MCP server
    {"text": "done"}                            say it and end the turn
    {"status": 429, "retry_after": 7}           answer with that HTTP status; "message" is what the body says
    {"hang": true}                              never answer
    {"cut": true}                               begin a stream and close the connection
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.parts import model_anthropic, model_chat, model_responses
from tests.parts.model_api import Api, Call, Reply, Say

_SCRIPT = re.compile(r"```script\n(.*?)\n```", re.DOTALL)
_APIS: dict[str, Api] = {
    "/v1/messages": model_anthropic,
    "/v1/responses": model_responses,
    "/v1/chat/completions": model_chat,
}
INPUT_TOKENS, OUTPUT_TOKENS = 100, 10
_ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def script(*steps: dict[str, Any]) -> str:
    """The block that makes the model do these steps."""
    return f"```script\n{json.dumps(list(steps))}\n```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request.

    Attributes:
        step: of the script in it; empty where it had none, as what agents ask beside the conversation.
        headers: the request's, names in lower case.
        tools: names of those that the agent offered.
    """

    path: str
    model: str
    step: dict[str, Any]
    headers: dict[str, str]
    tools: tuple[str, ...]
    input_tokens: int
    output_tokens: int


@dataclass(kw_only=True)
class Model:
    """A running fake model.

    Attributes:
        url: its address, without the `/v1`.
        served: every request, in order.
    """

    url: str
    served: list[Served] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_model() -> Iterator[Model]:
    """A model that listens until the block is left; what it holds hanging ends then."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model = model = Model(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    model: Model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that was killed in the middle of an answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Not on the tests' stderr."""

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        # The list of models and whatever else is asked: an empty answer makes every agent fall back to its defaults.
        self._json(200, {"object": "list", "data": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        path = self.path.partition("?")[0]
        api = _APIS.get(path)
        if api is None:
            self._json(200, {"input_tokens": INPUT_TOKENS})
            return
        step = _step(api.turns(body))
        tools = api.tools(body)
        reply = _reply(step, tools)
        spent = not {"status", "cut", "hang"} & set(step or {})
        self.server.model.served.append(
            Served(
                path=path,
                model=str(body.get("model")),
                step=step or {},
                headers={name.lower(): value for name, value in self.headers.items()},
                tools=tuple(tools),
                input_tokens=INPUT_TOKENS if spent else 0,
                output_tokens=OUTPUT_TOKENS if spent else 0,
            )
        )
        with contextlib.suppress(ConnectionError):
            self._answer(api, body, step or {}, reply)

    def _answer(self, api: Api, body: dict[str, Any], step: dict[str, Any], reply: Reply) -> None:
        if "status" in step:
            self._refuse(step)
        elif "hang" in step:
            self.server.model.released.wait()
        elif not body.get("stream"):
            self._json(200, api.whole(body, reply, INPUT_TOKENS, OUTPUT_TOKENS))
        else:
            events = list(api.stream(body, reply, INPUT_TOKENS, OUTPUT_TOKENS))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for event in events[: 2 if "cut" in step else None]:
                self.wfile.write(event)
                self.wfile.flush()
            self.close_connection = True

    def _refuse(self, step: dict[str, Any]) -> None:
        status = int(step["status"])
        kind = step.get("type") or _ERROR_TYPES.get(status, "api_error")
        message = step.get("message") or f"the fake model answers {status}"
        error = {"type": kind, "message": message, "code": step.get("code")}
        headers = {"retry-after": str(step["retry_after"])} if "retry_after" in step else {}
        self._json(status, {"type": "error", "error": error, "request_id": uuid.uuid4().hex}, headers)

    def _json(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = b"" if self.command == "HEAD" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


def _step(turns: list[str | None]) -> dict[str, Any] | None:
    """The step to do now; `turns` are the texts of the user, None for each tool's result."""
    for index in range(len(turns) - 1, -1, -1):
        scripts = _SCRIPT.findall(turns[index] or "")
        if scripts:
            steps: list[dict[str, Any]] = json.loads(scripts[-1])
            done = sum(turn is None for turn in turns[index + 1 :])
            return steps[done] if done < len(steps) else {"text": "the script is done"}
    return None


def _reply(step: dict[str, Any] | None, tools: dict[str, dict[str, Any]]) -> Reply:
    if step is None:
        return Say(text="ok")
    if "sh" in step:
        return _shell_call(step["sh"], tools)
    if "mcp" in step:
        server, _, tool = step["mcp"].partition("/")
        for name, schema in tools.items():
            flat = name.replace("-", "_")
            if server.replace("-", "_") in flat and flat.endswith(tool.replace("-", "_")):
                return Call(name=name, input=step.get("input", {}), namespace=schema.get("x-namespace"))
        return Say(text=f"no tool {step['mcp']} among {sorted(tools)}")
    return Say(text=step.get("text", ""))


def _shell_call(command: str, tools: dict[str, dict[str, Any]]) -> Reply:
    for name in ("Bash", "bash", "shell_command", "exec_command", "shell", "run_shell_command"):
        if name in tools:
            properties = tools[name].get("properties", {})
            key = next((key for key in ("command", "cmd") if key in properties), "command")
            as_list = properties.get(key, {}).get("type") == "array"
            given: dict[str, Any] = {key: ["sh", "-c", command] if as_list else command}
            if "description" in properties:
                given["description"] = "a step of the script"
            return Call(name=name, input=given)
    return Say(text=f"no shell among {sorted(tools)}")
