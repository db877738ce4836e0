"""Statuses of fleets as docs/status.schema.json describes them, for tests of their faces."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.findings import FINDINGS
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report

NOTHING = dict.fromkeys(("unchanged", *report.ACTIONS), 0)
WELL = {"mothership": "ready", "eu1": "ready", "eu1-child1": "ready"}
#: What a name or a message may be that somebody wants to be more than text, in any of the faces.
HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=1">',
    "</style></title><h1>well</h1>",
    "<!-- ",
    "]]></failure></testcase>",
    "a' autofocus onfocus='document.title=1",
    "&lt;b&gt; &amp; &#x3c;",
    'x"} 1\nkof_cluster_state{cluster="y"} 1',
    "`<b>`${7*7}{{7*7}}\x00\x07\x1b[2J\ufffe",
    "javascript:alert(1)",
)


def finding(host: str, severity: str = "failed", code: str = "credential-not-ready", **more: str) -> dict[str, str]:
    layer = "child" if "child" in host else "regional"
    about = {"title": "A Credential isn't ready", "object": f"ClusterDeployment kcm-system/{host}", "why": "no Secret"}
    told = {"cluster": host, "since": "2026-03-01T10:00:00Z", "remedy": "kubectl describe credential x"}
    return {"code": code, "severity": severity, "host": host, "layer": layer, **about, **told, **more}


def status(clusters: dict[str, str], *findings: dict[str, str], **more: Any) -> dict[str, Any]:
    """:param clusters: state by host."""
    rows = [
        {
            "host": host,
            "name": host,
            "layer": "child" if "child" in host else "mothership" if host == "mothership" else "regional",
            "regional": host.partition("-child")[0] if "child" in host else "",
            "state": state,
        }
        for host, state in clusters.items()
    ]
    states, severities = Counter(clusters.values()), Counter(each["severity"] for each in findings)
    return {
        "schema": report.SCHEMA,
        "at": "2026-03-01T12:00:00Z",
        "fleet": "prod",
        "kof_version": "0.1.1",
        "management_cluster": "https://127.0.0.1:6443",
        "patience_minutes": 60,
        "counts": {
            "clusters": {state: states[state] for state in report.STATES},
            "findings": {severity: severities[severity] for severity in ("failed", "warning", "progress")},
        },
        "versions": {
            "kcm_api": "v1alpha1",
            "charts": {"kof-operators": "0.1.1", "kof-mothership": "0.1.1"},
            "service_templates": [{"name": "kof-storage-0-1-1", "count": 1}],
            "cluster_templates": [],
            "k0rdent": "kcm-0-1-0",
            "sets": [
                {
                    "layer": "regional",
                    "cluster_template": "aws-0-1-0",
                    "kubernetes": "v1.31.1",
                    "services": [{"name": "kof-storage", "template": "kof-storage-0-1-1"}],
                    "differs": [],
                    "hosts": ["eu1"],
                }
            ],
        },
        "budgets": [
            {"name": "promxy config", "found": "812 bytes", "wanted": "1,048,576", "remedy": "", "status": "ok"}
        ],
        "clusters": rows,
        "findings": list(findings),
        "drift": {"counts": [{**NOTHING, "kind": "ClusterDeployment", "unchanged": 2}], "objects": []},
        "not_looked_at": [],
        **more,
    }


def small() -> dict[str, Any]:
    """Three clusters: one failed, one is on its way."""
    remedy = FINDINGS["credential-not-ready"].remedy + " `kubectl get credentials -n kcm-system`"
    return status(
        {**WELL, "eu1": "failed", "eu1-child1": "progressing"},
        finding("eu1", remedy=remedy, why="CredentialReady: Credential is not ready"),
        finding("eu1-child1", "progress", "infrastructure-not-ready", why="2 of 3 machines run", title="On its way"),
    )


def large(seed: int = 1) -> dict[str, Any]:
    """1 + 100 + 1,000 clusters as they are on a bad day: most are well."""
    chance = random.Random(seed)
    of = {"failed": "failed", "warning": "warning", "progress": "progressing"}
    codes = [code for code in FINDINGS if not code.endswith("-missing")]
    clusters, found = {"mothership": "ready"}, []
    for number in range(1100):
        region = f"aws-eu-{number % 100}"
        host = region if number < 100 else f"{region}-child{number // 100}"
        clusters[host] = chance.choices(("ready", "unknown", "missing", "found"), (90, 1, 1, 8))[0]
        if clusters[host] == "missing":
            meaning = FINDINGS["cluster-missing"]
            about = {"title": meaning.title, "remedy": meaning.remedy, "why": "it doesn't exist"}
            found.append(finding(host, "failed", "cluster-missing", **about))
        elif clusters[host] == "found":
            code = chance.choice(codes)
            meaning = FINDINGS[code]
            why = f"dial tcp 10.0.{number % 250}.1:6443: connection refused" if chance.random() < 0.3 else "no answer"
            clusters[host] = of[meaning.severity]
            found.append(finding(host, meaning.severity, code, title=meaning.title, remedy=meaning.remedy, why=why))
    found.sort(key=lambda each: list(of).index(each["severity"]))
    return status(clusters, *found, not_looked_at=["Secret: forbidden"])


def hostile() -> dict[str, Any]:
    """Every text that comes from a cluster or an inventory is one of HOSTILE; our own words aren't."""
    clusters = {**WELL, **{f"{text}-child{number}": "failed" for number, text in enumerate(HOSTILE)}}
    hosts = [host for host in clusters if host not in WELL]
    texts = [dict.fromkeys(("title", "why", "object", "remedy", "cluster"), text) for text in HOSTILE]
    found = [
        finding(host, severity, "version-skew", **each)
        for host, each in zip(hosts, texts, strict=True)
        for severity in ("failed", "progress")
    ]
    seen = status(clusters, *found, fleet=HOSTILE[0], kof_version=HOSTILE[1], management_cluster=HOSTILE[2])
    seen["versions"] |= {"kcm_api": HOSTILE[3], "charts": {HOSTILE[4]: HOSTILE[5]}}
    seen["versions"]["service_templates"] = [{"name": text, "count": 1} for text in HOSTILE]
    about = {"layer": "child", "services": [{"name": text, "template": text} for text in HOSTILE]}
    seen["versions"]["sets"] = [
        {**about, "cluster_template": text, "kubernetes": text, "differs": [text], "hosts": [text]} for text in HOSTILE
    ]
    changed = {"kind": HOSTILE[0], "action": "updated", "more_fields": 0}
    objects = [{**changed, "host": text, "object": text, "fields": [text, text], "why": text} for text in HOSTILE]
    seen["drift"] = {"counts": [{**NOTHING, "kind": HOSTILE[0], "updated": len(HOSTILE)}], "objects": objects}
    budgets = [{**dict.fromkeys(("name", "found", "wanted", "remedy"), text), "status": "warning"} for text in HOSTILE]
    return {**seen, "budgets": budgets, "not_looked_at": list(HOSTILE)}
