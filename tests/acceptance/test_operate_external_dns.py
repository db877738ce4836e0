"""playbooks/dns_records.yml and the real external-dns, writing into one zone of moto's Route 53.

Each region has an API server of its own with the stand-in kof-storage as its values are rendered, whose Ingresses have
the address of a load balancer; external-dns runs there once at a time (`--once`) with the arguments, the environment
and the credentials file of the Deployment that is live. It is a newer release than the one of kof 0.1.1 (0.15.1, whose
modules can't all be had): where that one writes otherwise, by its sources, the test does it by hand, and the real one
has to take it for its own.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from dns_world import BALANCER, World, alias, by_state, domain_of, failed, name_of, of, record, running, told

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import secret
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_records
from sandbox import binaries, chart_packages, kubectl, lifecycle, names_server

pytestmark = pytest.mark.long

WRITE = ("-e", "dns_records_write=true")
OVERWRITE = ("-e", "dns_records_overwrite=external_dns")
#: Of the same domain as the one that is written to, and in the same account.
TWIN = "Z0EXAMPLE00000000001"
#: Where each region is reached.
ADDRESSES = {"eu1": [BALANCER], "us1": ["192.0.2.2", "192.0.2.3", "2001:db8::2"]}
ELSEWHERE = {"eu1": ["c3d4.us-east-2.elb.amazonaws.com"], "us1": ["192.0.2.77", "2001:db8::77"]}
INGRESSES = {"vmauth": "vmauth-cluster", "grafana": "grafana-vm-ingress"}
#: Of the user's own, in each region.
OTHERS = {"admin": "lb.example.net", "vmauth-admin": "192.0.2.50"}
UP_TO_DATE = "All records are already up to date"
Record = dict[str, Any]


@dataclass
class Region:
    """A region's API server, and its external-dns.

    :ivar arguments: of the live Deployment, as are `environment` and the folder of its `credentials`.
    """

    name: str
    folder: pathlib.Path
    program: pathlib.Path
    aws: str
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.folder / "mothership.kubeconfig"

    @property
    def owner(self) -> str:
        return f"sandbox-{self.name}"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        binary = json.loads((self.folder / "endpoints.json").read_text())["kubectl"]
        done = kubectl.run(binary, self.kubeconfig, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, helm: pathlib.Path, charts: Mapping[str, pathlib.Path], values: str) -> None:
        self.kubectl("create", "namespace", "kof")
        data = {"username": "u", "password": "p"}
        self.apply({"apiVersion": "v1", "kind": "Secret", "stringData": data}, "storage-vmuser-credentials")
        for name, given in (("ingress-nginx", ""), ("kof-storage", values)):
            command = [str(helm), "install", name, str(charts[name]), "--namespace", "kof", "--values", "-"]
            command += ["--kubeconfig", str(self.kubeconfig), "--no-hooks"]
            done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        for name, address in OTHERS.items():
            self.apply(ingress(name_of(self.name, name)), name)
            self.leads_to(address, only=name)
        live = json.loads(self.kubectl("get", "deployment", "kof-storage-external-dns", "-n", "kof", "-o", "json"))
        (container,) = live["spec"]["template"]["spec"]["containers"]
        self.arguments = container["args"]
        # The Secret is where the pod would have it.
        (mount,) = (each["mountPath"] for each in container["volumeMounts"])
        (self.folder / "credentials").mkdir()
        key = secret.external_dns_secret("kof", {}, "AKIAEXTERNALDNS00000", "a+b/c")["data"][secret.KEY]
        (self.folder / "credentials" / secret.KEY).write_bytes(base64.b64decode(key))
        self.environment = {
            each["name"]: each["value"].replace(mount, str(self.folder / "credentials")) for each in container["env"]
        }

    def apply(self, wanted: dict[str, Any], name: str) -> None:
        text = json.dumps({**wanted, "metadata": {**wanted.get("metadata", {}), "name": name, "namespace": "kof"}})
        self.kubectl("apply", "-f", "-", stdin=text)

    def leads_to(self, *addresses: str, only: str = "") -> None:
        """Give kof's Ingresses, or one, the status that ingress-nginx writes, and its Service that of the cloud."""
        found = [{"ip" if each[0].isdigit() else "hostname": each} for each in addresses]
        status = json.dumps({"status": {"loadBalancer": {"ingress": found}}})
        of_kof = [("ingress", each) for each in INGRESSES.values()] + [("service", "ingress-nginx-controller")]
        for kind, name in [("ingress", only)] if only else of_kof:
            self.kubectl("patch", kind, name, "-n", "kof", "--subresource=status", "--type=merge", "-p", status)

    def external_dns(self, *more: str, without: tuple[str, ...] = ()) -> str:
        """One round of it; its log.

        :param more: in the place of the arguments of the same name; :param without: whose arguments it is not given.
        """
        gone = (*without, *(each.partition("=")[0] for each in more))
        arguments = [each for each in self.arguments if each.partition("=")[0] not in gone]
        ours = ["--once", f"--kubeconfig={self.kubeconfig}", "--metrics-address=127.0.0.1:0"]
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
        }
        command = [str(self.program), *arguments, *more, *ours]
        for _round in (1, 2):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
            # moto's answer may be cut off; what was done is then sent again, and refused. The next round sees that.
            if done.returncode == 0 or "failed to discard remaining HTTP response body" not in done.stderr:
                break
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout


def ingress(host: str) -> dict[str, Any]:
    backend = {"service": {"name": "x", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"rules": [rule]}}


def service(host: str) -> dict[str, Any]:
    """As external-dns wants it now, and as it did up to 0.21."""
    prefixes = ("external-dns.kubernetes.io", "external-dns.alpha.kubernetes.io")
    annotations = {f"{each}/hostname": host for each in prefixes}
    spec = {"type": "LoadBalancer", "ports": [{"port": 443}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"annotations": annotations}, "spec": spec}


@pytest.fixture(scope="module")
def program() -> pathlib.Path:
    return binaries.find_or_build(external_dns=True)["external-dns"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The zone, and the regions with an external-dns each."""
    regionals = {name: {"regional_ingress_addresses": each} for name, each in ADDRESSES.items()}
    hosts = {ADDRESSES["eu1"][0]: ["198.51.100.1", "2001:db8:f::1"], ELSEWHERE["eu1"][0]: ["198.51.100.2"]}
    with running(tmp_path_factory.mktemp("dns"), regionals, hosts) as found:
        found.settles = names_server.FRESH
        yield found


@pytest.fixture(scope="module")
def regions(
    world: World, program: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Region]]:
    rendered = tmp_path_factory.mktemp("rendered")
    run = world.sandbox.playbook("render", "-e", f"render_folder={rendered}", inventory=world.where)
    assert run.code == 0, run.output
    charts = tmp_path_factory.mktemp("charts")
    assembled = {
        chart.name: chart_packages.assemble(chart, charts)
        for chart in chart_packages.ALL
        if chart.name in ("kof-storage", "ingress-nginx")
    }
    found = {}
    try:
        for name in ADDRESSES:
            folder = tmp_path_factory.mktemp(name)
            found[name] = Region(name, folder, program, world.sandbox.endpoints["aws"])
            lifecycle.up(folder, only_control_plane=True, say=lambda _text: None)
            documents = yaml.safe_load_all((rendered / "regional" / f"{name}.yaml").read_text())
            (deployment,) = (each for each in documents if each and each["kind"] == "ClusterDeployment")
            services = {each["name"]: each for each in deployment["spec"]["serviceSpec"]["services"]}
            found[name].install(binaries.find_or_build()["helm"], assembled, services["kof-storage"]["values"])
        yield found
    finally:
        for region in found.values():
            lifecycle.down(region.folder)


@pytest.fixture
def zone(world: World, regions: dict[str, Region]) -> Iterator[World]:
    """Empty, but for what is nobody's here, and the regions where they are at first."""
    www = record("www.example.com", "A", "203.0.113.1")
    world.is_only(www)
    for name, region in regions.items():
        region.leads_to(*ADDRESSES[name])
    yield world
    assert www in world.records(), "somebody else's"
    assert world.records(TWIN) == [], "of a zone that isn't ours"


def without_external_dns(world: World, addresses: Mapping[str, list[str]]) -> str:
    """An inventory where the regions' records are made by us, and lead there."""
    regionals = {
        name: {"regional_external_dns": "none", "regional_ingress_addresses": each} for name, each in addresses.items()
    }
    return world.inventory("without-" + "-".join(each[0] for each in addresses.values()), regionals)


def heritage(owner: str, resource: str) -> str:
    return f'"heritage=external-dns,external-dns/owner={owner},external-dns/resource={resource}"'


def written(region: str, owner: str = "") -> list[Record]:
    """What external-dns 0.23 writes for a region, as Route 53 lists it: its times to live are 300 s."""
    owner = owner or f"sandbox-{region}"
    found = []
    for before, resource in INGRESSES.items():
        name = name_of(region, before)
        for kind in ("A", "AAAA"):
            text = heritage(owner, f"ingress/kof/{resource}")
            values = [each for each in ADDRESSES[region] if (":" in each) == (kind == "AAAA")]
            if ADDRESSES[region] == [BALANCER]:
                found.append(alias(name, kind, BALANCER))
            else:
                found.append(record(name, kind, *values, ttl=300))
            found.append(record(f"{kind.lower()}-{name}", "TXT", text, ttl=300))
    for kind, before in (("CNAME", "admin"), ("A", "vmauth-admin")):
        name = name_of(region, before)
        found.append(record(name, kind, OTHERS[before], ttl=300))
        text = heritage(owner, f"ingress/kof/{before}")
        found.append(record(f"{kind.lower()}-{name}", "TXT", text, ttl=300))
    return found


def listed(records: list[Record]) -> list[Record]:
    """In one order; a host name with a dot at its end is the same."""
    records = copy.deepcopy(records)
    for each in records:
        if "AliasTarget" in each:
            each["AliasTarget"]["DNSName"] = each["AliasTarget"]["DNSName"].rstrip(".")
        each.get("ResourceRecords", []).sort(key=str)
    return sorted(records, key=lambda each: (each["Name"], each["Type"]))


def of_region(world: World, region: str) -> list[Record]:
    return listed([each for each in world.records() if each["Name"].endswith(f".{domain_of(region)}.")])


def all_but_www(world: World) -> list[Record]:
    return [each for each in world.records() if each["Name"] != "www.example.com."]


def test_01_it_is_given_what_is_rendered_and_what_it_writes_is_known(zone: World, regions: dict[str, Region]) -> None:
    for name, region in regions.items():
        assert region.arguments[-4:] == [
            f"--domain-filter={domain_of(name)}",
            "--provider=aws",
            "--aws-zone-match-parent",
            "--zone-id-filter=Z0EXAMPLE00000000000",
        ]
        assert f"--txt-owner-id=sandbox-{name}" in region.arguments
        region.external_dns()
        assert of_region(zone, name) == listed(written(name))
    before = zone.records()
    for region in regions.values():
        assert UP_TO_DATE in region.external_dns()
    assert zone.records() == before


def test_02_what_it_wrote_is_right_and_stays_its_own(zone: World, regions: dict[str, Region]) -> None:
    for region in regions.values():
        region.external_dns()
    before = zone.records()
    without = without_external_dns(zone, ADDRESSES)
    for inventory in (zone.where, without):
        for arguments in ((), WRITE, (*WRITE, "-e", "dns_records_state=absent")):
            run = zone.run(*arguments, inventory=inventory)
            assert (run.code, run.total("changed")) == (0, 0), run.output
        run = zone.run(*WRITE, inventory=inventory)
        assert by_state(run) == {"right": of("eu1", "us1")}
    assert zone.records() == before


def test_03_what_is_missing_or_wrong_there_is_named_and_not_written(zone: World, regions: dict[str, Region]) -> None:
    run = zone.run(*WRITE)
    assert by_state(run) == {"missing": of("eu1", "us1")}
    assert {each["refused"] for each in told(run).values()} == {
        "the cluster's external-dns makes it (regional_external_dns)"
    }
    for region in regions.values():
        region.external_dns()
    # Wrong type: an alias of a host name where an address is to be; a wrong target; and one that is missing.
    zone.change("DELETE", *(each for each in zone.records() if each["Name"] == f"{name_of('us1', 'grafana')}."))
    before = zone.records()
    swapped = without_external_dns(zone, {"eu1": ["192.0.2.9"], "us1": ELSEWHERE["us1"]})
    run = zone.run(*WRITE, inventory=swapped)
    assert (failed(run), run.total("changed")) == ({"eu1", "us1"}, 0), run.output
    assert by_state(run) == {"wrong": of("eu1") | {"vmauth.us1"}, "missing": {"grafana.us1"}}
    assert {name: each["refused"] for name, each in told(run).items()} == {
        name_of(region, each): f"it is external-dns' own (owner sandbox-{region})"
        for region in regions
        for each in INGRESSES
    }
    assert zone.records() == before
    assert "Desired change: CREATE grafana.us1.kof.example.com A" in regions["us1"].external_dns()
    assert listed(all_but_www(zone)) == listed([*written("eu1"), *written("us1")])


def test_04_it_leaves_what_we_wrote_alone_and_that_goes_without_trace(zone: World, regions: dict[str, Region]) -> None:
    inventory = without_external_dns(zone, ADDRESSES)
    nothing = zone.records()
    run = zone.run(*WRITE, inventory=inventory)
    assert run.code == 0, run.output
    assert zone.of(name_of("eu1")) == {"CNAME": [BALANCER]}
    assert zone.of(name_of("us1")) == {"A": ["192.0.2.2", "192.0.2.3"], "AAAA": ["2001:db8::2"]}
    before = zone.records()
    run = zone.run(*WRITE, inventory=inventory)
    assert (run.code, run.total("changed"), set(by_state(run))) == (0, 0, {"right"}), run.output
    # It wants an alias beside the CNAME, other addresses, and with `sync` nothing that it doesn't know.
    users = [name_of(region, each) for region in regions for each in OTHERS]
    for name, region in regions.items():
        region.leads_to(*ELSEWHERE[name])
        for policy in ("upsert-only", "sync"):
            region.external_dns(f"--policy={policy}")
        region.external_dns("--policy=sync", "--txt-owner-id=default", without=("--domain-filter",))
    theirs = [each for each in zone.records() if any(f"-{each['Name']}".endswith(f"-{name}.") for name in users)]
    assert len(theirs) == 8, "the users' own are written"
    assert listed(zone.records()) == listed([*before, *theirs])
    run = zone.run(*WRITE, "-e", "dns_records_state=absent", inventory=inventory)
    assert run.code == 0, run.output
    assert listed(zone.records()) == listed([*nothing, *theirs])
    run = zone.run(*WRITE, "-e", "dns_records_state=absent", inventory=inventory)
    assert (run.code, run.total("changed")) == (0, 0), run.output


def test_05_another_owner_leaves_its_records_alone(zone: World, regions: dict[str, Region]) -> None:
    for name, region in regions.items():
        region.external_dns()
        before = of_region(zone, name)
        region.leads_to(*ELSEWHERE[name])
        region.external_dns("--policy=sync", "--txt-owner-id=sandbox-another")
        region.external_dns("--policy=sync", without=("--txt-owner-id",))
        assert of_region(zone, name) == before
        # Its own one does it.
        region.external_dns()
        assert of_region(zone, name) != before


@pytest.mark.parametrize(
    ("without", "kept"),
    [
        ((), True),
        (("--domain-filter",), True),
        (("--txt-owner-id",), True),
        # As the charts of kof have it: who takes anything away takes the other region's.
        (("--domain-filter", "--txt-owner-id"), False),
    ],
)
def test_06_regions_of_one_zone_do_not_take_each_other_s(
    zone: World, regions: dict[str, Region], without: tuple[str, ...], kept: bool
) -> None:
    for region in regions.values():
        region.external_dns("--policy=sync", without=without)
    owner = "default" if "--txt-owner-id" in without else ""
    assert (of_region(zone, "eu1") == listed(written("eu1", owner))) == kept
    # One that wants a name of the other's.
    regions["us1"].apply(ingress(name_of("eu1")), "greedy")
    regions["us1"].leads_to("192.0.2.66", only="greedy")
    try:
        before = of_region(zone, "eu1")
        regions["us1"].external_dns("--policy=sync", without=without)
        regions["us1"].leads_to("192.0.2.67", only="greedy")
        regions["us1"].external_dns("--policy=sync", without=without)
        assert (of_region(zone, "eu1") == before) == kept
    finally:
        regions["us1"].kubectl("delete", "ingress", "greedy", "-n", "kof")


def test_07_replaced_where_that_is_said_and_made_again_by_a_live_one(zone: World, regions: dict[str, Region]) -> None:
    for region in regions.values():
        region.external_dns()
    elsewhere = {"eu1": ["192.0.2.9"], "us1": ELSEWHERE["us1"]}
    inventory = without_external_dns(zone, elsewhere)
    texts = [each for each in zone.records() if each["Type"] == "TXT"]
    before = zone.records()
    run = zone.run(*WRITE, *OVERWRITE, inventory=inventory)
    assert run.code == 0, run.output
    assert zone.of(name_of("eu1")) == {"A": ["192.0.2.9"]}
    assert zone.of(name_of("us1")) == {"A": ["192.0.2.77"], "AAAA": ["2001:db8::77"]}
    assert [each for each in zone.records() if each in texts] == texts, "its own records of whose it is stay"
    run = zone.run(*WRITE, *OVERWRITE, inventory=inventory)
    assert (run.code, run.total("changed"), set(by_state(run))) == (0, 0, {"right"}), run.output
    # Its next round: what its TXT records tell of is its own.
    for region in regions.values():
        region.external_dns()
    marks = [each for each in zone.records() if each["Name"].startswith("_k0rdent-kof.")]
    assert listed(zone.records()) == listed([*before, *marks])
    run = zone.run(*WRITE, inventory=inventory)
    assert failed(run) == {"eu1", "us1"}
    assert "it is external-dns' own (owner sandbox-eu1)" in told(run)[name_of("eu1")]["refused"]
    run = zone.run(*WRITE, "-e", "dns_records_state=absent", inventory=inventory)
    assert run.code == 0, run.output
    assert listed(zone.records()) == listed(before), "only our own words go"


def test_08_records_of_older_releases_are_its_own_too(zone: World, regions: dict[str, Region]) -> None:
    """As 0.15.1 writes them: beside the type's a TXT record at the name itself, but of IPv6; an alias' is cname."""
    region = regions["eu1"]
    for before, resource in INGRESSES.items():
        name, text = name_of("eu1", before), heritage("sandbox-eu1", f"ingress/kof/{resource}")
        zone.change("CREATE", alias(name, "A", BALANCER), alias(name, "AAAA", BALANCER))
        zone.change("CREATE", *(record(each, "TXT", text, ttl=300) for each in (name, f"cname-{name}", f"aaaa-{name}")))
    before = zone.records()
    swapped = without_external_dns(zone, {"eu1": ["192.0.2.9"]})
    run = zone.run(*WRITE, inventory=swapped)
    assert {each["refused"] for each in told(run).values()} == {"it is external-dns' own (owner sandbox-eu1)"}
    assert zone.records() == before
    # The real one takes them for its own, as it follows the load balancer.
    region.leads_to(*ELSEWHERE["eu1"])
    region.external_dns()
    aliases = [each for each in zone.records() if each["Name"] == f"{name_of('eu1')}." and "AliasTarget" in each]
    assert [each["AliasTarget"]["DNSName"].rstrip(".") for each in aliases] == 2 * ELSEWHERE["eu1"]
    # Where they are replaced, one may stand in the way of a CNAME.
    other = without_external_dns(zone, {"eu1": ADDRESSES["eu1"]})
    run = zone.run(*WRITE, *OVERWRITE, inventory=other)
    assert run.code == 0, run.output
    assert zone.of(name_of("eu1")) == {"CNAME": [BALANCER]}
    run = zone.run(*WRITE, *OVERWRITE, inventory=other)
    assert (run.code, run.total("changed"), set(by_state(run))) == (0, 0, {"right"}), run.output


KEY = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.mark.parametrize(
    "affix",
    [
        ("--txt-prefix=kof-",),
        ("--txt-prefix=kof.",),
        ("--txt-prefix=%{record_type}-kof.",),
        ("--txt-prefix=kof.%{record_type}-",),
        ("--txt-suffix=-kof",),
        ("--txt-suffix=.kof",),
        ("--txt-suffix=-%{record_type}.kof",),
        ("--txt-encrypt-enabled", f"--txt-encrypt-aes-key={KEY}"),
        ("--txt-encrypt-enabled", f"--txt-encrypt-aes-key={KEY}", "--txt-prefix=kof."),
    ],
    ids=" ".join,
)
def test_09_whatever_its_user_calls_its_txt_records(
    zone: World, regions: dict[str, Region], affix: tuple[str, ...]
) -> None:
    owner = "" if "--txt-encrypt-enabled" in affix else "sandbox-us1"
    regions["us1"].external_dns(*affix)
    sets = zone.records()
    there = dns_records.Zone("Z", "example.com", sets)
    for each in (*INGRESSES, *OTHERS):
        assert dns_records.owner_of(name_of("us1", each), there) == owner, [each["Name"] for each in sets]
    for other in (name_of("us1", "metrics"), name_of("eu1")):
        assert dns_records.owner_of(other, there) is None, other


def test_10_a_service_with_a_load_balancer_is_no_other_case(zone: World, regions: dict[str, Region]) -> None:
    """vmauth reached by its own Service, as without an ingress controller: an address of IPv6 only."""
    region = regions["us1"]
    region.kubectl("delete", "ingress", "vmauth-cluster", "-n", "kof")
    region.apply(service(name_of("us1")), "vmauth-direct")
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::5"}]}}})
    of_status = ("--subresource=status", "--type=merge", "-p", status)
    region.kubectl("patch", "service", "vmauth-direct", "-n", "kof", *of_status)
    try:
        region.external_dns()
        assert zone.of(name_of("us1")) == {"AAAA": ["2001:db8::5"]}
        text = heritage("sandbox-us1", "service/kof/vmauth-direct")
        assert zone.of(f"aaaa-{name_of('us1')}") == {"TXT": [text]}
        run = zone.run(*WRITE, inventory=without_external_dns(zone, {"us1": ["192.0.2.5"]}))
        found = told(run)[name_of("us1")]
        assert found["refused"] == "it is external-dns' own (owner sandbox-us1)"
        assert found["why"] == "leads to 2001:db8::5"
    finally:
        region.kubectl("delete", "service", "vmauth-direct", "-n", "kof")
        region.apply(ingress(name_of("us1")), "vmauth-cluster")
