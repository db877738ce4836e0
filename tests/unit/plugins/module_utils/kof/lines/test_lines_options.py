"""What line 0.0 has against variables: what must be said there, and in which form charts may be had."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import repository_problem
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import (
    helm_release,
    mothership_values,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    parse_child,
    parse_mothership,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

HTTPS = "https://charts.example.com/kof"
REGION = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}


def mothership(**variables: Any) -> list[str]:
    return [str(each) for each in parse_mothership("m", {"kof_version": "0.0.x", **variables})[1]]


def regional(**variables: Any) -> list[str]:
    return [str(each) for each in parse_regional("eu1", {"kof_version": "0.0.x", **REGION, **variables})[1]]


@pytest.mark.parametrize(
    "repository",
    [
        None,
        "oci://ghcr.io/k0rdent/kof/charts",
        "oci://ghcr.io/k0rdent/kof/charts/",
        "https://k0rdent.github.io/kof",
        "https://k0rdent.github.io/kof/",
        "https://K0rdent.GitHub.io:443/kof",
        "oci://GHCR.io:443/k0rdent/kof/charts",
    ],
)
def test_who_installs_must_say_where_the_charts_are(repository: str | None) -> None:
    (told,) = mothership(**({"kof_chart_repository": repository} if repository else {}))
    assert told.startswith("m: kof_chart_repository: must be said at kof 0.0.x: ")
    why = (
        "was deleted on 2025-02-06"
        if "github" in (repository or "").lower()
        else "has other charts under the version 0.1.0"
    )
    assert why in told
    assert told.endswith("oci://registry.example.com/kof/charts or a folder, /srv/charts")


def test_who_only_adds_clusters_need_not() -> None:
    assert regional() == []
    assert parse_child("c", {"kof_version": "0.0.x", "child_regional": "eu1"})[1] == []


@pytest.mark.parametrize(
    "repository",
    [
        HTTPS,
        "https://charts.example.com",
        "https://charts.example.com:8443/a/b",
        "https://[::1]:8443/kof",
        "oci://registry.example.com/kof",
    ],
)
def test_forms_that_are_fine(repository: str) -> None:
    assert mothership(kof_chart_repository=repository) == []


LIKE = "without a user and without a slash at its end"


@pytest.mark.parametrize(
    ("repository", "why"),
    [
        ("https://charts.example.com/kof/", LIKE),
        ("https://charts.example.com//kof", LIKE),
        ("https://charts.example.com/kof?ref=main", LIKE),
        ("https://charts.example.com/kof#top", LIKE),
        ("https://charts.example.com/k of", LIKE),
        ("https://", LIKE),
        ("https:///kof", LIKE),
        ("https://:8443/kof", LIKE),
        ("https://charts.example.com:port/kof", LIKE),
        ("https://charts.example.com:99999/kof", LIKE),
        ("https://[::1/kof", LIKE),
        ("oci://", LIKE),
        ("oci://registry.example.com/kof/", LIKE),
        ("https://charts.example.com/kof/index.yaml", "must be what index.yaml is in, without it"),
        ("HTTPS://charts.example.com/kof", "must start with https:// or oci://"),
        ("charts.example.com/kof", "must start with https:// or oci://"),
        ("kof/", "must start with https:// or oci://"),
        ("charts", "must start with https:// or oci://"),
        ("./charts", "be the absolute path of a folder"),
        ("~kof/charts", "be the absolute path of a folder"),
        ("file:///srv/charts", "be the absolute path of a folder"),
        ("git+https://github.com/k0rdent/kof@charts?ref=0.1.0", "must start with https:// or oci://"),
    ],
)
def test_forms_that_are_not(repository: str, why: str) -> None:
    told = mothership(kof_chart_repository=repository)
    assert len(told) == 1, told
    assert told[0].startswith("m: kof_chart_repository: ")
    assert why in told[0]
    assert regional(kof_chart_repository=repository)


@pytest.mark.parametrize("scheme", ["https", "http", "oci"])
def test_a_login_in_a_url_is_refused_and_not_told(scheme: str) -> None:
    told = mothership(
        kof_chart_repository=f"{scheme}://robot:canary-canary@charts.example.com/kof",
        kof_chart_repository_plain_http=scheme == "http",
    )
    assert len(told) == 1
    assert LIKE in told[0]
    assert "canary" not in told[0]


def test_http_is_meant_where_it_is_said_twice() -> None:
    http = "http://127.0.0.1:8080/kof"
    assert mothership(kof_chart_repository=http, kof_chart_repository_plain_http=True) == []
    (told,) = mothership(kof_chart_repository=http)
    assert told.startswith("m: kof_chart_repository_plain_http: doesn't go with kof_chart_repository, which is http://")
    (told,) = mothership(kof_chart_repository=HTTPS, kof_chart_repository_plain_http=True)
    assert "which is https://" in told
    assert mothership(kof_chart_repository="oci://r.example.com/kof", kof_chart_repository_plain_http=True) == []


def test_of_a_folder_kcm_can_take_no_chart() -> None:
    for folder in ("/srv/charts", "/srv/charts/", "~/charts", "/srv/my charts"):
        (told,) = mothership(kof_chart_repository=folder)
        assert told.startswith("m: mothership_values: has no kcm.kof.repo.url")
    elsewhere = {"kcm": {"kof": {"repo": {"url": HTTPS}}}}
    assert mothership(kof_chart_repository="/srv/charts", mothership_values=elsewhere) == []
    assert mothership(kof_chart_repository="/srv/charts", mothership_install_templates=False) == []
    assert regional(kof_chart_repository="/srv/charts") == []
    for empty in ("", None, 5):
        assert mothership(
            kof_chart_repository="/srv/charts", mothership_values={"kcm": {"kof": {"repo": {"url": empty}}}}
        )


SERVICES = "m: mothership_values: has kcm.kof.repo.url, which "


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "is '', but must be the address of a repository"),
        (None, "is null, but"),  # the chart's own address would come back, which is dead
        (5, "is 5, but"),
        ({"sig": "canary"}, "is a map, but"),
        ("/srv/charts", "is a folder, from which k0rdent can't take the charts"),
        ("~/charts", "is a folder"),
        ("https://k0rdent.github.io/kof", "is https://k0rdent.github.io/kof: that was deleted on 2025-02-06"),
        ("oci://GHCR.io/k0rdent/kof/charts/", "is oci://GHCR.io/k0rdent/kof/charts/: that has other charts"),
        ("https://robot:canary@charts.example.com/kof", f"must be like {HTTPS[:8]}registry.example.com"),
        ("https://robot:canary@k0rdent.github.io/kof", "must be like"),
        ("https://charts.example.com/kof?sig=canary", "must be like"),
        ("charts.example.com/kof", "must start with https:// or oci://; for example"),
    ],
)
def test_where_kcm_takes_the_services_charts_from(address: Any, why: str) -> None:
    for repository in (HTTPS, "/srv/charts"):
        values = {"kcm": {"kof": {"repo": {"url": address}}}}
        (told,) = mothership(kof_chart_repository=repository, mothership_values=values)
        assert told.startswith(f"{SERVICES}{why}")
        assert told.endswith(f"for example mothership_values: {{kcm: {{kof: {{repo: {{url: {HTTPS}}}}}}}}}")
        assert "canary" not in told


@pytest.mark.parametrize("repository", ["", 5, "charts/kof", "https://charts.example.com/kof/"])
def test_the_example_is_the_lines_own(repository: Any) -> None:
    for (told,) in (mothership(kof_chart_repository=repository), regional(kof_chart_repository=repository)):
        assert told.endswith(f"; for example kof_chart_repository: {HTTPS}")
        assert "default" not in told
        assert "ghcr.io" not in told


@pytest.mark.parametrize("version", ["0.0", "0.0.7", 0.0, None])
def test_where_nobody_knows_the_line_nothing_is_said_of_it(version: Any) -> None:
    (told,) = mothership(kof_version=version, kof_chart_repository=HTTPS)
    assert told.startswith("m: kof_version: ")


@pytest.mark.parametrize("plain_http", [1, "maybe", ""])
def test_what_is_broken_is_told_once(plain_http: Any) -> None:
    (told,) = mothership(kof_chart_repository=HTTPS, kof_chart_repository_plain_http=plain_http)
    assert "must be true or false" in told
    (told,) = regional(regional_template_kind=5)
    assert told.startswith("eu1: regional_template_kind: ")


def test_promxy_can_t_be_off_where_regions_wait_for_it() -> None:
    off = {"promxy": {"enabled": False}}
    (told,) = mothership(kof_chart_repository=HTTPS, mothership_values=off)
    assert told.startswith("m: mothership_values: promxy.enabled can't be false at kof 0.0.x: each region waits for")
    assert mothership(kof_chart_repository=HTTPS, mothership_values={"promxy": {"enabled": True}}) == []
    assert parse_mothership("m", {"kof_version": "0.1.1", "mothership_values": off})[1] == []


@pytest.mark.parametrize("repository", [HTTPS, "/srv/charts", "http://127.0.0.1/kof", "oci://"])
def test_line_0_1_is_in_registries_only(repository: str) -> None:
    told = parse_mothership("m", {"kof_version": "0.1.1", "kof_chart_repository": repository})[1]
    assert [each.variable for each in told] == ["kof_chart_repository"]
    assert "must start with oci://" in (repository_problem(repository, RELEASES["0.1.1"]) or "")
    assert repository_problem("oci://ghcr.io/k0rdent/kof/charts", RELEASES["0.1.1"]) is None


def test_the_charts_and_their_repository() -> None:
    def made(repository: str, **variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        given = {"kof_version": "0.0.x", "kof_chart_repository": repository, **variables}
        cluster, faults = parse_mothership("m", given)
        assert cluster, faults
        found = helm_release(cluster, "kof-operators", KOF_0_0.charts["kof-operators"], {})
        source = {name: found[name] for name in ("chart_ref", "chart_repo_url", "chart_version") if name in found}
        return source, mothership_values(cluster, KOF_0_0)["kcm"]["kof"]["repo"]

    assert made(HTTPS) == (
        {"chart_ref": "kof-operators", "chart_repo_url": HTTPS, "chart_version": "0.1.0"},
        {"url": HTTPS, "type": "default", "insecure": False},
    )
    assert made("http://127.0.0.1:1/kof", kof_chart_repository_plain_http=True)[1]["insecure"] is True
    assert made("oci://r.example.com/kof") == (
        {"chart_ref": "oci://r.example.com/kof/kof-operators", "chart_version": "0.1.0"},
        {"url": "oci://r.example.com/kof", "type": "oci", "insecure": False},
    )
    elsewhere = {"kcm": {"kof": {"repo": {"url": "oci://r.example.com/kof"}}}}
    assert made("/srv/charts/", mothership_values=elsewhere) == (
        {"chart_ref": "/srv/charts/kof-operators", "chart_version": "0.1.0"},
        {"url": "oci://r.example.com/kof", "type": "oci", "insecure": False},
    )


@pytest.mark.parametrize(
    ("variables", "fine"),
    [
        ({}, True),
        ({"regional_template_kind": "aws-hosted-cp"}, True),
        ({"regional_template": "aws-standalone-cp-0-0-5"}, True),
        ({"regional_template_kind": "aws-eks"}, False),
        ({"regional_template_kind": "azure-standalone-cp"}, False),
        ({"regional_template": "vsphere-standalone-cp-0-0-5"}, False),
        ({"regional_template_kind": "azure-standalone-cp", "regional_storage_class": "managed-csi"}, True),
        (
            {
                "regional_template_kind": "aws-eks",
                "regional_service_values": {"kof-storage": {"global": {"storageClass": "gp2"}}},
            },
            True,
        ),
    ],
)
def test_a_class_of_its_own_where_the_charts_is_not(variables: dict[str, Any], fine: bool) -> None:
    told = regional(**variables)
    assert bool(told) is not fine
    if told:
        assert told[0].startswith("eu1: regional_storage_class: isn't set, and clusters of ")
        assert "don't have ebs-csi-default-sc" in told[0]
    assert parse_regional("eu1", {"kof_version": "0.1.1", **REGION, **variables})[1] == []
