"""What people give: answers of a survey, expressions, groups and names of their own. No cluster is needed to tell.

Each case is a whole run of ansible-playbook, as its users start it.
"""

from __future__ import annotations

import json
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from support import REPOSITORY, Run, Sandbox

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import NEVER_EMPTY

#: Seconds for a run, which takes two.
LIMIT = 120
Rendered = tuple[Run, pathlib.Path]
Change = Callable[[dict[str, Any]], None]
Render = Callable[..., Rendered]
FLEET: dict[str, Any] = {
    "all": {"vars": {"kof_version": "0.1.1", "kof_fleet": "cases", "regional_admin_email": "platform@example.com"}},
    "kof_mothership": {"hosts": {"mothership": {}}},
    "kof_regional": {
        "hosts": {
            name: {"regional_domain": f"{name}.kof.example.com", "regional_config": {"region": name}}
            for name in ("us-east-2", "eu-west-1")
        }
    },
    "kof_child": {"hosts": {"us-east-2-child1": {"child_regional": "us-east-2"}}},
}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Runs of ansible-playbook; nothing of a sandbox is there."""
    return Sandbox(tmp_path_factory.mktemp("no-sandbox"))


@pytest.fixture
def render(forks: Sandbox, tmp_path: pathlib.Path) -> Render:
    """render(change of FLEET, extra variables) runs render.yml; its outcome and the folder with what it wrote."""

    def run(change: Callable[[dict[str, Any]], Any], extra: dict[str, Any] | None = None) -> Rendered:
        fleet = json.loads(json.dumps(FLEET))
        change(fleet)
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        (folder / "hosts.yml").write_text(yaml.safe_dump(fleet))
        given = {"render_folder": str(folder / "rendered"), **(extra or {})}
        playbook = str(REPOSITORY / "playbooks" / "render.yml")
        done = forks.run([playbook, "-i", str(folder / "hosts.yml"), "-e", json.dumps(given)], LIMIT)
        return done, folder / "rendered"

    return run


def nothing(_fleet: dict[str, Any]) -> None:
    """The fleet as it is."""


def fine(rendered: Rendered) -> dict[str, str]:
    done, folder = rendered
    assert done.code == 0, done.output
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}


def refused(rendered: Rendered) -> str:
    done, folder = rendered
    assert done.code != 0, done.output
    assert not folder.exists()
    return done.output.replace("\\n", "\n").replace('\\"', '"')


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    """What render.yml writes for FLEET as it is; filled by the first test that asks."""
    return {}


def rendered_plain(render: Render, plain: dict[str, str]) -> dict[str, str]:
    plain.update(plain or fine(render(nothing)))
    return plain


def test_what_is_set_to_nothing_is_as_if_it_were_not_set(render: Render, plain: dict[str, str]) -> None:
    """AWX makes null of an answer left empty; expressions leave out, give null or an empty text."""
    optional = (
        "kof_no_proxy",
        "regional_storage_class",
        "regional_retention",
        "mothership_retention",
        "child_template",
    )
    survey = {name: ("", None)[number % 2] for number, name in enumerate([*optional, "kof_validate_certs"])}
    survey |= dict.fromkeys(("kof_drift_managers", "regional_labels", "kof_wait", "child_opencost"))
    assert fine(render(nothing, survey)) == rendered_plain(render, plain)

    def by_expression(fleet: dict[str, Any]) -> None:
        for number, name in enumerate(optional):
            how = ("omit", "none", "''")[number % 3]
            fleet["all"]["vars"][name] = f"{{{{ my_own | default({how}) }}}}"

    assert fine(render(by_expression)) == rendered_plain(render, plain)


def test_what_names_the_cluster_is_never_set_to_nothing_by_an_empty_text(render: Render, plain: dict[str, str]) -> None:
    """Null, as AWX makes it of an answer left empty, and `omit` are; a lookup that found nothing is not."""
    naming = [f"kof_{name}" for name in NEVER_EMPTY]

    def by_expression(how: str) -> Change:
        def change(fleet: dict[str, Any]) -> None:
            fleet["all"]["vars"] |= dict.fromkeys(naming, f"{{{{ my_own | default({how}) }}}}")

        return change

    assert fine(render(nothing, dict.fromkeys(naming))) == rendered_plain(render, plain)
    assert fine(render(by_expression("omit"))) == rendered_plain(render, plain)
    for told in (refused(render(nothing, dict.fromkeys(naming, ""))), refused(render(by_expression("''")))):
        for name in naming:
            assert f"{name}: is empty, and nothing said elsewhere is taken for it; give it a value, or null" in told


def test_text_of_a_survey_is_what_the_options_are(render: Render, plain: dict[str, str]) -> None:
    def typed(fleet: dict[str, Any]) -> None:
        fleet["all"]["vars"] |= {
            "child_config": {"region": "us-east-2", "worker": {"instanceType": "t3.large"}},
            "regional_extra_services": [{"name": "velero", "template": "velero-8-1-0"}],
            "child_opencost": False,
        }

    survey = {
        "child_config": "region: us-east-2\nworker:\n  instanceType: t3.large\n",
        "regional_extra_services": "- {name: velero, template: velero-8-1-0}",
        "child_opencost": "false",
    }
    wanted = fine(render(typed))
    assert wanted != rendered_plain(render, plain)
    assert fine(render(nothing, survey)) == wanted


def test_what_cannot_be_meant_is_refused_by_name_all_at_once(render: Render) -> None:
    wrong = {
        "regional_retention": (1.1, "arrived as the number 1.1, but must be a string"),
        "regional_template": (True, "arrived as the boolean true, but must be a string"),
        "kof_password": (835412, "arrived as a number, but must be a string"),
        "regional_config": ("region", "is a string, but must be a map; in YAML it may be text, too"),
        "kof_grafana_enabled": (False, "no such variable, nothing would read it"),
    }
    told = refused(render(nothing, {name: value for name, (value, _says) in wrong.items()}))
    for name, (_value, says) in wrong.items():
        assert f"{name}: {says}" in told
    assert "835412" not in told


def test_groups_and_names_of_ones_own_are_nobodys_business(render: Render, plain: dict[str, str]) -> None:

    def own(fleet: dict[str, Any]) -> None:
        regionals = fleet["kof_regional"].pop("hosts")
        fleet["kof_regional"]["children"] = {
            "regional": {"hosts": {"us-east-2": regionals["us-east-2"]}},
            "kof_eu_west_1": {"hosts": {"eu-west-1": regionals["eu-west-1"]}},
        }
        fleet["kof_prod"] = {"children": {"kof_regional": None, "kof_child": None}}
        fleet["kof_storage"] = {"hosts": {"a-file-server": None}}
        fleet["all"]["vars"] |= {"my_instance_type": "t3.large", "instance_type": "t3.large", "acme_kof": 1}

    assert fine(render(own)) == rendered_plain(render, plain)

    def lost(fleet: dict[str, Any]) -> None:
        fleet["kof_regionals"] = fleet.pop("kof_regional")

    assert "eu-west-1, us-east-2 in none of its groups; did you mean kof_regional?" in refused(render(lost))


def test_a_secret_for_all_is_looked_up_once_in_a_task(render: Render, tmp_path: pathlib.Path) -> None:
    """And a host's own is its own."""
    calls = tmp_path / "calls"

    def secret(fleet: dict[str, Any]) -> None:
        look = f"lookup('ansible.builtin.pipe', 'echo $0 >> {calls}; echo hush')"
        fleet["all"]["vars"] |= {"my_secret": f"{{{{ {look} }}}}", "kof_api_key": "{{ my_secret }}"}
        fleet["all"]["vars"]["regional_labels"] = {"example.com/name": "{{ inventory_hostname }}"}

    files = fine(render(secret))
    assert len(calls.read_text().splitlines()) == 1
    for name in ("us-east-2", "eu-west-1"):
        assert f"example.com/name: {name}" in files[f"regional/{name}.yaml"]


@pytest.mark.parametrize(("given", "says"), [("1,x", "'x' is no number")])
def test_site_sees_a_wrong_serial_in_its_first_play(
    forks: Sandbox, tmp_path: pathlib.Path, given: Any, says: str
) -> None:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(FLEET))
    site = str(REPOSITORY / "playbooks" / "site.yml")
    done = forks.run([site, "-i", str(tmp_path / "hosts.yml"), "-e", json.dumps({"kof_serial": given})], LIMIT)
    assert done.code == 2
    assert f"kof_serial: {says}" in done.output
    assert "Traceback" not in done.output
    plays = [line.split("[")[1].split("]")[0] for line in done.output.splitlines() if line.startswith("PLAY [")]
    assert plays == ["Look at the inventory"]


@pytest.mark.parametrize("playbook", ["site", "delete"])
def test_a_run_that_does_nothing_says_so_also_by_the_collections_name(
    forks: Sandbox, tmp_path: pathlib.Path, playbook: str
) -> None:
    """ansible-pull limits each run to its own machine."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({**FLEET, "ungrouped": {"hosts": {"localhost": {}}}}))
    limit = ["--limit", "localhost,127.0.0.1"]
    done = forks.run([f"k0rdent.kof.{playbook}", "-i", str(tmp_path / "hosts.yml"), *limit], LIMIT)
    assert done.code == 2, done.output
    assert "with --limit localhost,127.0.0.1 this run would do nothing" in done.output
