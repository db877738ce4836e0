"""What charts and kcm do or leave undone in silence: told where it is so, and nowhere else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import side_effects
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import cluster_deployment
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional, parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
OLD, NEW = "oci://old.example.com/charts", "oci://new.example.com/charts"


def regional(**variables: Any) -> Regional:
    needed = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com", "kof_version": "0.1.1"}
    found, faults = parse_regional("eu1", {**needed, **variables})
    assert found, faults
    return found


def deployment(**variables: Any) -> dict[str, Any]:
    return cluster_deployment.regional(regional(**variables), release=RELEASE, kcm_version="v1alpha1", template="t")


def upgrades(before: dict[str, Any] | None, after: dict[str, Any], changed: bool = True) -> list[str]:
    live = {"eu1": before} if before else {}
    return side_effects.of_upgrades({"eu1": after}, {"eu1"} if changed else set(), live, RELEASE)


OTHER = {"regional_retention": "60d"}
OWN_LOGIN = {"regional_service_values": {"kof-storage": {"grafana": {"security": {"create_secret": False}}}}}


def test_every_upgrade_of_kof_storage_costs_grafana_its_login() -> None:
    (told,) = upgrades(deployment(), deployment(**OTHER))
    assert told.startswith("eu1: kof-storage is upgraded")
    assert "Secret grafana-admin-credentials" in told
    assert upgrades(deployment(), deployment(regional_service_templates={"kof-storage": "kof-storage-9"}))
    reordered = copy.deepcopy(deployment())
    reordered["spec"]["serviceSpec"]["services"][-1]["values"] += "# the same, as a person wrote it\n"
    assert upgrades(reordered, deployment())
    for foreign in ("replicas: {{ .Values.x }}\n", "a: [", "- =\n"):
        templated = copy.deepcopy(deployment())
        templated["spec"]["serviceSpec"]["services"][-1]["values"] = foreign
        assert upgrades(templated, deployment())
        assert upgrades(deployment(), templated)


def test_no_upgrade_no_warning() -> None:
    assert upgrades(None, deployment()) == []  # an install
    off = deployment(regional_disabled_services=["kof-storage"])
    assert upgrades(off, deployment(**OTHER)) == upgrades(deployment(**OTHER), off) == []
    assert upgrades(deployment(), deployment(**OTHER), changed=False) == []  # refused
    assert upgrades(deployment(), deployment(regional_labels={"a": "b"})) == []
    assert upgrades(deployment(**OWN_LOGIN), deployment(**OWN_LOGIN, **OTHER)) == []
    bare = deployment()
    bare["spec"]["serviceSpec"]["services"].pop()
    assert upgrades(bare, deployment()) == []


class HelmRepository:
    """Stands for the API server; counts what it is asked."""

    def __init__(self, url: str | None) -> None:
        self.url, self.asked = url, 0

    def path(self, *_names: Any) -> str:
        return "/repository"

    def request(self, _method: str, _path: str) -> dict[str, Any]:
        self.asked += 1
        if self.url is None:
            raise ApiError(404, "NotFound", "not found")
        return {"spec": {"url": self.url}}


def stale(connection: Any, url: str, chart: str = "kof-storage", **variables: Any) -> list[str]:
    charts = [
        {"chartName": chart, "releaseName": chart, "repositoryURL": url},
        {"chartName": "cert-manager", "releaseName": "cert-manager", "repositoryURL": "oci://catalog"},
    ]
    summaries = [{"spec": {"clusterName": name, "clusterProfileSpec": {"helmCharts": charts}}} for name in ("eu1", "x")]
    return side_effects.of_another_repository(connection, [regional(**variables)], summaries, NEW, "kcm-system")


def test_charts_from_yesterdays_repository_are_told() -> None:
    (told,) = stale(HelmRepository(NEW), OLD)
    assert told.startswith(f"eu1: kof's charts still come from {OLD}, and HelmRepository kcm-system/kof has {NEW}")
    assert "annotate clusterdeployment" in told


@pytest.mark.parametrize("url", [NEW, f"{NEW}/"])
def test_the_present_repository_asks_for_nothing(url: str) -> None:
    connection = HelmRepository(NEW)
    assert stale(connection, url) == []
    assert connection.asked == 0


def test_what_is_not_ours_to_say() -> None:
    # Not yet handed on by the mothership's chart; not ours; a user's own chart, or own template.
    assert stale(HelmRepository(OLD), OLD) == []
    assert stale(HelmRepository(None), OLD) == []
    assert stale(HelmRepository(NEW), OLD, chart="velero") == []
    assert stale(HelmRepository(NEW), OLD, regional_service_templates={"kof-storage": "mine"}) == []
