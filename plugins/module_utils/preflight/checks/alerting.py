# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the user's Alertmanager needs: the Secrets that its configuration reads. Pure."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation, by_value
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some

_VARIABLE = "mothership_alertmanager_config"


def alertmanager_secrets(s: Situation) -> list[Check]:
    """One that isn't there keeps Alertmanager's pod from starting; without the key nobody is told, which Alertmanager
    says in its log."""
    checks, fine = [], 0
    for name, keys in by_value((name, key) for name, key in s.alerting_secrets).items():
        if s.unread(f"Secret {name}"):
            continue
        title, data = f"Secret {name}", s.facts.secrets.get(name)
        if data is None:
            found = f"not in {s.namespace}, and Alertmanager reads {some(keys)} of it: its pod wouldn't start"
            remedy = f"make it: kubectl create secret generic {name} -n {s.namespace} --from-file={keys[0]}=…"
            # Before the first run there is no namespace to make it in.
            status = FAILED if s.facts.namespaces.get(s.namespace) else WARNING
            checks.append(Check(title, found, "there", remedy, status, s.mothership_hosts, _VARIABLE))
            continue
        for key in keys:
            if not data.get(key):
                what = "is empty" if key in data else f"isn't in it (there are: {some(sorted(data)) or 'none'})"
                remedy = did_you_mean(key, data, "") or "put it there, or name one that is"
                told = (f"key {key} {what}, and Alertmanager reads it", "there", remedy, FAILED)
                checks.append(Check(title, *told, s.mothership_hosts, _VARIABLE))
        fine += all(data.get(key) for key in keys)
    if checks or not fine:
        return checks
    return [Check("Alertmanager's Secrets", f"{fine}, with the keys that it reads")]
