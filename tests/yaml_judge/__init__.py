"""The Go libraries that helm, kubectl and kcm read YAML with, as the judge of what we write and of what we read.

May hold: the program (main.go), its building, and what is equal for JSON. May not hold: an assertion.
"""

from __future__ import annotations

import base64
import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Literal

HERE = pathlib.Path(__file__).parent
#: The sandbox's module has sigs.k8s.io/yaml and k8s.io/apimachinery in its build list, fetched when it was built.
GO_MODULE = HERE.parent / "sandbox" / "tools" / "kubernetes"

As = Literal["values", "document", "stream"]
#: Of each text {template, error, value}; see main.go.
Judge = Callable[..., list[dict[str, Any]]]


class NoJudge(Exception):
    """There is no Go, or the libraries aren't fetched; the message says which."""


def build(folder: pathlib.Path) -> Judge:
    """Builds the program into `folder`; returns judge(texts, as_="values"). Raises NoJudge."""
    compiler = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not compiler:
        raise NoJudge("no Go here")
    program = folder / "yaml-judge"
    command = [compiler, "build", "-C", str(GO_MODULE), "-o", str(program), str(HERE / "main.go")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and re.search(r"dial|lookup|timeout|proxy|missing go\.sum", done.stderr):
        raise NoJudge(f"sigs.k8s.io/yaml isn't fetched yet: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr

    def judge(texts: Sequence[str | bytes], as_: As = "values") -> list[dict[str, Any]]:
        raw = [text if isinstance(text, bytes) else text.encode(errors="surrogatepass") for text in texts]
        tasks = [{"text": base64.b64encode(each).decode(), "as": as_} for each in raw]
        answer = subprocess.run(
            [program], input=json.dumps(tasks).encode(), capture_output=True, timeout=120, check=True
        )
        return json.loads(answer.stdout)

    return judge


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are one number to every reader on the way, all of float64; but true is none."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return float(left) == float(right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right
