# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What helm 3 stores about a release, and what has to be done about it. Pure: decodes, compares and decides.

May know helm's release Secrets and statuses; may not start helm (command.py) nor speak to an API server (store.py).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import changes, masked
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import join
from ansible_collections.k0rdent.kof.plugins.module_utils.text.foreign_yaml import NotYaml, documents, read
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import from_json
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import HIDDEN, logins, quoted, without_login
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import parse

#: A helm is at work on the release, or was killed at it.
PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
#: Oldest helm 3 whose flags we use: `--dry-run=server` with `lookup` came in 3.13, its fixes in 3.14.
OLDEST_HELM = (3, 14)
#: Oldest helm that refuses a chart whose values.schema.json isn't valid itself (its JSON Schema library is another one
#: from here on). It has `--skip-schema-validation`, which came in 3.16.
CHECKS_SCHEMAS = (3, 18, 5)
#: helm's own rule for the name of a release.
RELEASE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
RELEASE_NAME_LIMIT = 53
#: Seconds that a helm may need beside its time-out, before it starts to wait and after.
GRACE = 10.0

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FLUX_LABEL = re.compile(r"^\s+[\"']?helm\.toolkit\.fluxcd\.io/(name|namespace)[\"']?: [\"']?([^\s\"']+)", re.MULTILINE)
_GZIP = b"\x1f\x8b"


class NotARelease(Exception):
    """A Secret labelled as helm's whose payload can't be read; the message names the Secret."""


@dataclass(frozen=True)
class Revision:
    """One revision of a release, as its Secret has it.

    ``config`` is what the user gave as values. ``started`` is when the revision's Secret was made, by the API
    server's clock: for people, and never measured against this machine's. ``payload`` is the whole decoded release,
    for writing it back.
    """

    version: int
    status: str
    chart: str
    chart_version: str
    app_version: str
    config: Mapping[str, Any]
    manifest: str
    hooks: Sequence[Mapping[str, Any]]
    started: datetime
    secret: str
    resource_version: str
    payload: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """The release that shall be: chart name, version (None: any that is there) and the user's values."""

    chart: str
    chart_version: str | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """The next step for a release and why.

    - ``install``: nothing is there (or an uninstalled release's history is)
    - ``reinstall``: a first install that ended before its install hooks did, which an upgrade would never run
    - ``upgrade``
    - ``rollback``: to revision ``base``, then decide again
    - ``check``: the release is as wanted if all its objects are there
    - ``wait``: a helm may be at work
    """

    step: Literal["install", "reinstall", "upgrade", "rollback", "check", "wait"]
    why: str
    base: int | None = None


@dataclass(frozen=True)
class Foreseen:
    """What helm has to do for a release, as far as it can be known without doing any of it.

    :ivar step: of the Decision; None where nothing is to be done, or a problem keeps that from being known.
    :ivar rendered: all that the chart gives, with hooks and, where they are installed, the CRDs of its folder crds/.
    :ivar held: what the revisions in place hold.
    :ivar absent: of that, what isn't there, or is being deleted.
    :ivar removed: of that, what helm takes away.
    :ivar failed: the last revision isn't deployed: what it left is not known.
    :ivar revisions: how many are stored.
    :ivar problem: why nothing can be known, or may be done. Never a secret.
    :ivar unreachable: that is because a server, the registry's, can't be reached.
    """

    name: str
    step: str | None = None
    rendered: Sequence[Mapping[str, Any]] = ()
    held: Sequence[Mapping[str, Any]] = ()
    absent: Sequence[Ref] = ()
    removed: Sequence[Ref] = ()
    failed: bool = False
    revisions: int = 0
    problem: str | None = None
    unreachable: bool = False


# -- what is stored


def decode(secret: Mapping[str, Any]) -> Revision:
    """The revision that a release Secret (as the API server gives it) holds. Raises NotARelease."""
    metadata = secret["metadata"]
    name = metadata["name"]
    try:
        raw = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        payload = from_json(gzip.decompress(raw) if raw.startswith(_GZIP) else raw)
        chart = payload.get("chart", {}).get("metadata", {})
        return Revision(
            version=int(payload["version"]),
            status=str(payload["info"]["status"]),
            chart=str(chart.get("name", "")),
            chart_version=str(chart.get("version", "")),
            app_version=str(chart.get("appVersion", "")),
            config=payload.get("config") or {},
            manifest=payload.get("manifest") or "",
            hooks=payload.get("hooks") or [],
            started=_time(metadata["creationTimestamp"]),
            secret=name,
            resource_version=str(metadata.get("resourceVersion", "")),
            payload=payload,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, zlib.error, binascii.Error) as error:
        raise NotARelease(
            f"the Secret {name} is labelled as a release of helm's but can't be read ({type(error).__name__}): "
            "was it edited, or written by a helm of another major version?"
        ) from None


def marked_failed(revision: Revision, why: str) -> dict[str, Any]:
    """A merge patch for the revision's Secret which says that it failed, as helm itself would have; guarded by its
    resourceVersion."""
    payload = dict(revision.payload)
    payload["info"] = {**payload["info"], "status": "failed", "description": why}
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    # No time in the gzip header: the same release gives the same bytes.
    stored = base64.b64encode(base64.b64encode(gzip.compress(text, mtime=0))).decode()
    return {
        "metadata": {"resourceVersion": revision.resource_version, "labels": {"status": "failed"}},
        "data": {"release": stored},
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# -- what to do


def decide(history: Sequence[Revision], wanted: Wanted) -> Decision:
    """The next step towards `wanted`, by the release's revisions in ascending order (none: there is no release)."""
    if not history:
        return Decision("install", "there is no such release")
    last = history[-1]
    if last.status == "uninstalled":
        return Decision("install", "it was uninstalled")
    if last.status in PENDING:
        return Decision("wait", f"revision {last.version} is {last.status}")
    if last.status == "deployed":
        difference = differs(last, wanted)
        return Decision("upgrade", difference) if difference else Decision("check", "it is deployed as wanted")
    why = f"revision {last.version} is {last.status}"
    base = _last_good(history)
    if base is None:
        missed = missed_hooks(last)
        if missed:
            return Decision("reinstall", f"{why} and was never deployed; its {', '.join(missed)} did not run")
        return Decision("upgrade", f"{why} and was never deployed")
    abandoned = [revision for revision in history if revision.version > base.version]
    if all(not differs(revision, wanted) for revision in abandoned):
        # The same again over the last good one: helm's three-way merge leaves nothing behind then.
        return Decision("upgrade", why)
    return Decision("rollback", f"{why}, with another chart or other values than wanted", base.version)


def _last_good(history: Sequence[Revision]) -> Revision | None:
    for status in ("deployed", "superseded"):
        found = [revision for revision in history if revision.status == status]
        if found:
            return found[-1]
    return None


def patience(revision: Revision, timeout: float) -> float:
    """Seconds that a helm with this time-out may be at work on a pending revision: it counts the time-out anew for each
    hook."""
    verb = revision.status.removeprefix("pending-").replace("uninstalling", "delete")
    events = {f"pre-{verb}", f"post-{verb}"}
    hooks = sum(not events.isdisjoint(hook.get("events") or []) for hook in revision.hooks)
    return timeout * (1 + hooks) + GRACE


def missed_hooks(revision: Revision) -> list[str]:
    """The install hooks ("pre-install HelmRepository x") of a revision that did not end well; an upgrade doesn't
    run them."""
    missed = []
    for hook in revision.hooks:
        events = [event for event in hook.get("events") or [] if event in ("pre-install", "post-install")]
        if events and (hook.get("last_run") or {}).get("phase") != "Succeeded":
            missed.append(f"{events[0]} hook {hook.get('kind')} {hook.get('name')}")
    return missed


def in_place(history: Sequence[Revision]) -> list[Revision]:
    """The revisions of which an upgrade, or a rollback and then an upgrade, takes away what the new one doesn't hold:
    the last one, and the last good one where that is another."""
    if not history or history[-1].status == "uninstalled":
        return []
    good = _last_good(history)
    return [history[-1], *([good] if good is not None and good is not history[-1] else [])]


def differs(revision: Revision, wanted: Wanted) -> str:
    """In which way a revision is not the wanted one, "" if it is."""
    if revision.chart != wanted.chart:
        return f"it is of chart {revision.chart}"
    if wanted.chart_version is not None and _plain(revision.chart_version) != _plain(wanted.chart_version):
        return f"it is of chart version {revision.chart_version}"
    if not same_values(wanted.values, revision.config):
        return "its values differ"
    return ""


def downgrade(history: Sequence[Revision], wanted: Wanted) -> str | None:
    """The newer chart version that a release would come down from; None if it wouldn't. A revision that never worked
    doesn't count."""
    base = _last_good(history)
    if base is None or base.chart != wanted.chart:
        return None
    there, version = parse(base.chart_version), parse(wanted.chart_version)
    return base.chart_version if there and version and version < there else None


def _plain(version: str) -> str:
    """helm takes v1.2.3 for 1.2.3."""
    return version.removeprefix("v")


def same_values(one: Any, other: Any) -> bool:
    """Deep equality of values, as helm stores them: numbers are floats there, but a boolean is never a number."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_values(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_values(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def values_that_differ(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """The paths of values that aren't the same: none of the values themselves, which may be secrets."""
    return [each.path.removeprefix("values.") for each in changes({"values": wanted}, {"values": stored})]


def objects(manifest: str) -> list[Ref]:
    """The objects of a rendered manifest, in its order; lists are opened. Raises NotARelease."""
    return [ref_of(document) for document in contents(manifest)]


def hook_events(document: Mapping[str, Any]) -> list[str]:
    """The events of a hook, "pre-install" and the like; empty for what is no hook."""
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    return [event.strip() for event in str(annotations.get("helm.sh/hook") or "").split(",") if event.strip()]


def secret_data(manifest: str) -> dict[tuple[str | None, str], dict[str, str]]:
    """The data of the Secrets of a rendered manifest, by namespace (None: the release's) and name. Raises
    NotARelease."""
    found = {}
    for document in contents(manifest):
        if document["kind"] == "Secret" and document["apiVersion"] == "v1":
            metadata = document["metadata"]
            found[metadata.get("namespace"), metadata["name"]] = {
                key: str(value) for key, value in (document.get("data") or {}).items()
            }
    return found


def contents(manifest: str) -> Iterator[dict[str, Any]]:
    """The objects of a rendered manifest themselves. Raises NotARelease."""
    try:
        yield from _documents(documents(manifest))
    except NotYaml as error:
        raise NotARelease(f"the manifest that helm stored of it can't be read: {error}") from None


def _documents(found: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for document in found:
        if not isinstance(document, dict) or not document.get("kind"):
            continue
        if document["kind"] == "List" and isinstance(document.get("items"), list):
            yield from _documents(document["items"])
        else:
            yield document


def flux_keeper(manifest: str) -> str | None:
    """The Flux HelmRelease (namespace/name) that rendered a manifest: it labels every object; None for anybody else."""
    found = dict(_FLUX_LABEL.findall(manifest))
    return f"{found.get('namespace', '?')}/{found['name']}" if "name" in found else None


def keeper(history: Sequence[Revision]) -> str | None:
    """The Flux HelmRelease that keeps a release: of its last revision, or of the last good one, which a failed try of
    somebody else's left in place."""
    return next(filter(None, (flux_keeper(each.manifest) for each in in_place(history))), None)


# -- what is asked


def seconds(duration: str) -> float:
    """The seconds of a duration in Go's form ("10m", "1h30m", "90s"); a bare number is seconds. Raises ValueError."""
    text = duration.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    if not re.fullmatch(rf"(?:{_DURATION_PART.pattern})+", text):
        raise ValueError(f"{quoted(duration)} is no duration: write for example 10m or 600s")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def version_of(text: str) -> tuple[int, int, int] | None:
    """The numbers of a helm that calls itself `text` ("v3.19.5+g1a2b"); None where it says none."""
    match = re.search(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def fault_of_version(text: str) -> str | None:
    """Why we can't use a helm that calls itself `text`, None if we can."""
    found = version_of(text)
    oldest = ".".join(map(str, OLDEST_HELM))
    if not found:
        return f"it says no version that we understand ({quoted(text.strip())}); helm 3, {oldest} or newer, is needed"
    if found[0] > OLDEST_HELM[0]:
        return (
            f"it is helm {text.strip()}: helm {found[0]} applies and owns fields in another way, which kof's charts "
            f"do not bear; install helm 3 ({oldest} or newer) beside it and name it with binary_path"
        )
    if found < OLDEST_HELM:
        return f"it is helm {text.strip()}; helm 3, {oldest} or newer, is needed"
    return None


def secrets_of(values: Any) -> list[str]:
    """All strings and numbers in `values` that a diff hides, as text; of a text that holds some, those."""
    # A switch is no secret: hidden as one, each "true" of the output would become asterisks.
    return [text for text in _hidden(values, masked(values)) if text.lower() not in ("true", "false", "")]


def _hidden(value: Any, shown: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _hidden(child, shown[key])
    elif isinstance(value, list):
        for child, its in zip(value, shown, strict=True):
            yield from _hidden(child, its)
    elif isinstance(value, str) and value != shown != HIDDEN:
        yield from logins(value)
        yield from _hidden_in(without_login(value), shown)
    elif value != shown:
        yield str(value)


def _hidden_in(text: str, shown: str) -> Iterator[str]:
    """What of a text is hidden in `shown`: values of its YAML, or what stands between that which is left."""
    with contextlib.suppress(NotYaml):
        tree = read(text, whole=True)
        if isinstance(tree, (dict, list)):
            yield from _hidden(tree, masked(tree))
            return
    first, *others = shown.split(HIDDEN)
    at = len(first)
    for number, left in enumerate(others, 1):
        end = len(text) - len(left) if number == len(others) else text.find(left, at + 1)
        if not text.startswith(first) or end < at:
            yield text
            return
        yield text[at:end]
        at = end + len(left)


def values_diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """The values that differ, as lines "path: value" before and after, what is secret masked. A null is a value: it
    takes the chart's default away."""
    old, new = {"values": dict(before or {})}, {"values": dict(after or {})}
    old_nulls, new_nulls = set(_nulls(old)), set(_nulls(new))
    old_lines, new_lines = [], []
    for change in changes(old, new):
        path = change.path.removeprefix("values").removeprefix(".") or "values"
        if change.before is not None or change.path in old_nulls:
            old_lines.append(f"{path}: {json.dumps(change.before, ensure_ascii=False)}")
        if change.after is not None or change.path in new_nulls:
            new_lines.append(f"{path}: {json.dumps(change.after, ensure_ascii=False)}")
    return old_lines, new_lines


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all nulls, written as a FieldChange has them."""
    if value is None:
        yield path
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _nulls(child, join(path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _nulls(child, f"{path}[{index}]")
