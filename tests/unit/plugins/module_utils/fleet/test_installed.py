"""Which kof is there, from the Secrets of its releases; what the checks say of it is in test_checks_shared."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import (
    InstalledChart,
    Revision,
    hindrances,
    look,
    of_secrets,
    older,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
FLUX = (
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels:\n"
    '    helm.toolkit.fluxcd.io/name: kof-mothership\n    helm.toolkit.fluxcd.io/namespace: "flux-system"\n'
)


def template(name: str) -> str:
    return f"---\napiVersion: k0rdent.mirantis.com/v1alpha1\nkind: ServiceTemplate\nmetadata:\n  name: {name}\n"


def secret(name: str, version: str, revision: int = 1, status: str = "deployed", manifest: str = "") -> dict[str, Any]:
    payload = {
        "name": name,
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": name, "version": version}},
        "manifest": manifest,
    }
    stored = base64.b64encode(gzip.compress(json.dumps(payload).encode()))
    return {
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "data": {"release": base64.b64encode(stored).decode()},
    }


def told(*secrets: dict[str, Any], kept: dict[str, str] | None = None) -> list[tuple[str, str, str | None, str | None]]:
    return [(each.name, each.version, each.line, each.keeper) for each in of_secrets(secrets, kept or {})]


def test_the_deployed_revision_counts_else_the_last() -> None:
    assert told(
        secret("kof-mothership", "0.1.2", 7, "failed"),
        secret("kof-mothership", "0.1.1", 6, "deployed"),
        secret("kof-operators", "0.1.0", 1, "failed"),
        secret("kof-operators", "0.1.1", 2, "pending-install"),
    ) == [("kof-operators", "0.1.1", "0.1", None), ("kof-mothership", "0.1.1", "0.1", None)]


@pytest.mark.parametrize("state", ["failed", "pending-upgrade"])
def test_beside_the_deployed_revision_the_newest_is_known(state: str) -> None:
    last = secret("kof-mothership", "0.1.1", 2, state)
    last["metadata"]["creationTimestamp"] = "2026-03-01T11:00:00Z"
    (found,) = of_secrets([last, secret("kof-mothership", "0.1.0")], {})
    assert (found.version, found.status) == ("0.1.0", "deployed")
    assert found.newest == Revision("0.1.1", state, "2026-03-01T11:00:00Z")


def test_charts_of_line_0_0_are_told_by_their_templates_not_by_their_number() -> None:
    old, new = template("kof-storage"), template("kof-storage-0-1-0")
    assert told(secret("kof-mothership", "0.1.11", manifest=old)) == [("kof-mothership", "0.1.11", "0.0", None)]
    assert told(secret("kof-mothership", "0.1.0", manifest=new)) == [("kof-mothership", "0.1.0", "0.1", None)]


def test_a_flux_helm_release_is_known_by_its_labels_or_as_an_object() -> None:
    assert told(secret("kof-mothership", "0.1.1", manifest=FLUX))[0][3] == "flux-system/kof-mothership"
    assert told(secret("kof-mothership", "0.1.1"), kept={"kof-mothership": "kof/k"})[0][3] == "kof/k"


@pytest.mark.parametrize(
    ("version", "line", "hindered"),
    [
        ("0.1.0", "0.1", False),
        ("0.1.1", "0.1", False),
        ("0.1.1-rc2", "0.1", False),
        ("v0.1.1", "0.1", False),
        ("0.1.2", "0.1", True),
        ("0.2.0", "0.2", True),
        ("1.10.0", "1.10", True),
        ("0.1.0", "0.0", True),
        ("custom", None, False),
    ],
)
def test_what_hinders(version: str, line: str | None, hindered: bool) -> None:
    charts = [InstalledChart("kof-mothership", version, "deployed", line)]
    assert bool(hindrances(charts, RELEASE)) is hindered


def test_the_mothership_decides_and_the_operators_where_it_is_missing() -> None:
    operators = InstalledChart("kof-operators", "1.10.0", "deployed", "1.10")
    mothership = InstalledChart("kof-mothership", "0.1.0", "deployed", "0.1")
    assert len(hindrances([operators], RELEASE)) == 1
    assert hindrances([operators, mothership], RELEASE) == []
    assert older([operators, mothership], RELEASE) == [mothership]


class Server:
    def __init__(self, secrets: Any, releases: Any = ()) -> None:
        self.answers = {"secrets": secrets, "helmreleases": releases}
        self.selector = ""

    def api_groups(self, _group: str) -> dict[str, str]:
        return {"preferred": "v2"}

    def list_objects(self, path: str, query: dict[str, str] | None = None) -> tuple[Any, str]:
        kind = path.rpartition("/")[2]
        if kind == "secrets":
            self.selector = (query or {})["labelSelector"]
        if isinstance(self.answers[kind], Exception):
            raise self.answers[kind]
        return self.answers[kind], "1"


def test_looking_asks_for_three_releases_and_who_keeps_them() -> None:
    def flux(name: str, **spec: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": spec}

    both = [secret("kof-operators", "0.1.1"), secret("kof-mothership", "0.1.1")]
    server = Server(both, [flux("kof-operators"), flux("m", releaseName="kof-mothership", targetNamespace="kof")])
    found = look(server, "kof") or ()
    assert [each.keeper for each in found] == ["kof/kof-operators", "kof/m"]
    assert server.selector.startswith("owner=helm,name in (kof,kof-operators,kof-mothership),")
    elsewhere = Server(both, [flux("kof-operators", targetNamespace="other")])
    assert [each.keeper for each in look(elsewhere, "kof") or ()] == [None, None]


def test_who_may_not_list_secrets_sees_nothing_and_anything_else_is_an_error() -> None:
    assert look(Server(ApiError(403, "Forbidden", "no")), "kof") is None
    assert look(Server([], ApiError(500, "Internal", "no")), "kof") == ()
    assert len(look(Server([secret("kof-mothership", "0.1.1")], ApiError(403, "Forbidden", "no")), "kof") or ()) == 1
    with pytest.raises(ApiError):
        look(Server(ApiError(500, "Internal", "no")), "kof")
    with pytest.raises(NotARelease):
        look(Server([{"metadata": {"name": "x"}, "data": {"release": "YQ=="}}]), "kof")
