"""kcm's template and credential controllers, with what Flux's source-controller tells them: status.valid and
status.ready.
"""

from __future__ import annotations

from typing import Any

from sandbox.simulator.api import Api, Object
from sandbox.simulator.conditions import SUCCEEDED, set_condition
from sandbox.simulator.faults import Faults
from sandbox.simulator.kinds import (
    AWS_STATIC_IDENTITY,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    HELM_CHART,
    HELM_REPOSITORY,
    SECRET,
    SERVICE_TEMPLATE,
    Kind,
)
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Informer, Key, enqueue, key_of
from sandbox.simulator.sources import ChartMissing, Registry, StandIns, source

#: How often an invalid template's chart is looked for again (seconds), longer each time.
_RETRIES = (1.0, 2.0, 5.0, 15.0, 60.0)


#: What a new template says while Flux gets its chart: the messages of the HelmChart's Ready condition.
_ON_THE_WAY = ("processing object: new generation -1 -> 1", "building artifact")
_NOT_DOWNLOADED = "failed to download helm chart artifact: "


class Templates:
    """ServiceTemplates and ClusterTemplates turn valid when their chart really is in the registry."""

    def __init__(self, cluster: Cluster, faults: Faults, instead: StandIns) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._instead = instead
        self._registry = Registry()
        self._charts = cluster.informer(HELM_CHART)
        self._repositories = cluster.informer(HELM_REPOSITORY)
        self._informers: dict[Kind, Informer] = {k: cluster.informer(k) for k in (SERVICE_TEMPLATE, CLUSTER_TEMPLATE)}
        self._tries: dict[tuple[Kind, Key], int] = {}
        queue = cluster.queue("templates", self._reconcile, workers=2)

        for kind, informer in self._informers.items():

            def changed(old: Object | None, new: Object | None, kind: Kind = kind) -> None:
                if new and not (old and old["metadata"].get("generation") == new["metadata"].get("generation")):
                    queue.add((kind, key_of(new)))

            informer.on_change(changed)

        def repository_changed(old: Object | None, new: Object | None) -> None:
            for kind, informer in self._informers.items():
                for template in informer.all((new or old or {})["metadata"]["namespace"]):
                    queue.add((kind, key_of(template)))

        self._repositories.on_change(repository_changed)
        self._repositories.on_change(enqueue(cluster.queue("repositories", self._index)))

        def chart_changed(old: Object | None, new: Object | None) -> None:
            if new and not (old and old["spec"] == new["spec"]):
                for template in self._informers[SERVICE_TEMPLATE].all():
                    if _named_chart(template) == key_of(new):
                        queue.add((SERVICE_TEMPLATE, key_of(template)))

        self._charts.on_change(chart_changed)

    def _index(self, key: Key) -> float | None:
        """The status of a repository with an index; one of OCI has none."""
        repository = self._repositories.get(*key)
        if repository is None or repository["spec"]["url"].startswith("oci:"):
            return None
        place = source(repository["spec"]["url"], "", bool(repository["spec"].get("insecure")), self._instead)
        status, reason, message = "True", "Succeeded", "stored artifact: revision 'sha256:0'"
        try:
            self._registry.index(place.repository)
        except ChartMissing as error:
            status, reason, message = "False", "Failed", str(error)
        self._say(HELM_REPOSITORY, repository, ("Ready", "ArtifactInStorage"), (status, reason, message))
        return None if status == "True" else 2.0

    def _say(self, kind: Kind, obj: Object, names: tuple[str, ...], says: tuple[str, str, str], **more: Any) -> None:
        """The source-controller's word on one of its objects, where it says another yet."""
        conditions = [dict(each) for each in (obj.get("status") or {}).get("conditions") or []]
        for name in names:
            set_condition(conditions, name, *says)
        status = {
            **(obj.get("status") or {}),
            "conditions": conditions,
            "observedGeneration": obj["metadata"]["generation"],
            **more,
        }
        if status != obj.get("status"):
            self._api.replace(kind, {**obj, "status": status}, subresource="status", manager="source-controller")

    def _reconcile(self, item: tuple[Kind, Key]) -> float | None:
        kind, key = item
        template = self._informers[kind].get(*key)
        if template is None or template["metadata"].get("deletionTimestamp"):
            self._tries.pop(item, None)
            return None
        status = template.get("status")
        if kind is CLUSTER_TEMPLATE and status is not None:
            return None  # seeded: their charts are Cluster API's business, which nobody plays
        if status and status.get("valid") and status.get("observedGeneration") == template["metadata"]["generation"]:
            return None
        again: float | None = None
        count = self._tries.get(item, 0)
        self._tries[item] = count + 1
        steps = _ON_THE_WAY if self._faults.step() else ()
        try:
            if count < len(steps):
                wanted: Object = {"valid": False, "validationError": _NOT_DOWNLOADED + steps[count]}
                again = self._faults.step() / 20
            else:
                valid = self._valid(template)
                self._tries.pop(item, None)
                if valid is None:  # its HelmChart tells when it comes
                    return None
                wanted = valid
        except ChartMissing as error:
            wanted = {"valid": False, "validationError": _NOT_DOWNLOADED + str(error)}
            again = _RETRIES[min(count - len(steps), len(_RETRIES) - 1)]
        wanted["observedGeneration"] = template["metadata"]["generation"]
        if wanted != status:
            updated = self._api.replace(kind, {**template, "status": wanted}, subresource="status")
            self._informers[kind].put(updated)
        return again

    def _valid(self, template: Object) -> Object | None:
        """The status of one whose chart can be had; None while the HelmChart that it names isn't there. Raises
        ChartMissing."""
        meta = template["metadata"]
        named = _named_chart(template)
        chart = self._charts.get(*named) if named else None
        spec = chart["spec"] if chart else template["spec"]["helm"].get("chartSpec")
        if spec is None:
            return None
        try:
            self._check(meta["namespace"], spec)
        except ChartMissing as error:
            if chart:
                self._say(HELM_CHART, chart, ("Ready",), ("False", "ChartPullError", str(error)))
            raise
        self._helm_chart(template, chart, spec)
        namespace, name = named or key_of(template)
        return {
            "valid": True,
            "chartRef": {"kind": HELM_CHART.kind, "namespace": namespace, "name": name},
            "chartVersion": spec["version"],
            "description": f"A Helm chart for {spec['chart']}",
        }

    def _check(self, namespace: str, spec: Object) -> None:
        """Whether its chart can be had. Raises ChartMissing."""
        repository = self._repositories.get(namespace, spec["sourceRef"]["name"])
        if spec["sourceRef"]["kind"] != "HelmRepository" or repository is None:
            raise ChartMissing(f'failed to get source: HelmRepository "{spec["sourceRef"]["name"]}" not found')
        place = source(
            repository["spec"]["url"], spec["chart"], bool(repository["spec"].get("insecure")), self._instead
        )
        self._registry.check(place, spec["version"])

    def _helm_chart(self, template: Object, there: Object | None, spec: Object) -> None:
        """The status of a template's HelmChart, which kcm makes and the template owns, but where it names one."""
        message = f"pulled '{spec['chart']}' chart with version '{spec['version']}'"
        pulled = ("Ready", "ArtifactInStorage"), ("True", "ChartPullSucceeded", message)
        if there is not None:
            self._say(HELM_CHART, there, *pulled, observedChartName=spec["chart"])
            return
        meta = template["metadata"]
        if self._api.get(HELM_CHART, meta["namespace"], meta["name"]):
            return
        owner = {
            "apiVersion": template["apiVersion"],
            "kind": template["kind"],
            "name": meta["name"],
            "uid": meta["uid"],
        }
        chart: Object = {
            "apiVersion": HELM_CHART.api_version,
            "kind": HELM_CHART.kind,
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "labels": {"k0rdent.mirantis.com/managed": "true"},
                "ownerReferences": [owner],
            },
            "spec": {
                k: spec[k] for k in ("chart", "version", "interval", "sourceRef", "reconcileStrategy") if k in spec
            },
        }
        self._say(HELM_CHART, self._api.create(HELM_CHART, chart), *pulled, observedChartName=spec["chart"])


def _named_chart(template: Object) -> Key | None:
    """The HelmChart that a template names, if it doesn't say its chart itself."""
    reference = template["spec"]["helm"].get("chartRef")
    return (reference.get("namespace") or template["metadata"]["namespace"], reference["name"]) if reference else None


class Credentials:
    """A Credential is ready when its identity exists, unless a fault says otherwise."""

    def __init__(self, cluster: Cluster, faults: Faults) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._credentials = cluster.informer(CREDENTIAL)
        self._identities = {
            AWS_STATIC_IDENTITY.kind: cluster.informer(AWS_STATIC_IDENTITY),
            SECRET.kind: cluster.informer(SECRET, selector=NO_HELM_RELEASES),
        }
        self._queue = cluster.queue("credentials", self._reconcile)
        self._credentials.on_change(enqueue(self._queue))

        def identity_changed(old: Object | None, new: Object | None) -> None:
            if old and new:
                return
            name = (new or old or {})["metadata"]["name"]
            for credential in self._credentials.all():
                if credential["spec"]["identityRef"].get("name") == name:
                    self._queue.add(key_of(credential))

        for informer in self._identities.values():
            informer.on_change(identity_changed)

    def _keys(self) -> list[Key]:
        return [key_of(credential) for credential in self._credentials.all()]

    def recheck(self) -> None:
        """Faults changed."""
        for key in self._keys():
            self._queue.add(key)

    def _problem(self, credential: Object) -> str | None:
        reference = credential["spec"]["identityRef"]
        if credential["metadata"]["name"] in self._faults.current().credential_not_ready:
            return f"failed to get ClusterIdentity object of Kind={reference.get('kind')}: secret is not usable"
        kind, space, name = (reference.get(field, "") for field in ("kind", "namespace", "name"))
        informer = self._identities.get(kind)
        if informer and informer.get(space if informer.kind.namespaced else None, name) is None:
            return f"ClusterIdentity object of Kind={kind} {space}/{name} not found"
        return None

    def _reconcile(self, key: Key) -> None:
        credential = self._credentials.get(*key)
        if credential is None or credential["metadata"].get("deletionTimestamp"):
            return
        problem = self._problem(credential)
        old = credential.get("status") or {}
        conditions = [dict(condition) for condition in old.get("conditions") or []]
        if problem:
            set_condition(conditions, "CredentialReady", "False", "Failed", problem)
        else:
            set_condition(conditions, "CredentialReady", "True", SUCCEEDED, "Credential is ready")
        status = {**old, "conditions": conditions, "ready": problem is None}
        if status != credential.get("status"):
            updated = self._api.replace(CREDENTIAL, {**credential, "status": status}, subresource="status")
            self._credentials.put(updated)
