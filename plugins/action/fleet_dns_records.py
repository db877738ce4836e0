# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_dns_records.py: one look at the DNS records of the batch's regional clusters, and what
amazon.aws.route53 is to do about them. Changes nothing itself.

What is wanted, and how it is judged, is module_utils/fleet/dns_records.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.dns import names
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_records, inside, render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.dns_records import ABSENT, PRESENT, Name
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_KEPT, FAULTS_SHOWN, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import identity, model, own_cluster, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Inside, Part
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NoAddress
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row, table
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, dns_credentials
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

_INGRESS = "ingress-nginx"
_SERVICE = "ingress-nginx-controller"
_STATUS = {dns_records.RIGHT: row.OK, dns_records.UNKNOWN: row.WARNING}
_RESOLVER = "for example 192.0.2.53, 127.0.0.1:5353 or [2001:db8::53]:53"


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "state": {"type": "str", "default": PRESENT, "choices": [PRESENT, ABSENT]},
        "write": {"type": "bool", "default": False},
        "resolver": {"type": "str"},
        "deadline": {"type": "int", "default": 30},
        "ttl": {"type": "int", "default": 300},
        "hosted_zones": {"type": "list", "elements": "str", "default": []},
        "overwrite": {
            "type": "list",
            "elements": "str",
            "default": [],
            "choices": [dns_records.EXTERNAL_DNS, dns_records.OTHERS],
        },
        **booking.OPTION,
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _check(options)
        fleet = fleets.read_fleet(task_vars, ("mothership", "regional"))
        # No preflight is before this, and two clusters of one domain would write each other's records again and again.
        twice = model.fleet_faults(None, fleet.of("regional"), ())
        fleet.faults += [each for each in twice if each.variable in ("regional_domain", "regional_cluster_name")]
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        nothing: dict[str, Any] = {"changed": False, "records": [], "steps": [], "region": None, "outcomes": {}}
        if not fleet.of("regional"):
            return nothing | {"msg": "no regional cluster is in the batch"}
        run = booking.run_of(task_vars, options["booked_by"])
        wanted, failed = self._wanted(fleet, options)
        if options["state"] == PRESENT:
            found = names.look_up(dns_records.targets(wanted), options["resolver"], options["deadline"])
            for each in wanted:
                dns_records.judge(each, found)
        region = self._plan(wanted, fleet, options) if options["write"] else None
        checks = [*_rows(wanted, options), *(_unknown(host, why) for host, why in failed.items())]
        checks = [
            replace(each, **leaving({name: getattr(each, name) for name in ("found", "wanted", "remedy")}))
            for each in checks
        ]
        say(table.render(checks))
        steps = [step.options(options["ttl"]) for each in wanted for step in each.steps]
        for check in row.failures(checks):
            failed.setdefault(check.hosts[0], check.line())
        changed: Counter[str] = Counter()
        for name in wanted:
            changed[name.host] += len(name.steps)
        told = {
            host: f"{count} {'change' if count == 1 else 'changes'} of DNS records"
            for host, count in changed.items()
            if count
        }
        right = sum(each.state == dns_records.RIGHT for each in wanted)
        result = nothing | {
            "records": [_told(each) for each in wanted],
            "steps": steps,
            "region": region,
            "outcomes": Outcomes(told, failed).fact(options["booked_by"]),
            "msg": f"{len(wanted)} names, {right} right, {len(steps)} changes to make in Route 53",
        }
        if failed and run.alone:
            lines = [{"host": host, "reason": reason} for host, reason in failed.items()]
            message = "\n".join([str(result["msg"]), *guilty_of(lines, FAULTS_SHOWN)])
            result |= {"failed": True, "msg": message, **fleets.errors_beside(message, guilty_of(lines, FAULTS_KEPT))}
        return result

    def _wanted(self, fleet: fleets.ReadFleet, options: Mapping[str, Any]) -> tuple[list[Name], dict[str, str]]:
        """The names of the batch's clusters; and by host why it isn't known where they are to lead."""
        wanted, failed = list[Name](), dict[str, str]()
        regionals: list[Regional] = fleet.of("regional")
        unsaid = [each for each in regionals if not each.ingress_addresses and options["state"] == PRESENT]
        inside_of = self._inside(unsaid, fleet, options) if unsaid else {}
        for each in regionals:
            found: Any = [_entry(one) for one in each.ingress_addresses]
            if each in unsaid:
                found = inside_of[each.host]
            if isinstance(found, str):
                failed[each.host] = found
                continue
            try:
                ingress = found if options["state"] == PRESENT else None
                external = each.external_dns != "none"
                wanted += dns_records.names_of(each.host, each.domain, ingress, external_dns=external)
            except NoAddress as problem:
                failed[each.host] = f"{_SERVICE}: {problem}"
        return wanted, failed

    def _inside(
        self, regionals: Sequence[Regional], fleet: fleets.ReadFleet, options: Mapping[str, Any]
    ) -> dict[str, list[Any] | str]:
        """By host the ingress' `status.loadBalancer.ingress`, or why it isn't known."""
        found: dict[str, list[Any] | str] = {}
        with self.connect(fleet, options) as connection:
            kcm, home = f"{KCM_GROUP}/{render.kcm_version_of(connection)}", fleet.shared("kof_kcm_namespace")
            listed = {
                kind: {each["metadata"]["name"]: each for each in connection.list_objects(path)[0]}
                for kind in ("ClusterDeployment", "Credential")
                for path in (connection.path(kcm, kind, home),)
            }
            visits: dict[str, inside.Visit] = {}
            for each in regionals:
                live = listed["ClusterDeployment"].get(each.cluster_name)
                if live is None or identity.fleet_of(live) not in (None, each.fleet):
                    whose = "isn't there" if live is None else f"belongs to fleet {identity.fleet_of(live)}"
                    found[each.host] = f"ClusterDeployment {home}/{each.cluster_name} {whose}"
                    continue
                credential = listed["Credential"].get(str((live.get("spec") or {}).get("credential")))
                secrets = own_cluster.kubeconfig_secrets(home, each.cluster_name, credential)
                services = fleet.release.services["regional"]
                space = next(service.namespace for service in services if service.name == _INGRESS) or each.namespace
                part = Part(Inside(each.cluster_name, Ref("v1", "Service", space, _SERVICE)))
                visits[each.host] = inside.Visit(each.cluster_name, (part,), secrets, options["deadline"], holds=True)
            inside.look(connection, list(visits.values()), lambda _time: False)
        for host, visit in visits.items():
            found[host] = _ingress_of(visit)
        return found

    def _plan(self, wanted: Iterable[Name], fleet: fleets.ReadFleet, options: Mapping[str, Any]) -> str | None:
        """
        :returns: the region to tell AWS' SDK, where nobody has said one.
        :raises FleetFault: AWS can't be asked, or who is to write isn't here.
        """
        motherships = fleet.of("mothership")
        if not motherships:
            raise FleetFault(
                "dns_records_write works from the mothership's host, which isn't in the batch: leave --limit out, or "
                "name that host in it too. Nothing was changed."
            )
        there = controller.versions()
        missing = [name for name in controller.FOR_AWS if there[name] is None]
        if missing:
            raise FleetFault(
                f"{some(missing)} isn't there, with which AWS is asked: see requirements.txt and galaxy.yml"
            )
        from ansible_collections.k0rdent.kof.plugins.plugin_utils import zones

        variables = fleet.variables[motherships[0].host]
        ids = options["hosted_zones"] or variables.get("dns_credentials_hosted_zones") or ()
        try:
            found = zones.records(variables, ids)
        except zones.AwsUnavailable as problem:
            raise FleetFault(f"AWS can't show the hosted zones: {problem}. Nothing was changed.") from None
        for each in wanted:
            try:
                zone = dns_records.zone_of(each.name, found)
            except dns_records.NoZone as problem:
                each.refused = str(problem)
                each.by_hand = "name the zone that it is in: -e dns_records_hosted_zones=Z0123456789ABC"
            else:
                dns_records.plan(each, zone, options["state"], fleet.shared("kof_fleet"), options["overwrite"])
        prefix = "dns_credentials_"
        of_aws = {name.removeprefix(prefix): each for name, each in variables.items() if name.startswith(prefix)}
        return dns_credentials.region_of(of_aws)


def _check(options: Mapping[str, Any]) -> None:
    """
    :raises FleetFault: an option isn't what it can be.
    """
    if not names.THERE:
        raise FleetFault("dnspython isn't there, with which names are looked up: python -m pip install dnspython")
    for name, least in (("deadline", 1), ("ttl", 0)):
        if not least <= options[name] <= 2_147_483_647:
            raise FleetFault(f"{name} (dns_records_{name}) is {options[name]}; seconds, 30 for example")
    if options["resolver"]:
        try:
            names.server(options["resolver"])
        except ValueError as problem:
            raise FleetFault(f"resolver (dns_records_resolver) {problem}; {_RESOLVER}") from None
    wrong = [each for each in options["hosted_zones"] if not syntax.hosted_zone(each)]
    if wrong:
        raise FleetFault(f"hosted_zones (dns_records_hosted_zones): {some(wrong)} isn't a zone's id, as Z0123456789ABC")


def _entry(address: str) -> dict[str, str]:
    return {"ip" if not syntax.is_name(address) else "hostname": address}


def _ingress_of(visit: inside.Visit) -> list[Any] | str:
    if visit.forbidden:
        return f"its kubeconfig may not be read: {visit.forbidden}; docs/rbac/verifier.yaml grants it"
    if visit.found:
        return "; ".join(each.verdict.why for each in visit.found)
    if not visit.held:
        return f"has no Service {visit.refs[0].namespace}/{_SERVICE} inside"
    found = dig(visit.held[0], ("status", "loadBalancer", "ingress"))
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _unknown(host: str, why: str) -> row.Check:
    remedy = "see the ingress' Service inside of the cluster, or say regional_ingress_addresses"
    return row.Check("ingress", why, "an address", remedy, row.FAILED, (host,))


def _rows(wanted: Iterable[Name], options: Mapping[str, Any]) -> Iterable[row.Check]:
    for each in wanted:
        wants = ", ".join(f"{kind} {some(values)}" for kind, values in each.wanted.items())
        if each.refused:
            # Right as it is told by the resolver, it only isn't ours to write.
            fine = each.state == dns_records.RIGHT
            remedy = _remedy(each)
            status = row.OK if fine else row.FAILED
            found = f"{each.why}; not written: {each.refused}" if each.why else f"not touched: {each.refused}"
            yield row.Check(each.name, found, wants, "" if fine else remedy, status, (each.host,))
        elif each.steps:
            verbs = defaultdict(list)
            for step in each.steps:
                verbs["removes" if step.state == ABSENT else "writes"].append(f"{step.type} {step.record}")
            found = "; ".join([each.why] * bool(each.why) + [f"{verb} {some(what)}" for verb, what in verbs.items()])
            yield row.Check(each.name, found, wants, "", row.ANNOUNCED, (each.host,))
        elif options["state"] == ABSENT:
            yield row.Check(each.name, "nothing of this fleet's is there", hosts=(each.host,))
        elif options["write"] and each.state != dns_records.RIGHT:
            found = f"in Route 53 as wanted, but {each.why}"
            remedy = "wait for the old record's time to live, or see whether the zone is delegated"
            yield row.Check(each.name, found, wants, remedy, row.WARNING, (each.host,))
        else:
            status = _STATUS.get(each.state, row.FAILED)
            remedy = "" if each.state == dns_records.RIGHT else _remedy(each)
            yield row.Check(each.name, each.why, wants, remedy, status, (each.host,))


def _remedy(each: Name) -> str:
    if each.by_hand:
        return each.by_hand
    if each.state == dns_records.UNKNOWN and not each.refused:
        return f"another resolver: dns_records_resolver, {_RESOLVER}"
    if each.external_dns and not each.refused:
        return "see kof-storage-external-dns and its log on the cluster; it makes this record"
    if each.refused:
        return "-e dns_records_overwrite=external_dns, or others, replaces what isn't ours"
    return "-e dns_records_write=true writes it to Route 53; elsewhere make it by hand"


def _told(each: Name) -> dict[str, Any]:
    return {
        "host": each.host,
        "name": each.name,
        "wanted": [{"type": kind, "values": list(values)} for kind, values in each.wanted.items()],
        "state": each.state,
        "why": each.why,
        "refused": each.refused,
    }
