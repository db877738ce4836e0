"""Unit tests of module_utils/dns/aws/keys.py: reading credentials and deciding about keys. No network."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import (
    Credentials,
    CredentialsFault,
    KeyPlan,
    ListedKey,
    checked,
    held_credentials,
    plan_keys,
    read_ini,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import KEY

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_HALF = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
GUIDE_FILE = f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET_HALF}\n"


def test_the_file_of_the_guide_is_read() -> None:
    assert read_ini(GUIDE_FILE) == Credentials(KEY_ID, SECRET_HALF)


def test_a_percent_sign_is_no_interpolation() -> None:
    assert read_ini(GUIDE_FILE + "region = %(nothing)s\n").access_key_id == KEY_ID


def test_another_profile_is_read_when_asked_for() -> None:
    text = GUIDE_FILE + f"[dns]\naws_access_key_id=AKIAAAAAAAAAAAAAAAAA\naws_secret_access_key={SECRET_HALF}\n"
    assert read_ini(text, "dns").access_key_id == "AKIAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no profile [default] (profiles found: none)"),
        (GUIDE_FILE.replace("default", "dns"), "profiles found: dns"),
        (f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET_HALF}\n", "isn't an AWS credentials file"),
        (GUIDE_FILE + GUIDE_FILE, "isn't an AWS credentials file"),
        (f"[default]\naws_secret_access_key = {SECRET_HALF}\n", "lacks aws_access_key_id"),
        (f"[default]\naws_access_key_id = {KEY_ID}\n", "lacks aws_secret_access_key"),
        (GUIDE_FILE.replace("KEY\n", "KEY # mine\n"), "secret access key isn't"),
        (GUIDE_FILE + "aws_session_token = abc\n", "temporary key"),
        (GUIDE_FILE.replace("AKIA", "ASIA"), "temporary key"),
        (GUIDE_FILE.replace(KEY_ID, "<KEY>"), "access key id isn't"),
    ],
)
def test_an_unusable_file_is_refused_without_quoting_the_secret(text: str, says: str) -> None:
    with pytest.raises(CredentialsFault) as fault:
        read_ini(text)
    assert says in str(fault.value)
    assert SECRET_HALF not in str(fault.value)
    # A chained parser error would cite the line in a traceback.
    assert fault.value.__cause__ is None
    assert fault.value.__suppress_context__ or fault.value.__context__ is None


@pytest.mark.parametrize(
    ("key_id", "secret_half"),
    [
        ("", SECRET_HALF),
        (KEY_ID, ""),
        (KEY_ID, f"{SECRET_HALF}\n[other]"),
        (KEY_ID, "short"),
        (f"{KEY_ID}\nx=1", SECRET_HALF),
        (KEY_ID.lower(), SECRET_HALF),
    ],
)
def test_a_key_that_would_break_the_file_is_refused(key_id: str, secret_half: str) -> None:
    with pytest.raises(CredentialsFault) as fault:
        checked(key_id, secret_half)
    assert len(secret_half) < 10 or secret_half not in str(fault.value)


def test_blanks_around_a_pasted_key_are_dropped() -> None:
    assert checked(f" {KEY_ID}\n", f"{SECRET_HALF}\n") == Credentials(KEY_ID, SECRET_HALF)


def test_the_secret_half_is_not_in_the_repr() -> None:
    assert SECRET_HALF not in repr(checked(KEY_ID, SECRET_HALF))


def _secret(text: bytes) -> dict:
    return {"data": {KEY: base64.b64encode(text).decode()}}


def test_a_live_secret_gives_its_key() -> None:
    assert held_credentials(_secret(GUIDE_FILE.encode())) == Credentials(KEY_ID, SECRET_HALF)


@pytest.mark.parametrize(
    "secret",
    [None, {}, {"data": None}, {"data": {"aws_access_key_id": "QUtJQQ=="}}, {"data": {KEY: "%%%"}},
     _secret(b"\xff\xfe"), _secret(b"known after the run")],
)  # fmt: skip
def test_a_secret_without_a_usable_key_holds_none(secret: dict | None) -> None:
    assert held_credentials(secret) is None


def test_no_keys_anywhere_makes_one() -> None:
    assert plan_keys("u", None, []) == KeyPlan(create=True)


def test_the_held_key_is_kept() -> None:
    assert plan_keys("u", "A", [ListedKey("A", last_used="2026-01-01")]) == KeyPlan(keep="A")


def test_a_held_key_that_aws_no_longer_lists_is_replaced() -> None:
    assert plan_keys("u", "A", []) == KeyPlan(create=True)


def test_an_orphan_never_used_is_deleted_and_a_key_made() -> None:
    assert plan_keys("u", None, [ListedKey("B")]) == KeyPlan(create=True, delete=("B",))


def test_an_inactive_orphan_never_used_is_deleted_too() -> None:
    assert plan_keys("u", "A", [ListedKey("B", active=False)]) == KeyPlan(create=True, delete=("B",))


def test_an_orphan_never_used_beside_the_held_key_is_deleted() -> None:
    assert plan_keys("u", "A", [ListedKey("A"), ListedKey("B")]) == KeyPlan(keep="A", delete=("B",))


def test_an_unheld_key_that_was_used_stops_and_is_named() -> None:
    plan = plan_keys("u", None, [ListedKey("B", last_used="2026-01-01"), ListedKey("C")])
    assert not plan.create
    assert not plan.delete
    assert plan.stop is not None
    assert "B (last used 2026-01-01)" in plan.stop
    assert "C" not in plan.stop.split("No new key")[0].replace("Secret", "")


def test_a_used_key_beside_the_held_one_is_left_and_named() -> None:
    plan = plan_keys("u", "A", [ListedKey("A"), ListedKey("B", last_used="2026-01-01")])
    assert (plan.keep, plan.delete, plan.stop) == ("A", (), None)
    assert "access key B, last used 2026-01-01" in plan.warnings[0]


def test_a_held_key_set_inactive_is_a_persons_decision() -> None:
    plan = plan_keys("u", "A", [ListedKey("A", active=False)])
    assert plan.stop is not None
    assert "A" in plan.stop
    assert not plan.create
