# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup of a fleet has in it: all that its runs have written on the management cluster, found by the fleet's
label and not by an inventory, the logins that this refers to, the values of kof's charts, and an inventory of it all.

Pure but for the client it is given, and reads only. The file is fleet/archive.py's, to encrypt is the caller's.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import adding, archive, in_grafana, installed
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import ENCRYPTED
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import GROUPS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.store import ReleaseStore
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import (
    LAST_APPLIED,
    entries,
    is_hand,
    leaf_paths,
    of_people,
    same,
    subtract,
    union,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import MANAGED_BY, OURS, PART_OF, fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import grafana_dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import VMALERTMANAGER, VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import is_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import texts as texts_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]
#: The members of an archive; of objects one for each kind, OBJECTS.format(kind).
OBJECTS, INVENTORY = "objects/{}.json", "inventory.yml"
SECRET_OBJECTS, SECRETS, VALUES, SECRET_VARIABLES, SECRET_DASHBOARDS = (
    f"{ENCRYPTED}{name}.json" for name in ("objects", "secrets", "values", "inventory", "dashboards")
)
#: What is in Grafana of the management cluster and in no object, as in_grafana.py has it.
GRAFANA = "grafana.json"
#: Its uid is a cluster's identity.
KUBE_SYSTEM = "kube-system"
#: The type of a Secret that gives away who somebody is.
TOKEN = "kubernetes.io/service-account-token"
#: Units of an age, in hours.
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
#: A comment's text.
_COMMENT = re.compile(r"(?:^|(?<=\s))#+[ \t]*(\S.*)", re.MULTILINE)
_STAMP = "%Y%m%dt%H%M%Sz"


@dataclass
class Saved:
    """What was found.

    :ivar objects: as they can be applied again, in the order in which they have to be.
    :ivar secret_objects: those that hold what may be a secret.
    :ivar charts: by Helm release of kof, the version of its chart; values: those that it was given.
    :ivar inventory: text; secret_variables: by host, what was left out of it.
    :ivar grafana: of in_grafana.py; empty where Grafana wasn't asked. secret_dashboards: those of its dashboards in
        which something may be secret.
    :ivar left_out: what isn't in it, and why.
    :ivar management_cluster: the uid of its namespace kube-system.
    """

    objects: list[Object] = field(default_factory=list)
    secret_objects: list[Object] = field(default_factory=list)
    secrets: list[Object] = field(default_factory=list)
    charts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    inventory: str = ""
    secret_variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    grafana: dict[str, Any] = field(default_factory=dict)
    secret_dashboards: list[Any] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    management_cluster: str = ""


def kinds(release: Direct, kcm_api: str, namespace: str, kcm_namespace: str) -> Iterator[Ref]:
    """What runs write by the blueprint, in the order in which it is restored, each as a Ref, without a name where
    there may be many. Not among them: Secrets, which are read by name, and the VMAlertmanager, which is its chart's but
    for one field of ours."""
    yield Ref("v1", "Namespace", None, namespace)
    yield Ref(kcm_api, "ClusterDeployment", kcm_namespace, "")
    yield Ref(release.promxy.api_version, PROMXY_SERVER_GROUP, namespace, "")
    yield Ref(release.grafana.api_version, GRAFANA_DATASOURCE, namespace, "")
    yield Ref(release.grafana.api_version, grafana_dashboard.KIND, namespace, "")
    if release.alerts:
        yield Ref(release.alerts.api_version, VMRULE, namespace, "")


def rights(given: Given[Direct], namespace: str, kcm_namespace: str) -> Iterator[Right]:
    """What a backup reads; Secrets, and helm's own record, where it has what is secret in it."""
    for each in kinds(given.release, given.kcm_api, namespace, kcm_namespace):
        yield right("backup", each, "get" if each.name else "list", name=each.name)
    yield right("backup", Ref("v1", "Namespace", None, KUBE_SYSTEM), "get", name=KUBE_SYSTEM)
    if given.release.alerts:
        yield right("backup", Ref(given.release.alerts.api_version, VMALERTMANAGER, namespace, ""), "get")
    yield right("backup", Ref("v1", "Secret", namespace, ""), "get", "list")


def identity_of(connection: Connection) -> str:
    """The management cluster's: fleets of one name on two of them may be kept in one folder.

    :raises ApiError, ApiUnavailable, FleetFault: it can't be had.
    """
    namespace = get_or_none(connection, ("v1", "Namespace", None, KUBE_SYSTEM))
    if namespace is None:
        raise FleetFault(f"{connection.server} has no namespace {KUBE_SYSTEM}: is it a Kubernetes cluster?")
    return str(namespace["metadata"]["uid"])


def collect(
    connection: Connection, fleet: Fleet, kcm_version: str, secret: Callable[[str], bool], *, secrets: bool
) -> Saved:
    """
    :param kcm_version: of kcm's API, as it is served.
    :param secret: whether a text holds a secret, whatever its name.
    :param secrets: whether what is secret is read at all.
    :raises ApiError, ApiUnavailable: something can't be read: a backup has no holes that nobody knows of.
    :raises NotARelease: helm's own record can't be read.
    :raises FleetFault: kof is there of another line than the inventory says.
    """
    found, live = Saved(), _live(connection, fleet, kcm_version)
    holds = _judge(secret)
    for item in live:
        kept = of_people(item, tuple(fleet.shared("kof_drift_managers")))
        if fleet_of(kept) is None:
            # Somebody else's hand has said what it is, a GitOps controller's that applies what we rendered: a person's
            # edit of a field isn't all of it.
            kept = of_people({**item, "metadata": {**item["metadata"], "managedFields": []}})
        if "deletionTimestamp" in item["metadata"]:
            found.left_out.append(f"{ref_of(item)}: it is being deleted")
            continue
        if not same(kept.get("spec"), item.get("spec")):
            told = _of_others(item, tuple(fleet.shared("kof_drift_managers")))
            found.left_out += [f"{ref_of(item)}: {each}" for each in told if not secret(each)]
        if not holds(kept):
            found.objects.append(kept)
        elif secrets:
            found.secret_objects.append(kept)
        else:
            found.left_out.append(f"{ref_of(item)}, in which something may be secret: {_ENCRYPTED_ONLY}")
    _inventory(found, fleet, live, secret, holds)
    _charts(found, connection, fleet, values=secrets)
    if secrets:
        _secrets(found, connection, fleet, live)
    else:
        found.left_out.append(f"Secrets, and the values of kof's charts: {_ENCRYPTED_ONLY}")
    return found


def _of_others(item: Object, hands: Sequence[str]) -> Iterator[str]:
    """What somebody else has said of the object, by whom: it may be a controller, which says it again, or a tool like
    Terraform, whose user thinks that it is saved."""
    owners = [each for each in entries(item) if not each.get("subresource")]
    mine: dict[str, Any] = {}
    for each in owners:
        if is_hand(str(each.get("manager", "")), hands):
            mine = union(mine, each.get("fieldsV1") or {})
    for each in owners:
        theirs = {"f:spec": (each.get("fieldsV1") or {}).get("f:spec") or {}}
        left = subtract(theirs, mine) if theirs["f:spec"] else None
        if left and not is_hand(str(each.get("manager", "")), hands):
            yield f"{some(sorted(set(leaf_paths(left))))}, of {one_line(str(each.get('manager')), 60)}"


def _judge(secret: Callable[[str], bool]) -> Callable[[Any], bool]:
    """`may_hold_secret`, which judges what a thousand clusters have alike once."""
    known: dict[str, bool] = {}
    of_text = functools.cache(secret)

    def holds(value: Any) -> bool:
        text = repr(value)  # unlike ==, tells True from 1
        if text not in known:
            known[text] = may_hold_secret(value, of_text)
        return known[text]

    return holds


def may_hold_secret(value: Any, secret: Callable[[str], bool]) -> bool:
    """Whether some of it may be told to nobody, also where nothing reads it: in a comment of a text and in the name of
    a field. What is encrypted for nothing costs nothing."""
    texts = set(texts_of(value, keys=True))
    return (
        adding.has_secret([value], secret)
        or any(map(secret, texts.difference(texts_of(value))))
        or any(adding.has_secret([said], secret) for text in texts for said in _comments(text))
    )


def _comments(text: str) -> Iterator[str]:
    """What stands behind a # in YAML or in a script; in JSON that is a color."""
    if "#" in text and not text.lstrip().startswith(("{", "[")):
        yield from _COMMENT.findall(text)


def _live(connection: Connection, fleet: Fleet, kcm_version: str) -> list[Object]:
    """What the fleet has written, whatever inventory is at hand."""
    name, found = fleet.shared("kof_fleet"), []
    mine = {"labelSelector": f"{MANAGED_BY}={OURS},{PART_OF}={name}"}
    spaces = fleet.shared("kof_namespace"), fleet.shared("kof_kcm_namespace")
    for each in kinds(fleet.release, f"{KCM_GROUP}/{kcm_version}", *spaces):
        if each.kind == "Namespace":  # of all others it needs no right
            home = get_or_none(connection, ("v1", "Namespace", None, each.name))
            found += [home] if home and fleet_of(home) == name else []
        elif connection.resource(each.api_version, each.kind) is not None:
            items = connection.list_objects(connection.path(each.api_version, each.kind, each.namespace), query=mine)[0]
            found += sorted(items, key=lambda item: str(item["metadata"]["name"]))
    return found


def _charts(found: Saved, connection: Connection, fleet: Fleet, *, values: bool) -> None:
    namespace, release = fleet.shared("kof_namespace"), fleet.release
    charts = installed.look(connection, namespace)
    other = [chart for chart in charts or () if chart.line not in (None, release.line)]
    if other:
        # Of another line's it wouldn't find all kinds, and the manifest would say what isn't so.
        raise FleetFault(
            f"kof_version: {release.version} is of line {release.line}, and Helm release {other[0]} on the management "
            f"cluster is of line {other[0].line}: save it with a kof_version of its own line. No file was written."
        )
    if charts is None:
        found.left_out.append(f"Helm releases in {namespace}: Secrets may not be listed there")
    for chart in charts or ():
        found.charts[chart.name] = chart.version
        history = ReleaseStore(connection, namespace, chart.name).history() if values else []
        deployed = [each for each in history if each.status == "deployed"]
        if deployed:
            found.values[chart.name] = deployed[-1].config or {}
        elif values:
            found.left_out.append(f"values of Helm release {namespace}/{chart.name}: no revision of it is deployed")


def _secrets(found: Saved, connection: Connection, fleet: Fleet, live: Iterable[Object]) -> None:
    """The logins that kof's charts and role dns_credentials have made, and what the fleet refers to."""
    release, space = fleet.release, fleet.shared("kof_namespace")
    referred = {each for item in live for each in _referred(item.get("spec"))}
    for mothership in fleet.everywhere("mothership"):
        referred |= {*(mothership.image_pull_secrets or ())}
    if release.alerts and connection.resource(release.alerts.api_version, VMALERTMANAGER) is not None:
        where = (release.alerts.api_version, VMALERTMANAGER, space, release.alerts.alertmanager)
        spec = (get_or_none(connection, where) or {}).get("spec") or {}
        referred |= {each for each in spec.get("secrets") or () if isinstance(each, str)}
    for name in sorted({*release.secrets, release.dns.secret, *referred}):
        item = get_or_none(connection, ("v1", "Secret", space, name))
        if item is not None and str(item.get("type", "")).startswith(TOKEN):
            found.left_out.append(f"Secret {space}/{name}: a token of a service account, which no other cluster takes")
        elif item is not None:
            found.secrets.append(of_secret(item))
        elif name in referred:
            found.left_out.append(f"Secret {space}/{name}, to which the fleet refers: it isn't there")


_ENCRYPTED_ONLY = "what is secret is saved encrypted only, and no vault password was given"


def of_secret(item: Object) -> Object:
    """A Secret as it can be applied again. Helm knows its own by labels and annotations, and leaves it as it is."""
    meta = item["metadata"]
    annotations = {key: each for key, each in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    said: dict[str, Any] = {"name": meta["name"], "namespace": meta["namespace"]}
    said |= {name: each for name, each in (("labels", meta.get("labels")), ("annotations", annotations)) if each}
    kept: Object = {key: item[key] for key in ("type", "data", "immutable") if key in item}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": said, **kept}


def _referred(value: Any) -> Iterator[str]:
    """The Secrets that an object of ours names, of the operators' own forms: promxy's and Grafana's."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "credentials_secret_name" and isinstance(each, str) and each:
                yield each
            elif key == "secretKeyRef" and isinstance(each, dict) and isinstance(each.get("name"), str):
                yield each["name"]
            else:
                yield from _referred(each)
    elif isinstance(value, list):
        for each in value:
            yield from _referred(each)


def _inventory(
    found: Saved, fleet: Fleet, live: Sequence[Object], secret: Callable[[str], bool], holds: Callable[[Any], bool]
) -> None:
    """The inventory that the live fleet amounts to; what may be secret is beside it.

    :param holds: whether a value may be told to nobody.
    """
    deployments = [
        each for each in live if each["kind"] == "ClusterDeployment" and "deletionTimestamp" not in each["metadata"]
    ]
    groups = [each for each in live if each["kind"] == PROMXY_SERVER_GROUP]
    shared = {name: fleet.shared(name) for name in ("kof_version", "kof_fleet", "kof_namespace", "kof_kcm_namespace")}
    motherships = [to_plain(each.host) for each in fleet.everywhere("mothership")] or ["mothership"]
    hosts: dict[str, dict[str, Any]] = {"mothership": dict.fromkeys(motherships), "regional": {}, "child": {}}
    head = ["# What the fleet on the management cluster amounted to, by k0rdent.kof.backup. Of the mothership only its"]
    head += ["# host: what was said of it are the values of its charts, in encrypted/values.json."]
    for cluster in found_clusters(deployments, fleet.release, groups):
        kept: dict[str, Any] = {}
        for name, value in sorted(cluster.variables.items()):
            if name.startswith("cluster_"):
                continue  # how it is, which nobody says
            if is_secret(name) or holds(value):
                found.secret_variables.setdefault(cluster.name, {})[name] = value
                head.append(f"# {cluster.name}: {name} isn't in it, since it may be secret")
            else:
                kept[name] = adding.as_data(value)
        hosts[cluster.layer][cluster.name] = kept or None
        # Services may be called anything.
        told = ["a field whose name may be secret" if secret(what) else one_line(what) for what in cluster.left_out]
        head += [f"# {cluster.name}: no variable can say {what}" for what in told]
    body = {"all": {"vars": shared}, **{GROUPS[layer]: {"hosts": each} for layer, each in hosts.items() if each}}
    found.inventory = adding.written(head, body, large=True)


def ask_grafana(
    found: Saved,
    connection: Connection,
    fleet: Fleet,
    ask: in_grafana.Ask,
    secret: Callable[[str], bool],
    *,
    secrets: bool,
) -> None:
    """Add what is in Grafana of the management cluster alone.

    :raises NotGrafana, NoAnswer, ApiError, ApiUnavailable:
    """
    api = fleet.release.grafana.api_version
    path = connection.path(api, grafana_dashboard.KIND, fleet.shared("kof_namespace"))
    # What the operator sends there has the uid that it says, or its object's.
    boards = connection.list_objects(path)[0]
    uids = [((item.get("status") or {}).get("uid"), head(item.get("spec") or {})[0]) for item in boards]
    others = {str(each) for pair in uids for each in pair if each} | {str(each["metadata"]["uid"]) for each in boards}
    found.grafana = in_grafana.read(ask, others)
    plain: list[Any] = []
    for each in found.grafana["dashboards"]:
        if not may_hold_secret(each["dashboard"], secret):
            plain.append(each)
        elif secrets:
            found.secret_dashboards.append(each)
        else:
            told = f"dashboard {each['dashboard']['uid']} of Grafana, in which something may be secret"
            found.left_out.append(f"{one_line(told)}: {_ENCRYPTED_ONLY}")
    found.grafana["dashboards"] = plain


class NoLogin(Exception):
    """The login of Grafana's administrator isn't where the charts have it; the text says where that is."""


def grafana_login(connection: Connection, fleet: Fleet) -> tuple[str, str]:
    """User and password of the administrator of Grafana on the management cluster.

    :raises NoLogin:
    :raises ApiError, ApiUnavailable: the Secret can't be read.
    """
    space, entrances = fleet.shared("kof_namespace"), fleet.release.entrances
    name, keys = next((each.secret, each.keys) for each in entrances if each.name == "Grafana")
    data = (get_or_none(connection, ("v1", "Secret", space, name)) or {}).get("data") or {}
    try:
        user, password = (base64.b64decode(data[key], validate=True).decode() for key in keys)
    except (KeyError, ValueError, TypeError):
        raise NoLogin(f"Secret {space}/{name} has no {' and '.join(keys)} of Grafana's administrator") from None
    return user, password


def members(saved: Saved, encrypt: Callable[[bytes], bytes] | None) -> dict[str, bytes]:
    """The members of the archive; without `encrypt` none that is secret."""
    plain: dict[str, list[Object]] = {}
    for each in saved.objects:
        plain.setdefault(OBJECTS.format(each["kind"]), []).append(each)
    found = {name: archive.as_lines(items) for name, items in plain.items()}
    found[INVENTORY] = saved.inventory.encode()
    found |= {GRAFANA: archive.as_json(saved.grafana)} if saved.grafana else {}
    secret: dict[str, Any] = {
        SECRETS: saved.secrets,
        VALUES: saved.values,
        SECRET_OBJECTS: saved.secret_objects,
        SECRET_VARIABLES: saved.secret_variables,
        SECRET_DASHBOARDS: saved.secret_dashboards,
    }
    return found | {name: encrypt(_written(each)) for name, each in secret.items() if each and encrypt}


def _written(value: list[Any] | dict[str, Any]) -> bytes:
    return archive.as_lines(value) if isinstance(value, list) else archive.as_json(value)


def about(saved: Saved, fleet: Fleet, kcm_version: str, collection: str) -> archive.About:
    """
    :param collection: version of this collection.
    """
    return archive.About(
        collection=collection,
        fleet=fleet.shared("kof_fleet"),
        kof_namespace=fleet.shared("kof_namespace"),
        kcm_namespace=fleet.shared("kof_kcm_namespace"),
        line=fleet.release.line,
        kof_version=fleet.shared("kof_version"),
        kcm_version=kcm_version,
        charts=saved.charts,
        left_out=tuple(saved.left_out),
        management_cluster=saved.management_cluster,
    )


# -- files that are kept


def file_name(fleet: str, now: datetime) -> str:
    return f"kof-backup-{fleet}-{now.strftime(_STAMP)}.tar.gz"


def free_time(names: Container[str], fleet: str, now: datetime) -> datetime:
    """When a file is to be written of which there is none: what another run has written this second stays."""
    while file_name(fleet, now) in names:
        now += timedelta(seconds=1)
    return now


def written_at(name: str, fleet: str) -> datetime | None:
    """When a file was written that has the name of a backup of the fleet; None for any other file."""
    found = re.fullmatch(rf"kof-backup-{re.escape(fleet)}-(\d{{8}}t\d{{6}}z)\.tar\.gz", name, re.ASCII)
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def keeping(said: str) -> int | timedelta:
    """How many archives are kept (10), or how long (30d, 12h, 8w).

    :raises ValueError: it says neither.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw]?)", said, re.ASCII)
    if not found:
        raise ValueError("is neither a number of archives (10) nor an age (30d, 12h, 8w)")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]]) if found[2] else int(found[1])


def beyond(
    names: Iterable[str], fleet: str, keep: int | timedelta, now: datetime, counts: Callable[[str], bool]
) -> list[str]:
    """The files that aren't kept any more, the oldest first: never the newest that counts, and none that isn't named as
    one of the fleet's. Those of a later time than now, of a clock that was wrong, neither go nor count: they would
    drive out the one that was just written.

    :param counts: whether a file is what its name says; not asked of those that stay whatever it is.
    """
    of = sorted((when, name) for name in names if (when := written_at(name, fleet)) is not None and when <= now)
    kept, gone = 0, []
    for when, name in reversed(of):
        if isinstance(keep, timedelta) and kept and now - when <= keep:
            continue
        if not counts(name):
            continue
        if kept >= (keep if isinstance(keep, int) else 1) and not (isinstance(keep, timedelta) and now - when <= keep):
            gone.append(name)
        kept += 1
    return gone[::-1]
