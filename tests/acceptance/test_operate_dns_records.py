"""playbooks/dns_records.yml against moto's Route 53, with the sandbox's DNS server as the world that asks it.

What it writes is held against Route 53 and DNS; nothing else may be touched. Where the regions are reached is said by
their variables, so no cluster is asked, and none is there: what is looked up inside of them is
tests/unit/plugins/action/test_fleet_dns_records.py.
"""

from __future__ import annotations

import copy
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from dns_world import BALANCER, ZONE, World, alias, by_state, failed, name_of, of, record, running, told
from support import REPOSITORY, finish

OTHER = "Z0EXAMPLE00000000002"
REGIONS: dict[str, list[str]] = {
    "four": ["192.0.2.1"],
    "both": ["192.0.2.2", "2001:db8::2", "192.0.2.3"],
    "elb": [BALANCER],
    "right": ["192.0.2.4"],
    "type": ["192.0.2.5"],
    "target": ["192.0.2.6"],
    "owned": ["192.0.2.7"],
    "alias": [BALANCER],
}
WRITE = ("-e", "dns_records_write=true")
HERITAGE = '"heritage=external-dns,external-dns/owner=default,external-dns/resource=ingress/kof/vmauth-cluster"'
#: What others have made there.
THEIRS = [
    record("www.example.com", "A", "203.0.113.1"),
    *(record(name_of("right", each), "A", "192.0.2.4") for each in ("vmauth", "grafana")),
    record(name_of("type"), "CNAME", "www.example.com."),
    record(name_of("target"), "A", "192.0.2.6", "203.0.113.9"),
    record(name_of("owned"), "A", "203.0.113.7"),
    record(name_of("owned"), "TXT", HERITAGE),
    record(f"a-{name_of('owned', 'grafana')}", "TXT", HERITAGE),
    *(alias(name_of("alias", each), kind) for each in ("vmauth", "grafana") for kind in ("A", "AAAA")),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    regionals = {
        name: {"regional_external_dns": "none", "regional_ingress_addresses": addresses}
        for name, addresses in REGIONS.items()
    }
    hosts = {each: ["198.51.100.1", "2001:db8:f::1"] for each in (BALANCER, f"dualstack.{BALANCER}")}
    with running(tmp_path_factory.mktemp("dns"), regionals, hosts) as found:
        found.is_only(*THEIRS)
        yield found


def test_01_a_look_says_what_is_missing_and_wrong_and_changes_nothing(world: World) -> None:
    before = copy.deepcopy(world.records())
    run = world.run()
    assert by_state(run) == {
        "right": of("right", "alias"),
        "wrong": {"vmauth.type", "vmauth.target", "vmauth.owned"},
        "missing": of("four", "both", "elb") | {"grafana.type", "grafana.target", "grafana.owned"},
    }
    assert failed(run) == set(REGIONS) - {"right", "alias"}
    assert "doesn't resolve" in run.output
    assert "leads to 203.0.113.9 too" in told(run)[name_of("target")]["why"]
    assert "-e dns_records_write=true writes it to Route 53" in run.output
    assert world.records() == before
    assert run.total("changed") == 0


def test_02_check_mode_says_what_would_be_written_and_writes_nothing(world: World) -> None:
    before = copy.deepcopy(world.records())
    run = world.run(*WRITE, "--check", "--diff", "--limit", "mothership,four,owned")
    assert world.records() == before
    assert {host for host, counts in run.stats.items() if counts["changed"]} == {"mothership", "four"}, run.output
    assert failed(run) == {"owned"}
    assert re.search(rf"\+.*{re.escape(name_of('four'))}|\"{re.escape(name_of('four'))}", run.output)


def test_03_written_right_for_addresses_of_both_kinds_and_host_names(world: World) -> None:
    run = world.run(*WRITE)
    assert world.of(name_of("four")) == {"A": ["192.0.2.1"]}
    assert world.of(name_of("both")) == {"A": ["192.0.2.2", "192.0.2.3"], "AAAA": ["2001:db8::2"]}
    assert world.of(name_of("elb")) == {"CNAME": [BALANCER]}
    for region, why in (
        ("type", "CNAME www.example.com. is there, which isn't this fleet's"),
        ("target", "is there, which isn't this fleet's"),
        ("owned", "it is external-dns' own (owner default)"),
    ):
        assert why in told(run)[name_of(region)]["refused"]
    assert "external-dns' own" in told(run)[name_of("owned", "grafana")]["refused"]
    assert failed(run) == {"type", "target", "owned"}
    for each in THEIRS:
        assert {one["Name"] for one in world.records() if one == each} or each in world.records(), each
    assert world.of(name_of("type")) == {"CNAME": ["www.example.com."]}


def test_04_again_nothing_changes_and_all_of_it_resolves(world: World) -> None:
    before = copy.deepcopy(world.records())
    run = world.run(*WRITE)
    assert run.total("changed") == 0, run.output
    assert world.records() == before
    assert of("four", "both", "elb", "right", "alias") <= by_state(run)["right"]


def test_05_what_isn_t_ours_is_replaced_where_that_is_said(world: World) -> None:
    run = world.run(*WRITE, "-e", json.dumps({"dns_records_overwrite": ["others"]}), "--limit", "!four")
    assert failed(run) == {"owned"}, run.output
    assert world.of(name_of("type")) == {"A": ["192.0.2.5"]}
    assert world.of(name_of("target")) == {"A": ["192.0.2.6"]}
    assert world.of(name_of("owned")) == {"A": ["203.0.113.7"], "TXT": [HERITAGE]}
    run = world.run(*WRITE, "-e", "dns_records_overwrite=external_dns", "--limit", "mothership,owned")
    assert (run.code, failed(run)) == (0, set()), run.output
    assert world.of(name_of("owned")) == {"A": ["192.0.2.7"], "TXT": [HERITAGE]}
    run = world.run()
    assert (run.code, run.total("changed")) == (0, 0), run.output
    assert set(by_state(run)) == {"right"}


def test_06_taken_away_without_trace_and_nothing_else(world: World) -> None:
    # By hand since: theirs now.
    world.change("UPSERT", record(name_of("four"), "A", "203.0.113.44"))
    run = world.run(*WRITE, "-e", "dns_records_state=absent", "--limit", "mothership,four")
    assert failed(run) == {"four"}, run.output
    assert "somebody has changed it since" in run.output
    world.change("UPSERT", record(name_of("four"), "A", "192.0.2.1"))
    run = world.run(*WRITE, "-e", "dns_records_state=absent")
    assert run.code == 0, run.output
    left = world.records()
    replaced = {name_of("type"), name_of("target"), name_of("owned")}
    kept = [each for each in THEIRS if each["Name"].rstrip(".") not in replaced or each["Type"] == "TXT"]
    assert sorted(left, key=str) == sorted(({**each} for each in kept), key=str)
    again = world.run(*WRITE, "-e", "dns_records_state=absent")
    assert (again.code, again.total("changed")) == (0, 0), again.output


def test_06b_more_than_are_made_at_a_time(world: World) -> None:
    """Ten changes at a time: each of 24 names has a record and one that says whose it is."""
    own = {"regional_external_dns": "none", "regional_ingress_addresses": ["192.0.2.8"]}
    inventory = world.inventory("many", {f"many{number}": own for number in range(12)})
    before = len(world.records())
    run = world.run(*WRITE, inventory=inventory)
    assert (run.code, run.total("failures")) == (0, 0), run.output
    assert len(world.records()) - before == 48
    run = world.run(*WRITE, "-e", "dns_records_state=absent", inventory=inventory)
    assert (run.code, len(world.records())) == (0, before), run.output


def test_06c_after_one_that_is_refused_and_without_the_lease_there_are_no_more(
    world: World, tmp_path: pathlib.Path
) -> None:
    """Two at a time, of which the first pair is for a zone that isn't there; and for a fleet that is uninstalled, where
    its management cluster can't say who has the lease."""
    some = REPOSITORY / "playbooks" / "layers" / "dns_records_some.yml"
    refused, fine = (
        {"state": "present", "hosted_zone_id": zone, "record": name_of(each), "type": "A", "value": ["192.0.2.9"]}
        for zone, each in (("Z0NOTTHERE", "one"), (ZONE, "two"))
    )
    before = copy.deepcopy(world.records())
    for more, steps, why in (
        ({}, [[fine]], ""),  # which is taken away again
        ({}, [[refused, fine], [fine]], name_of("one")),
        ({"__dns_records_absent": True}, [[fine], [fine]], "DNS records: "),
    ):
        kept = "{{ hostvars.localhost.__dns_records_outcomes | default([]) | map(attribute='failed') }}"
        loop = {"loop": steps, "loop_control": {"loop_var": "__dns_records_some"}}
        tasks = [{"include_tasks": str(some), **loop}, {"debug": {"msg": kept}}]
        told_before = {
            "__dns_records_told": {"region": "us-east-1"},
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **more,
        }
        play = {"hosts": "kof_mothership", "gather_facts": False, "connection": "local", "vars": told_before}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "tasks": tasks}]))
        run = finish(world.sandbox.start(["-i", world.where, str(tmp_path / "play.yml")], {}))
        assert run.code == 0, run.output  # told by the report
        there = world.records()
        if not why:
            assert world.of(name_of("two")) == {"A": ["192.0.2.9"]}, run.output
            world.is_only(*before)
            continue
        assert f"'mothership': '{why}" in " ".join(run.output.replace('"', "'").split()), run.output
        assert there == before


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"dns_records_resolver": "ns1.example.com"}, "resolver (dns_records_resolver) is no IP address"),
        ({"dns_records_deadline": 0}, "deadline (dns_records_deadline) is 0"),
        ({"dns_records_hosted_zones": ["example.com"]}, "hosted_zones (dns_records_hosted_zones)"),
        ({"dns_records_state": "gone"}, "value of state must be one of"),
        ({"dns_records_overwrite": ["anybody"]}, "value of overwrite must be one or more of"),
        ({"dns_records_hosted_zones": [OTHER]}, "no hosted zone is of a domain above"),
        ({"dns_records_hosted_zones": [ZONE, "Z0EXAMPLE00000000001"]}, "say by dns_records_hosted_zones which"),
        ({"dns_records_hosted_zones": ["Z0NOTTHERE"]}, "AWS can't show the hosted zones"),
        ({"dns_credentials_endpoint_url": "http://127.0.0.1:9"}, "AWS can't show the hosted zones"),
    ],
)
def test_07_bad_input_is_told_before_anything_is_written(world: World, said: dict[str, Any], why: str) -> None:
    before = copy.deepcopy(world.records())
    run = world.run(*WRITE, "-e", json.dumps(said))
    assert run.code != 0
    assert why in " ".join(run.output.split()), run.output
    assert "Traceback" not in run.output
    assert "secret-of-the-sandbox-administrator" not in run.output + json.dumps(run.events)
    assert world.records() == before


def test_08_who_is_to_write_must_be_in_the_run(world: World) -> None:
    run = world.run(*WRITE, "--limit", "four")
    assert run.code != 0
    assert "works from the mothership's host" in run.output
    dead = world.sandbox.playbook("dns_records", "-e", "dns_records_resolver=127.0.0.1:9", inventory=world.where)
    assert set(by_state(dead)) == {"unknown"}
    assert dead.code == 0, "that a resolver is away is no fault of a cluster"
