#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Helm release, brought to the wanted state from whatever state it is in.

The work is done in module_utils/helm/run.py. Where nothing is to do, the action of the same name doesn't even start
this.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: helm_release
short_description: Install, upgrade, repair or remove a Helm release, also one that a killed run left behind
version_added: 0.1.0
description:
  - Brings a Helm 3 release to the wanted chart, version and values. The argument names are those of
    M(kubernetes.core.helm).
  - A release is unchanged if it is deployed, has the same chart, version and user values, and every object of its
    manifest is there. Then neither a helm binary nor the registry is needed.
  - A deleted object of the manifest is made again by an upgrade with the same values.
  - A release that a helm left pending is watched for as long as O(timeout), for that helm may still be at work. Then
    it is marked failed and dealt with as a failed one is. No clock is read for that, neither this machine's nor the
    cluster's.
  - A failed first install is upgraded; a failed upgrade is upgraded again, after a rollback to the last deployed
    revision where it was of another chart or had other values. Secrets that such a rollback would put back to older
    data keep what they hold.
  - An upgrade is rendered first, and what it takes away of what is there is told, or refused (O(needed_objects)).
  - Where Ansible is interrupted, helm is waited for; on C(SIGTERM) it is told to stop, and notes how far it came.
  - Nothing is ever forced, and no release Secret is deleted.
  - A release that a Flux HelmRelease keeps is left alone, it would take back every change.
options:
  release_name:
    description: Name of the release.
    type: str
    required: true
    aliases: [name]
  release_namespace:
    description: Namespace of the release.
    type: str
    required: true
    aliases: [namespace]
  release_state:
    description: Whether the release shall be there.
    type: str
    choices: [present, absent]
    default: present
    aliases: [state]
  chart_ref:
    description:
      - The chart, C(oci://registry/path/chart), a C(repository/chart) known to helm, a URL, or the path of a chart
        folder or package. With O(chart_repo_url) its name there.
      - Required if O(release_state=present).
      - Charts on disk are told apart by name and version alone, so give a changed one a new version.
    type: str
  chart_repo_url:
    description: URL of the HTTP repository that has the chart, that is, of what its C(index.yaml) is in.
    type: str
  chart_version:
    description:
      - The exact version of the chart.
      - Without it any installed version of the chart is right, and the newest is installed where there is none. For
        a chart on disk its own version counts.
    type: str
  release_values:
    description:
      - The user's values; they replace those of the release, they are not merged with them.
      - Let values name Secrets rather than hold them. In messages and diffs what is under password-like keys is masked.
    type: dict
    default: {}
    aliases: [values]
  create_namespace:
    description: Whether to make the namespace if it is not there.
    type: bool
    default: false
  allow_downgrade:
    description:
      - Whether a release that is deployed with a newer version of the chart may be brought down to O(chart_version).
      - Going back from an upgrade that failed is no downgrade.
    type: bool
    default: false
  fleet:
    description:
      - For a release of what all fleets of a management cluster share, the fleet (C(kof_fleet)) that this is done for.
      - Nothing is changed then in a namespace that belongs to another fleet, by its labels
        C(app.kubernetes.io/managed-by=k0rdent.kof) and C(app.kubernetes.io/part-of).
    type: str
  take_over_fleet:
    description: Fleets in whose namespace the release may be changed all the same.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Whether helm waits until the objects it made are ready, and fails the release if they are not within
        O(timeout).
    type: bool
    default: false
  timeout:
    description:
      - How long helm waits for one thing, as a duration (V(10m)) or in seconds.
      - Also how long a pending release is watched before it counts as left behind.
    type: str
    default: 5m
  skip_schema_validation:
    description:
      - Whether to install the chart although its C(values.schema.json), or that of a subchart, is invalid itself. Helm
        3.18.5 and newer refuse such a chart, so they are then called with C(--skip-schema-validation), which leaves the
        values unchecked too; RV(took) says so.
      - An older Helm doesn't mind such a schema, and goes on checking the values by it.
    type: bool
    default: false
  needed_objects:
    description:
      - Objects of the release, as kind and name (V(Secret/credentials)), that no upgrade may take away.
      - Objects with the annotation C(helm.sh/resource-policy=keep) stay in any case.
    type: list
    elements: str
    default: []
  foreign_objects:
    description:
      - Objects, as kind and name (V(Secret/credentials)), by which a chart of the wanted name and version is known to
        be another one. One that would bring any of them is neither installed nor upgraded to.
    type: list
    elements: str
    default: []
  growing_values:
    description:
      - Values that only grow, since volumes can't follow them down. By path (V(cluster.storage.size)) the chart's own
        default, a quantity of Kubernetes or a number.
      - An upgrade that would make one of them less than it is in a revision that is in place is refused.
    type: dict
    default: {}
  fixed_values:
    description:
      - Paths of values that no volume can follow. Where one was said, an upgrade that would change it is refused.
    type: list
    elements: str
    default: []
  binary_path:
    description: The helm binary; without it C(helm) on the C(PATH). Helm 3.14 or newer, not Helm 4.
    type: path
  registry_username:
    description:
      - User for the registry of an C(oci://) chart, or for O(chart_repo_url).
      - Without it the login made by C(helm registry login) or M(kubernetes.core.helm_registry_auth) is used, if
        there is one.
    type: str
  registry_password:
    description: Password or token for O(registry_username).
    type: str
  registry_ca_file:
    description: File with the certificate authorities of the registry, for a private one.
    type: path
  plain_http:
    description: Whether to speak plain HTTP with the registry. Of O(chart_repo_url) its scheme says so.
    type: bool
    default: false
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
attributes:
  check_mode:
    support: full
    description:
      - Predicts the action and sends nothing that changes the cluster.
      - The chart is fetched and rendered against the API server if there is anything to do. Where the registry
        can't be reached, or the cluster lacks what an earlier step would have made, the prediction is not checked
        and RV(not_checked) says why.
  diff_mode:
    support: full
    description:
      - Status, chart version, the user values that differ, with password-like keys masked, and the objects that go.
        What else is rendered is not shown.
  idempotent:
    support: full
    description: A run that finds nothing to do only reads.
  async:
    support: none
    details: What a job ends with is read by C(ansible.builtin.async_status), which may not know what a vault held.
author:
  - k0rdent.kof contributors (@k0rdent)
requirements:
  - helm >= 3.14, < 4 (only when there is something to do)
notes:
  - Releases are read from their Secrets, helm's default storage; the SQL and ConfigMap storages are not supported.
  - A chart's C(crds/) are installed with its first install only, which is how helm does it.
  - Objects that were changed rather than deleted are not looked at.
seealso:
  - module: kubernetes.core.helm
"""

EXAMPLES = r"""
---
- name: Install kof-operators
  k0rdent.kof.helm_release:
    release_name: kof-operators
    release_namespace: kof
    create_namespace: true
    chart_ref: oci://ghcr.io/k0rdent/kof/charts/kof-operators
    chart_version: 0.1.1
    # The schema of its subchart opentelemetry-operator 0.75.1 is invalid.
    skip_schema_validation: true
    timeout: 10m

- name: Install kof-mothership from a mirror with a login and a private CA
  k0rdent.kof.helm_release:
    release_name: kof-mothership
    release_namespace: kof
    chart_ref: oci://registry.example.com/mirror/kof/charts/kof-mothership
    chart_version: 0.1.1
    registry_username: robot
    registry_password: "{{ vault_registry_password }}"
    registry_ca_file: /etc/ssl/certs/company.pem
    release_values:
      kcm:
        installTemplates: true

- name: Remove a release
  k0rdent.kof.helm_release:
    release_name: kof-operators
    release_namespace: kof
    release_state: absent
"""

RETURN = r"""
---
action:
  description: What was done, or would be done in check mode.
  returned: success
  type: str
  choices: [unchanged, installed, upgraded, repaired, recovered, uninstalled]
  sample: upgraded
status:
  description: The release as it is now; in check mode as it would be.
  returned: success, and on failure if the release was read
  type: dict
  contains:
    name:
      description: Name of the release.
      type: str
    namespace:
      description: Namespace of the release.
      type: str
    revision:
      description: Number of the revision; 0 if there is none.
      type: int
    status:
      description: Status in Helm's words, V(absent) if there is no release.
      type: str
    chart:
      description: Chart and version, as Helm lists them.
      type: str
    app_version:
      description: The chart's own word for the version of what it installs; empty where it is not known.
      type: str
  sample: {name: kof-operators, namespace: kof, revision: 1, status: deployed, chart: kof-operators-0.1.1,
  app_version: 0.1.1}
reason:
  description: Why there was something to do.
  returned: when changed
  type: str
  sample: its values differ
took:
  description:
    - What was found and mended on the way, for example a release left pending, or objects that had been deleted.
  returned: always
  type: list
  elements: str
  sample:
    - "revision 2 stayed pending-upgrade for the 310 s it was watched, longer than a helm may take: marked it failed"
    - missing Deployment kof/kof-mothership-promxy
removed:
  description:
    - Objects that the upgrade takes away from the cluster, or would in check mode, because the chart with these values
      no longer renders them. A warning names them too.
  returned: success
  type: list
  elements: str
  sample: ["ServiceTemplate kcm-system/kof-storage-0-1-0"]
not_checked:
  description: In check mode, why the prediction could not be validated by the server. Without a value it was.
  returned: in check mode, when something would be done
  type: str
  sample: needs CustomResourceDefinition of ServiceMonitor (monitoring.coreos.com/v1)
"""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import HelmFailed, HelmInterrupted, HelmUnusable
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.run import (
    OPTIONS,
    BadInput,
    Refused,
    ReleaseRun,
    StuckObject,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease, secrets_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease, masking, observed
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import (
    CONNECTION_OPTIONS,
    ApiError,
    ApiUnavailable,
    Connection,
    warned,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.shared_layer import AnothersLayer
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import REMOTE_TMP, unwritable

_AGAIN = "run the same again, which goes on from there"


@telling.quotes_nothing()
def work(module: AnsibleModule) -> None:
    """All that the module does; `main` only starts it, as ansible-test wants to see it begin."""
    hide = _hide(module)
    masking.mask(module)
    run: ReleaseRun | None = None
    try:
        run = ReleaseRun(module.params, check_mode=module.check_mode, scratch=_scratch(module), guard=_guard(module))
        warned(run.connection, module.warn, observed.by_module(module))
        result = run.present() if module.params["release_state"] == "present" else run.absent()
        if module._diff:
            result["diff"] = hide.all_of(result["diff"])
        else:
            del result["diff"]
        if run.removed:
            how = "takes away" if not module.check_mode else "would take away"
            module.warn(f"release {run.namespace}/{run.name}: the upgrade {how} {', '.join(run.removed)}")
        module.exit_json(**result, invocation=_invocation(module))
    except (ApiUnavailable, BadInput, HelmUnusable, NotARelease, Refused, StuckObject, AnothersLayer) as error:
        _fail(module, run, hide(str(error)))
    except ApiError as error:
        _fail(module, run, hide(f"the API server refused: {error.message}"))
    except (HelmFailed, HelmInterrupted) as error:
        if run is not None:
            # What failed may have left a new revision.
            with contextlib.suppress(ApiError, ApiUnavailable, NotARelease):
                run.look()
        again = f"; {_AGAIN}" if isinstance(error, HelmInterrupted) else ""
        _fail(module, run, hide(f"{error}{again}"))
    except KeyboardInterrupt:
        if run is None or not run.begun:
            _fail(module, run, "ended by a signal before anything was changed")
            return
        with contextlib.suppress(ApiError, ApiUnavailable, NotARelease):
            run.look()
        _fail(module, run, f"ended by a signal, after {', '.join(run.begun)}; {_AGAIN}")


def _hide(module: AnsibleModule) -> telling.Hider:
    """Have all values kept out of syslog and out of refused arguments (no_log), but only what looks secret out of
    results: without "kof", "10m" and every other word of the values they would be unreadable.

    Gives what does the same where a short value or a number is a word: ansible-core can't."""
    values = module.params["release_values"]
    found = secrets_of(values)
    # ansible-core masks inside of words, too.
    secret = {text for text in found if telling.is_worth_hiding(text) and not telling.only_a_word(text)}
    others = {
        module.params[name]
        for name, option in module.argument_spec.items()
        if option.get("no_log") and isinstance(module.params[name], str)
    }
    module.no_log_values -= set(masking.texts(values)) - secret - others
    module.no_log_values |= secret
    return telling.Hider((), values=found)


def _invocation(module: AnsibleModule) -> dict[str, Any]:
    """What a result says of the arguments: the values are part of every event otherwise, and a password may be
    anywhere in them, or in what should be the address of a chart."""
    names = {"release_values", *OPTIONS["release_values"].get("aliases", ())} & set(module.params)
    names |= {name for name in ("chart_ref", "chart_repo_url") if telling.logins(module.params[name] or "")}
    return {"module_args": {**module.params, **dict.fromkeys(names, "(not shown)")}}


def _guard(module: AnsibleModule) -> Callable[[Connection], None] | None:
    """What refuses to act where the fleet given mayn't, or the run has lost its lease; None where none is given."""
    fleet, namespace = module.params["fleet"], module.params["release_namespace"]
    if not fleet:
        return None

    def guard(connection: Connection) -> None:
        lease.see(connection, os.environ)
        shared_layer.refuse(connection, namespace, fleet, module.params["take_over_fleet"])

    return guard


def _scratch(module: AnsibleModule) -> str:
    """Where helm may write. Raises HelmUnusable where nobody can."""
    try:
        folder: str = module.tmpdir
    except Exception as error:  # ansible-core has no better one
        cause = error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise HelmUnusable(unwritable(cause, "helm's files", os.path.dirname(cause.filename), REMOTE_TMP)) from None
    return folder


def _fail(module: AnsibleModule, run: ReleaseRun | None, why: str) -> None:
    """End with one message, and with what is known of the release."""
    if run is None:
        module.fail_json(msg=why, exception=None, invocation=_invocation(module))
        return
    known: dict[str, Any] = {"took": run.took, "changed": bool(run.begun)}
    if run.history:
        known["status"] = run.status()
    module.fail_json(
        msg=f"release {run.namespace}/{run.name}: {why}", exception=None, invocation=_invocation(module), **known
    )


def main() -> None:
    """The module."""
    work(
        AnsibleModule(
            argument_spec={**CONNECTION_OPTIONS, **OPTIONS},
            required_if=[("release_state", "present", ["chart_ref"])],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    # As Ctrl-C does, so that private files go with this process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
