# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""promxy's configuration as its operator would write it, so that it can be looked at before it exists.

The operator of kof 0.1.1 writes every string between double quotes and escapes nothing; so does this. `faults` names
what that would break, since one bad string breaks the configuration of all regions. That of 0.0 escapes; its image has
tag latest, and where that was pulled anew it is 0.1.1's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import SECRET_LIMIT
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.sveltos import quote
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted

#: Stands for a user name or password that isn't known; as long as what the charts make up.
UNKNOWN = "<from Secret>"

Credentials = Mapping[str, "tuple[str, str]"]


def render(
    groups: Sequence[Mapping[str, Any]], credentials: Credentials | None = None, release: Direct | None = None
) -> str:
    """The text of config.yaml.

    :param groups: PromxyServerGroup objects, in the order wanted; the operator's own order is not specified.
    :param credentials: user name and password by name of Secret; what isn't there shows as `<from Secret>`.
    :param release: whose operator writes it; None for 0.1.1.
    """
    release = release or RELEASES["0.1.1"]
    write = quote if release.promxy.escapes else _unescaped
    lines = [
        "global:",
        '  evaluation_interval: "5s"',
        "  external_labels:",
        '    source: "promxy"',
        "remote_write:",
        f"  - url: {write(release.promxy.remote_write_url)}",
        "promxy:",
        "  server_groups:" if groups else "  server_groups: []",
    ]
    for group in groups:
        lines += _group(group.get("spec") or {}, credentials or {}, write)
    return "\n".join(lines) + "\n"


def _unescaped(text: str) -> str:
    return f'"{text}"'


def _group(spec: Mapping[str, Any], credentials: Credentials, write: Callable[[str], str]) -> list[str]:
    client = spec.get("http_client") or {}
    secret = (client.get("basic_auth") or {}).get("credentials_secret_name", "")
    user, password = credentials.get(secret, (UNKNOWN, UNKNOWN))
    # Text isn't true here, whatever it says: the operator takes none, and a guess would trust anybody.
    skip = (client.get("tls_config") or {}).get("insecure_skip_verify") is True
    return [
        "    - static_configs:",
        "        - targets:",
        *(f"            - {write(target)}" for target in spec.get("targets") or []),
        f"      path_prefix: {write(spec.get('path_prefix', ''))}",
        f"      scheme: {write(spec.get('scheme', ''))}",
        "      http_client:",
        f'        dial_timeout: "{go_duration_text(client.get("dial_timeout", "0s"))}"',
        "        tls_config:",
        f"          insecure_skip_verify: {'true' if skip else 'false'}",
        "        basic_auth:",
        f"          username: {write(user)}",
        f"          password: {write(password)}",
        "      labels:",
        f"        promxyCluster: {write(spec.get('cluster_name', ''))}",
    ]


def faults(
    groups: Sequence[Mapping[str, Any]], credentials: Credentials | None = None, release: Direct | None = None
) -> list[Fault]:
    """What would break or empty the configuration; the host is the group's name, and no password is quoted.

    :param release: None for 0.1.1.
    """
    found = []
    clusters: dict[str, str] = {}
    for group in groups:
        name = (group.get("metadata") or {}).get("name", "?")
        spec = group.get("spec") or {}
        found += group_faults(group, credentials, release)
        cluster = spec.get("cluster_name", "")
        if cluster in clusters:
            found.append(
                Fault(
                    name,
                    "cluster_name",
                    f"is {quoted(cluster)} as in {clusters[cluster]}: every series would be there twice",
                    "one PromxyServerGroup for one cluster",
                )
            )
        clusters.setdefault(cluster, name)
    size = len(render(groups, credentials, release).encode())
    if size > SECRET_LIMIT:
        found.append(
            Fault(
                "promxy",
                "",
                f"the configuration of {len(groups)} groups has {size} bytes, but its Secret takes {SECRET_LIMIT}",
                "split the fleet over two management clusters",
            )
        )
    return found


def group_faults(
    group: Mapping[str, Any], credentials: Credentials | None = None, release: Direct | None = None
) -> list[Fault]:
    """As `faults`, of one group alone."""
    safe = _anything if release and release.promxy.escapes else syntax.promxy_safe
    name = (group.get("metadata") or {}).get("name", "?")
    found = _group_faults(group.get("spec") or {}, credentials or {}, safe)
    return [Fault(name, field, problem, example) for field, problem, example in found]


def _anything(_text: str) -> str | None:
    return None


def _group_faults(
    spec: Mapping[str, Any], credentials: Credentials, safe: Callable[[str], str | None]
) -> list[tuple[str, str, str]]:
    client = spec.get("http_client") or {}
    auth = client.get("basic_auth") or {}
    secret = auth.get("credentials_secret_name", "")
    found: list[tuple[str, str, str]] = []
    strings = {"cluster_name": spec.get("cluster_name"), "path_prefix": spec.get("path_prefix")}
    strings |= {f"targets[{index}]": target for index, target in enumerate(spec.get("targets") or [])}
    for field, value in strings.items():
        problem = safe(value) if isinstance(value, str) else None
        if problem:
            found.append((field, problem, "letters, digits, dots, dashes and slashes"))
    if not spec.get("targets"):
        found.append(("targets", "is empty: nothing would be read", "targets: [vmauth.eu1.kof.example.com:443]"))
    if not spec.get("cluster_name"):
        found.append(("cluster_name", "is empty", "cluster_name: eu1"))
    if spec.get("scheme") not in ("http", "https"):
        found.append(
            ("scheme", "must be http or https: unset it would be empty, which promxy can't speak", "scheme: https")
        )
    problem = syntax.go_duration(client.get("dial_timeout", ""))
    if problem:
        found.append(("http_client.dial_timeout", problem, "dial_timeout: 5s"))
    if not secret:
        field = "http_client.basic_auth.credentials_secret_name"
        found.append(
            (field, "is empty: the operator would write no configuration for any region", "storage-vmuser-credentials")
        )
    for what, value in zip(("user name", "password"), credentials.get(secret, ()), strict=False):
        problem = safe(value)
        if problem:
            found.append((f"Secret {secret}", f"its {what} {problem}", "letters and digits, as the chart makes them"))
    return found


def go_duration_text(text: str) -> str:
    """A Go duration as Go writes it: 60s is 1m0s, 1500ms is 1.5s. Text that is no duration comes back as it is."""
    if text != "0s" and syntax.go_duration(text):
        return text
    left = syntax.nanoseconds(text)
    if left == 0:
        return "0s"
    if left < 10**9:
        unit, size = next(each for each in (("ms", 10**6), ("µs", 10**3), ("ns", 1)) if left >= each[1])
        return f"{_decimal(left, size)}{unit}"
    minutes, rest = divmod(left, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 10**9)}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    digits = str(rest).zfill(len(str(size)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
