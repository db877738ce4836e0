"""The faults that the simulator plays, kept in `<state>/faults.json`, which it reads at every reconcile.

May hold: the switches, their types, reading and writing them. May not hold: what they do.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from sandbox import state as state_files
from sandbox.state import SandboxError

Faults = dict[str, float | list[str]]

# What each switch names, for the help text and for the messages.
SWITCHES = {
    "slow_seconds": "seconds that the infrastructure of each ClusterDeployment takes longer",
    "step_seconds": "seconds for what takes the real kcm and Sveltos ten; 0: as `--clusters` has it",
    "slow_sveltos_seconds": "seconds until Sveltos looks at a ClusterSummary that was changed",
    "never_ready": "clusters that never become ready",
    "credential_not_ready": "Credentials that are not ready",
    "helm_fails_first": "cluster/service whose first Helm attempt fails, then heals",
    "helm_failed_non_retriable": "cluster/service that fails for good",
    "helm_of_others": "cluster/service of which somebody else has installed something there already",
    "helm_conflict": "cluster/service that another profile deploys, too",
    "says_no": "cluster/Condition that kcm says is False",
    "stuck_finalizer": "clusters whose finalizer stays when they are deleted",
    "unreachable": "clusters whose API server Sveltos can't reach",
    "kcm_asleep": "clusters whose changes kcm doesn't see",
    "asleep": "operators that do nothing: promxy, grafana",
    "kcm_ignores": "namespaces whose ClusterDeployments kcm leaves alone; * and ? match",
}


def none() -> Faults:
    """All switches off."""
    return {name: 0 if name.endswith("_seconds") else [] for name in SWITCHES}


def read(state: pathlib.Path) -> Faults:
    """The switches now."""
    return none() | state_files.read_json(state / "faults.json", {})


def parse(settings: Iterable[str]) -> Faults:
    """Switches out of `NAME=VALUE` texts; a list's value is comma-separated, empty is off. Raises SandboxError."""
    wanted: Faults = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in SWITCHES:
            raise SandboxError(f"{setting!r} is no fault; NAME=VALUE with a NAME of {', '.join(SWITCHES)}")
        if name.endswith("_seconds"):
            try:
                seconds = float(value or 0)
            except ValueError:
                seconds = -1
            if not 0 <= seconds < 86400:
                raise SandboxError(f"{name} wants seconds, not {value!r}")
            wanted[name] = seconds
        else:
            entries = [entry.strip() for entry in value.split(",") if entry.strip()]
            if name.startswith(("helm_", "says_")) and (odd := [entry for entry in entries if entry.count("/") != 1]):
                raise SandboxError(f"{name} wants {SWITCHES[name].split()[0]}, not {odd[0]!r}")
            wanted[name] = entries
    return wanted


def change(state: pathlib.Path, wanted: Faults) -> Faults:
    """Set some switches, leave the others, and return all."""
    now = read(state) | wanted
    state_files.write_json(state / "faults.json", now)
    return now


def clear(state: pathlib.Path) -> None:
    """Set all switches off."""
    state_files.write_json(state / "faults.json", none())
