# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch was asked to do and what came of it, and both as text for people. Pure; values arrive masked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import FieldChange, is_secret_name
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import HANDS

CHANGING = ("created", "updated", "adopted", "deleted")


@dataclass(frozen=True)
class Ref:
    """Which object. namespace: None for kinds without namespaces, and in a chart's manifest where that names none."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def identity(self, namespace: str) -> tuple[str, str, str, str]:
        """What helm tells objects apart by; not their API version.

        namespace: the release's, for what the manifest names none of.
        """
        return self.api_version.rpartition("/")[0], self.kind, self.namespace or namespace, self.name


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The Ref of an object, live, wanted or of a manifest, which may have a name that is no text, or none."""
    metadata = obj.get("metadata") or {}
    return Ref(str(obj["apiVersion"]), str(obj["kind"]), metadata.get("namespace"), str(metadata.get("name", "")))


#: Asked of (an object as it was just read, what is wanted in its stead; None: that it be gone): None to let it happen,
#: or why not and what to do about it, in one line without values. What it saw is what is written to, or nothing is.
Guard = Callable[[Mapping[str, Any], "Mapping[str, Any] | None"], "str | None"]


@dataclass(frozen=True)
class Policy:
    """How to treat what others did. Times in seconds; deadline: for the whole call, None for none."""

    drift_managers: tuple[str, ...] = HANDS
    force_conflicts: str = "hands"  # hands | never | always
    adopt: bool = True
    deadline: float | None = None
    request_timeout: float = 30


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be done, to one object.

    action: unchanged | created | updated | adopted | refused | deleted | absent; reason: why refused, one line of at
    most 300 characters; not_checked: what the prediction needs that isn't there yet, so that no server checked it;
    took_back: (field, manager, time) of others' changes undone; lost: refused for what is no fault of this object: the
    server, the login or the time ran out, for all that comes after too.
    """

    ref: Ref
    action: str
    changes: Sequence[FieldChange] = ()
    reason: str | None = None
    not_checked: str | None = None
    took_back: tuple[tuple[str, str, str], ...] = ()
    lost: bool = False

    @property
    def changed(self) -> bool:
        return self.action in CHANGING


@dataclass
class Pending:
    """What an earlier step in check mode would have made: ("Namespace", "kof"), ("crd", "group/Kind"),
    ("ServiceTemplate", "kcm-system/kof-storage-0-1-1"), …"""

    items: set[tuple[str, str]] = field(default_factory=set)

    def add(self, kind: str, name: str) -> None:
        self.items.add((kind, name))

    def kind_missing(self, api_version: str, kind: str) -> str | None:
        """What is needed for `kind` to be served, None if nothing pending brings it."""
        group = api_version.rpartition("/")[0]
        return f"CustomResourceDefinition of {kind} ({group})" if ("crd", f"{group}/{kind}") in self.items else None

    def lacking(self, error: ApiError, ref: Ref) -> str | None:
        """What on the list a refusal of `ref` is about, None if it is about something else."""
        if error.status == 404 and ref.namespace and f'namespaces "{ref.namespace}" not found' in error.message:
            return f"Namespace {ref.namespace}" if ("Namespace", ref.namespace) in self.items else None
        if error.status not in (400, 403, 404, 422) or 'User "' in error.message:
            return None
        for kind, name in sorted(self.items):
            own_name = name.rpartition("/")[2]
            if kind not in ("crd", "Namespace") and _mentions(error.message, own_name):
                return f"{kind} {name}"
        return None


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None


def refusal_reason(error: ApiError, ref: Ref) -> str:
    """An API server's refusal in one line of at most 300 characters: which field, or which webhook, and why; without
    values that may be secrets."""
    message = error.message
    webhook = re.search(r'admission webhook "([^"]+)" denied the request:? ?(.*)', message, re.DOTALL)
    policy = re.search(r"ValidatingAdmissionPolicy '([^']+)'.* denied request: (.*)", message, re.DOTALL)
    if webhook:
        return one_line(f"webhook {webhook.group(1)}: {_without_values(webhook.group(2), ref)}")
    if policy:
        return one_line(f"admission policy {policy.group(1)}: {_without_values(policy.group(2), ref)}")
    if error.status == 500 and error.is_schema_refusal:
        text = message.partition("): ")[2] or message.partition(": ")[2] or message
        return one_line(f"doesn't fit the schema: {_without_values(text.lstrip('.'), ref)}")
    if error.status == 422 and error.causes:
        parts = []
        for cause in error.causes:
            name = cause.get("field", "").strip(".")
            parts.append(f"{name}: {_without_values(cause.get('message', ''), ref, name)}")
        return one_line("; ".join(dict.fromkeys(parts)))
    if error.status == 403:
        return one_line(f"not allowed: {_without_values(message, ref)}")
    return one_line(f"{_without_values(message, ref)} (status {error.status})")


def _without_values(text: str, ref: Ref, name: str = "") -> str:
    """`text` without what the server quotes of our own values: always for Secrets and password-like fields, and for
    any other field the dump of an unexpected type."""
    text = re.sub(r", got &(value\.\w+)?\{.*?\}(?=$|[,;)])", ", got another type", text, flags=re.DOTALL)
    if ref.kind == "Secret" or is_secret_name(name) or is_secret_name(text.partition(":")[0]):
        text = re.sub(r'(Invalid value|Unsupported value|Duplicate value): ("(\\.|[^"\\])*"|\S+)', r"\1", text)
    return text


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many outcomes of each action, only those that occur."""
    result: dict[str, int] = {}
    for outcome in outcomes:
        result[outcome.action] = result.get(outcome.action, 0) + 1
    return result


def told_as(action: str, *, check_mode: bool) -> str:
    """An outcome's action in words: in check mode nothing was done."""
    return f"would be {action}" if check_mode and action in CHANGING else action.replace("_", " ")


def in_words(numbers: Mapping[str, int], *, check_mode: bool) -> list[str]:
    """`counts` as parts of a sentence."""
    told = [f"{number} {told_as(action, check_mode=check_mode)}" for action, number in sorted(numbers.items())]
    return told or ["nothing to do"]


def result_of(outcomes: Sequence[Outcome], *, diff: bool, hosts: Sequence[str] = ()) -> dict[str, Any]:
    """What every result says of what was written: `changed`, the `objects` that changed, what it `took_back` from
    whom, and if wanted the `diff`. Names and actions, never a whole object.

    hosts: as diff_of's.
    """
    result: dict[str, Any] = {
        "changed": any(outcome.changed for outcome in outcomes),
        "objects": [
            {"object": str(outcome.ref), "action": outcome.action}
            | ({"not_checked": outcome.not_checked} if outcome.not_checked else {})
            for outcome in outcomes
            if outcome.changed
        ],
        "took_back": [
            f"{outcome.ref}: {field} from {manager}" + (f" (set {when})" if when else "")
            for outcome in outcomes
            for field, manager, when in outcome.took_back
        ],
    }
    return result | ({"diff": diff_of(outcomes, hosts=hosts)} if diff else {})


def diff_of(
    outcomes: Sequence[Outcome], cap_object: int = 60, cap_total: int = 600, hosts: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Ansible's diff entries (before_header, after_header, before, after), one per changed object, secrets masked.

    cap_object, cap_total: lines kept of one object and of all; what is left out is said. hosts: of each outcome, whose
    it is; then its entry says so in `host`.
    """
    result: list[dict[str, str]] = []
    left, skipped = cap_total, 0
    for outcome, host in itertools.zip_longest(outcomes, hosts):
        if not outcome.changed:
            continue
        if left <= 0:
            skipped += 1
            continue
        before, after = _texts(outcome, min(cap_object, left))
        left -= max(before.count("\n"), after.count("\n"), 1)
        note = f" (not checked by the server: needs {outcome.not_checked})" if outcome.not_checked else ""
        result.append(
            {
                "before_header": str(outcome.ref),
                "after_header": f"{outcome.ref} {outcome.action}{note}",
                "before": before,
                "after": after,
                **({"host": host} if host else {}),
            }
        )
    if skipped:
        text = f"{skipped} more changed objects are left out of this diff\n"
        of_last = {"host": result[-1]["host"]} if hosts else {}
        result.append({"before_header": "more", "after_header": "more", "before": "", "after": text, **of_last})
    return result


def _texts(outcome: Outcome, cap: int) -> tuple[str, str]:
    before: list[str] = []
    after: list[str] = []
    for change in outcome.changes:
        if change.before is not None:
            before += _lines(change.path, change.before)
        if change.after is not None:
            after += _lines(change.path, change.after)
        elif change.before is None:
            after += [f"{change.path}: null"]
        if change.taken_from:
            before[-1:] = [f"{before[-1]}  # by {change.taken_from} at {change.taken_at}"] if before else []
    if not outcome.changes and outcome.action == "adopted":
        after = ["# managed by k0rdent.kof from now on"]
    if outcome.action == "deleted":
        before = ["# exists"]
    return _capped(before, cap), _capped(after, cap)


def _lines(path: str, value: Any) -> list[str]:
    """A field as lines; text of several lines as a block, so that ansible's diff shows the lines that differ."""
    if isinstance(value, str) and "\n" in value:
        # By line breaks alone: other characters at which splitlines() breaks have to be seen.
        return [f"{path}: |", *(f"  {line}" for line in value.removesuffix("\n").split("\n"))]
    if isinstance(value, (dict, list)) and value:
        import yaml  # PyYAML comes with ansible-core; module_utils may not import it at the top

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10000)
        return [f"{path}:", *(f"  {line}" for line in text.splitlines())]
    if value is True or value is False:
        value = str(value).lower()
    return [f"{path}: {value}"]


def _capped(lines: list[str], cap: int) -> str:
    if len(lines) > cap:
        lines = [*lines[:cap], f"… {len(lines) - cap} more lines"]
    return "".join(f"{line}\n" for line in lines)
