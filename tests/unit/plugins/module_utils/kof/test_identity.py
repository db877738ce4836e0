"""Whose an object is: a fleet's, a GitOps controller's, nobody's."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import gitops_keeper, shared_by_another

OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "team-a"}


def item(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "kof", **metadata}}


@pytest.mark.parametrize(
    ("labels", "fleet", "taken_over", "allowed"),
    [
        (OURS, "team-a", (), True),
        (OURS, "team-b", (), False),
        (OURS, "team-b", ("team-c",), False),
        (OURS, "team-b", ("team-a",), True),
        (None, "team-b", (), True),
        # The label alone says nothing: many charts and people set it.
        ({"app.kubernetes.io/part-of": "team-a"}, "team-b", (), True),
        ({**OURS, "app.kubernetes.io/managed-by": "Helm"}, "team-b", (), True),
    ],
)
def test_the_namespaces_owner_has_the_shared_layer(
    labels: dict[str, str] | None, fleet: str, taken_over: tuple[str, ...], allowed: bool
) -> None:
    problem = shared_by_another(item(labels=labels), fleet, taken_over)
    assert (problem is None) is allowed
    if problem:
        assert "belongs to fleet team-a" in problem[0]
        assert "kof_take_over_fleet=team-a" in problem[1]


def test_a_namespace_that_is_not_there_is_anybodys() -> None:
    assert shared_by_another(None, "team-b") is None


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "fleet"}}, "the Flux Kustomization fleet"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "kof"}}, "the Flux HelmRelease kof"),
        (
            {
                "annotations": {
                    "argocd.argoproj.io/tracking-id": "kof:k0rdent.mirantis.com/ClusterDeployment:kcm-system/eu1"
                }
            },
            "the Argo CD application kof",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "kof"}}, "the Argo CD application kof"),
        ({"labels": {"projectsveltos.io/reference-name": "clusters"}}, "Sveltos (clusters)"),
        ({"annotations": {"objectset.rio.cattle.io/id": "fleet-agent"}}, "Rancher Fleet (fleet-agent)"),
        (
            {"managedFields": [{"manager": "kubectl"}, {"manager": "kustomize-controller"}]},
            "Flux (kustomize-controller)",
        ),
        ({"managedFields": [{"manager": "argocd-controller", "operation": "Apply"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kcm-controller-manager"}, {"manager": "k0rdent.kof"}]}, None),
        ({"labels": None, "annotations": None, "managedFields": None}, None),
        ({"labels": {"app.kubernetes.io/instance": "eu1"}}, None),
    ],
)
def test_gitops_controllers_are_known_by_their_marks_else_by_their_name(
    metadata: dict[str, Any], keeper: str | None
) -> None:
    assert gitops_keeper(item(**metadata)) == keeper
