# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strings must look like: Kubernetes names and labels, domains, durations, sizes. One function per kind.

Only syntax: each function takes a string and returns what is wrong with it, or None. Limits name their source, since
the API servers check little of this (PromxyServerGroup's CRD has no required field, `config` and `jsonData` take all).
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.quantities import quantity
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_KEY_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_GO_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h))+\Z")
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_RETENTION = re.compile(r"([1-9][0-9]{0,4})([hdwy])\Z")
_QUANTITY = re.compile(r"([1-9][0-9]*)(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)\Z")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})\Z", re.ASCII)
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)\Z")
_IMAGE_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
#: github.com/distribution/reference: the host, and the path of a repository.
_IMAGE_REGISTRY = re.compile(
    r"(?=[^/]*[.:])[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*\Z", re.ASCII
)
# kcm gives a ClusterDeployment's name to Flux as spec.releaseName of a HelmRelease, whose limit is Helm's own.
CLUSTER_NAME_LIMIT = 53
# "grafana." is the longest name put before a domain, and DNS has 253 characters for all (RFC 1035).
DOMAIN_LIMIT = 253 - len("grafana.")
#: What the promxy operator of kof 0.1.1 would write into its configuration without escaping it, where it does harm.
_PROMXY_UNSAFE = re.compile(r"[\"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def dns_label(text: str, limit: int = 63, source: str = "a DNS label (RFC 1123)") -> str | None:
    """A name of lowercase letters, digits and dashes, at most `limit` long; `source` says where the limit is from."""
    if len(text) > limit:
        return f"has {len(text)} characters, but {source} has at most {limit}"
    if not _LABEL.match(text):
        return "must be lowercase letters, digits and dashes, and begin and end with a letter or digit (a DNS label)"
    return None


def cluster_name(text: str) -> str | None:
    return dns_label(text, CLUSTER_NAME_LIMIT, "Helm's release name, which kcm makes of a cluster's name,")


def object_name(text: str) -> str | None:
    """Name of a Kubernetes object such as a Secret or a template (DNS subdomain)."""
    return domain(text, 253, needs_dot=False)


def domain(text: str, limit: int = DOMAIN_LIMIT, *, needs_dot: bool = True) -> str | None:
    """A DNS name in lower case (an ingress takes no other), without a dot at its end."""
    if len(text) > limit:
        why = ", so that grafana.<domain> fits into DNS' 253" if limit == DOMAIN_LIMIT else " (RFC 1123)"
        return f"has {len(text)} characters, but at most {limit} are possible{why}"
    labels = text.split(".")
    for number, label in enumerate(labels, 1):
        if not label:
            return "has an empty part: no dot at its ends, none twice"
        problem = dns_label(label)
        if problem:
            # By its number: a piece from the middle of what is a secret in the wrong variable is known to nobody.
            return problem if len(labels) == 1 else f"part {number} {problem}"
    if needs_dot and len(labels) < 2:
        return "must have at least two parts, separated by a dot"
    if needs_dot and labels[-1].isdigit():
        return "must be a domain, not an address"
    return None


def go_duration(text: str) -> str | None:
    if _GO_DURATION.match(text):
        return None if nanoseconds(text) > 0 else "must be longer than nothing"
    return "must be a Go duration: numbers with units out of ns, us, ms, s, m and h, like 5s or 1m30s"


def nanoseconds(text: str) -> int:
    """Length of a Go duration that `go_duration` has nothing against, or of 0s."""
    total = 0
    for number, unit in _GO_PART.findall(text):
        whole, _dot, fraction = number.partition(".")
        total += int(whole) * _NANOSECONDS[unit]
        if fraction:
            total += int(fraction) * _NANOSECONDS[unit] // 10 ** len(fraction)
    return total


def moment(text: str) -> str | None:
    """A point in time of RFC 3339, with its zone."""
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) if _MOMENT.match(text) else None
    except ValueError:
        found = None
    return None if found else "must be a time with its zone, like 2027-03-01T04:00:00Z (RFC 3339)"


def seconds(moment: str) -> float:
    """Since 1970, of a text that `moment` has nothing against."""
    return datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def retention(text: str) -> str | None:
    found = _RETENTION.match(text)
    if not found:
        return (
            "must be a whole number with a unit, h, d, w or y "
            "(without one VictoriaMetrics reads months, while the chart calls it days)"
        )
    if found[2] == "h" and int(found[1]) < 24:
        return "must be at least 24h, VictoriaMetrics keeps nothing shorter"
    return None


def storage_size(text: str) -> str | None:
    return (
        None
        if _QUANTITY.match(text)
        else "must be a whole number with a unit, such as Mi, Gi or Ti (a Kubernetes quantity)"
    )


def resources(value: Mapping[str, Any]) -> str | None:
    """`resources` of a container (kubernetes.io/docs, Resource Management for Pods and Containers); nulls, which take a
    chart's default away, count as nothing."""
    amounts: dict[str, dict[str, Fraction]] = {"requests": {}, "limits": {}}
    for part, said in value.items():
        if part not in amounts:
            return f"has {cut(part, 60)}, but there are requests and limits only"
        if said is not None and not isinstance(said, Mapping):
            return f"{part} must be a map, of cpu and memory for example"
        for name, amount in (said or {}).items():
            if amount is None:
                continue
            found = None if isinstance(amount, bool) else quantity(amount)
            if found is None:
                return f"{part}.{cut(name, 60)} must be a Kubernetes quantity, such as 100m, 0.5 or 128Mi"
            if name in ("memory", "ephemeral-storage") and found.denominator != 1:
                return f"{part}.{name} is less than a byte in part: m are thousandths, Mi are megabytes"
            amounts[part][name] = found
    for name, amount in amounts["requests"].items():
        if amount > amounts["limits"].get(name, amount):
            return f"requests.{cut(name, 60)} is more than limits.{cut(name, 60)}, which no pod may have"
    return None


def email(text: str) -> str | None:
    found = _EMAIL.match(text)
    if not found or ".." in text or len(text) > 254 or domain(found[1].lower()):
        return "must be an e-mail address"
    return None


def image_tag(text: str) -> str | None:
    return None if _IMAGE_TAG.match(text) else "must be an image tag: letters, digits, _, . and -, at most 128"


def image_registry(text: str) -> str | None:
    """Where a mirror has its images: a host, with a port or a path behind it. A first part without a dot or a port is a
    name at Docker Hub."""
    return None if _IMAGE_REGISTRY.match(text) else "must be a host with a dot or a port, perhaps with a path behind it"


def label_key(text: str) -> str | None:
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or "/" in prefix or domain(prefix, 253, needs_dot=False)):
        return "must have a DNS name before its slash"
    if len(name) > 63 or not _KEY_NAME.match(name):
        return "must be at most 63 letters, digits, -, _ and ., and begin and end with a letter or digit"
    return None


def label_value(value: Any) -> str | None:
    if not isinstance(value, str):
        return 'must be a string: quote it, like "true"'
    if value and (len(value) > 63 or not _KEY_NAME.match(value)):
        return "must be at most 63 letters, digits, -, _ and ., and begin and end with a letter or digit"
    return None


def promxy_safe(text: str) -> str | None:
    """What the promxy operator can write between its unescaped double quotes without breaking every region's config."""
    found = _PROMXY_UNSAFE.search(text)
    if not found:
        return None
    what = {'"': "a double quote", "\\": "a backslash", "\n": "a line break"}.get(found[0], "a control character")
    return f"has {what}; the promxy operator doesn't escape it, and the configuration of all regions would break"


#: What a hosted zone is called at AWS.
_ZONE = re.compile(r"(/hostedzone/|arn:aws(-[a-z]+)*:route53:::hostedzone/)?Z[A-Z0-9]{1,31}\Z", re.ASCII)


def hosted_zone(text: str) -> bool:
    """Whether it can be the id or the ARN of a hosted zone of Route 53."""
    return bool(_ZONE.match(text))


def is_name(text: str) -> bool:
    """Whether it is no IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False
