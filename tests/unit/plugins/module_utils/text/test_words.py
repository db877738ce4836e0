"""words.py: one way to tell many names, and one measure for what was probably meant."""

from __future__ import annotations

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, nearest, some


def test_many_names_are_counted() -> None:
    assert some(iter("ab")) == "a, b"
    assert some("abcde") == "a, b, c and 2 more"
    assert some("abc", 1) == "a and 2 more"
    assert some([]) == ""


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("regionl", ["mothership", "regional"], "regional"),
        ("chid", ["child", "regional"], "child"),
        ("eu-west-1", ["eu-west-2", "us-east-2"], "eu-west-2"),
        ("kof_regionals", ["kof_regional", "kof_child"], "kof_regional"),
        ("workerNumber", ["workersNumber", "controlPlaneNumber"], "workersNumber"),
        # Names of one's own that only share a word with ours.
        ("kof_prod", ["kof_mothership", "kof_regional", "kof_child"], None),
        ("kof_storage", ["kof_mothership", "kof_regional", "kof_child"], None),
        ("notest", ["mothership", "regional", "child", "dns_credentials"], None),
        ("x", [], None),
    ],
)
def test_a_slip_is_told_from_another_name(name: str, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == meant
    assert did_you_mean(name, known) == (f"; did you mean {meant}?" if meant else "")
    assert did_you_mean(name, known, "") == (f"did you mean {meant}?" if meant else "")
