"""How names are looked up, asked of the sandbox's own DNS server, which is fed from moto's Route 53."""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import dns.message
import dns.query
import dns.rcode
import pytest
from moto.server import ThreadedMotoServer

import sandbox
from ansible_collections.k0rdent.kof.plugins.module_utils.dns import names
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.names import Answer

BALANCER = "a1.us-east-2.elb.amazonaws.com"
TWO = [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}]
RECORDS: list[dict[str, Any]] = [
    {"Name": "four.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]},
    {"Name": "both.example.com", "Type": "A", "TTL": 60, "ResourceRecords": TWO},
    {"Name": "both.example.com", "Type": "AAAA", "TTL": 60, "ResourceRecords": [{"Value": "2001:db8::1"}]},
    {"Name": "other.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": f"{BALANCER.upper()}."}]},
    {"Name": "away.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.nowhere.test"}]},
    {"Name": "gone.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "never.example.com"}]},
    {
        "Name": "alias.example.com",
        "Type": "A",
        "AliasTarget": {"HostedZoneId": "Z1", "DNSName": f"{BALANCER}.", "EvaluateTargetHealth": False},
    },
    {"Name": "*.wild.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.9"}]},
    {"Name": "here.wild.example.com", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"a" "b"'}]},
    {"Name": "x.deep.wild.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.8"}]},
]  # fmt: skip


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    hosts = tmp_path_factory.mktemp("names") / "hosts.json"
    hosts.write_text(json.dumps({BALANCER: ["198.51.100.1"]}))
    moto = ThreadedMotoServer("127.0.0.1", 0)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
    client = boto3.client("route53", endpoint_url=endpoint, region_name="us-east-1", **keys)
    # Servers of one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    zone = client.create_hosted_zone(Name="example.com", CallerReference="a")["HostedZone"]
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in RECORDS]
    client.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    server = pathlib.Path(sandbox.__file__).with_name("names_server.py")
    arguments = ["--port", str(own), "--endpoint", endpoint, "--hosts", str(hosts)]
    process = subprocess.Popen([sys.executable, str(server), *arguments])
    try:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", own), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"127.0.0.1:{own}"
    finally:
        process.kill()
        process.wait()
        moto.stop()


FOUND = {
    "four.example.com": Answer(frozenset({"192.0.2.1"})),
    "FOUR.example.com": Answer(frozenset({"192.0.2.1"})),
    "both.example.com": Answer(frozenset({"192.0.2.1", "192.0.2.2", "2001:db8::1"})),
    "other.example.com": Answer(frozenset({"198.51.100.1"}), (BALANCER,)),
    "away.example.com": Answer(frozenset(), ("x.nowhere.test",)),
    "gone.example.com": Answer(frozenset(), ("never.example.com",)),
    "alias.example.com": Answer(frozenset({"198.51.100.1"})),
    "any.wild.example.com": Answer(frozenset({"192.0.2.9"})),
    "here.wild.example.com": Answer(),
    "deep.wild.example.com": Answer(),
    "never.example.com": Answer(),
    BALANCER: Answer(frozenset({"198.51.100.1"})),
    "not.known.test": Answer(problem="the resolver says REFUSED"),
}


def test_names_of_all_kinds(resolver: str) -> None:
    assert names.look_up([*FOUND, "four.example.com"], resolver, 30) == FOUND


@pytest.mark.parametrize("tcp", [False, True])
def test_the_server_tells_no_such_name_from_no_such_type(resolver: str, tcp: bool) -> None:
    port = int(resolver.rpartition(":")[2])
    ask = dns.query.tcp if tcp else dns.query.udp
    for name, code, answers in (
        ("never.example.com", dns.rcode.NXDOMAIN, 0),
        ("four.example.com", dns.rcode.NOERROR, 0),
        ("both.example.com", dns.rcode.NOERROR, 1),
        ("deep.wild.example.com", dns.rcode.NOERROR, 0),
        ("x.here.wild.example.com", dns.rcode.NXDOMAIN, 0),
        ("a.x.deep.wild.example.com", dns.rcode.NXDOMAIN, 0),
    ):
        found = ask(dns.message.make_query(name, "AAAA"), "127.0.0.1", port=port, timeout=10)
        assert (found.rcode(), len(found.answer)) == (code, answers), name
        assert bool(found.authority) == (not answers), name
    text = ask(dns.message.make_query("here.wild.example.com", "TXT"), "127.0.0.1", port=port, timeout=10)
    assert text.answer[0][0].to_text() == '"a" "b"'


def test_a_resolver_that_says_nothing_holds_up_for_the_deadline_and_no_longer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()
        found = names.look_up([f"n{n}.example.com" for n in range(100)], f"127.0.0.1:{silent.getsockname()[1]}", 1)
    assert set(found.values()) == {Answer(problem="no answer in time")}
    assert time.monotonic() - began < 50  # of 100 seconds for each by itself


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:53", ("2001:db8::53", 53)),
        ("dns.example.com", None),
        ("192.0.2.53:", None),
        ("192.0.2.53:0", None),
        ("192.0.2.53:65536", None),
        ("192.0.2.530", None),
        ("[127.0.0.1", None),
        ("", None),
    ],
)
def test_what_a_resolver_may_be(text: str, found: tuple[str, int] | None) -> None:
    if found:
        assert names.server(text) == found
        return
    with pytest.raises(ValueError, match=r"IP address"):
        names.server(text)
