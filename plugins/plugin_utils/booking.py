# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this run has kept of its batches, and who books it: the door to report/outcomes.py.

Core books a batch's result on the batch's first host. So the batch says only what it did to whom; a task after it
keeps that as a fact of localhost, over kof_serial's batches, --limit and layers; plays at the end book each cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import Run
from ansible_collections.k0rdent.kof.plugins.module_utils.report import outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import (
    BY_PLAY,
    BY_ROLE,
    BY_TASK,
    LOCALHOST,
    Outcomes,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import to_plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asked import report_follows
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say, warn

#: Facts of localhost: of each batch of these layers and jobs, what `Outcomes.fact` gives. Of a cluster's reasons the
#: last one counts: what a layer said of it is more than what is found of it afterwards.
FACTS = (
    "__verify_outcomes",
    "__regional_outcomes",
    "__child_outcomes",
    "__delete_outcomes",
    "__prune_outcomes",
    "__uninstall_outcomes",
    "__restore_outcomes",
    "__status_outcomes",
    "__drift_outcomes",
    "__dns_records_outcomes",
)
#: Fact of localhost: the last result of fleet_report.
REPORT = "__report_booked"
#: Variables in which the tasks of batches keep their results, with the diffs.
RESULTS = (
    *("__regional_applied", "__child_applied", "__delete_deleted", "__prune_deleted"),
    *("__restore_begun", "__restore_done"),
)
#: In which the tasks of the roles mothership and dns_credentials keep what became of all but the charts, with the words
#: for it. They book themselves, on the mothership's host.
OF_MOTHERSHIP = {
    "__mothership_namespace": "Namespace of kof written",  # as check mode has it; else it is only looked at
    "__mothership_made": "Namespace of kof written",
    "__mothership_put_right": "Namespace of kof written",
    "__mothership_on_charts": "dashboards and alerts written",
    "__dns_credentials_made_node_roles": "policies of node roles written",
    "__dns_credentials_made_policy": "IAM policy written",
    "__dns_credentials_made_role": "IAM role written",
    "__dns_credentials_made_instance_profile": "instance profile written",
    "__dns_credentials_made_user": "IAM user written",
    "__dns_credentials_made_access_key": "access key of external-dns written",
    "__dns_credentials_made_secret": "Secret of external-dns written",
    "__dns_credentials_removed_policies": "policies of node roles removed",
    "__dns_credentials_removed_user": "IAM user removed",
    "__dns_credentials_removed_instance_profile": "instance profile removed",
    "__dns_credentials_removed_role": "IAM role removed",
    "__dns_credentials_removed_policy": "IAM policy removed",
}
#: And of the charts.
CHARTS = "__mothership_released"
#: In which a look at the fleet keeps its result, with the files that it has written.
OF_LOOKS = ("__verify_told", "__status_told", "__drift_told")
#: The option of batch actions: who says what became of each cluster.
OPTION = {"booked_by": {"type": "str", "default": BY_TASK, "choices": [BY_TASK, BY_ROLE, BY_PLAY]}}


def run_of(task_vars: Mapping[str, Any], booked_by: str) -> Run:
    """The run that a batch is part of.

    :param booked_by: who is to book what becomes of its clusters.
    """
    alone = booked_by == BY_TASK or (booked_by == BY_PLAY and not report_follows(task_vars))
    hosts = list(task_vars.get("ansible_play_hosts_all") or ())
    return Run(noted(task_vars), hosts, booked_by, alone, say, warn)


def noted(task_vars: Mapping[str, Any]) -> Outcomes:
    """What this run did until now, whoever books it."""
    return outcomes.together(fact for facts in _facts(task_vars).values() for fact in facts)


def of_run(task_vars: Mapping[str, Any]) -> Outcomes:
    """What this run did until now to all clusters, the mothership among them, and who has failed by now."""
    found, done = noted(task_vars), _on_motherships(task_vars)
    done.add(found.fact(BY_PLAY))
    for host in sorted({*task_vars.get("ansible_play_hosts_all", ())} - {*task_vars.get("ansible_play_hosts", ())}):
        done.failed.setdefault(host, "a task of it failed")
    return done


def _on_motherships(task_vars: Mapping[str, Any]) -> Outcomes:
    """What tasks changed there that book themselves."""
    hostvars, done = task_vars["hostvars"], Outcomes()
    for host in task_vars["groups"].get("kof_mothership", ()):
        told = list(dict.fromkeys(_of_mothership(hostvars.raw_get(host))))
        done.changed |= {host: ", ".join(told)} if told else {}
    return done


def _of_mothership(results: Mapping[str, Any]) -> Iterator[str]:
    """What the tasks of OF_MOTHERSHIP changed, and what became of the charts.

    :param results: by the variable in which a task keeps its own, beside other variables.
    """
    for name, what in OF_MOTHERSHIP.items():
        if (results.get(name) or {}).get("changed"):
            yield what
    for each in (results.get(CHARTS) or {}).get("results", ()):
        if each.get("changed"):
            status = to_plain(each.get("status")) or {"name": to_plain(each.get("item"))}
            name = "/".join(str(status[key]) for key in ("namespace", "name") if status.get(key))
            yield f"Helm release {name} {each.get('action') or 'begun, and failed'}"


def for_report(task_vars: Mapping[str, Any]) -> Outcomes:
    """What is to be told at the end: of `noted`, what no role has booked itself, and what changed on the mothership."""
    done = _on_motherships(task_vars)
    done.add(outcomes.unbooked(_facts(task_vars)).fact(BY_PLAY))
    return done


def _facts(task_vars: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    of_localhost = task_vars["hostvars"].raw_get(LOCALHOST)
    return {name: to_plain(of_localhost[name]) for name in FACTS if name in of_localhost}


def report(task_vars: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """As outcomes.report. --limit leaves localhost out, and it may be the name of a cluster."""
    told = to_plain(_last_report(task_vars).get("told", {}))
    clusters = {host for name, hosts in task_vars["groups"].items() if name.startswith("kof_") for host in hosts}
    on_localhost = task_vars.get("ansible_limit") is None and LOCALHOST not in clusters
    files = [file for name in OF_LOOKS for file in to_plain((task_vars.get(name) or {}).get("files")) or ()]
    return outcomes.report(
        _facts(task_vars),
        told,
        check_mode=check_mode,
        on_localhost=on_localhost,
        files=files if not check_mode else (),
        beside=_on_motherships(task_vars),
    )


def diffs_of(task_vars: Mapping[str, Any], hosts: Collection[str]) -> list[dict[str, str]]:
    """The diffs that batches have of these hosts. Core shows no diff of a task that isn't changed."""
    found = []
    for host in hosts:
        variables = task_vars["hostvars"].raw_get(host)
        diffs = [each for name in RESULTS for each in (variables.get(name) or {}).get("diff") or ()]
        found += [to_plain(each) for each in diffs if each.get("host") == host]
    return found


def booking_of(task_vars: Mapping[str, Any], host: str) -> dict[str, Any]:
    """What fleet_report wants booked on this host: `status`, `msg`, `more`; empty if nothing."""
    return to_plain(_last_report(task_vars).get("booked", {}).get(host, {}))


def failure_of(task_vars: Mapping[str, Any], host: str) -> str:
    """Why this host failed; empty if it didn't."""
    return str(_last_report(task_vars).get("failed_because", {}).get(host, ""))


def _last_report(task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    return task_vars["hostvars"].raw_get(LOCALHOST).get(REPORT, {})
