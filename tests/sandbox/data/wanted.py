"""Which programs a cluster's live objects ask for, and with which files: pure.

May hold: how an object's fields become a program's configuration. May not hold: starting anything, or asking a server.
"""

from __future__ import annotations

import base64
import pathlib
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Object = dict[str, Any]

# In the paths of VictoriaMetrics' cluster version there is the kind of access and the tenant (`/insert/0/prometheus/…`,
# which the VMUser leaves in); a single node's begin behind them.
PARTS_OF_A_TENANT = 2


@dataclass(frozen=True)
class Program:
    """One program that is to run.

    :ivar name: of its process, after the cluster's.
    :ivar tool: name of the program in `binaries`.
    :ivar files: texts by path. Where one of `restart` changes, the program is started anew.
    :ivar environment: beside PATH and HOME.
    :ivar ports: who holds its ports in the sandbox's book, which gets others where a stranger took one.
    """

    name: str
    tool: str
    arguments: tuple[str, ...]
    files: Mapping[pathlib.Path, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    restart: tuple[pathlib.Path, ...] = ()
    ports: str = ""


def named(objects: Iterable[Object], name: str, namespace: str) -> Object | None:
    """The one of that name."""
    for each in objects:
        if each["metadata"]["name"] == name and each["metadata"]["namespace"] == namespace:
            return each
    return None


def decoded(secret: Object | None, key: str) -> str | None:
    """A Secret's value as text; None where the Secret or the key isn't there."""
    value = ((secret or {}).get("data") or {}).get(key)
    return None if value is None else base64.b64decode(value).decode("utf-8", "replace")


def hosts_of_vmauth(ingresses: Iterable[Object], services: Iterable[Object]) -> list[str]:
    """Names that lead to a regional's vmauth: of its Ingress, once there is a load balancer to lead to."""
    balanced = any((each.get("status") or {}).get("loadBalancer", {}).get("ingress") for each in services)
    return sorted(
        rule["host"]
        for each in ingresses
        for rule in each["spec"].get("rules") or []
        if balanced and each["metadata"]["name"] == "vmauth-cluster" and rule.get("host")
    )


def vmauth_config(users: Iterable[Object], secrets: Iterable[Object], stores: Mapping[str, str]) -> str:
    """vmauth's configuration, as the VictoriaMetrics operator makes it of VMUsers.

    :param stores: addresses by what the first word of a target's host ends on (`vmselect-cluster`); what no store of
        ours answers to leads nowhere, as in the cluster.

    A user whose Secret or key isn't there is left out, as the operator leaves it out.
    """
    secrets = list(secrets)
    written = []
    for user in users:
        spec, space = user["spec"], user["metadata"]["namespace"]
        name, reference = spec.get("username"), spec.get("passwordRef") or {}
        password = decoded(named(secrets, reference.get("name", ""), space), reference.get("key", ""))
        if not name or password is None:
            continue
        routes = []
        for target in spec.get("targetRefs") or []:
            where = urllib.parse.urlsplit(target["static"]["url"])
            service = (where.hostname or "").partition(".")[0]
            found = next((ours for ends, ours in stores.items() if service.endswith(ends)), None)
            route = {
                "src_paths": target["paths"],
                "url_prefix": (found or "http://127.0.0.1:9") + where.path,
                "drop_src_path_prefix_parts": target.get("drop_src_path_prefix_parts", 0)
                + (PARTS_OF_A_TENANT if service.startswith("vm") else 0),
            }
            routes.append(route)
        written.append({"username": name, "password": password, "url_map": routes})
    return yaml.safe_dump({"users": written}, sort_keys=False)


def rule_file(rule: Object) -> str:
    """What the operator calls the file of a VMRule."""
    return f"{rule['metadata']['namespace']}-{rule['metadata']['name']}.yaml"


def rules_text(rule: Object) -> str:
    """The file that the operator makes of it for vmalert."""
    return yaml.safe_dump({"groups": (rule.get("spec") or {}).get("groups") or []}, sort_keys=False)


def alertmanager(found: Object, secrets: Iterable[Object], folder: pathlib.Path) -> dict[pathlib.Path, str] | None:
    """The files of a VMAlertmanager's pod, `alertmanager.yaml` its configuration; None where one of its Secrets isn't
    there, and the pod doesn't start.

    As the operator v0.48.4 has it (factory/alertmanager/statefulset.go): a Secret of the configuration goes before the
    text of it, and where there is neither, nobody is told. Mounted Secrets lie in a folder that is elsewhere here.
    """
    spec, secrets = found.get("spec") or {}, list(secrets)
    namespace = found["metadata"]["namespace"]
    text = spec.get("configRawYaml") or ""
    if spec.get("configSecret"):
        text = decoded(named(secrets, spec["configSecret"], namespace), "alertmanager.yaml") or ""
    files: dict[pathlib.Path, str] = {}
    for name in spec.get("secrets") or ():
        secret = named(secrets, name, namespace)
        if secret is None:
            return None
        files |= {folder / "secrets" / name / key: decoded(secret, key) or "" for key in secret.get("data") or {}}
    text = text.strip() and text.replace("/etc/vm/secrets/", f"{folder}/secrets/")
    files[folder / "alertmanager.yaml"] = text or NOBODY
    return files


#: The operator's own, for a VMAlertmanager that says none.
NOBODY = yaml.safe_dump({"route": {"receiver": "blackhole"}, "receivers": [{"name": "blackhole"}]})


def overlay(config: Object, *, logs: pathlib.Path, allocator: str, identity: str, ports: Mapping[str, int]) -> Object:
    """What is laid over a collector's configuration because there is no Kubernetes around it, and nothing else:

    - where it listens: several collectors stand on one loopback address (`otlp`, its own metrics);
    - where a node's logs lie;
    - the jobs come from the target allocator, as the OpenTelemetry operator has it; what is said of all of them, and
      the labels that go on each, stays as it is;
    - who it is at the API server: a kubeconfig's user, for there is no service account's token.
    """
    receivers, processors = config.get("receivers") or {}, config.get("processors") or {}
    over: Object = {
        "service": {
            "telemetry": {
                "metrics": {
                    "level": "basic",
                    "readers": [
                        {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": ports["telemetry"]}}}}
                    ],
                }
            }
        }
    }
    changed: Object = {}
    if "otlp" in receivers:
        changed["otlp"] = {
            "protocols": {
                name: {"endpoint": f"127.0.0.1:{ports[name]}"} for name in receivers["otlp"].get("protocols") or {}
            }
        }
    if "filelog" in receivers:
        changed["filelog"] = {
            "include": [f"{logs}/*/*/*.log"],
            "exclude": [f"{logs}/*/otc-container/*.log"],
        }
    if "prometheus" in receivers:
        changed["prometheus"] = {
            "config": {"scrape_configs": []},
            "target_allocator": {"endpoint": allocator, "interval": "5s", "collector_id": identity},
        }
    if "k8s_cluster" in receivers:
        changed["k8s_cluster"] = {"auth_type": "kubeConfig"}
    over["receivers"] = changed
    if "k8sattributes" in processors:
        over["processors"] = {"k8sattributes": {"auth_type": "kubeConfig"}}
    return over


def scrape_job(monitor: Object) -> str:
    """What the target allocator calls the job of a ServiceMonitor's first port."""
    return f"serviceMonitor/{monitor['metadata']['namespace']}/{monitor['metadata']['name']}/0"


def scrape_config(monitor: Object, base: str) -> Object:
    """The job of a ServiceMonitor, as the target allocator hands it out; its targets are told apart by their path."""
    return {
        "job_name": scrape_job(monitor),
        "scrape_interval": "5s",
        "scrape_timeout": "5s",
        "scheme": "http",
        "metrics_path": f"{base}/metrics/{monitor['metadata']['name']}",
        "relabel_configs": [
            {"target_label": "job", "replacement": monitor["metadata"]["name"]},
            {"target_label": "namespace", "replacement": monitor["metadata"]["namespace"]},
            {"target_label": "service", "replacement": monitor["metadata"]["name"]},
        ],
    }
