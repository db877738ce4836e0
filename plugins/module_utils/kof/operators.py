# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges of what kof's charts bring to a cluster: certificates, collectors, Grafana, logins, the logs' volume.

Pure. A run waits for none of it: status and verify ask. Of a login only that it differs is ever told.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import workloads
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    IS_READY,
    Object,
    Readiness,
    before_status,
    changed_at,
    condition,
    deployment,
    failed,
    progressing,
    since,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig

CERTIFICATE = ("cert-manager.io/v1", "Certificate")
COLLECTOR = ("opentelemetry.io/v1beta1", "OpenTelemetryCollector")
GRAFANA = ("grafana.integreatly.org/v1beta1", "Grafana")
#: In values of kof-storage, whether logs have a volume; without it they are on an emptyDir.
LOGS_VOLUME = ("victoria-logs-single", "server", "persistentVolume", "enabled")


def certificate(obj: Object | None) -> Readiness:
    """A Certificate of cert-manager that was issued."""
    verdict = before_status(obj, "the Certificate", observed=False)
    if verdict is not None or obj is None:
        return verdict or IS_READY
    ready = condition(obj, "Ready") or {}
    if ready.get("status") == "True":
        return IS_READY
    # Ready says that the Secret isn't there; Issuing why the order failed.
    issuing = condition(obj, "Issuing") or {}
    told = issuing if issuing.get("reason") == "Failed" else ready
    why = f"it isn't issued: {told.get('message') or 'cert-manager has not looked at it'}"
    return progressing(why, code="certificate-not-ready", since=since(ready) or changed_at(obj))


def collector(obj: Object | None) -> Readiness:
    """An OpenTelemetryCollector whose pods are all ready, as its operator counts them ("1/2")."""
    verdict = before_status(obj, "the OpenTelemetryCollector", observed=False, missing="workload-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    told = str(dig(obj, ("status", "scale", "statusReplicas")) or "")
    ready, _slash, wanted = told.partition("/")
    if ready.isdigit() and ready == wanted:
        return IS_READY
    why = f"{told} of its pods are ready" if told else "the OpenTelemetry operator has not looked at it"
    return progressing(why, code="collector-not-ready", since=changed_at(obj))


def collector_login(obj: Object, logins: Sequence[Object]) -> Readiness:
    """Whether a collector sends with the login that is there now: the chart writes it in clear into its configuration,
    and nobody renews that when the Secret changes.

    :param logins: the Secrets with the logins.
    """
    config = dig(obj, ("spec", "config"))
    if isinstance(config, str):  # v1alpha1
        try:
            config = foreign_yaml.read(config)
        except foreign_yaml.NotYaml:
            return IS_READY
    extensions, known = dig(config, ("extensions",)), {_login_of(each) for each in logins}
    for name, extension in sorted(extensions.items()) if isinstance(extensions, Mapping) else ():
        auth = dig(extension, ("client_auth",)) if name.partition("/")[0] == "basicauth" else None
        if isinstance(auth, Mapping) and known and (auth.get("username"), auth.get("password")) not in known:
            return progressing(f"its {name} has another login than the Secret", code="login-outdated")
    return IS_READY


def _login_of(secret: Object) -> tuple[str | None, str | None]:
    return value_of(secret, "username"), value_of(secret, "password")


def value_of(secret: Object | None, key: str) -> str | None:
    """The value at a key of a Secret, None where there is none."""
    try:
        found = dig(secret, ("data", key))
        return None if found is None else base64.b64decode(str(found)).decode()
    except ValueError:
        return None


def grafana(obj: Object | None) -> Readiness:
    """A Grafana that its operator has brought through all its stages."""
    verdict = before_status(obj, "the Grafana", observed=False)
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    stage, how = str(status.get("stage") or ""), str(status.get("stageStatus") or "")
    if (stage, how) == ("complete", "success"):
        return IS_READY
    why = f"its stage {stage} is {how or 'not done'}" if stage else "its operator has not looked at it"
    return progressing(why, code="grafana-not-ready", since=changed_at(obj))


def grafana_login(secret: Object | None, there: Object | None) -> Readiness:
    """The login of a cluster's own Grafana: every second upgrade of kof-storage 0.1.1 takes it away.

    :param there: the Grafana; None where there is none, and so no login is missed.
    """
    if secret is None and there is not None:
        return progressing("the Secret with its login isn't there", code="grafana-login-missing")
    return IS_READY


def logs_kept(values: str) -> Readiness:
    """Whether the logs of a region are on a volume, by the values of its kof-storage."""
    try:
        found = foreign_yaml.read(values or "{}")
    except foreign_yaml.NotYaml:  # somebody's template
        return IS_READY
    if dig(found, LOGS_VOLUME) is True:
        return IS_READY
    why = f"{'.'.join(LOGS_VOLUME)} of kof-storage isn't true: its logs are gone with their pod"
    return progressing(why, code="logs-not-kept")


def namespace(obj: Object | None) -> Readiness:
    """A namespace that a chart is installed into."""
    verdict = before_status(obj, "the namespace", observed=False, missing="workload-missing")
    return verdict or IS_READY


def deployment_of_chart(obj: Object | None) -> Readiness:
    """A Deployment of a chart's, which nobody brings back once it is deleted, and which works."""
    if obj is None:
        return before_status(obj, "the Deployment", missing="workload-missing") or IS_READY
    if (obj.get("spec") or {}).get("replicas") == 0:
        return failed("it is scaled to 0 replicas", code="deployment-scaled-down")
    return deployment(obj)


#: By kind of what runs, its apiVersion and judge.
OF_WORKLOADS: Mapping[str, tuple[str, Callable[[Object | None], Readiness]]] = {
    "Deployment": ("apps/v1", deployment_of_chart),
    "StatefulSet": ("apps/v1", workloads.set_of_pods),
    "DaemonSet": ("apps/v1", functools.partial(workloads.set_of_pods, what="the DaemonSet")),
    "OpenTelemetryCollector": (COLLECTOR[0], collector),
}
