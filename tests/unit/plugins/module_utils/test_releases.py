"""releases.py: data that must agree with itself and with the roles' specs."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.releases import RELEASES, Release
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import load_spec


@pytest.fixture(params=list(RELEASES.values()), ids=list(RELEASES))
def release(request: pytest.FixtureRequest) -> Release:
    return request.param


def test_the_specs_offer_exactly_these_releases() -> None:
    option = load_spec("regional")["kof_version"]
    assert option["choices"] == list(RELEASES)
    assert option["default"] in RELEASES


def test_each_is_filed_under_its_version(release: Release) -> None:
    assert RELEASES[release.version] is release


def test_it_cannot_be_changed_by_accident(release: Release) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.version = "9"  # type: ignore[misc]


def test_services_use_templates_that_the_charts_bring(release: Release) -> None:
    for service in (*release.regional_services, *release.child_services):
        assert service.template in release.service_templates
        assert syntax.object_name(service.template) is None
    names = [service.name for service in release.regional_services]
    assert len(names) == len(set(names))


def test_labels_are_labels(release: Release) -> None:
    for label in (release.promxy_label, release.storage_secrets_label, release.dns_secrets_label):
        assert syntax.label_key(label) is None


def test_secrets_that_clusters_use_are_made_by_the_charts(release: Release) -> None:
    assert release.mothership_secrets[load_spec("regional")["regional_vmuser_secret"]["default"]] == (
        release.vmuser_secret_keys
    )
    assert release.grafana_secret in release.mothership_secrets


def test_expected_deployments_belong_to_installed_charts(release: Release) -> None:
    assert {each.chart for each in release.mothership_deployments} <= set(release.chart_versions)
    assert list(release.chart_versions) == ["kof-operators", "kof-mothership"]  # CRDs before who needs them


def test_0_1_1() -> None:
    release = RELEASES["0.1.1"]
    assert release.promxy_api_version == "kof.k0rdent.mirantis.com/v1alpha1"
    assert release.promxy_label == "k0rdent.mirantis.com/promxy-secret-name"
    assert [service.name for service in release.regional_services] == ["ingress-nginx", "cert-manager", "kof-storage"]
    assert [service.name for service in release.child_services] == ["cert-manager", "kof-operators", "kof-collectors"]
