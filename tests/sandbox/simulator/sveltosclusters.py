"""Sveltos' manager of SveltosClusters: whether the cluster behind a kubeconfig Secret answers, and why not."""

from __future__ import annotations

import base64
import copy

from sandbox.simulator.api import Api, Object
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import CannotConnect, Fleet
from sandbox.simulator.kinds import SECRET, SVELTOS_CLUSTER
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Key, key_of
from sandbox.simulator.texts import no_discovery

MANAGER = "sveltoscluster-manager"
VERSION_LABEL = "projectsveltos.io/k8s-version"


class SveltosClusters:
    """Keeps status.connectionStatus: Healthy, or Down after `consecutiveFailureThreshold` failures.

    `ready` is set once and stays, whether the cluster can be reached later or not.
    """

    def __init__(self, cluster: Cluster, faults: Faults) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._fleet: Fleet | None = None
        self._clusters = cluster.informer(SVELTOS_CLUSTER)
        self._secrets = cluster.informer(SECRET, selector=NO_HELM_RELEASES)
        self._queue = cluster.queue("sveltosclusters", self._reconcile, workers=2)

        def changed(old: Object | None, new: Object | None) -> None:
            if old is None or new is None or old["spec"] != new["spec"]:
                self._queue.add(key_of(new or old or {}))

        def secret_changed(old: Object | None, new: Object | None) -> None:
            space, name = key_of(new or old or {})
            for found in self._clusters.all(space):
                if found["spec"].get("kubeconfigName") == name:
                    self._queue.add(key_of(found))

        self._clusters.on_change(changed)
        self._secrets.on_change(secret_changed)

    def use(self, fleet: Fleet) -> None:
        """The fleet, which is made after us."""
        self._fleet = fleet

    def recheck(self) -> None:
        """Faults changed."""
        for cluster in self._clusters.all():
            self._queue.add(key_of(cluster))

    def _reconcile(self, key: Key) -> float | None:
        if self._fleet is None:
            raise RuntimeError("no fleet yet")
        cluster = self._clusters.get(*key)
        if cluster is None:
            self._fleet.release(key)
            return None
        if not cluster["spec"].get("kubeconfigName"):
            return None  # the management cluster's own
        status = copy.deepcopy(cluster.get("status") or {})
        try:
            version = self._connect(key, cluster["spec"]["kubeconfigName"])
        except CannotConnect as error:
            status["connectionFailures"] = failures = status.get("connectionFailures", 0) + 1
            status["failureMessage"] = str(error)
            if failures >= cluster["spec"].get("consecutiveFailureThreshold", 3):
                status["connectionStatus"] = "Down"
            self._write(cluster, status)
            # The manager asks again at once until it gives the cluster up, and far too often after.
            return max(self._faults.step(), 1.0) if status.get("connectionStatus") == "Down" else 0.05
        labels = cluster["metadata"].get("labels") or {}
        if labels.get(VERSION_LABEL) != version:
            meta = {**cluster["metadata"], "labels": {**labels, VERSION_LABEL: version}}
            cluster = self._api.replace(SVELTOS_CLUSTER, {**cluster, "metadata": meta}, manager=MANAGER)
            self._clusters.put(cluster)
        for field in ("connectionFailures", "failureMessage"):
            status.pop(field, None)
        self._write(cluster, {**status, "connectionStatus": "Healthy", "ready": True, "version": version})
        return max(self._faults.step(), 1.0) if self._fleet.real else None

    def _connect(self, key: Key, secret_name: str) -> str:
        """The cluster's version. Raises CannotConnect."""
        assert self._fleet is not None
        secret = self._secrets.get(key[0], secret_name)
        if secret is None:
            raise CannotConnect(f'Secret "{secret_name}" not found')
        value = next(iter((secret.get("data") or {}).values()), "")
        text = base64.b64decode(value).decode(errors="replace")
        if key[1] in self._faults.current().unreachable:
            running = self._fleet.running(key)
            raise CannotConnect(no_discovery(running.server if running else f"https://{key[1]}.invalid:6443"))
        return self._fleet.adopt(key, text)

    def _write(self, cluster: Object, status: Object) -> None:
        if status != cluster.get("status"):
            body = {**cluster, "status": status}
            self._clusters.put(self._api.replace(SVELTOS_CLUSTER, body, subresource="status", manager=MANAGER))
