"""The Grafana operator (5.13 to 5.15): stages of a Grafana, and what becomes of GrafanaDatasources and
GrafanaDashboards.

There is no Grafana behind it; what the operator could send counts as sent. Which dashboards that are, it keeps in the
Grafana's `status.dashboards`, as the real one does, and takes out those whose object is gone.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.simulator.api import Api, Object
from sandbox.simulator.conditions import now
from sandbox.simulator.faults import Faults
from sandbox.simulator.kinds import CONFIG_MAP, GRAFANA, GRAFANA_DASHBOARD, GRAFANA_DATASOURCE, SECRET
from sandbox.simulator.runtime import Cluster, enqueue, key_of


def is_complete(grafana: Object) -> bool:
    """Whether the operator takes a Grafana for one that it may send to."""
    status = grafana.get("status") or {}
    return status.get("stage") == "complete" and status.get("stageStatus") == "success"


class CannotResolve(Exception):
    """valuesFrom can't be filled in; the text goes to status.lastMessage."""


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches (an empty one matches all)."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        operator, value, values = rule["operator"], labels.get(rule["key"]), rule.get("values") or []
        met = {  # an operator we don't know selects nothing
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }.get(operator, False)
        if not met:
            return False
    return True


def substitute(datasource: Object, values_from: list[Object], read: Callable[[str, str, str], str]) -> Object:
    """The datasource with `${key}` and `$key` replaced, at each targetPath, by what `read(kind, name, key)` gives.

    Raises CannotResolve where there is no string at the path: the operator replaces inside what is there.
    """
    result = copy.deepcopy(datasource)
    for entry in values_from:
        path = entry["targetPath"].split(".")
        parent: Any = result
        for part in path[:-1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        pattern = parent.get(path[-1]) if isinstance(parent, dict) else None
        if not isinstance(pattern, str):
            raise CannotResolve("pattern must be a string")
        source = entry["valueFrom"]
        kind = next((k for k in ("secretKeyRef", "configMapKeyRef") if k in source), None)
        if kind is None:
            raise CannotResolve(f"no source for {entry['targetPath']}")
        ref = source[kind]
        value = read(kind, ref.get("name", ""), ref["key"])
        parent[path[-1]] = pattern.replace("${" + ref["key"] + "}", value).replace("$" + ref["key"], value)
    return result


def dashboard_sent(spec: Object, uid: str) -> tuple[str, str] | None:
    """uid and hash of what is sent to Grafana of a GrafanaDashboard; None for what only the operator's log tells of."""
    text = spec.get("json") or ""
    for each in spec.get("datasources") or []:
        text = text.replace("${" + each["inputName"] + "}", each["datasourceName"])
    try:
        model = json.loads(text)
    except ValueError:
        return None
    if not isinstance(model, dict):
        return None
    said = model.get("uid")
    return (said if isinstance(said, str) and said else uid), hashlib.sha256(text.encode()).hexdigest()


class GrafanaOperator:
    """Reconciles Grafana, GrafanaDatasource and GrafanaDashboard objects of one cluster."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._grafanas = cluster.informer(GRAFANA)
        self._datasources = cluster.informer(GRAFANA_DATASOURCE)
        self._instances = instances = cluster.queue("grafana", self._reconcile_grafana)
        self._sources = datasources = cluster.queue("datasource", self._reconcile_datasource)
        self._dashboards = cluster.informer(GRAFANA_DASHBOARD)
        self._boards = dashboards = cluster.queue("dashboard", self._reconcile_dashboard)
        self._grafanas.on_change(enqueue(instances))
        self._datasources.on_change(enqueue(datasources))
        self._dashboards.on_change(enqueue(dashboards))

        def instances_changed(_old: Object | None, _new: Object | None) -> None:
            for datasource in self._datasources.all():
                datasources.add(key_of(datasource))
            for dashboard in self._dashboards.all():
                dashboards.add(key_of(dashboard))

        self._grafanas.on_change(instances_changed)

    def _sleeps(self) -> bool:
        return self._faults is not None and "grafana" in self._faults.current().asleep

    def recheck(self) -> None:
        """Faults changed."""
        for informer, queue in (
            (self._grafanas, self._instances),
            (self._datasources, self._sources),
            (self._dashboards, self._boards),
        ):
            for each in informer.all():
                queue.add(key_of(each))

    def _reconcile_grafana(self, key: tuple[str, str]) -> None:
        grafana = None if self._sleeps() else self._grafanas.get(*key)
        if grafana is None or grafana["metadata"].get("deletionTimestamp"):
            return
        status = {
            **(grafana.get("status") or {}),
            "adminUrl": f"http://{key[1]}-service.{key[0]}:3000",
            "stage": "complete",
            "stageStatus": "success",
            "version": (grafana.get("spec") or {}).get("version", ""),
        }
        if status != grafana.get("status"):
            self._grafanas.put(self._api.replace(GRAFANA, {**grafana, "status": status}, subresource="status"))

    def _read(self, namespace: str) -> Callable[[str, str, str], str]:
        def read(kind: str, name: str, key: str) -> str:
            source, label = (SECRET, "secret") if kind == "secretKeyRef" else (CONFIG_MAP, "configmap")
            obj = self._api.get(source, namespace, name)
            if obj is None:
                raise CannotResolve(f'{label}s "{name}" not found')
            value = (obj.get("data") or {}).get(key)
            if value is None:
                raise CannotResolve(f"missing key {key} in {label} {name}")
            return base64.b64decode(value).decode(errors="replace") if source is SECRET else value

        return read

    def _selected(self, item: Object) -> list[Object]:
        spec = item["spec"]
        everywhere = bool(spec.get("allowCrossNamespaceImport"))
        return [
            grafana
            for grafana in self._grafanas.all(None if everywhere else item["metadata"]["namespace"])
            if selects(spec["instanceSelector"], grafana["metadata"].get("labels") or {})
        ]

    def _reconcile_dashboard(self, key: tuple[str, str]) -> None:
        if self._sleeps():
            return
        dashboard = self._dashboards.get(*key)
        gone = dashboard is None or bool(dashboard["metadata"].get("deletionTimestamp"))
        instances = [] if gone or dashboard is None else self._selected(dashboard)
        sent = None if gone or dashboard is None else dashboard_sent(dashboard["spec"], dashboard["metadata"]["uid"])
        if not all(map(is_complete, instances)):
            return
        # Under another uid it is another dashboard to Grafana: the one before goes.
        for grafana in self._grafanas.all(None):
            before = (grafana.get("status") or {}).get("dashboards") or []
            after = [each for each in before if each.split("/")[:2] != list(key)]
            if sent and grafana["metadata"]["uid"] in [each["metadata"]["uid"] for each in instances]:
                after = sorted([*after, f"{key[0]}/{key[1]}/{sent[0]}"])
            elif not gone and not sent:
                continue  # what can't be read leaves there what was there
            if after != before:
                status = {**(grafana.get("status") or {}), "dashboards": after}
                self._grafanas.put(self._api.replace(GRAFANA, {**grafana, "status": status}, subresource="status"))
        if dashboard is None or gone:
            return
        old = dashboard.get("status") or {}
        status = {name: value for name, value in old.items() if name != "NoMatchingInstances"}
        if not instances:
            status["NoMatchingInstances"] = True
        if sent and (old.get("uid"), old.get("hash")) != sent:
            status |= {"uid": sent[0], "hash": sent[1], "lastResync": now()}
        if status != old:
            updated = self._api.replace(GRAFANA_DASHBOARD, {**dashboard, "status": status}, subresource="status")
            self._dashboards.put(updated)

    def _reconcile_datasource(self, key: tuple[str, str]) -> float | None:
        datasource = None if self._sleeps() else self._datasources.get(*key)
        if datasource is None or datasource["metadata"].get("deletionTimestamp"):
            return None
        spec, meta = datasource["spec"], datasource["metadata"]
        instances = self._selected(datasource)
        old = datasource.get("status") or {}
        again: float | None = None
        status = {k: v for k, v in old.items() if k not in ("NoMatchingInstances", "lastMessage")}
        if not instances:
            status["NoMatchingInstances"] = True
        elif not all(map(is_complete, instances)):
            return None  # the Grafana's own change comes back here
        else:
            try:
                content = substitute(spec["datasource"], spec.get("valuesFrom") or [], self._read(meta["namespace"]))
            except CannotResolve as error:
                status["lastMessage"] = str(error)
                again = 2.0  # the operator retries; it doesn't watch Secrets
            else:
                digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
                status["uid"] = spec["datasource"].get("uid") or meta["uid"]
                if digest != old.get("hash") or "lastResync" not in old:
                    status.update(hash=digest, lastResync=now())
        if status != old:
            updated = self._api.replace(GRAFANA_DATASOURCE, {**datasource, "status": status}, subresource="status")
            self._datasources.put(updated)
        return again
