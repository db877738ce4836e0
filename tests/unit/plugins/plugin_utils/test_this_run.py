"""Who ran it: in AWX, by a schedule of it, and at a terminal; also where the user has no name."""

from __future__ import annotations

import getpass
import os
import re
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, this_run


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_ID", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(core_internals, "arguments", lambda: ["k0rdent.kof.site"])


@pytest.mark.parametrize(
    ("variables", "user", "job"),
    [
        ({}, "alice", None),
        (
            {
                "awx_job_id": 12,
                "awx_job_template_name": "site",
                "awx_user_name": "bob",
                "awx_job_launch_type": "manual",
            },
            "bob",
            {"id": "12", "template": "site", "launched_by": "manual"},
        ),
        ({"tower_job_id": 12, "tower_user_name": "bob"}, "bob", {"id": "12"}),
        ({"awx_job_id": 12, "awx_schedule_name": "nightly"}, "schedule nightly", {"id": "12"}),
        ({"awx_job_id": "", "awx_user_name": None, "awx_job_template_name": ["a"]}, "alice", None),
    ],
)
def test_who_and_as_which_job(variables: dict[str, Any], user: str, job: Any) -> None:
    told = this_run.told(variables)
    assert (told["user"], told["job"], told["playbook"]) == (user, job, "k0rdent.kof.site")
    assert told["host"]


def test_a_job_number_without_variables_and_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setenv("JOB_ID", "77")
    monkeypatch.setattr(getpass, "getuser", nobody)
    told = this_run.told({})
    assert (told["user"], told["job"]) == (str(os.getuid()), {"id": "77"})


def test_the_name_is_an_object_s_and_the_same_in_all_of_a_run() -> None:
    assert re.fullmatch(r"kof-run-\d{8}t\d{6}z-[0-9a-f]{8}", this_run.name())
    assert this_run.name() == this_run.name()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", this_run.began())
