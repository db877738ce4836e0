"""sveltos.py: what Go's strconv.Quote makes of every character, and the hashes that the real Sveltos wrote down."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
import recordings
from deciding import strings

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import sveltos

HERE = pathlib.Path(__file__).parent


def test_go_quotes_every_character_alike(tmp_path: pathlib.Path) -> None:
    compiler = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not compiler:
        pytest.skip("no Go here")
    program = tmp_path / "go-quote"
    source = HERE / "go_quote" / "main.go"
    subprocess.run([compiler, "build", "-o", str(program), str(source)], check=True, timeout=300, cwd=tmp_path)
    texts = ["".join(batch) for batch in strings.code_points(4096)]
    texts += ['a "b" \\ c\n', "", "\ud800", "a\udfffb", "{{ .x }}", "\x00\x1f\x7f\x80\x9f\xa0\xad\u2028\ufeff\ufffd"]
    done = subprocess.run([program], input=json.dumps(texts).encode(), capture_output=True, timeout=300, check=True)
    for text, quoted in zip(texts, json.loads(done.stdout), strict=True):
        assert sveltos.quote(text) == quoted


def test_the_hash_is_the_one_that_the_real_sveltos_wrote() -> None:
    """Of every release in its last state before it was deleted or the recording ended."""
    proved = set()
    for name in recordings.RUNS:
        summaries = {}
        for moment in recordings.read(name):
            if moment.kind == "ClusterSummary" and moment.name.startswith("p--"):
                summaries[moment.name] = moment.object
        for summary in summaries.values():
            charts = {chart["releaseName"]: chart for chart in summary["spec"]["clusterProfileSpec"]["helmCharts"]}
            for release in summary["status"]["helmReleaseSummaries"]:
                if "valuesHash" in release:
                    values = charts[release["releaseName"]].get("values", "")
                    assert sveltos.values_hash(values) == release["valuesHash"]
                    proved.add(values)
    assert len(proved) >= 4
