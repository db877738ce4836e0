"""Metrics and logs of a region, saved and brought back by the code behind `-e backup_data=true`, between a real
VictoriaMetrics, VictoriaLogs and vmauth: killed in the middle, and nothing lost or doubled. In plays:
tests/unit/plugins/action/test_fleet_data.py."""

from __future__ import annotations

import hashlib
import json
import pathlib
import random
import shutil
import time
from collections.abc import Iterator

import pytest
from stores_of_a_region import Stores, finished, killed, run

from sandbox import binaries

TOOLS = binaries.built_for_data()
pytestmark = pytest.mark.skipif(TOOLS is None, reason="not built: python -m sandbox build --data")

HOUR = 3_600_000
NAMES, SERIES, EACH = 30, 8, 700
LINES = 20_000


def fill(stores: Stores, begin: int, end: int) -> tuple[int, int]:
    """Samples and lines that are written, over all of that time, its first and last ms too."""
    step = (end - begin - 1) / (EACH - 1)
    times = [begin + round(number * step) for number in range(EACH)]
    assert (times[0], times[-1]) == (begin, end - 1)
    for name in range(NAMES):
        rows = [
            {
                "metric": {"__name__": f"metric:{name}_total", "pod": f'p"{one}\\é\u2028', "clusterName": "eu1-child"},
                "values": [(name + one + number) / 8 for number in range(EACH)],
                "timestamps": times,
            }
            for one in range(SERIES)
        ]
        stores.write_metrics(rows)
    stores.write_metrics([{"metric": {"__name__": "ended"}, "values": [1], "timestamps": [begin + 5]}])
    stores.write_end("ended", begin + 6)
    every = (end - begin - 1) / (LINES - 1)
    for one, stream in enumerate(("k8s.pod.name", "k8s.pod.name,k8s.container.name", "")):
        lines = []
        for number in range(LINES):
            if number % 3 != one:
                continue
            at = begin * 1_000_000 + int(number * every * 1_000_000)
            line = {
                "_time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at // 10**9))}.{at % 10**9:09d}Z",
                "_msg": f'line {number // 2}\nfaçade "_stream":"{{}}" \U0001f600 {"x" * (number % 50)}',
                "k8s.pod.name": f'p,"}}={number % 20}',
                "level": "info" if number % 2 else "",
            }
            if "container" in stream:
                line["k8s.container.name"] = "c"
            lines.append(line)
        stores.write_logs(lines, stream)
    return NAMES * SERIES * EACH, LINES


@pytest.fixture(scope="module")
def times() -> tuple[int, int]:
    """Ten hours and a bit that end not long ago, not at whole ones."""
    end = int(time.time() * 1000) - 5 * 60_000 - 137
    return end - 10 * HOUR - 4211, end


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, times: tuple[int, int]) -> Iterator[Stores]:
    assert TOOLS is not None
    stores = Stores(tmp_path_factory.mktemp("source") / "a", TOOLS)
    stores.start()
    samples, lines = fill(stores, *times)
    # What is beside it in time isn't saved.
    beside = [times[0] - 1, times[1]]
    stores.write_metrics([{"metric": {"__name__": "metric:0_total"}, "values": [1, 2], "timestamps": beside}])
    stores.until(*times, samples + 1, lines)
    yield stores
    stores.stop()


@pytest.fixture(scope="module")
def saved(source: Stores, times: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Saved by a run that was killed three times."""
    folder = tmp_path_factory.mktemp("saved") / "kof-data-prod"
    kept = 0
    for number in (3, 6, 12):
        assert killed(run("save", folder, source.address, *times, 20_000), folder / "done.jsonl", number)
        done = (folder / "done.jsonl").read_bytes().splitlines()
        assert len(done) >= number > kept
        kept = len(done)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("eu1/*/*.gz")}
    told = finished(run("save", folder, source.address, *times, 20_000))
    assert told["told"]["metrics"]["there"] + told["told"]["logs"]["there"] >= kept
    assert not [each["why"] for each in told["told"].values() if each["why"]]
    for line in done:
        file = folder / json.loads(line)["file"]
        assert file.stat().st_mtime_ns == before[file]  # what was whole wasn't asked for again
    return folder


def test_what_is_saved_after_three_kills_has_all_that_was_there_and_nobody_else_may_read_it(
    saved: pathlib.Path, source: Stores, times: tuple[int, int]
) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["complete"]
    counts = {
        kind: sum(each["count"] for each in manifest["parts"] if each["kind"] == kind) for kind in ("metrics", "logs")
    }
    assert counts == {"metrics": NAMES * SERIES * EACH + 2, "logs": LINES}
    files = [file for file in saved.rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {file.stat().st_mode & 0o777 for file in saved.rglob("*") if file.is_dir()} == {0o700}
    assert {str(file.relative_to(saved)) for file in files} == {
        "manifest.json",
        *(p["file"] for p in manifest["parts"]),
    }
    for part in manifest["parts"]:
        assert hashlib.sha256((saved / part["file"]).read_bytes()).hexdigest() == part["sha256"]


@pytest.mark.long
def test_what_was_killed_on_its_way_back_is_there_once_byte_for_byte(
    saved: pathlib.Path, source: Stores, times: tuple[int, int], tmp_path: pathlib.Path
) -> None:
    assert TOOLS is not None
    folder = tmp_path / "copy"
    shutil.copytree(saved, folder)
    target = Stores(tmp_path / "b", TOOLS)
    target.start()
    try:
        for number in (2, 9):
            assert killed(run("back", folder, target.address, *times, 20_000), folder / "sending.jsonl", number)
        told = finished(run("back", folder, target.address, *times, 20_000))["told"]
        assert not [each["why"] for each in told.values() if each["why"]]
        assert told["metrics"]["there"] or told["logs"]["there"]
        wanted = {key: [s for s in each if times[0] <= s[0] < times[1]] for key, each in source.all_metrics().items()}
        assert target.all_metrics() == {key: each for key, each in wanted.items() if each}
        assert target.all_logs() == source.all_logs()
        again = finished(run("back", folder, target.address, *times, 20_000))["told"]
        assert (again["metrics"]["count"], again["logs"]["count"]) == (0, 0)
        assert target.all_logs() == source.all_logs()
        # As after another uninstall: what was sent once isn't taken for there.
        target.empty()
        told = finished(run("back", folder, target.address, *times, 20_000))["told"]
        assert (told["metrics"]["count"], told["logs"]["count"]) == (NAMES * SERIES * EACH + 2, LINES)
        assert target.all_logs() == source.all_logs()
    finally:
        target.stop()


@pytest.mark.long
def test_ten_million_samples_are_there_once_after_kills_out_and_back(tmp_path: pathlib.Path) -> None:
    assert TOOLS is not None
    end = int(time.time()) * 1000 - 60_000
    begin = end - 20 * HOUR
    source, target = (Stores(tmp_path / name, TOOLS) for name in ("a", "b"))
    try:
        source.start()
        times = list(range(begin, end - 1000, 30_000))
        each = len(times) * 50
        number, chance = 10_000_000 // each + 1, random.Random(1)
        for name in range(number):
            rows = [
                {
                    "metric": {"__name__": f"of_tests_{name}_total", "pod": f"pod-{pod}"},
                    "values": [chance.randrange(10**6) for _ in times],
                    "timestamps": [at + chance.randrange(1000) for at in times],
                }
                for pod in range(50)
            ]
            source.write_metrics(rows)
        source.until(begin, end, number * each, 0)
        wanted = number * each
        assert wanted >= 10_000_000
        folder = tmp_path / "kof-data-prod"
        assert killed(run("save", folder, source.address, begin, end), folder / "done.jsonl", 4)
        told = finished(run("save", folder, source.address, begin, end))
        print("save", told)
        assert told["told"]["metrics"]["there"] >= 4
        assert (told["told"]["metrics"]["count"], told["told"]["metrics"]["why"]) == (wanted, [])
        assert told["MiB"] < 300
        target.start()
        assert killed(run("back", folder, target.address, begin, end), folder / "sending.jsonl", 5)
        told = finished(run("back", folder, target.address, begin, end))
        print("back", told)
        assert told["told"]["metrics"]["why"] == []
        assert told["MiB"] < 300
        target.until(begin, end, wanted, 0)
    finally:
        source.stop()
        target.stop()
