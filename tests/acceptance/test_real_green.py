"""What was asked for and not done never ends green: runs that select nothing, and roles in somebody's own play."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
import yaml
from support import REPOSITORY, Forks, Sandbox

REGIONAL = {
    "regional_domain": "aws-us-east-2.kof.example.com",
    "regional_admin_email": "platform@example.com",
    "regional_config": {"region": "us-east-2"},
}
INVENTORY = {
    "kof_mothership": {"hosts": {"mothership": {}}},
    "kof_regional": {"hosts": {"aws-us-east-2": REGIONAL}},
    "kof_child": {"hosts": {"aws-us-east-2-child1": {"child_regional": "aws-us-east-2"}}},
    "web": {"hosts": {"web1": {}}},
    "ungrouped": {"hosts": {"localhost": {"ansible_connection": "local"}}},
}
#: Nobody listens there: a run that would do something says so, and no other.
NOWHERE = {"kof_host": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    running = Forks(Sandbox(tmp_path_factory.mktemp("no-sandbox")))
    yield running
    running.end()


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    file = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    file.write_text(yaml.safe_dump({**INVENTORY, "all": {"vars": NOWHERE}}))
    return file


@pytest.mark.parametrize(
    ("playbook", "arguments", "told"),
    [
        # ansible-pull limits every run so, by itself.
        ("site", "--limit localhost,runner7,127.0.0.1", "localhost,runner7,127.0.0.1 this run would do nothing"),
        ("delete", "--limit localhost,runner7,127.0.0.1", "localhost,runner7,127.0.0.1 this run would do nothing"),
        ("render", "--limit localhost", "would do nothing"),
        ("preflight", "--limit localhost", "would do nothing"),
        ("site", "--limit web1", "would do nothing"),
        (
            "site",
            "--limit aws-us-east-2,aws-us-esat-2",
            "--limit aws-us-esat-2: no host or group of the inventory matches; did you mean aws-us-east-2?",
        ),
        # What excludes nobody lets more be done than was asked for.
        ("delete", "--limit kof_child,!aws-us-esat-2-child1", "--limit !aws-us-esat-2-child1: no host or group"),
        ("site", "--tags chlid", "--tags chlid: no task of this run has that tag; did you mean child?"),
        ("site", "--tags regional,chlid", "--tags chlid"),
        ("site", "--skip-tags mothreship", "--skip-tags mothreship: no task of this run has that tag"),
        ("delete", "--tags child", "--tags child: no task of this run has that tag"),
        ("child", "--limit mothership", "it has no host of kof_child"),
        ("delete", "--limit mothership", "it has no host of kof_regional or kof_child"),
        (
            "site",
            "--limit aws-us-east-2 --tags child",
            "with --limit aws-us-east-2 and --tags child this run would do nothing",
        ),
        ("site", "--skip-tags dns_credentials,mothership,regional,child", "this run would do nothing"),
    ],
)
def test_a_run_that_selects_nothing_fails_by_the_name_of_what_selects_nothing(
    forks: Forks, inventory: pathlib.Path, playbook: str, arguments: str, told: str
) -> None:
    run = forks.run(["-i", str(inventory), f"playbooks/{playbook}.yml", *arguments.split()], 60)
    assert run.code == 2, run.output
    assert told in run.output
    assert "nothing was changed" in run.output


def test_an_empty_layer_of_its_own_playbook(forks: Forks, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump({"kof_mothership": INVENTORY["kof_mothership"]}))
    run = forks.run(["-i", str(file), "playbooks/child.yml"], 60)
    assert run.code == 2, run.output
    assert "this run would do nothing: it has no host of kof_child" in run.output


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        ("--limit aws-us-east-2", True),
        ("--limit aws-us-east-2 --tags regional,web", True),
        # Theirs alone is asked for, and done.
        ("--limit web1", False),
        ("--tags web", False),
        ("--limit localhost --tags theirs", False),
        ("--tags ours", True),
    ],
)
def test_in_a_playbook_of_somebodys_own_what_others_do_counts(
    forks: Forks, inventory: pathlib.Path, tmp_path: pathlib.Path, arguments: str, reached: bool
) -> None:
    play = {"gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "something"}}]}
    file = tmp_path / "everything.yml"
    file.write_text(
        yaml.safe_dump(
            [
                {"name": "Web", "hosts": "web", "connection": "local", "tags": "web", **play},
                {"name": "Here", "hosts": "localhost", "tags": "theirs", **play},
                {"import_playbook": str(REPOSITORY / "playbooks" / "site.yml"), "tags": "ours"},
            ]
        )
    )
    run = forks.run(["-i", str(inventory), str(file), *arguments.split()], 60)
    assert "would do nothing" not in run.output
    # Ours goes on to the server, where nobody is; with theirs alone all is well.
    assert ("can't reach the API server" in run.output) is reached, run.output
    assert run.code == (2 if reached else 0), run.output
