# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of kof that are offered. Data only; what each is made of, and the ways between them, are in lines/."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct

#: By `kof_version`, the newest first.
RELEASES: Mapping[str, Direct] = {release.version: release for release in (KOF_0_1_1, KOF_0_0)}
LINES: Mapping[str, Direct] = {release.line: release for release in RELEASES.values()}
