"""preflight/expressions.py: what promxy's answers say of the expressions of users' rules."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import expressions
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, OK, WARNING


def cluster(*told: str) -> Any:
    rules = [{"alert": "a", "expr": each} for each in told]
    return types.SimpleNamespace(host="eu1", alert_rules=[{"name": "a", "rules": rules}])


def error(text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": "bad_data", "error": text}).encode()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"{}", None),
        (400, error("1:3: parse error: unexpected end of input"), "promxy refuses it: 1:3: parse error"),
        (422, error("expected type range vector"), "promxy refuses it: expected type"),
        (422, error("server group eu1: connection refused"), None),  # a region is away, the expression is fine
        (400, b"", "(HTTP 400)"),
        (200, b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', "its result is a matrix"),
        (200, b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}', None),
        (502, b"<html>", None),
        pytest.param(400, b"[" * 100_000, "(HTTP 400)", id="deep"),
        (200, b"5", None),
        (200, b'{"data": []}', None),
    ],
)
def test_what_an_answer_says(status: int, body: bytes, told: str | None) -> None:
    (row,) = expressions.rows("regional", [cluster("up")], lambda _text: (status, body))
    if told is None:
        assert (row.status, row.found) == (OK, "1 expressions are PromQL")
    else:
        assert row.status == FAILED
        assert told in row.found
        assert row.line().startswith("eu1: regional_alert_rules: alert rules: [0].rules[0].expr:")


def test_who_cannot_be_asked_is_a_warning_and_asked_once() -> None:
    asked = []

    def ask(text: str) -> tuple[int, bytes]:
        asked.append(text)
        raise NoAnswer("refused", "nobody is there")

    (row,) = expressions.rows("regional", [cluster("up", "down"), cluster("up")], ask)
    assert (row.status, len(asked)) == (WARNING, 1)
    assert "preflight_promxy" in row.remedy
    assert expressions.rows("child", [types.SimpleNamespace(host="a", alert_rules=None)], ask) == []


def test_by_way_of_the_api_server() -> None:
    sent = []

    class Connection:
        answer: Exception | None = None

        def request(self, method: str, path: str, *, query: dict[str, str], **_more: Any) -> dict[str, Any]:
            sent.append((method, path, query))
            if self.answer:
                raise self.answer
            return {}

    connection: Any = Connection()
    ask = expressions.by_the_api_server(connection, "kof", "promxy", 8082)
    assert ask('up{a="b"}')[0] == 200
    assert sent == [("GET", "/api/v1/namespaces/kof/services/promxy:8082/proxy/api/v1/query", {"query": 'up{a="b"}'})]
    connection.answer = ApiError(400)
    assert ask("up") == (400, b"")
    for problem in (ApiError(403, message="may not"), ApiError(503, message="no endpoints"), ApiUnavailable("away")):
        connection.answer = problem
        with pytest.raises(NoAnswer):
            ask("up")
