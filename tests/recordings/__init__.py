"""Own recordings of the real kcm 0.1.0, Flux 1.4 and Sveltos 0.45, and an oracle of what was deployed when.

kcm-0.1.0-run1: first install, changed values, faults, deletion, again. run2: from empty, a regional that can't be
reached, a mirror, the management cluster adopted. Every distinct state of ClusterDeployment, ClusterSummary,
SveltosCluster and Profile in order of time. Nothing here may use the code under test.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

HERE = pathlib.Path(__file__).parent
RUNS = ("kcm-0.1.0-run1", "kcm-0.1.0-run2")
NAMESPACE = "kcm-system"

Key = tuple[str, str]  # kind, name
Objects = dict[Key, dict[str, Any]]


@dataclass(frozen=True)
class Moment:
    """One recorded state: at (hh:mm:ss.mmm), type (ADDED, MODIFIED, DELETED), the whole object."""

    at: str
    type: str
    object: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.object["kind"]

    @property
    def name(self) -> str:
        return self.object["metadata"]["name"]

    @property
    def seconds(self) -> float:
        hours, minutes, seconds = self.at.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@cache
def read(run: str) -> tuple[Moment, ...]:
    """The states of a run, each with its whole spec and a resourceVersion that counts them."""
    moments, specs = [], {}
    with gzip.open(HERE / f"{run}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            entry = json.loads(line)
            found = entry["object"]
            key = (found["kind"], found["metadata"]["name"])
            if found.get("spec") == "as before":
                found["spec"] = specs[key]
            specs[key] = found.get("spec")
            found["metadata"]["resourceVersion"] = str(number)
            moments.append(Moment(entry["at"], entry["type"], found))
    return tuple(moments)


def states(moments: Iterable[Moment]) -> Iterator[tuple[Moment, Objects]]:
    """Each moment with all that is there then; the same map each time."""
    there: Objects = {}
    for moment in moments:
        if moment.type == "DELETED":
            there.pop((moment.kind, moment.name), None)
        else:
            there[moment.kind, moment.name] = moment.object
        yield moment, there


def service_templates(run: str) -> dict[str, dict[str, Any]]:
    """The ServiceTemplates that the clusters of a run name (they were not recorded; `kof-storage-0-1-1` is chart
    kof-storage in version 0.1.1)."""
    names = {
        service["template"]
        for moment in read(run)
        if moment.kind == "ClusterDeployment"
        for service in moment.object["spec"]["serviceSpec"].get("services") or []
    }
    found = {}
    for name in names:
        chart, version = _chart_of(name)
        source = {"kind": "HelmRepository", "name": "kof"}
        found[name] = {
            "apiVersion": "k0rdent.mirantis.com/v1alpha1",
            "kind": "ServiceTemplate",
            "metadata": {"name": name, "namespace": NAMESPACE, "generation": 1, "resourceVersion": "1"},
            "spec": {"helm": {"chartSpec": {"chart": chart, "version": version, "sourceRef": source}}},
            "status": {"observedGeneration": 1, "valid": True},
        }
    return found


def _chart_of(template: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)-(\d+)-(\d+)-(\d+)", template)
    assert match, template
    return match[1], ".".join(match.groups()[1:])


# -- the oracle


def hash_of(values: str) -> str:
    """What Sveltos writes for values; only for the characters that these recordings have."""
    assert re.fullmatch(r"[ -~\n]*", values), "teach the oracle what Go writes for these"
    text = values.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return base64.b64encode(hashlib.sha256(f'"{text}"'.encode()).digest()).decode()


def not_deployed(there: Mapping[Key, Mapping[str, Any]], name: str) -> str:
    """Why a cluster doesn't have what its ClusterDeployment wants at this moment; "" when it has."""
    wish = there.get(("ClusterDeployment", name))
    if wish is None or "deletionTimestamp" in wish["metadata"]:
        return "no ClusterDeployment"
    if (wish.get("status") or {}).get("observedGeneration") != wish["metadata"]["generation"]:
        return "kcm hasn't seen it"
    summary = there.get(("ClusterSummary", f"p--{name}-sveltos-{name}"))
    if summary is None or "deletionTimestamp" in summary["metadata"]:
        return "no ClusterSummary"
    charts = {chart["releaseName"]: chart for chart in summary["spec"]["clusterProfileSpec"].get("helmCharts") or []}
    status = summary.get("status") or {}
    releases = {release["releaseName"]: release for release in status.get("helmReleaseSummaries") or []}
    wanted = wish["spec"]["serviceSpec"].get("services") or []
    for service in wanted:
        chart, release = charts.get(service["name"]), releases.get(service["name"])
        if chart is None or release is None:
            return f"no release {service['name']}"
        if (chart["chartName"], chart["chartVersion"]) != _chart_of(service["template"]):
            return f"another chart of {service['name']}"
        if release.get("valuesHash") != hash_of(service.get("values") or ""):
            return f"other values of {service['name']}"
    if set(releases) - {service["name"] for service in wanted}:
        return "a release that nobody wants"
    if {"featureID": "Helm", "status": "Provisioned"} not in [
        {key: feature[key] for key in ("featureID", "status")} for feature in status.get("featureSummaries") or []
    ]:
        return "Helm isn't Provisioned"
    reached = there.get(("SveltosCluster", name)) or {}
    if (reached.get("status") or {}).get("connectionStatus") != "Healthy":
        return "not reached"
    return ""
