# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the archive of a backup to the objects that it brings back: what is in it, what speaks against restoring it
here, and in which order it goes. An archive is somebody's file: nothing is applied that a run of the fleet wouldn't
have written, of these kinds, in these namespaces.

Pure but for the client that it is given, and for reading. What is written goes through k8s/reconcile.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, backup, in_grafana, installed
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import About, NotAnArchive
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import diff, reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard, Outcome, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import same
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import DASHBOARDS_OF, fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import layer_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import grafana_dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import RULES_OF, VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text import versions
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]
Waves = Sequence[Sequence[Object]]
#: What of its metadata an object has in an archive.
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})
_SECRET = frozenset({"apiVersion", "kind", "metadata", "type", "data", "immutable"})
_OTHERS = frozenset(
    {
        *(backup.INVENTORY, backup.GRAFANA, backup.SECRETS, backup.VALUES),
        *(backup.SECRET_OBJECTS, backup.SECRET_VARIABLES, backup.SECRET_DASHBOARDS),
    }
)


@dataclass(frozen=True)
class Content:
    """What an archive brings back.

    :ivar first: what kof's charts stand on, wave after wave: its namespace, then Secrets, which they leave as they are.
    :ivar then: what stands on the charts: regional clusters with all of theirs, then children.
    :ivar values: of kof's charts, by Helm release; empty where they aren't in it.
    :ivar grafana: what Grafana had and no object, of in_grafana.py; empty where that isn't in it.
    :ivar encrypted: those of `then` that were, since something in them may be secret: which text of theirs, only the
        inventory knew that they were made of.
    """

    about: About
    first: Waves
    then: Waves
    values: Mapping[str, Any]
    grafana: Mapping[str, Any]
    encrypted: frozenset[Ref]

    def veiled(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """What became of its objects, without the values of those that were encrypted."""
        return [
            replace(each, changes=tuple(map(diff.veiled, each.changes))) if each.ref in self.encrypted else each
            for each in outcomes
        ]


def read(content: bytes, decrypt: Callable[[bytes], bytes | None] | None) -> Content:
    """
    :param decrypt: what opens an encrypted member, None where it can't; without it no password was given.
    :raises NotAnArchive: it isn't whole, or has something in it that no backup has.
    """
    about, members = archive.unpack(content)
    release = LINES.get(about.line)
    if release is None:
        raise NotAnArchive(
            f"it is of kof {quoted(about.kof_version)}, which this release of the collection doesn't know"
        )
    locked = [name for name in members if name.startswith(archive.ENCRYPTED)]
    if locked and decrypt is None:
        raise NotAnArchive(
            f"{some(locked)} in it are encrypted, and this run has no vault password: pass --vault-id <name>@<file or "
            "prompt>, or --vault-password-file"
        )
    opened: dict[str, bytes] = {}
    for name, member in members.items():
        found = decrypt(member) if decrypt and name in locked else member
        if found is None:
            raise NotAnArchive(
                f"none of this run's vault passwords opens its member {name}: it was encrypted with another one (see "
                "--vault-id)"
            )
        opened[name] = found
    known = {ref.kind: ref for ref in backup.kinds(release, _kcm_api(about), about.kof_namespace, about.kcm_namespace)}
    plain = {backup.OBJECTS.format(kind): kind for kind in known}
    for name in opened:
        if name not in {*plain, *_OTHERS}:
            raise NotAnArchive(f"its member {name} is none that a backup has")
    objects: dict[Ref, Object] = {}
    for name, kind in (*plain.items(), (backup.SECRET_OBJECTS, "")):
        for each in _list(opened, name):
            ref = _checked(each, name, kind, known, about)
            if ref in objects:
                raise NotAnArchive(f"{ref} is in it twice")
            objects[ref] = each
    secrets: dict[Ref, Object] = {}
    for each in _list(opened, backup.SECRETS):
        ref = _checked_secret(each, about)
        if ref in secrets:
            raise NotAnArchive(f"{ref} is in it twice")
        secrets[ref] = each
    values = archive.read_json(opened.get(backup.VALUES, b"{}"), f"its member {backup.VALUES}")
    if not isinstance(values, dict) or not all(isinstance(each, dict) for each in values.values()):
        raise NotAnArchive(f"its member {backup.VALUES} has no values of charts")
    order = list(known)
    waves: dict[str, list[Object]] = {"home": [], "regional": [], "child": []}
    for ref in sorted(objects, key=lambda ref: (order.index(ref.kind), ref.name)):
        child = ref.kind == "ClusterDeployment" and layer_of(objects[ref], release) == "child"
        waves["home" if ref.kind == "Namespace" else "child" if child else "regional"].append(objects[ref])
    return Content(
        about,
        (waves["home"], list(secrets.values())),
        (waves["regional"], waves["child"]),
        values,
        _grafana(opened),
        frozenset(map(ref_of, _list(opened, backup.SECRET_OBJECTS))),
    )


def _grafana(members: Mapping[str, bytes]) -> dict[str, Any]:
    found = archive.read_json(members.get(backup.GRAFANA, b"{}"), f"its member {backup.GRAFANA}")
    more = _list(members, backup.SECRET_DASHBOARDS)
    if not found and not more:
        return {}
    try:
        whole = in_grafana.checked(found)
        return in_grafana.checked({**whole, "dashboards": [*whole["dashboards"], *more]})
    except ValueError as problem:
        raise NotAnArchive(f"what it has of Grafana {problem}") from None


def _kcm_api(about: About) -> str:
    return f"{KCM_GROUP}/{about.kcm_version}"


def _list(members: Mapping[str, bytes], name: str) -> list[Any]:
    found = archive.read_json(members.get(name, b"[]"), f"its member {name}")
    if not isinstance(found, list):
        raise NotAnArchive(f"its member {name} is no list of objects")
    return found


def _checked(item: Any, member: str, kind: str, known: Mapping[str, Ref], about: About) -> Ref:
    """The object's ref.

    :param kind: that the member is for; empty for any of `known`.
    :raises NotAnArchive: no run of the fleet would have written it.
    """
    wrong = NotAnArchive(f"its member {member} has an object that no run of fleet {quoted(about.fleet)} has written")
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict) or not metadata.keys() <= _METADATA or "status" in item:
        raise wrong
    of = known.get(kind or str(item.get("kind")))
    if of is None or (item.get("apiVersion"), item.get("kind")) != (of.api_version, of.kind):
        raise wrong
    if metadata.get("namespace") != of.namespace or not _named(metadata) or of.name not in ("", metadata["name"]):
        raise wrong
    try:
        layer_of(item, LINES[about.line])
    except (AttributeError, TypeError, KeyError):  # another form than any server takes
        raise wrong from None
    if fleet_of(item) != about.fleet:
        raise wrong
    return ref_of(item)


def _checked_secret(item: Any, about: About) -> Ref:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    data = item.get("data", {}) if isinstance(item, dict) else None
    fine = (
        isinstance(metadata, dict)
        and item.keys() <= _SECRET
        and metadata.keys() <= _METADATA
        and (item.get("apiVersion"), item.get("kind")) == ("v1", "Secret")
        and metadata.get("namespace") == about.kof_namespace
        and _named(metadata)
        and isinstance(data, dict)
        and all(isinstance(each, str) for each in data.values())
    )
    if not fine or str(item.get("type", "")).startswith(backup.TOKEN):
        raise NotAnArchive(f"its member {backup.SECRETS} has what no backup has there")
    return ref_of(item)


def _named(metadata: Mapping[str, Any]) -> bool:
    maps = [metadata.get(name, {}) for name in ("labels", "annotations")]
    name = metadata.get("name")
    return (
        isinstance(name, str)
        and bool(name)
        and all(isinstance(each, dict) for each in maps)
        and all(isinstance(text, str) for each in maps for text in each.values())
    )


def faults(about: About, fleet: Fleet) -> list[str]:
    """What speaks against restoring the archive as this inventory says, whatever is live."""
    found = []
    for variable, there in (
        ("kof_fleet", about.fleet),
        ("kof_namespace", about.kof_namespace),
        ("kof_kcm_namespace", about.kcm_namespace),
    ):
        mine = fleet.shared(variable)
        if mine != there:
            found.append(f"{variable}: {quoted(mine)}, and the archive is of {quoted(there)}: name that one's archive")
    release = fleet.release
    if about.line != release.line:
        found.append(
            f"kof_version: {release.version} is of line {release.line}, and the archive is of kof "
            f"{quoted(about.kof_version)}, line {about.line}: restore it with a kof_version of its own line"
        )
    else:
        charts = [
            installed.InstalledChart(name, version, "deployed", about.line) for name, version in about.charts.items()
        ]
        found += [
            f"kof_version: the archive is of a newer kof: {each.found} (here: {each.wanted})"
            for each in installed.hindrances(charts, release)
        ]
        older, newer = versions.parse(release.version), versions.parse(about.kof_version)
        if not found and older and newer and newer > older:  # nobody has seen its charts: they are kept in Secrets
            found.append(f"kof_version: the archive is of a newer kof: {newer} (here: {older})")
    return found


def other_values(content: Content, releases: Sequence[Mapping[str, Any]]) -> list[str]:
    """By Helm release, the paths of values that this inventory says otherwise than they were when the backup was made,
    as lines: the charts are installed as the inventory says."""
    told = []
    for each in releases:
        if each["name"] in content.values:
            paths = list(_differing(content.values[each["name"]], each["values"], ()))
            if paths:
                told.append(
                    f"values of chart {each['name']} are others than in the backup, and the inventory's count: "
                    f"{some(paths, 8)}"
                )
    return told


def _differing(one: Any, other: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differing(one.get(key), other.get(key), (*path, str(key)))
    elif not same(one, other):
        yield ".".join(path) or "all of them"


def guards_of(fleet: Fleet) -> tuple[Guard, ...]:
    return guards.of_writing(fleet.shared("kof_fleet"), fleet.permissions, tuple(fleet.shared("kof_drift_managers")))


def looked_at(connection: Connection, fleet: Fleet, wanted: Sequence[Object]) -> list[Outcome]:
    """What would come of those that are there. Nothing is written."""
    refs = {ref_of(each): each for each in wanted}
    served = [ref for ref in refs if connection.resource(ref.api_version, ref.kind) is not None]
    live = reconcile.read(connection, served)
    there = [refs[ref] for ref in live]
    return reconcile.reconcile(
        connection, there, policy=policy_of(fleet), check_mode=True, live=live, guards=guards_of(fleet)
    )


def overwritten(outcomes: Sequence[Outcome]) -> list[Ref]:
    """Of `looked_at`, what would be another than it is."""
    return [each.ref for each in outcomes if each.changed and len(each.changes)]


def cluster_of(item: Mapping[str, Any], release: Direct) -> str | None:
    """The regional or child cluster that an object of an archive is of; None for what is the mothership's."""
    kind, name, spec = item["kind"], str(item["metadata"]["name"]), item.get("spec") or {}
    if kind == "ClusterDeployment":
        return name
    if kind == PROMXY_SERVER_GROUP:
        said = spec.get("cluster_name")
    elif kind == GRAFANA_DATASOURCE:
        said = (spec.get("datasource") or {}).get("name")
    elif kind == grafana_dashboard.KIND:
        said = (item["metadata"].get("labels") or {}).get(DASHBOARDS_OF)
    else:
        said = name.removesuffix(RULES_OF) if kind == VMRULE else None
    return said if isinstance(said, str) and said != release.mothership_cluster_name else None


def became(
    waves: Waves, outcomes: Sequence[Outcome], release: Direct, hosts: Mapping[str, str], mothership: str
) -> list[tuple[str, Outcome]]:
    """Each outcome with the host that it is booked on: its cluster's, and the mothership where the inventory has none.

    :param hosts: by the clusters' names.
    """
    of = {ref_of(each): cluster_of(each, release) for wave in waves for each in wave}
    return [(hosts.get(of.get(each.ref) or "", mothership), each) for each in outcomes]


def apply(
    connection: Connection,
    fleet: Fleet,
    waves: Waves,
    *,
    check_mode: bool,
    pending: reconcile.Pending | None,
    progress: reconcile.Progress,
) -> list[Outcome]:
    """Bring the objects about; where some of a wave are refused, the next one isn't begun."""
    found: list[Outcome] = []
    for wave in waves:
        outcomes = reconcile.reconcile(
            connection,
            list(wave),
            policy=policy_of(fleet),
            check_mode=check_mode,
            pending=pending,
            progress=progress,
            guards=guards_of(fleet),
        )
        found += outcomes
        if any(each.action == "refused" for each in outcomes):
            break
    return found


def left(waves: Waves, outcomes: Sequence[Outcome]) -> list[str]:
    """What wasn't begun."""
    done = {each.ref for each in outcomes}
    return [str(ref_of(each)) for wave in waves for each in wave if ref_of(each) not in done]
