"""The action fleet_dns_records: the ingress that is found inside of a cluster, on a real API server that is both."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from unit.inventories import FLEET

KCM = "k0rdent.mirantis.com/v1alpha1"
#: Nobody answers there: what resolves is another test's.
RESOLVER = "127.0.0.1:9"
TASK = {"k0rdent.kof.fleet_dns_records": {"resolver": RESOLVER, "deadline": 5}}


def cluster(name: str) -> dict[str, Any]:
    spec = {"template": "aws-standalone-cp-0-1-0", "credential": "a"}
    return {
        "apiVersion": KCM,
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system"},
        "spec": spec,
    }


@pytest.fixture
def regions(control_plane: Any) -> Iterator[Any]:
    """regions(ingress): eu1 is there, its kubeconfig leads back here, and its ingress has that status; us1 isn't."""
    kubeconfig = base64.b64encode(control_plane.admin.read_bytes()).decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"value": kubeconfig}}
    secret["metadata"] = {"name": "eu1-kubeconfig", "namespace": "kcm-system"}
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in ("kcm-system", "ingress-nginx")
    ]
    spec = {"type": "LoadBalancer", "ports": [{"port": 443}]}
    service = {"apiVersion": "v1", "kind": "Service", "spec": spec}
    service["metadata"] = {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"}
    for each in (*spaces, cluster("eu1"), secret, service):
        control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(each))

    def told(ingress: list[dict[str, str]]) -> None:
        patch = json.dumps({"status": {"loadBalancer": {"ingress": ingress}}})
        where = ("-n", "ingress-nginx", "ingress-nginx-controller", "--subresource=status", "--type=merge", "-p", patch)
        control_plane.kubectl("patch", "service", *where)

    yield told
    control_plane.kubectl("delete", "clusterdeployment", "eu1", "-n", "kcm-system")
    control_plane.kubectl("delete", "secret", "eu1-kubeconfig", "-n", "kcm-system", "--ignore-not-found")
    control_plane.kubectl("delete", "namespace", "ingress-nginx", "--wait=false")


@pytest.mark.parametrize(
    ("ingress", "wanted"),
    [
        ([{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "A 192.0.2.1, AAAA 2001:db8::1"),
        ([{"hostname": "a1.elb.example.com"}], "CNAME a1.elb.example.com"),
        ([], "has given it no address yet"),
    ],
)
def test_the_ingress_is_found_inside_of_the_cluster(play: Any, regions: Any, ingress: Any, wanted: str) -> None:
    regions(ingress)
    done = play("kof_regional", TASK)
    text = re.sub(r"\s+", " ", done.stdout)
    assert wanted in text, done.stdout
    assert "us1: ClusterDeployment kcm-system/us1 isn't there" in text
    assert done.returncode != 0, done.stdout


def test_where_no_kubeconfig_is_that_is_told_by_name(play: Any, regions: Any, control_plane: Any) -> None:
    regions([])
    control_plane.kubectl("delete", "secret", "eu1-kubeconfig", "-n", "kcm-system")
    done = play("kof_regional", TASK)
    assert done.returncode != 0
    text = re.sub(r"\s+", " ", done.stdout)
    assert "Secret kcm-system/eu1-kubeconfig doesn't exist" in text, done.stdout


def test_two_clusters_of_one_domain_are_refused(play: Any) -> None:
    """Each would write the other's records again, run by run."""
    done = play("kof_regional", TASK, "-e", "regional_domain=eu1.example.com")
    assert done.returncode != 0
    assert "us1: regional_domain" in done.stdout


def test_where_aws_cant_be_asked_an_uninstall_goes_on_and_says_so(tmp_path: pathlib.Path) -> None:
    """As in uninstall.yml: what comes after the records are charts, and what is left."""
    layer = {"import_playbook": str(pathlib.Path(__file__).parents[4] / "playbooks/layers/dns_records.yml")}
    told = "{{ hostvars.localhost.__dns_records_outcomes }}"
    after = {"hosts": "kof_mothership", "gather_facts": False, "tasks": [{"debug": {"msg": f"charts after {told}"}}]}
    plays = [{**layer, "vars": {"__dns_records_absent": True}}, after]
    (tmp_path / "hosts.yml").write_text(FLEET)
    (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    offline = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}
    environment = {**kept, **offline, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "ANSIBLE_NOCOLOR": "1"}
    command = ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    text = re.sub(r"\s+", " ", run.stdout)
    assert "charts after" in text, run.stdout + run.stderr
    assert re.search(r"charts after .*mothership.*DNS records: AWS can't show the hosted zones", text), run.stdout
