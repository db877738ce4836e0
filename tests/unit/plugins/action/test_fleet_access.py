"""What fleet_access refuses before anything is changed, on a real API server."""

from __future__ import annotations

import json
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

import pytest

HOSTS = "kof_mothership:kof_regional"
BINDING = "clusterrolebinding/k0rdent-kof-platform-admin"


@pytest.fixture(autouse=True)
def _clusters(control_plane: Any) -> Iterator[None]:
    for name in ("kof", "kcm-system"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield
    control_plane.kubectl("delete", "clusterdeployments", "--all", "-n", "kcm-system")
    control_plane.kubectl("delete", BINDING, "clusterrole/k0rdent-kof-platform-admin", "--ignore-not-found")
    control_plane.kubectl("delete", "serviceaccount", "k0rdent-kof-platform-admin", "-n", "kof", "--ignore-not-found")


def task(**options: Any) -> dict[str, Any]:
    return {"name": "Access", "k0rdent.kof.fleet_access": options}


def nothing_was_made(control_plane: Any) -> bool:
    return not control_plane.kubectl("get", BINDING, "--ignore-not-found", "-o", "name")


@pytest.mark.parametrize("place", ["pipe", "folder", "link", "folder/..", "file/below"])
def test_logins_go_into_no_pipe_folder_or_link_and_nothing_is_made_before(
    place: str, control_plane: Any, play: Any, tmp_path: pathlib.Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    run = play(HOSTS, task(platform_admin="present", credentials_file=str(tmp_path / place)))
    assert run.returncode, run.stdout
    assert "access_credentials_file" in run.stdout
    assert nothing_was_made(control_plane)
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_the_lease_is_given_back_once_the_platform_administrator_is_made(
    control_plane: Any, play: Any, tmp_path: pathlib.Path
) -> None:
    made = task(platform_admin="present", credentials_file=str(tmp_path / "logins"))
    lease = ("get", "leases", "-n", "kcm-system", "-o", "name")
    control_plane.kubectl("delete", "leases", "-n", "kcm-system", "--all")
    run = play(HOSTS, made)
    assert run.returncode == 0, run.stdout
    assert not nothing_was_made(control_plane)
    assert control_plane.kubectl(*lease) == ""
    # Who holds it for other tasks, too, keeps it.
    run = play(HOSTS, task(platform_admin="absent"), pre_tasks=[{"k0rdent.kof.fleet_lease": {"fleet": "actions"}}])
    assert run.returncode == 0, run.stdout
    assert "kof-fleet-actions" in control_plane.kubectl(*lease)
    control_plane.kubectl("delete", "leases", "-n", "kcm-system", "--all")


def test_a_folder_in_a_kubeconfig_s_place_ends_it_before_anything_is_made(
    control_plane: Any, play: Any, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "configs" / "us1.kubeconfig").mkdir(parents=True)
    said = {"kubeconfigs": str(tmp_path / "configs"), "credentials_file": str(tmp_path / "logins")}
    run = play(HOSTS, task(platform_admin="present", **said))
    assert "us1.kubeconfig is there, and is no file" in " ".join(run.stdout.split())
    assert nothing_was_made(control_plane)
    assert not (tmp_path / "logins").exists()


def test_a_file_for_logins_without_any_is_told(play: Any, tmp_path: pathlib.Path) -> None:
    run = play(HOSTS, task(credentials_file=str(tmp_path / "logins")))
    assert run.returncode
    assert "none are asked for: say show_credentials" in " ".join(run.stdout.split())


def test_two_hosts_of_one_cluster_are_told(play: Any) -> None:
    run = play(HOSTS, task(), "-e", "regional_cluster_name=eu1")
    assert run.returncode
    assert "us1: regional_cluster_name" in run.stdout


def test_the_administrator_s_role_is_changed_by_taking_it_away_first(
    control_plane: Any, play: Any, tmp_path: pathlib.Path
) -> None:
    present = {"platform_admin": "present", "credentials_file": str(tmp_path / "token")}
    assert play(HOSTS, task(**present)).returncode == 0
    changed = play(HOSTS, task(**present, platform_admin_role="cluster-admin"))
    assert changed.returncode
    assert "take it away first (access_platform_admin: absent)" in " ".join(changed.stdout.split())
    role = ("get", BINDING, "-o", "jsonpath={.roleRef.name}")
    assert control_plane.kubectl(*role) == "k0rdent-kof-platform-admin"
    assert play(HOSTS, task(platform_admin="absent")).returncode == 0
    assert play(HOSTS, task(**present, platform_admin_role="cluster-admin")).returncode == 0
    assert control_plane.kubectl(*role) == "cluster-admin"


def test_another_fleet_s_cluster_is_told_and_its_kubeconfig_isn_t_written(
    control_plane: Any, play: Any, tmp_path: pathlib.Path
) -> None:
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "theirs"}
    theirs = {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": "eu1", "namespace": "kcm-system", "labels": labels},
        "spec": {"template": "aws-standalone-cp-0-1-0"},
    }
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(theirs))
    run = play(HOSTS, task(kubeconfigs=str(tmp_path / "configs")))
    assert run.returncode == 0, run.stdout
    assert "eu1: it belongs to fleet theirs" in run.stdout
    assert "us1: no kubeconfig: Secret kcm-system/us1-kubeconfig doesn't exist" in run.stdout
    assert list((tmp_path / "configs").iterdir()) == []
