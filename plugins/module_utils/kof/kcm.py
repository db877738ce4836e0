# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kcm's API: its group, and the one way to choose among the versions of it that a management cluster serves.

Nothing about kof may be here, and no request but the one that asks which versions there are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

KCM_GROUP = "k0rdent.mirantis.com"
#: Versions whose fields this collection knows, newest first.
KCM_VERSIONS = ("v1beta1", "v1alpha1")


class NoKcm(Exception):
    """The server serves no version of kcm's API that is known here; the message says which it serves."""


def served_version(served: Collection[str]) -> str | None:
    """The newest version among those served that is known here; None if there is none.

    Not the one that the server prefers: that may be one whose fields nobody here has seen.
    """
    return next((version for version in KCM_VERSIONS if version in served), None)


def version_of(connection: Any) -> str:
    """The version of kcm's API to speak with this server.

    :raises NoKcm: it serves none that is known here.
    """
    group = connection.api_groups(KCM_GROUP)
    if group is None:
        raise NoKcm(
            f"{connection.server} serves no {KCM_GROUP} API: it is no k0rdent management cluster, or kcm is not "
            "installed there"
        )
    version = served_version(group["versions"])
    if version is None:
        raise NoKcm(
            f"{connection.server} serves {KCM_GROUP} in {', '.join(group['versions']) or 'no version'} only, and this "
            f"release of the collection knows {' and '.join(KCM_VERSIONS)}"
        )
    return version
