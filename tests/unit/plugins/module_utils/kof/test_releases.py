"""The lines' data, which must agree with itself and with the roles' specs."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec


@pytest.fixture(params=list(RELEASES.values()), ids=list(RELEASES))
def release(request: pytest.FixtureRequest) -> Direct:
    return request.param


def test_the_specs_offer_exactly_these_releases() -> None:
    option = load_spec("regional")["kof_version"]
    assert option["choices"] == list(RELEASES)
    assert option["required"]
    assert "default" not in option  # or a newer collection would mean another kof


def test_each_is_filed_under_its_version(release: Direct) -> None:
    assert RELEASES[release.version] is release


def test_it_cannot_be_changed_by_accident(release: Direct) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.version = "9"  # type: ignore[misc]


def test_services_use_templates_that_the_charts_bring(release: Direct) -> None:
    by_kcm = {"ingress-nginx-4-11-3"} if release.line == "0.0" else set()
    for service in (*release.services["regional"], *release.services["child"]):
        assert (service.template in release.service_templates) != (service.template in by_kcm)
        assert syntax.object_name(service.template) is None
    names = [service.name for service in release.services["regional"]]
    assert len(names) == len(set(names))


def test_labels_are_labels(release: Direct) -> None:
    for label in (release.promxy.label, release.vmuser_label, release.dns.label):
        assert syntax.label_key(label) is None


def test_secrets_that_clusters_use_are_made_by_the_charts(release: Direct) -> None:
    assert release.secrets[load_spec("regional")["regional_vmuser_secret"]["default"]] == (release.vmuser_keys)
    assert release.grafana.secret in release.secrets


def test_expected_deployments_belong_to_installed_charts(release: Direct) -> None:
    assert {each.chart for each in release.deployments} <= set(release.charts)
    assert list(release.charts) == ["kof-operators", "kof-mothership"]  # CRDs before who needs them


def test_0_1_1() -> None:
    release = RELEASES["0.1.1"]
    assert release.promxy.api_version == "kof.k0rdent.mirantis.com/v1alpha1"
    assert release.promxy.label == "k0rdent.mirantis.com/promxy-secret-name"
    assert [service.name for service in release.services["regional"]] == [
        "ingress-nginx",
        "cert-manager",
        "kof-storage",
    ]
    assert [service.name for service in release.services["child"]] == [
        "cert-manager",
        "kof-operators",
        "kof-collectors",
    ]
