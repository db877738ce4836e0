# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run for one Helm release: looks, decides, acts, tells. The module helm_release and its action are built on it.

What to do is decided in stored.py, helm is run in command.py, releases are read and marked in store.py.
"""

from __future__ import annotations

import os
import re
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import (
    Helm,
    HelmFailed,
    Registry,
    chart_on_disk,
    find_helm,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.store import Missing, ReleaseStore
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import (
    CHECKS_SCHEMAS,
    PENDING,
    RELEASE_NAME,
    RELEASE_NAME_LIMIT,
    Decision,
    Foreseen,
    Revision,
    Wanted,
    contents,
    decide,
    downgrade,
    hook_events,
    in_place,
    keeper,
    objects,
    patience,
    seconds,
    secrets_of,
    values_diff,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import (
    CONNECTION_OPTIONS,
    Connection,
    UnsendableString,
    connect,
    encode,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import text
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.quantities import shrinking
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import logins, quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

OPTIONS: dict[str, dict[str, Any]] = {
    "release_name": {"type": "str", "required": True, "aliases": ["name"]},
    "release_namespace": {"type": "str", "required": True, "aliases": ["namespace"]},
    "release_state": {"type": "str", "choices": ["present", "absent"], "default": "present", "aliases": ["state"]},
    "chart_ref": {"type": "str"},
    "chart_repo_url": {"type": "str"},
    "chart_version": {"type": "str"},
    "release_values": {"type": "dict", "default": {}, "aliases": ["values"], "no_log": True},
    "create_namespace": {"type": "bool", "default": False},
    "allow_downgrade": {"type": "bool", "default": False},
    "fleet": {"type": "str"},
    "take_over_fleet": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "str", "default": "5m"},
    "skip_schema_validation": {"type": "bool", "default": False},
    "needed_objects": {"type": "list", "elements": "str", "default": []},
    "foreign_objects": {"type": "list", "elements": "str", "default": []},
    "growing_values": {"type": "dict", "default": {}},
    "fixed_values": {"type": "list", "elements": "str", "default": []},
    "binary_path": {"type": "path"},
    "registry_username": {"type": "str"},
    "registry_password": {"type": "str", "no_log": True},
    "registry_ca_file": {"type": "path"},
    "plain_http": {"type": "bool", "default": False},
}

#: Seconds between two looks at a pending release.
_POLL = 2.0
_QUICKER = "another helm was quicker"
#: How often another helm may be quicker than we before we give up.
_OVERTAKEN_LIMIT = 3
#: Missing objects that a message names.
_NAMED = 5


class BadInput(Exception):
    """An argument can't be right; the message is for the person."""


class Refused(Exception):
    """The release may not be changed so; the message says why, and what would be right."""


class StuckObject(Exception):
    """An object of the release is being deleted and does not go; the message names it and what holds it."""


class ReleaseRun:
    """One run of the module for one release: looks, decides, acts, tells."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        check_mode: bool,
        scratch: str | None,
        guard: Callable[[Connection], None] | None,
        connection: Connection | None = None,
    ) -> None:
        """Reads files; sends nothing yet.

        :param parameters: the module's.
        :param guard: asked before every act; raises what is wrong with it. None only for who never acts.
        :param connection: to be used instead of one of its own.
        :raises BadInput, ApiUnavailable:
        """
        self.name: str = parameters["release_name"]
        self.namespace: str = parameters["release_namespace"]
        self.took: list[str] = []
        self.begun: list[str] = []  # each change of the cluster, before it is made
        self.removed: list[str] = []  # live objects that the next revision takes away, or would
        self.history: list[Revision] = []
        self._local: str | None = None  # path of the chart if it is on this disk
        self._check_mode = check_mode
        self._scratch = scratch
        self._may = guard
        if not RELEASE_NAME.fullmatch(self.name) or len(self.name) > RELEASE_NAME_LIMIT:
            raise BadInput(
                f"{quoted(self.name)} can't be the name of a release: lower case letters, digits, - and ., "
                f"{RELEASE_NAME_LIMIT} characters at most"
            )
        for option in ("needed_objects", "foreign_objects"):
            for each in parameters[option]:
                if not re.fullmatch(r"[A-Za-z]+/[^/]+", each):
                    raise BadInput(f"{option}: {quoted(each)} is no kind and name, for example Secret/credentials")
        if logins(parameters["chart_ref"] or "") or logins(parameters["chart_repo_url"] or ""):
            # helm would take it on its command line only, which every process of the machine can read.
            raise BadInput(
                "chart_ref or chart_repo_url has a login in it: take it out; give registry_username and "
                "registry_password, or use `helm repo add` and repository/chart"
            )
        repository = parameters["chart_repo_url"]
        if repository and not repository.startswith(("https://", "http://")):
            raise BadInput("chart_repo_url is no URL of an HTTP repository: it must begin with https:// or http://")
        for name in ("registry_username", "registry_password"):
            if parameters[name]:
                parameters = {**parameters, name: text(parameters[name], name)}
        self._parameters = parameters
        if parameters["registry_password"] and not parameters["registry_username"]:
            raise BadInput("registry_password without registry_username: give both")
        try:
            self._timeout = seconds(parameters["timeout"])
        except ValueError as error:
            raise BadInput(f"timeout: {error}") from None
        if self._timeout <= 0:
            raise BadInput("timeout must be more than nothing")
        options = {name: parameters.get(name) for name in CONNECTION_OPTIONS}
        self.connection = connection or connect(options)
        self._store = ReleaseStore(self.connection, self.namespace, self.name)

    # -- present

    def present(self) -> dict[str, Any]:
        """Brings the release to what is wanted; the module's result. Raises what the layers below raise."""
        wanted = self._wanted()
        first: list[Revision] | None = None
        for attempt in range(_OVERTAKEN_LIMIT):
            decision = self._settled(wanted)
            first = self.history if first is None else first
            missing: list[Missing] = []
            if decision.step == "check":
                missing = self._store.missing(objects(self.history[-1].manifest))
                if not missing:
                    return self._told("unchanged", decision, first, wanted)
                self.took.append(f"missing {some((str(each.ref) for each in missing), _NAMED)}")
                decision = Decision("upgrade", f"{len(missing)} of its objects are missing")
            action = self._action(decision, bool(missing))
            self._guard(wanted)
            if self._check_mode:
                return self._told(action, decision, first, wanted, not_checked=self._validated(decision))
            self._wait_until_gone([each for each in missing if each.deleted_at])
            try:
                self._act(decision)
            except HelmFailed as error:
                if error.overtaken and attempt + 1 < _OVERTAKEN_LIMIT:
                    self.took.append(_QUICKER)
                    continue
                raise
            self.look()
            return self._told(action, decision, first, wanted)
        raise AssertionError("unreachable")

    def _ask(self) -> None:
        """The given guard: again before each act, as a chart may take long to come."""
        if self._may:
            self._may(self.connection)

    def _guard(self, wanted: Wanted | None) -> None:
        """What may not be done to the release as it is now, whatever is wanted.

        What the given guard raises, and:

        :raises Refused: it is another controller's, or it would come down to an older chart unasked.
        """
        self._ask()
        flux = keeper(self.history)
        if flux:
            raise Refused(
                f"the Flux HelmRelease {flux} keeps it, and would put back what is changed here: change it there, or "
                "remove that HelmRelease first"
            )
        newer = downgrade(self.history, wanted) if wanted else None
        if wanted and newer and not self._parameters["allow_downgrade"]:
            raise Refused(
                f"it has chart version {newer}, and {wanted.chart_version} is older: a downgrade has to be asked for "
                "(allow_downgrade), and few charts bear one"
            )
        if wanted:
            self._keep_volumes(wanted)

    def _keep_volumes(self, wanted: Wanted) -> None:
        """Raises Refused where values that its volumes can't follow would be others."""
        grows = {tuple(path.split(".")): default for path, default in self._parameters["growing_values"].items()}
        found: dict[str, None] = {}
        for revision in in_place(self.history):
            for path, was, now in shrinking(revision.config, wanted.values, grows):
                found[f"shrink {path} from {was} to {now}"] = None
            for path in self._parameters["fixed_values"]:
                before, after = (dig(each, tuple(path.split("."))) for each in (revision.config, wanted.values))
                # Where nothing was said the chart or the cluster chose, which can't be seen from here.
                if before is not None and after != before:
                    found[f"give {path} another value"] = None
        if found:
            raise Refused(
                f"dangerous change: it would {'; '.join(found)}: volumes stay as they are, and with a replica goes "
                f"what is stored on it. If that is meant, pass -e kof_dangerous_changes={self.namespace}"
            )

    def _wanted(self) -> Wanted:
        reference = self._parameters["chart_ref"]
        if not reference:
            raise BadInput("chart_ref is needed where the release shall be present")
        try:
            encode(self._parameters["release_values"])
        except UnsendableString as error:
            raise BadInput(f"release_values: {error}") from None
        version = self._parameters["chart_version"] or None
        self._local = None if self._parameters["chart_repo_url"] else chart_on_disk(reference, version)
        if self._local is None and reference.startswith(("/", "~/", "./", "../")):
            raise BadInput(f"{reference} is no folder or package of a chart on this machine")
        if self._local is None:
            return Wanted(_chart_name(reference), version, self._parameters["release_values"])
        name, own_version = _read_chart(self._local)
        if version and version.removeprefix("v") != own_version.removeprefix("v"):
            raise BadInput(f"chart_version is {version}, but the chart {reference} is of version {own_version}")
        return Wanted(name, own_version, self._parameters["release_values"])

    def _settled(self, wanted: Wanted) -> Decision:
        """The decision once nobody else is at work on the release; in check mode nobody is waited for."""
        while True:
            self.look()
            decision = decide(self.history, wanted)
            if decision.step != "wait":
                return decision
            if self._check_mode:
                return decision
            self._wait_for(self.history[-1], wanted)

    def _wait_for(self, revision: Revision, wanted: Wanted | None) -> None:
        """Until the revision is no longer pending, or was seen so for so long that no helm can be at work on it; then
        it is marked failed, unless a guard forbids it."""
        # Our own watch alone counts: this machine's clock may be hours off, and a helm that was given longer than ours
        # may have begun long ago.
        started = time.monotonic()
        longest = patience(revision, self._timeout)
        while (left := started + longest - time.monotonic()) > 0:
            time.sleep(min(_POLL, left))
            history = self._store.history()
            if not history or history[-1].version != revision.version or history[-1].status not in PENDING:
                waited = time.monotonic() - started
                self.took.append(
                    f"waited {waited:.0f} s for the helm that had revision {revision.version} {revision.status}"
                )
                return
            revision = history[-1]
        self._guard(wanted)
        why = f"stayed {revision.status} for the {longest:.0f} s it was watched, longer than a helm may take"
        self.begun.append(f"marking revision {revision.version} failed")
        if self._store.mark_failed(revision, f"marked failed by k0rdent.kof: it {why}"):
            self.took.append(f"revision {revision.version} {why}: marked it failed")

    def _wait_until_gone(self, leaving: Sequence[Missing]) -> None:
        """What is on its way out must be gone first: helm would take it for there, and then it goes."""
        end = time.monotonic() + self._timeout
        while leaving:
            if time.monotonic() >= end:
                last = leaving[0]
                held = f", held by its finalizers {', '.join(last.finalizers)}" if last.finalizers else ""
                raise StuckObject(
                    f"{last.ref} is being deleted since {last.deleted_at}{held}: it can't be made again before it is "
                    "gone; see why its deletion does not end"
                )
            time.sleep(min(_POLL, max(0.1, end - time.monotonic())))
            leaving = [each for each in self._store.missing([each.ref for each in leaving]) if each.deleted_at]

    def _action(self, decision: Decision, repairs: bool) -> str:
        if decision.step == "install":
            return "installed"
        if repairs:
            return "repaired"
        return "upgraded" if self.history[-1].status == "deployed" else "recovered"

    def _act(self, decision: Decision) -> None:
        with self._helm() as helm:
            version = helm.check_version()
            chart = self._chart(helm)
            self._ours(chart)
            arguments = self._arguments(decision, chart, version)
            if decision.step in ("upgrade", "rollback"):
                self._look_ahead(helm, arguments)
            else:
                self._look_at_new(helm, chart, version)
            if decision.step == "rollback":
                if decision.base is None:
                    raise AssertionError("a rollback to no revision")
                self._roll_back(helm, decision.base)
            self._ask()
            self.begun.append(f"helm {arguments[0]}")
            helm.act(arguments, self._timeout, self._parameters["release_values"])

    def _look_ahead(self, helm: Helm, arguments: Sequence[str]) -> None:
        """Renders the next revision against the API server and notes which live objects it takes away.

        :raises Refused: one of them is needed.
        :raises HelmFailed: it can't be rendered, so helm would come no further either.
        """
        rendered = helm.rendered(arguments, self._timeout, self._parameters["release_values"])
        wanted = objects(rendered.get("manifest") or "")
        self._not_another(wanted)
        if arguments[0] == "upgrade":
            self.removed = [str(ref) for ref in self._leaving(wanted)]

    def _look_at_new(self, helm: Helm, chart: str, version: tuple[int, int, int]) -> None:
        """What an install would bring, whether the cluster serves it yet or not; what of it an uninstall has on its
        way out is waited for.

        :raises Refused: it is another chart.
        :raises StuckObject: such an object does not go.
        """
        arguments = [self.name, chart, "--namespace", self.namespace, "--include-crds", *self._schema(version)]
        wanted = objects(helm.template(arguments, self._timeout, self._parameters["release_values"]))
        self._not_another(wanted)
        if not self._check_mode:
            self._wait_until_gone([each for each in self._store.missing(wanted) if each.deleted_at])

    def _not_another(self, wanted: Sequence[Ref]) -> None:
        """Raises Refused where a chart of the wanted name and version is another one by what it brings."""
        foreign = [str(ref) for ref in wanted if f"{ref.kind}/{ref.name}" in self._parameters["foreign_objects"]]
        if foreign:
            raise Refused(
                f"it would bring {', '.join(foreign)}, so {self._parameters['chart_ref']} is another chart of "
                "that name and version: name a repository that has the right one"
            )

    def _leaving(self, wanted: Sequence[Ref]) -> list[Ref]:
        """Live objects that an upgrade to the `wanted` ones takes away. Raises Refused where one is needed."""
        held = [ref for revision in in_place(self.history) for ref in objects(revision.manifest)]
        removed = self._store.deleted_without(held, wanted)
        needed = [str(ref) for ref in removed if f"{ref.kind}/{ref.name}" in self._parameters["needed_objects"]]
        if needed:
            raise Refused(
                f"it would take away {', '.join(needed)}, which the fleet needs and would be without at once: look for "
                "a null, or something switched off, in the values. If that is meant, pass "
                f"-e kof_dangerous_changes={self.namespace}"
            )
        return removed

    def _arguments(self, decision: Decision, chart: str, version: tuple[int, int, int]) -> list[str]:
        verb = "install" if decision.step in ("install", "reinstall") else "upgrade"
        command = [verb, self.name, chart, "--namespace", self.namespace]
        if verb == "upgrade":
            # Else helm takes the old values where none are given.
            command.append("--reset-values")
        elif self.history:
            command.append("--replace")
        if verb == "install" and self._parameters["create_namespace"]:
            command.append("--create-namespace")
        if self._parameters["wait"] and not self._check_mode:
            command.append("--wait")
        return [*command, *self._schema(version)]

    def _schema(self, version: tuple[int, int, int]) -> list[str]:
        # An older helm doesn't look at the schema's own validity, and goes on checking the values by it.
        if not self._parameters["skip_schema_validation"] or version < CHECKS_SCHEMAS:
            return []
        told = ".".join(map(str, version))
        step = f"values not checked by the chart's schema: helm {told} refuses an invalid one"
        self.took += [] if step in self.took else [step]
        return ["--skip-schema-validation"]

    def _roll_back(self, helm: Helm, base: int) -> None:
        """Back to the last good revision, so that nothing of the failed one stays.

        The old revision holds Secrets as they were rendered then. Those that a `lookup` keeps (a password, a
        configuration that an operator writes) would go back to that, so what they hold now is put back.
        """
        good = next(revision for revision in self.history if revision.version == base)
        held = self._store.overwritten_by(good.manifest)
        self._ask()
        self.begun.append("helm rollback")
        try:
            helm.act(["rollback", self.name, str(base), "--namespace", self.namespace], self._timeout)
            self.took.append(f"rolled back to revision {base}")
        except HelmFailed as error:
            if error.overtaken:
                raise
            self.took.append(f"the rollback to revision {base} failed, upgraded over it: {error}")
        finally:
            self._store.put_back(held)

    def _chart(self, helm: Helm) -> str:
        if self._local is not None:
            return self._local
        return helm.pull(*(self._parameters[f"chart_{name}"] for name in ("ref", "version", "repo_url")))

    def _ours(self, chart: str) -> None:
        """The chart must call itself what its reference says, or the next run would find another one installed."""
        name, version = _read_chart(chart)
        wanted = self._wanted()
        if name != wanted.chart:
            raise BadInput(f"{self._parameters['chart_ref']} holds a chart that calls itself {name}")
        if wanted.chart_version and version.removeprefix("v") != wanted.chart_version.removeprefix("v"):
            raise BadInput(
                f"chart_version {wanted.chart_version} of {self._parameters['chart_ref']} "
                f"gave version {version}: name that one"
            )

    def _validated(self, decision: Decision) -> str | None:
        """Renders the chart against the API server without changing it; why that was not possible, None if it was."""
        if decision.step == "wait":
            last = self.history[-1]
            since = f"{last.started:%Y-%m-%d %H:%M:%S} UTC by the API server's clock"
            return f"revision {last.version} is {last.status} since {since}, a helm may still be at work"
        with self._helm() as helm:
            version = helm.check_version()
            try:
                chart = self._chart(helm)
            except HelmFailed as error:
                if not error.unreachable:
                    raise
                return f"the registry can't be reached: {error}"
            self._ours(chart)
            if decision.step in ("install", "reinstall"):
                self._look_at_new(helm, chart, version)
            if decision.step == "reinstall":
                return self._after_recovery()
            try:
                self._look_ahead(helm, self._arguments(decision, chart, version))
            except HelmFailed as error:
                lacking = error.lacking
                if lacking is None:
                    raise
                return lacking
        # What a rollback puts back is not there yet.
        return self._after_recovery() if decision.step == "rollback" else None

    def _after_recovery(self) -> str:
        return f"only after the recovery of revision {self.history[-1].version} can helm render it"

    def as_wanted(self) -> dict[str, Any] | None:
        """The module's result if the release is as wanted, or is gone as it shall be, else None; changes nothing and
        waits for nobody.

        Raises what the layers below raise.
        """
        if self._parameters["release_state"] == "absent":
            self.look()
            return self._told("unchanged", None, self.history, None) if self._is_gone() else None
        wanted = self._wanted()
        self.look()
        decision = decide(self.history, wanted)
        if decision.step != "check" or self._store.missing(objects(self.history[-1].manifest)):
            return None
        return self._told("unchanged", decision, self.history, wanted)

    def foreseen(self, kubernetes: str, apis: Sequence[str]) -> Foreseen:
        """What helm would have to do, and with which objects; changes nothing and waits for nobody.

        :param kubernetes: the cluster's version.
        :param apis: API versions, and kinds in them, that are served or will be then.
        :raises Refused: it would take away what is needed, or volumes couldn't follow. Else what is raised below.
        """
        wanted = self._wanted()
        self.look()
        self._keep_volumes(wanted)
        decision = decide(self.history, wanted)
        held = [document for revision in in_place(self.history) for document in contents(revision.manifest)]
        absent = [each.ref for each in self._store.missing([ref_of(document) for document in held])] if held else []
        if decision.step == "check" and not absent:
            return Foreseen(self.name)
        installs = decision.step in ("install", "reinstall")
        with self._helm() as helm:
            version = helm.check_version()
            chart = self._chart(helm)
            self._ours(chart)
            arguments = [self.name, chart, "--namespace", self.namespace, "--kube-version", kubernetes]
            arguments += ["--include-crds" if installs else "--is-upgrade", *self._schema(version)]
            for each in apis:
                arguments += ["--api-versions", each]
            values, problem = self._parameters["release_values"], None
            try:
                text = helm.template(arguments, self._timeout, values)
            except HelmFailed as error:
                if not error.forbidden:
                    raise
                # Without what the chart may not look up it shows at least what else is needed.
                text, problem = helm.template(arguments, self._timeout, values, lookups=False), str(error)
            rendered = list(contents(text))
        self._not_another([ref_of(document) for document in rendered])
        lasting = [ref_of(document) for document in rendered if not hook_events(document)]
        return Foreseen(
            self.name,
            decision.step,
            rendered,
            held,
            absent,
            [] if installs or problem else self._leaving(lasting),
            bool(self.history) and self.history[-1].status not in ("deployed", "uninstalled"),
            len(self.history),
            problem,
        )

    # -- absent

    def absent(self) -> dict[str, Any]:
        """Removes the release if it is there; the module's result."""
        for attempt in range(_OVERTAKEN_LIMIT):
            self.look()
            while self.history and self.history[-1].status in PENDING and not self._check_mode:
                self._wait_for(self.history[-1], None)
                self.look()
            if self._is_gone():
                return self._told("unchanged", None, self.history, None)
            first = self.history
            self._guard(None)
            try:
                if not self._check_mode:
                    self._uninstall()
            except HelmFailed as error:
                if error.overtaken and attempt + 1 < _OVERTAKEN_LIMIT:
                    self.took.append(_QUICKER)
                    continue
                raise
            return self._told("uninstalled", Decision("check", "it shall be absent"), first, None)
        raise AssertionError("unreachable")

    def _is_gone(self) -> bool:
        return not self.history or self.history[-1].status == "uninstalled"

    def _uninstall(self) -> None:
        with self._helm() as helm:
            helm.check_version()
            arguments = ["uninstall", self.name, "--namespace", self.namespace, "--ignore-not-found"]
            if self._parameters["wait"]:
                arguments.append("--wait")
            self._ask()
            self.begun.append("helm uninstall")
            helm.act(arguments, self._timeout)
        self.look()

    # -- telling

    def _helm(self) -> Helm:
        registry = Registry(
            self._parameters["registry_username"] or "",
            self._parameters["registry_password"] or "",
            self._parameters["registry_ca_file"] or "",
            self._parameters["plain_http"],
        )
        return Helm(
            find_helm(self._parameters["binary_path"]),
            self.connection.settings_for(self._timeout),
            registry,
            scratch=self._scratch,
            values=secrets_of(self._parameters["release_values"]),
        )

    def look(self) -> None:
        """Read the release anew."""
        self.history = self._store.history()

    def status(self) -> dict[str, Any]:
        """The release as it was last read."""
        last = self.history[-1] if self.history else None
        return {
            "name": self.name,
            "namespace": self.namespace,
            "revision": last.version if last else 0,
            "status": last.status if last else "absent",
            "chart": f"{last.chart}-{last.chart_version}" if last else "",
            "app_version": last.app_version if last else "",
        }

    def _told(
        self,
        action: str,
        decision: Decision | None,
        before: Sequence[Revision],
        wanted: Wanted | None,
        not_checked: str | None = None,
    ) -> dict[str, Any]:
        changed = action != "unchanged"
        result: dict[str, Any] = {"changed": changed, "action": action, "took": self.took, "removed": self.removed}
        old = before[-1] if before else None
        status = self.status()
        if self._check_mode and changed:
            if wanted is None:
                status |= {"revision": 0, "status": "absent", "chart": "", "app_version": ""}
            else:
                version = wanted.chart_version or "(newest)"
                same_chart = old is not None and f"{old.chart}-{old.chart_version}" == f"{wanted.chart}-{version}"
                status |= {
                    "revision": status["revision"] + 1,
                    "status": "deployed",
                    "chart": f"{wanted.chart}-{version}",
                    "app_version": status["app_version"] if same_chart else "",
                }
            result["not_checked"] = not_checked
        result["status"] = status
        if changed:
            if decision is None:
                raise AssertionError("a change without a decision")
            result["reason"] = decision.why
        result["diff"] = self._diff(old, status, wanted) if changed else {"before": "", "after": ""}
        return result

    def _diff(self, old: Revision | None, status: Mapping[str, Any], wanted: Wanted | None) -> dict[str, str]:
        old_values, new_values = values_diff(old.config if old else None, wanted.values if wanted else None)
        before = [f"{old.chart}-{old.chart_version}, revision {old.version} {old.status}"] if old else []
        after = [f"{status['chart']}, revision {status['revision']} {status['status']}"] if status["revision"] else []
        place = f"release {self.namespace}/{self.name}"
        return {
            "before_header": place,
            "after_header": place,
            "before": "".join(f"{line}\n" for line in [*before, *old_values, *self.removed]),
            "after": "".join(f"{line}\n" for line in [*after, *new_values]),
        }


def _chart_name(reference: str) -> str:
    """The chart's name as its reference says it: the last part, of a package's URL without version and ending."""
    last = reference.rstrip("/").rsplit("/", 1)[-1]
    if last.endswith(".tgz"):
        stem = last.removesuffix(".tgz")
        while "-" in stem:
            stem, _dash, rest = stem.rpartition("-")
            if rest[:1].isdigit() or rest[:2].removeprefix("v")[:1].isdigit():
                return stem
        return last.removesuffix(".tgz")
    return last.partition(":")[0].partition("@")[0]


def _read_chart(path: str) -> tuple[str, str]:
    """Name and version of a chart folder or package on disk. Raises BadInput."""
    try:
        if os.path.isdir(path):
            with open(os.path.join(path, "Chart.yaml"), "rb") as stream:
                chart = foreign_yaml.read(stream.read())
        else:
            with tarfile.open(path) as package:
                member = next(
                    (entry for entry in package if entry.name.count("/") == 1 and entry.name.endswith("/Chart.yaml")),
                    None,
                )
                content = package.extractfile(member) if member else None
                chart = foreign_yaml.read(content.read()) if content else None
        return str(chart["name"]), str(chart["version"])
    except (OSError, tarfile.TarError, foreign_yaml.NotYaml, KeyError, TypeError):
        raise BadInput(f"{path} is no chart: neither a folder nor a package with a Chart.yaml that names it") from None
