# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces a status has, and the file of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.k0rdent.kof.plugins.module_utils.report import html
from ansible_collections.k0rdent.kof.plugins.module_utils.report.status import (
    Status,
    as_json,
    junit,
    prometheus,
    text,
)

#: By format, its face and the file that it is written to.
FACES: Mapping[str, tuple[Callable[[Status], str], str]] = {
    "text": (lambda status: text(status) + "\n", "status.txt"),
    "json": (as_json, "status.json"),
    "prometheus": (prometheus, "kof_status.prom"),
    "junit": (junit, "status.xml"),
    "html": (html.page, "status.html"),
}
