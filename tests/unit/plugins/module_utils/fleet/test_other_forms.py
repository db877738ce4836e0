"""Objects of others of which a part is of another type than its CRD says: they end no run that only looks at them."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.plugins.module_utils.fleet.test_status import OF_OTHER_TYPES, item, places

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import alert_rules, alerts, dashboards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
GIVEN = {"kof_version": "0.1.1", "regional_domain": "eu1.x.y", "regional_admin_email": "a@x.y"}
REGION, _FAULTS = model.parse_regional("eu1", GIVEN)
BOARD = item(
    "grafana.integreatly.org/v1beta1", "GrafanaDashboard", "kof", "theirs",
    spec={"json": json.dumps({"uid": "u", "title": "t"}), "datasources": [{"inputName": "A", "datasourceName": "b"}]},
    status={"uid": "u"},
)  # fmt: skip
SOURCE = item(
    "grafana.integreatly.org/v1beta1", "GrafanaDatasource", "kof", "theirs",
    spec={"datasource": {"name": "mine", "uid": "m"}}, status={"uid": "m"},
)  # fmt: skip
RULES = item(
    "operator.victoriametrics.com/v1beta1", "VMRule", "kof", "eu1-alerts",
    spec={"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up == 0", "labels": {"severity": "x"}}]}]},
    status={"lastSyncError": "no"},
)  # fmt: skip
RULES["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "kof"}
LOOKS: tuple[tuple[dict[str, Any], Callable[[dict[str, Any]], Any]], ...] = (
    (BOARD, lambda live: dashboards.looked([REGION], RELEASE, [live], set())),
    (BOARD, lambda live: dashboards.left(REGION, RELEASE, [live])),
    (SOURCE, lambda live: dashboards.sources_of(RELEASE, ["eu1"], [live])),
    (RULES, lambda live: alert_rules.left(REGION, RELEASE, [live], 0)),
    (RULES, lambda live: alerts.lines(alerts.rules([live], None, "clusterName"))),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(OF_OTHER_TYPES),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=9), some, max_size=3),
    max_leaves=8,
)


def test_what_is_looked_at_here_is_seen_while_it_has_its_form() -> None:
    """Else the next test could look at nothing."""
    assert "mine" in dashboards.sources_of(RELEASE, ["eu1"], [SOURCE])
    assert [each["metadata"]["name"] for each in alert_rules.left(REGION, RELEASE, [RULES], 0)] == ["eu1-alerts"]
    assert len(alerts.rules([RULES], None, "clusterName")) == 1


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_part_of_another_type_ends_a_look(data: st.DataObject) -> None:
    made, look = data.draw(st.sampled_from(LOOKS))
    live = copy.deepcopy(made)
    path = data.draw(st.sampled_from(list(places(live))))
    value: Any = live
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = data.draw(JSON)
    look(live)


def test_a_stranger_s_dashboard_of_another_form_hides_no_uid_of_the_others(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"title": "a", "uid": "u"}))
    region, _faults = model.parse_regional("eu1", {**GIVEN, "regional_dashboards": str(tmp_path)})
    for broken in ("text", ["x"], 5):
        there = [{**BOARD, "spec": broken, "status": broken}, BOARD]
        (fault,) = dashboards.looked([region], RELEASE, there, set()).faults
        assert "has the uid 'u', as GrafanaDashboard kof/theirs has" in str(fault)
