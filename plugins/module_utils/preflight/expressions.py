# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the expressions of users' alert rules are what evaluates them later takes: promxy, whose PromQL is
Prometheus' own. vmalert itself would take MetricsQL too, and fail at each evaluation. Pure but for what it asks by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import service_proxy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, OK, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, from_json
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut

NAME = "alert rules"
#: An expression -> HTTP status of promxy's answer, and its body. Raises NoAnswer.
Ask = Callable[[str], "tuple[int, bytes]"]


def by_the_api_server(connection: Connection, namespace: str, service: str, port: int) -> Ask:
    """To ask promxy through the API server's proxy."""
    ask = service_proxy.asking(connection, namespace, service, port)
    return lambda expression: ask("/api/v1/query", {"query": expression})


def rows(layer: str, clusters: Sequence[Any], ask: Ask) -> list[Check]:
    """A row for each expression that promxy refuses; one for all, where it can't be asked, or takes every one."""
    found: list[Check] = []
    asked = 0
    for cluster in clusters:
        for where, expression in _expressions(cluster.alert_rules or ()):
            try:
                status, body = ask(expression)
            except NoAnswer as reason:
                return [
                    *found,
                    Check(
                        NAME,
                        f"nobody was asked whether their expressions are PromQL: {reason}",
                        remedy="preflight_promxy, the address of promxy's API from here, or the right to get "
                        "services/proxy in the namespace of kof",
                        status=WARNING,
                        hosts=(cluster.host,),
                    ),
                ]
            asked += 1
            problem = _problem(status, body)
            if problem:
                found.append(
                    Check(
                        NAME,
                        f"{where}.expr: {problem}",
                        remedy="PromQL: what only MetricsQL has passes vmalert's own check, and fails all the same",
                        status=FAILED,
                        hosts=(cluster.host,),
                        variable=f"{layer}_alert_rules",
                    )
                )
    return found or ([Check(NAME, f"{asked} expressions are PromQL", status=OK)] if asked else [])


def _expressions(groups: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for index, group in enumerate(groups):
        for number, rule in enumerate(group["rules"]):
            yield f"[{index}].rules[{number}]", rule["expr"]


def _problem(status: int, body: bytes) -> str | None:
    """What promxy has against an expression, or vmalert against its result; None where they have nothing, or promxy
    can't answer for another reason: a region that is away fails every query."""
    try:
        said = from_json(body)
        text, kind = str(said.get("error", "")), dig(said, ("data", "resultType"))
    except (ValueError, AttributeError):
        text, kind = "", None
    if status == 400 or (status == 422 and (not text or "parse error" in text or "expected type" in text)):
        return f"promxy refuses it: {cut(text, 200)}" if text else f"promxy refuses it (HTTP {status})"
    if status == 200 and kind in ("matrix", "string"):
        return f"its result is a {kind}, of which a rule can say nothing"
    return None
