"""Puts the simulated programs together on a management cluster and runs them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sandbox.lines import LINE_0_0, LINE_0_1, find
from sandbox.simulator.admission import Webhook
from sandbox.simulator.api import Api, Object
from sandbox.simulator.deployments import ClusterDeployments
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import Fleet, NoFleet, RealFleet, cluster_operators
from sandbox.simulator.helm import Helm
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    MULTI_CLUSTER_SERVICE,
    SERVICE_TEMPLATE,
    Kind,
)
from sandbox.simulator.promxy import PromxyOperator
from sandbox.simulator.provisioners import Mounts
from sandbox.simulator.runtime import Cluster
from sandbox.simulator.sources import stand_ins
from sandbox.simulator.summaries import Summaries
from sandbox.simulator.sveltos import Profiles
from sandbox.simulator.sveltosclusters import SveltosClusters
from sandbox.simulator.templates import Credentials, Templates

log = logging.getLogger("simulator")

STEP = 0.2  # seconds for ten of the real programs', where clusters are real


class _CachedLookup:
    """The webhooks read from the informers, as kcm's do from its manager's cache."""

    def __init__(self, cluster: Cluster) -> None:
        kinds = (CLUSTER_DEPLOYMENT, CLUSTER_TEMPLATE, SERVICE_TEMPLATE, CREDENTIAL, MULTI_CLUSTER_SERVICE)
        self._informers = {kind: cluster.informer(kind) for kind in kinds}

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._informers[kind].get(namespace, name)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        return self._informers[kind].all(namespace)


class Simulator:
    """All of it. `endpoints` is the sandbox's endpoints.json (`registry`, `index`, `line`, `helm`), `clusters` is
    `real` or `none`.

    `step`: seconds for what takes the real programs ten, as `Faults.step` says; None for what suits `clusters`.
    """

    def __init__(
        self,
        kubeconfig: Path,
        state: Path,
        endpoints: dict[str, Any],
        *,
        clusters: str = "real",
        step: float | None = None,
    ) -> None:
        if step is None:
            step = STEP if clusters == "real" else 0.0
        self.faults = Faults(state / "faults.json", step=step)
        self._cluster = Cluster(Api(kubeconfig), "mothership")
        real = clusters == "real"
        instead = stand_ins(endpoints)
        line = find(endpoints.get("line", LINE_0_1.name))
        binary = endpoints.get("helm")
        if real and not binary:
            raise ValueError("real clusters need helm: endpoints.json doesn't name it")
        helm = Helm(binary, state / "simulator" / "helm") if real and binary else None
        workers = 2 if real else 4
        self._deployments = ClusterDeployments(
            self._cluster, self.faults, instead, workers=workers, provisioned_after=0.3
        )
        self._summaries = Summaries(self._cluster, self.faults, helm, workers=workers)
        self._connections = SveltosClusters(self._cluster, self.faults)
        Profiles(self._cluster, self.faults, self._summaries, workers=1)
        self._credentials = Credentials(self._cluster, self.faults)
        Templates(self._cluster, self.faults, instead)
        self._promxy = PromxyOperator(self._cluster, self.faults, escaping=line is LINE_0_0)
        Mounts(self._cluster)
        self._grafana = cluster_operators(self._cluster, self.faults)
        fleet: Fleet = RealFleet(state, self._deployments.queue.add) if real else NoFleet()
        self._deployments.use(fleet)
        self._summaries.use(fleet)
        self._connections.use(fleet)
        self._webhook = Webhook(_CachedLookup(self._cluster), state / "simulator")

    @property
    def webhook_url(self) -> str:
        return self._webhook.url

    def start(self) -> None:
        """Return when caches are filled and the webhook is registered. Raises TimeoutError, ApiError."""
        self._cluster.start()
        self._webhook.start(self._cluster.api)
        log.info("watching %s, webhook at %s", self._cluster.api.server, self._webhook.url)

    def faults_changed(self) -> None:
        """Look again at what a fault may hold up."""
        log.info("faults: %s", self.faults.current())
        self._credentials.recheck()
        self._deployments.recheck()
        self._connections.recheck()
        self._summaries.recheck()
        self._promxy.recheck()
        self._grafana.recheck()

    def stop(self) -> None:
        """Stop watching and answering. Clusters go on running."""
        self._webhook.stop()
        self._cluster.stop()
