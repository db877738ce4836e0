"""A fleet's life with data: backup.yml with backup_data, killed; everything taken away, the regional's stores too;
restore.yml with restore_data, killed. Real stores behind a real vmauth, which is reached as kof's are, by name and TLS.
"""

from __future__ import annotations

import base64
import json
import pathlib
import threading
import time
from collections.abc import Callable

import example_fleet
import killers
import pytest
from stores_of_a_region import Stores
from support import Run, Sandbox, Started, finish, secrets_of
from test_leave_backup_data_engines import EACH, LINES, NAMES, SERIES, fill

from sandbox import binaries
from sandbox.certificates import Authority
from sandbox.data.proxy import Proxy

TOOLS = binaries.built_for_data()
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(TOOLS is None, reason="not built: python -m sandbox build --data"),
]
SHAPE = example_fleet.fleet(1, 1)
HOUR = 3_600_000


def killed(started: Started, there: Callable[[], bool]) -> None:
    """SIGKILL it, and all that it began, once that is so."""
    while not there():
        assert started[0].poll() is None, finish(started).output
        time.sleep(0.005)
    killers.kill(started[0].pid, whole_tree=True)
    finish(started)


def unhindered(go: Callable[[], Run]) -> Run:
    """The first run that the worker of a killed one, which ends by itself, doesn't hold up."""
    end = time.monotonic() + 600
    while "another run works with" in (run := go()).output:
        assert time.monotonic() < end, run.output
    return run


def lines(file: pathlib.Path) -> int:
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def test_a_fleet_that_was_taken_away_comes_back_with_its_data(own_sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    assert TOOLS is not None
    inventory = own_sandbox.inventory(tmp_path / "fleet", SHAPE)
    (tmp_path / "password").write_bytes(b"open sesame")
    (regional,) = SHAPE.regionals
    host = f"vmauth.{SHAPE.regionals[regional]['regional_domain']}"
    vault = ("--vault-id", f"prod@{tmp_path / 'password'}")
    run = own_sandbox.playbook("site", "-e", "kof_verify=false", inventory=inventory)
    assert run.code == 0, run.output
    secrets = secrets_of(own_sandbox)
    held = own_sandbox.get("secret", "-n", "kof", "storage-vmuser-credentials")["data"]
    user, password = (base64.b64decode(held[key]).decode() for key in ("username", "password"))

    authority = Authority(tmp_path, "load balancers")
    files = tmp_path / "vmauth.crt", tmp_path / "vmauth.key"
    for file, text in zip(files, authority.issue(host, addresses=(host,), server=True), strict=True):
        file.write_text(text)
    stores = Stores(tmp_path / "stores", TOOLS, files, (user, password))
    proxy = Proxy(0, {host: ("127.0.0.1", stores.ports[3])}.get)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    way = {
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": str(authority.certificate_file),
    }
    end = int(time.time()) * 1000 - 10 * 60_000
    begin = end - 10 * HOUR
    try:
        stores.start()
        samples, count = fill(stores, begin, end)
        stores.until(begin, end, samples + 1, count)
        logs = stores.all_logs()

        where = tmp_path / "backups"
        said = {
            "backup_folder": str(where),
            "backup_data": True,
            "backup_data_from": at(begin),
            "backup_data_to": at(end),
        }
        given = (*vault, "-vvv", "-e", json.dumps(said))
        killed(
            own_sandbox.start_playbook("backup", *given, inventory=inventory, **way),
            lambda: any(lines(file) >= 3 for file in where.glob("kof-data-*/done.jsonl")),
        )
        run = unhindered(lambda: own_sandbox.playbook("backup", *given, inventory=inventory, **way))
        assert run.code == 0, run.output
        assert "parts of it are whole" in run.output
        assert not [each for each in secrets if each in run.output]
        (folder,) = where.glob("kof-data-*")
        archive = sorted(where.glob("kof-backup-*"))[-1]

        own_sandbox.delete_clusters()
        own_sandbox.take_kof_away()
        stores.empty()

        again = (*vault, "-vvv", "-e", f"restore_file={archive}", "-e", f"restore_data={folder}")
        killed(
            own_sandbox.start_playbook("restore", *again, inventory=inventory, **way),
            lambda: lines(folder / "sending.jsonl") >= 4,
        )
        run = unhindered(lambda: own_sandbox.playbook("restore", *again, inventory=inventory, **way))
        assert run.code == 0, run.output
        assert not [each for each in secrets if each in run.output]
        assert (stores.samples(begin, end), stores.lines(begin, end)) == (samples + 1, count)
        assert (samples, count) == (NAMES * SERIES * EACH, LINES)
        assert stores.all_logs() == logs
        assert not (folder / "sending.jsonl").exists()
    finally:
        stores.stop()
        proxy.shutdown()
        proxy.server_close()
        own_sandbox.delete_clusters()
        own_sandbox.take_kof_away()


def at(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))
