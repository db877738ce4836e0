"""What verify finds beside status on the management cluster, by objects that a fake source holds."""

from __future__ import annotations

from typing import Any

from test_status import CHARTS, NOW, Source, fleet, item, named, objects, states, told

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import status, verify

DATASOURCE = ("grafana.integreatly.org/v1beta1", "GrafanaDatasource")


def held(**status_of_promxy: Any) -> list[dict[str, Any]]:
    """A fleet that is well, but for a datasource of the chart's."""
    return [*objects(), item(*DATASOURCE, "kof", "promxy", status=status_of_promxy)]


def look(source: Source) -> dict[str, Any]:
    more = (verify.datasources,)
    return status.look(source, fleet(), CHARTS, patience=60, now=NOW, more=more)  # type: ignore[arg-type]


def test_of_a_fleet_that_is_well_nothing_is_found() -> None:
    seen = look(Source(held(uid="y")))
    assert (seen["findings"], seen["not_looked_at"]) == ([], [])
    assert set(states(seen).values()) == {"ready"}


def test_a_datasource_that_is_nobodys_part_is_the_motherships() -> None:
    assert told(look(Source(held(lastMessage="i/o timeout")))) == {("mothership", "warning", "datasource-refused")}


def test_that_of_a_region_out_of_this_batch_is_told_by_its_own_run() -> None:
    spoilt = held(lastMessage="i/o timeout")
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "prod"}
    named(spoilt, "GrafanaDatasource", "promxy")["metadata"]["labels"] = labels
    assert told(look(Source(spoilt))) == set()


def test_what_may_not_be_read_is_told() -> None:
    seen = look(Source(held(uid="y"), forbidden=("GrafanaDatasource",)))
    assert states(seen)["mothership"] == "unknown"
    assert any("GrafanaDatasource" in each for each in seen["not_looked_at"])
