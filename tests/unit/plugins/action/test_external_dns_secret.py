"""external_dns_secret in a play: it is given names of variables, and the values are nowhere but in the Secret."""

from __future__ import annotations

import base64
import json
from typing import Any

KEY_ID, SECRET = "AKIAACTIONTEST000001", "aSecretHalf/that+nobody0000may00see000000"
TASK = {
    "name": "Write",
    "k0rdent.kof.external_dns_secret": {
        "access_key_id_variable": "key_id",
        "secret_access_key_variable": "key_secret",
        "namespace": "dns-action",
        "fleet": "actions",
    },
}
VALUES = json.dumps({"key_id": KEY_ID, "key_secret": SECRET})


def test_key_is_written_and_never_shown(control_plane: Any, play: Any, tmp_path: Any) -> None:
    (tmp_path / "values.json").write_text(VALUES)
    first = play("kof_mothership", TASK, "-vvvv", "--diff", "-e", f"@{tmp_path / 'values.json'}")
    assert first.returncode == 0, first.stdout + first.stderr
    secret = json.loads(
        control_plane.kubectl("get", "secret", "-n", "dns-action", "external-dns-aws-credentials", "-o", "json")
    )
    text = base64.b64decode(secret["data"]["external-dns-aws-credentials"]).decode()
    assert text.splitlines() == ["[default]", f"aws_access_key_id = {KEY_ID}", f"aws_secret_access_key = {SECRET}"]
    second = play("kof_mothership", TASK, "-vvvv", "--diff", "-e", f"@{tmp_path / 'values.json'}")
    assert "changed=0" in second.stdout
    for run in (first, second):
        assert SECRET not in run.stdout + run.stderr
        assert base64.b64encode(SECRET.encode()).decode()[:-4] not in run.stdout + run.stderr


def test_missing_variable_is_named(control_plane: Any, play: Any) -> None:
    run = play("kof_mothership", TASK, "-e", json.dumps({"key_id": KEY_ID}))
    assert run.returncode != 0
    assert "key_secret" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
