"""docs/rbac/ grants what the playbooks of a role need: it is made of the parts, and preflight names whatever lacks."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import slices
import yaml
from unit import rights
from unit.situations import walk

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from sandbox.fixtures import ControlPlane

REPOSITORY = pathlib.Path(__file__).parents[2]
RBAC = REPOSITORY / "docs" / "rbac"
#: Namespaces of this file's own, for those of the manifests: the control plane is shared with other tests.
SPACES = {"kof": "rights-kof", "kcm-system": "rights-kcm"}
#: One that isn't there: only then preflight asks whether it may be made.
ABSENT = "rights-absent"


class Right(NamedTuple):
    """As a manifest grants it. `name` is empty for all objects."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str


@pytest.mark.parametrize(("folder", "made"), [("rbac", rights.manifests()), ("iam", rights.policies())])
def test_what_is_shipped_is_made_of_the_parts(folder: str, made: dict[str, str]) -> None:
    shipped = REPOSITORY / "docs" / folder
    if os.environ.get("KOF_RENEW_RIGHTS"):
        for name, text in made.items():
            (shipped / name).write_text(text, encoding="utf-8")
    assert {file.name: file.read_text(encoding="utf-8") for file in shipped.iterdir()} == made


def test_plurals_are_those_of_the_definitions() -> None:
    plurals = {}
    for file in (REPOSITORY / "tests" / "sandbox" / "crds").rglob("*.yaml"):
        for item in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if item and item["kind"] == "CustomResourceDefinition":
                plurals[item["spec"]["group"], item["spec"]["names"]["plural"]] = file
    needed = {
        (need.group, need.resource)
        for job in ("look", "apply", "delete")
        for need in walk("mothership", "regional", "child", job=job).needs("v1beta1")
    }
    own = {
        ("", "namespaces"),
        ("", "secrets"),
        ("", "configmaps"),
        ("", "events"),
        ("", "services"),
        ("", "pods"),
        ("apps", "deployments"),
        ("coordination.k8s.io", "leases"),
        ("storage.k8s.io", "storageclasses"),
    }
    assert needed - own <= plurals.keys() | {("k0rdent.mirantis.com", "multiclusterservices")}


def granted(role: str) -> list[Right]:
    """What a shipped manifest grants, read as Kubernetes reads it, not as it was made."""
    found = []
    for item in yaml.safe_load((RBAC / f"{role}.yaml").read_text(encoding="utf-8"))["items"]:
        if item["kind"] not in ("Role", "ClusterRole"):
            continue
        space = SPACES.get(item["metadata"].get("namespace"), "")
        assert bool(space) == (item["kind"] == "Role")
        for rule in item["rules"]:
            found += [
                Right(verb, group, resource, space, SPACES.get(name, name) if resource == "namespaces" else name)
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for name in rule.get("resourceNames", [""])
            ]
    return found


def test_nothing_is_granted_twice_and_nothing_by_a_wildcard() -> None:
    for role in rights.ROLES:
        found = granted(role)
        assert len(set(found)) == len(found)
        assert not [each for each in found if "*" in each]
    # What decides about data is nobody's who adds clusters, and Secrets are read by none who only looks.
    deletes = [each for each in granted("operator") if each.verb in ("delete", "deletecollection", "update")]
    assert {each.resource for each in deletes} == {"configmaps", "leases"}, "records of runs, and the lease"
    assert {each.verb for each in granted("reader")} == {"get", "list", "watch"}
    assert "secrets" not in {each.resource for each in granted("reader")}


#: By role, the layers and jobs that preflight is asked about, and the role beside which it is meant.
ASKED = {
    "reader": ([(["regional", "child"], "look"), (["mothership", "regional", "child"], "support")], ()),
    "verifier": ([(["mothership", "regional", "child"], "verify")], ("reader",)),
    "backup": ([(["regional", "child"], "backup")], ("reader",)),
    "operator": ([(["regional", "child"], "apply")], ()),
    "deleter": ([(["regional", "child"], "delete")], ("reader",)),
    "dns_credentials": ([(["dns_credentials"], "apply")], ()),
    "mothership": ([(["mothership"], "apply")], ()),
    "line-0.0": ([(["regional", "child"], "look")], ("reader",)),
}


#: How many rights may be missing at once, of a resource one at most.
TOGETHER = 12


class Users:
    """Users with any of the roles' rights. Each right is that of a group of its own, and who asks is in some groups."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._admin = str(control_plane.admin)
        self.made: list[str] = []
        self._groups: dict[Right, str] = {}

    def make(self) -> None:
        """For each right a role of its own, bound to its group."""
        for role, (_jobs, beside) in ASKED.items():
            for right in (each for one in (role, *beside) for each in granted(one)):
                self._groups.setdefault(right, f"rights-{len(self._groups)}")
        with self.connection() as connection, ThreadPoolExecutor(8) as pool:
            for space in SPACES.values():
                # They stay: without controllers they would be terminating for ever.
                item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
                connection.request("POST", "/api/v1/namespaces", body=item)
            list(pool.map(lambda item: connection.request("POST", item[0], body=item[1]), self._objects()))

    def connection(self) -> Connection:
        return connect({"kubeconfig": self._admin})

    def lacking(self, role: str, lacks: Collection[Right]) -> Connection:
        """As somebody with all rights of a role, and of those beside which it is meant, but these."""
        all_of_them = dict.fromkeys(each for one in (role, *ASKED[role][1]) for each in granted(one))
        groups = [self._groups[each] for each in all_of_them if each not in lacks]
        return connect({"kubeconfig": self._admin, "impersonate_user": "somebody", "impersonate_groups": groups})

    def _objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        api = "rbac.authorization.k8s.io"
        for right, group in self._groups.items():
            kind = "Role" if right.namespace else "ClusterRole"
            rule = {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
            of_home = [ABSENT] if right.name == SPACES["kof"] else []
            rule |= {"resourceNames": [right.name, *of_home]} if right.name else {}
            space = {"namespace": right.namespace} if right.namespace else {}
            path = f"/apis/{api}/v1" + (f"/namespaces/{right.namespace}" if right.namespace else "")
            head = {"apiVersion": f"{api}/v1", "metadata": {"name": group, **space}}
            role_ref = {"apiGroup": api, "kind": kind, "name": group}
            subjects = [{"apiGroup": api, "kind": "Group", "name": group}]
            for each in (
                {**head, "kind": kind, "rules": [rule]},
                {**head, "kind": f"{kind}Binding", "roleRef": role_ref, "subjects": subjects},
            ):
                address = f"{path}/{each['kind'].lower()}s"
                self.made.append(f"{address}/{group}")
                yield address, each


@pytest.fixture(scope="module")
def users(control_plane: ControlPlane) -> Iterator[Users]:
    found = Users(control_plane)
    found.make()
    yield found
    with found.connection() as connection:
        for path in found.made:
            connection.request("DELETE", path)


def inventory(home: str, version: str) -> preflight.Inventory:
    mirror = "oci://registry.example.com/kof"
    shared = {
        "kof_version": version,
        "kof_chart_repository": mirror,
        "kof_namespace": home,
        "kof_kcm_namespace": SPACES["kcm-system"],
        **({} if RELEASES[version].alerts is None else rights.ALERTS),
    }
    region = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
    parsed = [
        model.parse_mothership("mothership", shared)[0],
        model.parse_regional("eu1", {**shared, **region})[0],
        model.parse_child("eu1-a", {**shared, "child_regional": "eu1"})[0],
    ]
    assert all(parsed)
    # None, but they are asked for: so it takes the rights for them.
    parsed[:2] = [dataclasses.replace(each, dashboards=()) for each in parsed[:2]]
    return preflight.Inventory(
        parsed[0], [parsed[1]], [parsed[2]], shared={**shared, "dns_credentials_method": "iam_user"}
    )


MAY_NOT = re.compile(r"^may not (\S+(?:, \S+)*) (\S+) in (?:namespace \S+|the whole cluster)$")
CANNOT = re.compile(r'cannot (\w+) resource "(\w+)" in API group "([^"]*)"')


def named(
    users: Users, role: str, lacks: Collection[Right] = (), home: str = SPACES["kof"]
) -> set[tuple[str, str, str]]:
    """(verb, group, resource) of the rights that preflight says somebody lacks who has the role without `lacks`."""
    version = "0.0.x" if role == "line-0.0" else "0.1.1"
    found = set()
    with users.lacking(role, lacks) as connection:
        checks = [
            check
            for layers, job in ASKED[role][0]
            for check in preflight.run(
                connection,
                ("mothership", "eu1", "eu1-a"),
                inventory(home, version),
                RELEASES[version],
                check_mode=True,
                layers=layers,
                job=job,
            )
        ]
    for check in checks:
        may_not = MAY_NOT.match(check.found)
        if may_not:
            plural, _dot, group = may_not[2].partition(".")
            found |= {(verb, group, plural) for verb in may_not[1].split(", ")}
        found |= {(verb, group, plural) for verb, plural, group in CANNOT.findall(check.found)}
    return found


def unnamed(users: Users, role: str, lacks: Collection[Right]) -> list[Right]:
    """Those of the missing rights that preflight doesn't name."""
    found = named(users, role, lacks)
    of_namespaces = {each for each in lacks if each.resource == "namespaces"}
    absent = named(users, role, lacks, ABSENT) if of_namespaces else set()
    return [each for each in lacks if each[:3] not in (absent if each in of_namespaces else found)]


def in_groups(rights: Sequence[Right]) -> list[list[Right]]:
    """As few as can be, none with two rights of one resource: who may not list one isn't asked for more of it."""
    groups: list[list[Right]] = []
    for right in rights:
        for group in groups:
            if len(group) < TOGETHER and all(each[1:3] != right[1:3] for each in group):
                group.append(right)
                break
        else:
            groups.append([right])
    return groups


@pytest.mark.parametrize("alone", [slices.NAME, pytest.param("all", marks=pytest.mark.long)])
@pytest.mark.parametrize("role", ASKED)
def test_with_a_role_preflight_misses_no_right_and_with_any_one_less_it_names_it(
    users: Users, role: str, alone: str
) -> None:
    """Every right of every shipped role, on a real API server: with others, and a quarter a day alone."""
    # Who only looks is told that he reads no Secret.
    of_secrets = {("get", "", "secrets")} if role in ("reader", "deleter", "line-0.0") else set()
    assert named(users, role) <= of_secrets
    assert not {each for each in named(users, role, home=ABSENT) if each[2] == "namespaces"}
    own = granted(role)
    numbers = range(len(own)) if alone == "all" else slices.of(len(own), -(-len(own) // 4))
    # What isn't told because of another that is missing is looked at alone, too.
    again = [each for group in in_groups(own) for each in unnamed(users, role, group)]
    once = dict.fromkeys([*(own[number] for number in numbers), *again])
    assert not [each for each in once if unnamed(users, role, [each])]
