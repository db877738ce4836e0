"""What uninstall takes away at AWS by each method of role dns_credentials, on moto: all that the role has made, of node
roles that were there before our policy alone, and nothing of others. The method iam_user is test_leave_uninstall.py's.
"""

from __future__ import annotations

from typing import Any

import pytest
from test_blueprint_iam import EXISTING, METHODS, NOTHING, TRUSTING, Account, account, role

__all__ = ["account", "role"]
LOGIN = ("AKIASANDBOXADMIN0000", "none")
METHODS_WITH_ROLES = sorted({*METHODS} - {"iam_user"})


def there(account: Account) -> set[str]:
    iam = account.iam
    roles = [each["RoleName"] for each in iam.list_roles()["Roles"]]
    return {
        *(f"policy {each['PolicyName']}" for each in iam.list_policies(Scope="Local")["Policies"]),
        *(f"profile {each['InstanceProfileName']}" for each in iam.list_instance_profiles()["InstanceProfiles"]),
        *(f"role {each}" for each in roles),
        *(f"{each}'s {name}" for each in roles for name in iam.list_role_policies(RoleName=each)["PolicyNames"]),
    }


def told(run: Any) -> str:
    return " ".join(run.output.split())


@pytest.fixture(params=METHODS_WITH_ROLES)
def made(request: pytest.FixtureRequest, account: Account, role: Any) -> tuple[str, set[str]]:
    """A method, with all that it makes; and what was there before."""
    account.post("reset")
    for name in (EXISTING, "others"):
        account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUSTING)
        account.iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=NOTHING)
    account.iam.create_policy(PolicyName="others", PolicyDocument=NOTHING)
    before = there(account)
    run = role(request.param, LOGIN)
    assert run.code == 0, run.output
    assert there(account) > before
    return request.param, before


def test_all_that_the_role_has_made_goes_and_nothing_else(
    account: Account, role: Any, made: tuple[str, set[str]]
) -> None:
    method, before = made
    full = there(account)
    foreseen = role(method, LOGIN, absent=True, arguments=("--check",))
    assert foreseen.code == 0, foreseen.output
    assert there(account) == full
    run = role(method, LOGIN, absent=True)
    assert run.code == 0, run.output
    assert there(account) == before
    again = role(method, LOGIN, absent=True)
    assert (again.code, again.total("changed")) == (0, 0), again.output


@pytest.mark.parametrize("made", ["node_role"], indirect=True)
def test_who_may_not_look_is_told_what_isnt_known_and_what_to_do(
    account: Account, role: Any, made: tuple[str, set[str]]
) -> None:
    """Nothing goes of what nobody could look at, and the run goes on."""
    method, _before = made
    full, nobody = there(account), account.user({"Version": "2012-10-17", "Statement": [{"Action": ["iam:GetUser"]}]})
    with account.checked():
        run = role(method, nobody, absent=True)
    assert run.code == 0, run.output  # told by the report, in which its host fails
    assert there(account) == full
    assert "at AWS: what is left there isn't known: " in told(run)
    assert "is not authorized to perform: iam:" in told(run)
    assert "Nothing that wasn't seen was taken away. Whoever runs this needs the rights that docs/uninstall.md" in told(
        run
    )
