"""The roles of docs/rbac/ and the policies of docs/iam/, made of what the parts of a fleet need. Helpers only, no test.

`KOF_RENEW_RIGHTS=1 make try TEST=tests/unit/test_rights.py` writes them anew.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from unit import iam_actions
from unit.situations import walk

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_credentials
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import AtAws
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import VERBS, Walk

KOF, KCM = "kof", "kcm-system"


@dataclass(frozen=True)
class Role:
    """
    :ivar looks: preflight's table is complete with it.
    :ivar beside: roles, to the rights of any of which it adds.
    """

    about: str
    walks: tuple[Walk, ...]
    looks: bool = True
    beside: tuple[str, ...] = ()


OF_CLUSTERS = ("regional", "child")
#: What asks for rights only where it is said.
ALERTS: dict[str, Any] = {
    "mothership_alertmanager_config": {"route": {"receiver": "a"}, "receivers": [{"name": "a"}]},
    **{f"{layer}_alert_rules": [] for layer in ("mothership", *OF_CLUSTERS)},
}
ROLES = {
    "reader": Role(
        """\
Changes nothing: k0rdent.kof.status, .access, .support_bundle, k0rdent.kof.preflight of regional and child clusters with
preflight_job=look, and waiting for them. It reads no Secret. k0rdent.kof.render needs no right at all; --check needs
those of the run that it tries.""",
        (
            walk(*OF_CLUSTERS, job="look", said=ALERTS),
            walk("mothership", *OF_CLUSTERS, job="support", said=ALERTS),
        ),
    ),
    "verifier": Role(
        """\
Beside reader, k0rdent.kof.verify: it reads promxy's configuration, the logins and the kubeconfigs of all clusters, so
that who has it is their administrator. Changes nothing by itself.""",
        (walk("mothership", *OF_CLUSTERS, job="verify", said=ALERTS),),
        looks=False,
        beside=("reader",),
    ),
    "backup": Role(
        """\
Saves a fleet: k0rdent.kof.backup. With a vault password it reads the Secrets in the namespace of kof, the logins of all
regions among them; without one it does without the rights to Secrets. Changes nothing. A restore takes admin.yaml.""",
        (walk(*OF_CLUSTERS, job="backup"),),
        looks=False,
    ),
    "operator": Role(
        """\
Adds and changes clusters: k0rdent.kof.regional and .child, with preflight, --check and waiting. Deletes nothing but old
records of runs, which are ConfigMaps. It reads the Secrets in the namespace of kof, the logins of all regions among
them.""",
        (walk(*OF_CLUSTERS, more=("check",), said=ALERTS),),
    ),
    "deleter": Role(
        """\
Takes clusters away: k0rdent.kof.delete and, with operator, kof_replace_guide_objects. Preflight asks for these rights
with preflight_job=delete; to look at all else it needs those of reader or operator, too.""",
        (walk(*OF_CLUSTERS, job="delete", said=ALERTS),),
        looks=False,
    ),
    "dns_credentials": Role(
        """\
Writes external-dns' AWS key: k0rdent.kof.dns_credentials with method iam_user or existing; the others need no right
here. The namespace of kof has to be there before a Role can be in it. For what is needed at AWS see docs/iam/.""",
        (walk("dns_credentials", more=("check",)),),
    ),
    "mothership": Role(
        """\
What k0rdent.kof.mothership needs beside kof's charts. They hold CustomResourceDefinitions, ClusterRoles and bindings,
which takes the verbs escalate and bind, or every right that is in them. Preflight names what it takes for the charts at
hand, to be bound beside this; whoever doesn't want to look for it binds admin.yaml.""",
        (walk("mothership", more=("check",), said=ALERTS),),
    ),
}
ROLES["line-0.0"] = Role(
    """\
Beside reader or operator at kof 0.0.x: there promxy comes to life with the first region, and is waited for with each.
Its Secret holds the logins of all regions.""",
    (walk(*OF_CLUSTERS, job="look", release=RELEASES["0.0.x"]),),
    beside=("reader", "operator"),
)
ADMIN = """\
# All of k0rdent.kof.site, from nothing. kof's charts make CustomResourceDefinitions, ClusterRoles and their bindings:
# who may make these may do anything, so less than cluster-admin (see mothership.yaml) is possible, but protects little.
# Not written by hand: tests/unit/rights.py says how.
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: k0rdent-kof-admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: k0rdent-kof-admin}]
"""


def manifests() -> dict[str, str]:
    """The files of docs/rbac/, by name."""
    return {f"{name}.yaml": _text(name, role) for name, role in ROLES.items()} | {"admin.yaml": ADMIN}


def _text(name: str, role: Role) -> str:
    head = [*role.about.splitlines(), "Not written by hand: tests/unit/rights.py says how."]
    rules = _rules(role)
    roles = (_role(name, space, rules[space]) for space in (None, KCM, KOF) if rules.get(space))
    return "".join(f"# {line}\n" for line in head) + _LIST + "".join(roles)


#: One document, as ansible-test wants each file to be.
_LIST = "---\napiVersion: v1\nkind: List\nitems:\n"


def _verbs(role: Role) -> dict[tuple[str, str, str, str], set[str]]:
    """By place, group, resource and, where it is about one, the object's name."""
    verbs: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for each in role.walks:
        for need in each.needs("v1beta1"):
            verbs[need.namespace or "", need.group, need.resource, need.name].add(need.verb)
        for look in each.looks("v1beta1") if role.looks else ():
            verbs[look.of.namespace or "", look.right.group, look.right.resource, ""].add("list")
    for name in (KCM, KOF) if role.looks else ():
        verbs["", "", "namespaces", name].add("get")
    for (namespace, group, resource, name), wanted in verbs.items():
        if namespace or name:  # what is allowed everywhere need not be allowed once more
            wanted -= verbs.get(("", group, resource, ""), set())
    held = [_verbs(ROLES[name]) for name in role.beside]
    for where in verbs if held else ():
        verbs[where] -= set.intersection(*(each.get(where, set()) for each in held))
    return verbs


def _rules(role: Role) -> dict[str | None, list[str]]:
    verbs = _verbs(role)
    alike: dict[tuple[str, str, tuple[str, ...], str], list[str]] = defaultdict(list)
    names: dict[tuple[str, str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (namespace, group, resource, name), wanted in sorted((where, found) for where, found in verbs.items() if found):
        key = namespace, group, tuple(sorted(wanted, key=VERBS.index)), resource if name else ""
        alike[key].append(resource)
        names[key] += [name] if name else []
    rules: dict[str | None, list[str]] = defaultdict(list)
    for key, resources in sorted(alike.items()):
        namespace, group, wanted_, _one = key
        by_name = f", resourceNames: [{_list(names[key])}]" if names[key] else ""
        of = f"apiGroups: [{_list([group])}], resources: [{_list(dict.fromkeys(resources))}]{by_name}"
        between = ", " if len(of) < 120 else ",\n         "
        rules[namespace or None].append(f"{{{of}{between}verbs: [{_list(wanted_)}]}}")
    return rules


def _list(words: Iterable[str]) -> str:
    return ", ".join(word or '""' for word in words)


def _role(name: str, namespace: str | None, rules: list[str]) -> str:
    prefix, where = ("", f", namespace: {namespace}") if namespace else ("Cluster", "")
    called = f"k0rdent-kof-{re.sub('[_.]', '-', name)}"
    api = "apiVersion: rbac.authorization.k8s.io/v1"
    return "\n".join(
        [
            f"  - {api}\n    kind: {prefix}Role\n    metadata: {{name: {called}{where}}}\n    rules:",
            *(f"      - {rule}" for rule in rules),
            f"  - {api}\n    kind: {prefix}RoleBinding\n    metadata: {{name: {called}{where}}}",
            f"    roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {prefix}Role, name: {called}}}",
            f"    subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {called}}}]\n",
        ]
    )


#: By file of docs/iam/, the options of role dns_credentials.
METHODS: dict[str, dict[str, Any]] = {
    "iam_user": {"method": "iam_user"},
    "node_role": {"method": "node_role"},
    "existing_node_roles": {
        "method": "node_role",
        "existing_node_roles": ["nodes.cluster-api-provider-aws.sigs.k8s.io"],
    },
    "irsa": {"method": "irsa"},
}


def policies() -> dict[str, str]:
    """The files of docs/iam/, by name: for whoever runs the role, of whatever fleet and account."""
    return {
        f"{name}.json": _policy({**options, "kof_fleet": "*", "kof_namespace": KOF})
        for name, options in METHODS.items()
    }


def _policy(options: dict[str, Any]) -> str:
    on: dict[str, dict[str, None]] = defaultdict(dict)
    for part in dns_credentials.parts(options):
        if isinstance(part.what, AtAws):
            kind, name = part.what
            on[_arn(kind, name)] |= dict.fromkeys(iam_actions.ON_ENTRY[kind])
            on["*"] |= dict.fromkeys(iam_actions.ON_ALL.get(kind, ()))
    attach = {arn: [each for each in those if each.startswith("Attach")] for arn, those in on.items()}
    pass_role = {arn: "PassRole" in those for arn, those in on.items()}
    statements = []
    for arn, those in on.items():
        plain = [each for each in those if each not in attach[arn] and each != "PassRole"]
        statements += [_allow(plain, arn)] if plain else []
        if attach[arn]:
            policy = {"ArnLike": {"iam:PolicyARN": _arn("policy", "kof-external-dns-*")}}
            statements.append({**_allow(attach[arn], arn), "Condition": policy})
        if pass_role[arn]:
            statements.append(_allow(["PassRole"], _arn("role", "kof-external-dns-*")))
    statements.append(
        {"Effect": "Allow", "Action": ["route53:GetHostedZone"], "Resource": "arn:aws:route53:::hostedzone/*"}
    )
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:iam::*:{iam_actions.IN_ARNS[kind]}/{name}"


def _allow(calls: list[str], arn: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"iam:{each}" for each in calls], "Resource": arn}
