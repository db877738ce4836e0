# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What helm has to do for the charts of the management cluster: each is looked at, and rendered if it isn't as wanted.

Starts helm and changes nothing. What that needs is charts.py's to say, and what is wrong with it the checks'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import HelmFailed, HelmUnusable
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.run import OPTIONS, BadInput, Refused, ReleaseRun
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen, NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts

Foresee = Callable[[Any, str, Sequence[str]], Sequence[Foreseen]]


def of_settings(settings: Mapping[str, Any]) -> Foresee:
    """The look at the releases of mothership_values.settings, by connection, version of Kubernetes and API versions."""
    defaults = {name: option.get("default") for name, option in OPTIONS.items()}
    wanted = [
        {
            **defaults,
            **settings["helm"],
            "release_name": each["name"],
            "release_namespace": each["namespace"],
            "chart_ref": each["chart_ref"],
            "chart_repo_url": each.get("chart_repo_url"),
            "chart_version": each["chart_version"],
            "release_values": each["values"],
            "timeout": f"{each['timeout']}s",
            "skip_schema_validation": each["skip_schema_validation"],
            "needed_objects": each["needed_objects"],
            "foreign_objects": each.get("foreign_objects", []),
            "growing_values": each.get("growing_values", {}),
            "fixed_values": each.get("fixed_values", []),
        }
        for each in settings["releases"]
    ]

    def foresee(connection: Any, kubernetes: str, served: Sequence[str]) -> list[Foreseen]:
        found: list[Foreseen] = []
        for each in wanted:
            # Each chart stands on the ones before, with their CRDs.
            brought = [api for before in found for api in charts.served_by(before.rendered)]
            found.append(_foreseen(each, connection, kubernetes, [*served, *brought]))
        return found

    return foresee


def _foreseen(parameters: Mapping[str, Any], connection: Any, kubernetes: str, served: Sequence[str]) -> Foreseen:
    name = parameters["release_name"]
    try:
        run = ReleaseRun(parameters, check_mode=True, scratch=None, guard=None, connection=connection)
        return run.foreseen(kubernetes, served)
    except HelmFailed as problem:
        return Foreseen(name, problem=str(problem), unreachable=problem.unreachable)
    except (BadInput, HelmUnusable, NotARelease, Refused) as problem:
        return Foreseen(name, problem=str(problem))
    except ApiError as problem:
        if problem.status == 401:
            raise
        return Foreseen(name, problem=f"the API server refused: {problem.message}")
