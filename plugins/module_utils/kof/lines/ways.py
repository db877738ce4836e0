# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one line to another: of which line live services are, and what hinders writing those of another over them.

Pure, and about lines as a whole: what a line is made of is in the file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import Version, parse, parse_dashed

#: Services by which kof before 0.2 is known.
MAIN_SERVICES = frozenset({"kof-storage", "kof-collectors"})
_UNVERSIONED = re.compile(r"^ {2}name: [\"']?kof-storage[\"']?$", re.MULTILINE)
_VERSIONED = re.compile(r"^ {2}name: [\"']?kof-storage-\d", re.MULTILINE)
#: The version under which there are charts of two lines, the other one of 0.1, and what is none of it any more.
_OF_BOTH, _OF_0_1, _BELOW = (Version(numbers) for numbers in ((0, 1, 0), (0, 1, 1), (0, 2, 0)))
#: By the line that is there and the one that is wanted.
_WAYS: Mapping[tuple[str, str], str] = {
    ("0.0", "0.1"): (
        "0.0 is upgraded by hand (docs/lines.md): helm takes over Secret kof-mothership-promxy-config "
        "(--take-ownership), storage classes are pinned, clusters get their new ServiceTemplates before the old ones "
        "go. Until then use kof_version: 0.0.x"
    ),
    ("0.0", "0.0"): (
        "charts were numbered anew on 2025-01-28, and 0.1.0 is newer than this one: helm upgrade it to 0.1.0 by hand, "
        "with its values, then run again"
    ),
    ("0.1", "0.0"): (
        "there is no way back to 0.0: its charts have other ServiceTemplates, and would take away those that clusters "
        'run with. Use kof_version: "0.1.1"'
    ),
}
_NEWER = (
    "there is no way back: from 0.2 on kof installs its services by labels, and these charts would take away the "
    "operators and ServiceTemplates that its clusters run with. Use a release of this collection that knows the "
    "installed kof, with its kof_version"
)


def way(there: str, wanted: str, *, newer: bool) -> str:
    """What hinders writing a release of the line `wanted` over what is there.

    :param there: its line.
    :param newer: whether its version is higher than that of what is wanted.
    """
    if (there, wanted) in _WAYS:
        return _WAYS[there, wanted]
    if there == wanted:
        return "a downgrade is no upgrade back: take the kof_version that is there"
    return _NEWER if newer else "the way from there isn't known to this release of the collection"


def line_of_chart(name: str, version: str, manifest: str) -> str | None:
    """The line of which an installed chart of kof is; None where nothing tells.

    :param manifest: of its Helm release. Charts of line 0.0 are called 0.1.x, too: those whose ServiceTemplates have no
        versions in their names.
    """
    mothership, found = name == "kof-mothership", parse(version)
    if mothership and _UNVERSIONED.search(manifest):
        return KOF_0_0.line
    if found is None:
        return None
    if not _VERSIONED.search(manifest):
        if found == _OF_BOTH:
            return None
        # Of line 0.1 nothing else was published; these are the first guide's, without templates in them.
        if mothership and _OF_BOTH < found < _BELOW and found.numbers != _OF_0_1.numbers:
            return KOF_0_0.line
    return ".".join(map(str, found.numbers[:2]))


def line_of(services: Iterable[Mapping[str, Any]]) -> str | None:
    """The line (0.0, 0.1) of which a cluster's main services are, by their ServiceTemplates.

    :param services: `spec.serviceSpec.services` of a ClusterDeployment.
    :returns: None where the templates are somebody's own, of several lines, or there are none.
    """
    found = set()
    for service in services:
        name, template = str(service.get("name")), str(service.get("template"))
        version = parse_dashed(template.removeprefix(f"{name}-"))
        if name not in MAIN_SERVICES:
            continue
        if version:
            found.add(".".join(map(str, version.numbers[:2])))
        elif template in KOF_0_0.service_templates:
            found.add(KOF_0_0.line)
    return found.pop() if len(found) == 1 else None


def hindrance(live: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> str | None:
    """Why these services may not follow those that a cluster has; None where nothing speaks against it."""
    there, then = line_of(live), line_of(wanted)
    if there is None or then is None or there == then:
        return None
    how = way(there, then, newer=there > then)
    return f"has the services of kof {there}, and those of {then} are wanted: {how}"
