# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs this, where, as which job, and since when: for the record of a run. Knows nothing of Kubernetes."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import multiprocessing
import os
import platform
import secrets
from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals

#: Core imports the code of actions in the process that it forks all others from: once a run, at its first task of ours.
_BEGAN = datetime.datetime.now(datetime.UTC)
_CHANCE = secrets.token_hex(8)


def began() -> str:
    """When this run was at its first task of ours, RFC 3339."""
    return stamp(_BEGAN)


def stamp(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def name() -> str:
    """Of this run, the same in all its tasks, and no other's: as an object may be named."""
    main = multiprocessing.parent_process()
    short = hashlib.sha256(f"{_CHANCE}{main.pid if main else os.getpid()}".encode()).hexdigest()[:8]
    return f"kof-run-{_BEGAN.strftime('%Y%m%dt%H%M%Sz')}-{short}"


def told(task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """`user`, `host`, `job` (None outside of AWX) and `playbook` of this run, as far as they are known."""

    def awx(name: str) -> str:
        """AWX has them as extra variables; an older one under tower's name."""
        for prefix in ("awx", "tower"):
            try:
                value = to_plain(task_vars.get(f"{prefix}_{name}"))
            except NotPlain:
                continue
            if isinstance(value, (str, int)) and value != "":
                return str(value)
        return ""

    job = {"id": awx("job_id") or os.environ.get("JOB_ID", ""), "template": awx("job_template_name")}
    job |= {"launched_by": awx("job_launch_type")}
    schedule = awx("schedule_name")
    return {
        "user": awx("user_name") or (f"schedule {schedule}" if schedule else _user()),
        "host": platform.node(),
        "job": {key: value for key, value in job.items() if value} or None,
        "playbook": " ".join(core_internals.arguments()),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
