"""What fleet_uninstall tells of AWS and DNS where nobody could look there, or what was to go has stayed."""

from __future__ import annotations

import pathlib
import types
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_uninstall
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.uninstall import IAM, RECORDS
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

ROLE = "{mothership: {dns_credentials_method: iam_user, dns_credentials_hosted_zones: [Z0EXAMPLE00000000000]}}"
DONE = {"changed": False, "steps": [], "outcomes": {}}


@pytest.fixture
def told(tmp_path: pathlib.Path) -> Any:
    fleet = fleets.read_fleet(task_vars(tmp_path, FLEET.replace("{mothership: }", ROLE)), fleets.LAYERS)
    assert fleet.faults == []

    def of(also: set[str], looked: dict[str, Any], *, records: bool) -> list[str]:
        work: Any = types.SimpleNamespace(name="test", also=also, refused=[])
        found = fleet_uninstall._at_aws(fleet, work, looked, check_mode=False, records=records)
        assert all(each["remove"].startswith("-e kof_uninstall_also=") for each in found)
        return [each["object"] for each in found]

    return of


def test_records_that_were_to_go_and_stay_are_told(told: Any, tmp_path: pathlib.Path) -> None:
    names = ["vmauth.eu1.example.com", "grafana.eu1.example.com", "vmauth.us1.example.com", "grafana.us1.example.com"]
    assert told({IAM, RECORDS}, {"left": []}, records=False) == []
    stay = told({IAM, RECORDS}, {"left": []}, records=True)
    assert sorted(stay) == sorted(f"DNS record {name} (not looked at)" for name in names)


@pytest.mark.parametrize(
    ("outcomes", "looked", "stay"),
    [
        (None, DONE, False),
        ([], DONE, False),
        ([{"changed": {"eu1": "2 records"}}], DONE, False),
        ([{"changed": {}}, {"failed": {"mothership": "DNS records: AWS can't show the hosted zones"}}], DONE, True),
        # The play was left out, as clusters are still there; nobody has begun it.
        (None, {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}, True),
        (None, None, True),
    ],
)
def test_they_stay_where_route_53_might_not_be_asked_or_nobody_came_to_it(
    outcomes: Any, looked: Any, stay: bool
) -> None:
    facts = {} if outcomes is None else {"__dns_records_outcomes": outcomes}
    of_host = {} if looked is None else {"__dns_records_told": looked}
    hostvars = types.SimpleNamespace(raw_get=lambda host: facts if host == "localhost" else of_host)
    fleet: Any = types.SimpleNamespace(batch={"mothership": ["mothership"]})
    assert fleet_uninstall._records_stay({"hostvars": hostvars}, fleet) is stay


def test_entries_of_iam_that_nobody_could_look_at_are_named(told: Any) -> None:
    assert set(told({IAM}, {"failed": True}, records=False)) == {
        "IAM policy kof-external-dns-test (not looked at)",
        "IAM user kof-external-dns-test (not looked at)",
        "IAM access key kof-external-dns-test (not looked at)",
    }
