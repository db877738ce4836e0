"""A real VictoriaMetrics, VictoriaLogs and vmauth, and runs of `fleet/data_transfer.py` over them that can be killed:

python -m stores_of_a_region save|back FOLDER ADDRESS BEGIN END [MOST]
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

LOGIN = ("kof", "pass+CANARY/0001=")
WRITE, READ, LOGS = "/vm/insert/0/prometheus", "/vm/select/0/prometheus", "/vls"
FOLDER = pathlib.Path(__file__).parent


class Stores:
    """One region's, behind its vmauth with the routes of kof-storage."""

    def __init__(
        self,
        folder: pathlib.Path,
        tools: dict[str, pathlib.Path],
        certificate: tuple[pathlib.Path, pathlib.Path] | None = None,
        login: tuple[str, str] = LOGIN,
    ) -> None:
        """certificate: and its key, with which vmauth is at the last port, too."""
        self.folder, self.tools, self.certificate, self.login = folder, tools, certificate, login
        self.ports = [_port() for _ in range(4)]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"http://127.0.0.1:{self.ports[2]}"
        folder.mkdir(parents=True)
        routes = [
            {
                "src_paths": ["/vls/.*"],
                "url_prefix": f"http://127.0.0.1:{self.ports[1]}",
                "drop_src_path_prefix_parts": 1,
            },
            {
                "src_paths": ["/vm/select/.*", "/vm/insert/.*"],
                "url_prefix": f"http://127.0.0.1:{self.ports[0]}",
                "drop_src_path_prefix_parts": 3,
            },
        ]
        users = {"users": [{"username": login[0], "password": login[1], "url_map": routes}]}
        (folder / "auth.yaml").write_text(yaml.safe_dump(users))

    def start(self, name: str = "", *more: str) -> None:
        """All that don't run; or one of them, with more arguments."""
        memory = "-memory.allowedBytes=128MiB"
        of = {
            "victoria-metrics": [f"-storageDataPath={self.folder}/metrics", "-retentionPeriod=10y", memory],
            "victoria-logs": [f"-storageDataPath={self.folder}/logs", "-retentionPeriod=10y", memory],
            "vmauth": [f"-auth.config={self.folder}/auth.yaml"],
        }
        if self.certificate:
            files = f"-tlsCertFile={self.certificate[0]}", f"-tlsKeyFile={self.certificate[1]}"
            of["vmauth-tls"] = [*of["vmauth"], "-tls", *files]
        for (each, arguments), port in zip(of.items(), self.ports, strict=False):
            if each in self.running or name not in ("", each):
                continue
            with (self.folder / f"{each}.log").open("ab") as log:
                command = [
                    str(self.tools[each.removesuffix("-tls")]),
                    *arguments,
                    f"-httpListenAddr=127.0.0.1:{port}",
                    *more,
                ]
                self.running[each] = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "victoria-metrics.log").read_text()[-2000:]
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return bool(self.ask(f"{READ}/api/v1/query", {"query": "1"})) and self.lines(0, 1) == 0
        except OSError:
            return False

    def stop(self, *names: str, kill: bool = False) -> None:
        for name in names or list(self.running):
            process = self.running.pop(name)
            process.kill() if kill else process.terminate()
            process.wait(60)

    def empty(self) -> None:
        """As a region that was uninstalled and comes back."""
        self.stop()
        for each in ("metrics", "logs"):
            shutil.rmtree(self.folder / each)
        self.start()

    def ask(self, path: str, form: dict[str, str], body: bytes | None = None) -> bytes:
        """Answer of a request; `form` is the query where there is a body."""
        query = urllib.parse.urlencode(form)
        token = base64.b64encode(":".join(self.login).encode()).decode()
        request = urllib.request.Request(
            f"{self.address}{path}{'' if body is None else '?' + query}",
            data=query.encode() if body is None else body,
            headers={
                "Authorization": f"Basic {token}",
                "Content-Type": "application/x-www-form-urlencoded" if body is None else "text/plain",
            },
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            return bytes(answer.read())

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        body = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
        self.ask(f"{WRITE}/api/v1/import", {}, body)

    def write_end(self, name: str, at: int) -> None:
        """Say that a series has ended, as Prometheus does: by remote write, for no other form can say it."""
        label = _field(1, b"__name__") + _field(2, name.encode())
        stale = struct.pack("<Q", 0x7FF0000000000002)
        sample = b"\x09" + stale + b"\x10" + _varint(at)
        body = _field(1, _field(1, label) + _field(2, sample))
        packed = _varint(len(body)) + bytes([(len(body) - 1) << 2]) + body  # snappy: one literal of up to 60 bytes
        assert len(body) <= 60
        self.ask(f"{WRITE}/api/v1/write", {}, packed)

    def write_logs(self, lines: list[dict[str, str]], stream: str) -> None:
        body = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode() + b"\n"
        self.ask(f"{LOGS}/insert/jsonline", {"_stream_fields": stream}, body)

    def samples(self, begin: int, end: int) -> int:
        """How many there are, whose markers of an end are none."""
        form = {
            "query": f'sum(count_over_time({{__name__!=""}}[{end - begin}ms]))',
            "time": str((end - 1) / 1000),
            "latency_offset": "1ms",
            "nocache": "1",
        }
        found = json.loads(self.ask(f"{READ}/api/v1/query", form))["data"]["result"]
        return int(found[0]["value"][1]) if found else 0

    def lines(self, begin: int, end: int) -> int:
        query = f"_time:[{begin * 1000000}, {end * 1000000}) | stats count() n"
        return int(json.loads(self.ask(f"{LOGS}/select/logsql/query", {"query": query}))["n"])

    def until(self, begin: int, end: int, samples: int, lines: int, seconds: float = 120) -> None:
        """Wait until they are so many, and see that they are no more."""
        until = time.monotonic() + seconds
        while (found := (self.samples(begin, end), self.lines(begin, end))) != (samples, lines):
            assert time.monotonic() < until, (found, (samples, lines))
            time.sleep(0.2)

    def all_metrics(self) -> dict[str, list[tuple[int, Any]]]:
        """By series, its samples by time; a marker of its end is null."""
        found: dict[str, list[tuple[int, Any]]] = {}
        for line in self.ask(f"{READ}/api/v1/export", {"match[]": '{__name__!=""}'}).splitlines():
            row = json.loads(line)
            key = json.dumps(row["metric"], sort_keys=True)
            found.setdefault(key, []).extend(zip(row["timestamps"], row["values"], strict=True))
        return {key: sorted(each, key=lambda one: one[0]) for key, each in found.items()}

    def all_logs(self) -> Counter[str]:
        """Lines, with the streams that they are in, and how often each is there."""
        rows = self.ask(f"{LOGS}/select/logsql/query", {"query": "*"}).splitlines()
        return Counter(json.dumps(json.loads(row), sort_keys=True) for row in rows)


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7) if value > 0x7F else bytes([value])


def _field(number: int, content: bytes) -> bytes:
    """Of a Protocol Buffer."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run(job: str, folder: pathlib.Path, address: str, begin: int, end: int, most: int = 0) -> subprocess.Popen[str]:
    """A run of its own process, which prints its end as JSON."""
    command = [sys.executable, "-m", "stores_of_a_region", job, str(folder), address, str(begin), str(end), str(most)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), *sys.path])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finished(process: subprocess.Popen[str], seconds: float = 600) -> dict[str, Any]:
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def killed(process: subprocess.Popen[str], file: pathlib.Path, lines: int, seconds: float = 300) -> bool:
    """SIGKILL it once that file has so many lines; whether it was alive until then."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if file.exists() and len(file.read_bytes().splitlines()) >= lines:
            process.kill()
            process.communicate()
            return True
        assert time.monotonic() < end
        time.sleep(0.002)
    process.communicate()
    return False


def _main(job: str, where: str, address: str, begin: str, end: str, most: str) -> Iterator[Any]:
    from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data_transfer, saved_data, stores
    from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
    from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import Stores as Way

    if int(most):
        data_transfer.MOST = dict.fromkeys(data_transfer.MOST, int(most))
        stores.AT_ONCE = 2**14
    region = stores.Region("eu1", address, LOGIN, KOF_0_1_1.paths)
    folder = saved_data.Folder(pathlib.Path(where))
    began = time.monotonic()
    if job == "save":
        if folder.path.exists():
            folder.go_on()
        else:
            folder.begin(saved_data.About("prod", "0.1.1", int(begin), int(end)))
        told = data_transfer.save(folder, [region], Way(), lambda _: None)
        if not any(each.why for each in told):
            folder.finish([])
    else:
        folder.go_on()
        told = data_transfer.bring_back(
            folder,
            [region],
            Way(),
            lambda _: None,
            may_write=lambda: None,
            patience=data_transfer.Patience(),
            check_mode=job == "look",
        )
    yield {
        "told": {each.kind: vars(each) for each in told},
        "seconds": round(time.monotonic() - began, 1),
        "cpu": round(time.process_time(), 1),
        "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "files": len(folder.about.parts),
        "bytes": sum(each.size for each in folder.about.parts),
    }


if __name__ == "__main__":
    for said in _main(*sys.argv[1:]):
        print(json.dumps(said))
