# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/grafana_datasource.py, which does the work."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.single_object import RECONCILE_OPTIONS
from ansible_collections.k0rdent.kof.plugins.modules.grafana_datasource import ARGUMENTS
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    OPTIONS = {**RECONCILE_OPTIONS, **ARGUMENTS}  # noqa: RUF012
