"""A login for AWS is sent as it should be or refused, and what AWS says is told without it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import options as aws_options
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable

CANARY = "CANARY0123456789/+="
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_white_space_at_the_ends_is_taken_away() -> None:
    given = {"secret_key": f"{CANARY}\n", "session_token": None, "region": " us "}
    assert aws_options.sendable(given) == {"secret_key": CANARY, "session_token": None, "region": " us "}


@pytest.mark.parametrize("value", [f"{CANARY}\n{CANARY}", [CANARY], {"a": CANARY}, f"{CANARY}\x00", f"{CANARY}\udc80"])
@pytest.mark.parametrize("name", ["access_key", "secret_key", "session_token"])
def test_what_cannot_be_sent_is_refused_unquoted(name: str, value: object) -> None:
    with pytest.raises(ApiUnavailable, match=name) as caught:
        aws_options.sendable({name: value})
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("behind", ["\n", "\nx"])
def test_the_environment_too(name: str, behind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f"{CANARY}{behind}")
    with pytest.raises(ApiUnavailable, match=f"{name} of the environment") as caught:
        aws_options.sendable({})
    assert "CANARY" not in str(caught.value)


def test_what_aws_says_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY-of-the-environment")
    canonical = f"should have been 'host:iam\nx-amz-security-token:{CANARY}' with CANARY-of-the-environment"
    error = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": canonical}}, "GetUser")
    said = aws_options.told(error, {"session_token": f"{CANARY}\n"})
    assert "SignatureDoesNotMatch" in said
    assert "CANARY" not in said
    away = EndpointConnectionError(endpoint_url=f"http://me:{CANARY}@127.0.0.1:1/")
    assert aws_options.told(away, {}) == 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"'
