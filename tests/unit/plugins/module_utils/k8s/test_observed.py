"""What a person sees of each request at -vvv: enough to find a slow or refused one, and nothing that may be secret."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

import pytest
from unit.plugins.module_utils.k8s.test_client import Handler, serve

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import observed
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, ApiUnavailable, connect, warned

__all__ = ["serve"]

SECRET = "CANARY/of+a=header"


def script(handler: Handler, number: int) -> None:
    path = handler.path.partition("?")[0]
    if path.endswith("/away"):
        handler.reset()
    elif path.endswith("/busy") and number == 3:
        handler.refuse(429, SECRET, "TooManyRequests", Retry_After="0.1")
    elif path.endswith("/forbidden"):
        handler.refuse(403, f"{SECRET} is forbidden", "Forbidden")
    elif "watch=true" in handler.path:
        handler.answer(200, b'{"type":"BOOKMARK","object":{}}\n')
    else:
        handler.answer(200, {"data": SECRET})


def test_each_try_is_told_with_verb_path_status_and_time_and_nothing_that_was_sent(serve: Any) -> None:
    server = serve(script)
    seen: list[observed.Request] = []
    options = {"host": f"{server.url}/k8s/clusters/c1", "api_key": SECRET, "impersonate_user": SECRET}
    with warned(connect(options, {}), lambda _text: None, seen.append) as connection:
        connection.request("GET", "/api/v1/pods", query={"labelSelector": "a=b,c", "continue": SECRET, "limit": "5"})
        connection.request(
            "PATCH", "/apis/a", query={"fieldManager": "k0rdent.kof", "dryRun": "All"}, body={"k": SECRET}
        )
        connection.request("GET", "/busy")
        list(connection.watch("/w", "7"))
        with pytest.raises(ApiError):
            connection.request("DELETE", "/forbidden")
        with pytest.raises(ApiUnavailable):
            connection.request("POST", "/away", body={})
        with pytest.raises(ApiUnavailable):
            list(connection.watch("/away", "7"))
    server.shutdown()
    lines = list(map(str, seen))
    watched = "watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=290"
    assert {
        re.sub(r"(?<= in )\d+(?= ms$)", "N", line).removeprefix(f"<{server.url}/k8s/clusters/c1> ") for line in lines
    } == {
        "GET /api/v1/pods?labelSelector=a=b,c&continue=…&limit=5: 200 in N ms",
        "PATCH /apis/a?fieldManager=k0rdent.kof&dryRun=All: 200 in N ms",
        "GET /busy: 429 in N ms",
        "GET /busy: 200 in N ms",
        f"WATCH /w?{watched}: 200 in N ms",
        "DELETE /forbidden: 403 in N ms",
        "POST /away: connection broken in N ms",
        f"WATCH /away?{watched}: connection broken in N ms",
    }
    assert len(lines) == sum(connection.counts.values())
    coded = base64.b64encode(SECRET.encode()).decode()
    assert not [line for line in lines for each in (SECRET, quote(SECRET, safe=""), coded) if each in line]


def test_a_path_is_text_on_one_line_so_that_what_hides_secrets_finds_them_in_it() -> None:
    path = f"/api/v1/namespaces/{quote('a/+b=', safe='')}/secrets/{quote(chr(10) + 'x', safe='')}?x={quote(chr(10))}"
    told = str(observed.Request("https://s", "GET", path, 200, 1.2345))
    assert told == "<https://s> GET /api/v1/namespaces/a/+b=/secrets/ x?x=…: 200 in 1234 ms"


@pytest.mark.parametrize(("verbosity", "kept"), [(2, None), (3, ["<s> GET /a: 200 in 1 ms"])])
def test_a_module_brings_its_requests_with_its_result_only_where_they_are_wanted(verbosity: int, kept: Any) -> None:
    class Module:
        _verbosity = verbosity

        def exit_json(self, **result: Any) -> dict[str, Any]:
            return result

        def fail_json(self, msg: str, **result: Any) -> dict[str, Any]:
            return {"msg": msg, **result}

    module: Any = Module()
    observe = observed.by_module(module)
    if observe:
        observe(observed.Request("s", "GET", "/a", 200, 0.001))
    wanted = {"requests": kept} if kept else {}
    assert module.exit_json(changed=True) == {"changed": True, **wanted}
    assert module.fail_json("no") == {"msg": "no", **wanted}
    assert module.fail_json(msg="no", exception=None) == {"msg": "no", "exception": None, **wanted}
