"""A real browser for tests of pages: Chromium without a window, driven over its own protocol (CDP), and axe-core, which
judges whether everybody can read a page. Nothing is fetched by what is shown.

May hold: what any page needs. May not hold: what a page of ours says.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import websocket

from sandbox import binaries

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
AXE = "4.14.1"
#: Seconds for the browser to start, and to answer one question: axe takes a few for 1,000 clusters.
PATIENCE = 120


class Missing(Exception):
    """What a test of pages needs isn't here."""


def chromium() -> str:
    """The browser's path. Where it isn't installed, and may be, it is.

    :raises Missing: neither, with what would help.
    """
    for attempt in (1, 2):
        for name in PROGRAMS:
            if found := shutil.which(name):
                return found
        if attempt == 1 and os.geteuid() == 0 and shutil.which("apt-get"):
            quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True}
            subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)  # type: ignore[call-overload]
            command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
            subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]
    raise Missing(f"no browser: none of {', '.join(PROGRAMS)} is on PATH; on Debian: apt-get install chromium")


def axe() -> str:
    """The source of axe-core, by npm, kept in the cache of the sandbox's programs.

    :raises Missing: npm isn't installed, or gave nothing.
    """
    kept = binaries.cache() / f"axe-core-{AXE}" / "axe.min.js"
    if not kept.exists():
        if not shutil.which("npm"):
            raise Missing("no npm, which brings axe-core; on Debian: apt-get install npm")
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(
                ["npm", "pack", "--silent", f"axe-core@{AXE}"], cwd=folder, capture_output=True, text=True, check=False
            )
            if packed.returncode:
                raise Missing(f"npm pack axe-core@{AXE} failed: {packed.stderr.strip()}")
            shutil.unpack_archive(pathlib.Path(folder, packed.stdout.strip().splitlines()[-1]), folder, "gztar")
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(pathlib.Path(folder, "package", "axe.min.js"), unfinished)
            unfinished.replace(kept)
    return kept.read_text(encoding="utf-8")


class Tab:
    """One tab, in which one page at a time is open."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._numbers = itertools.count(1)
        #: What the page asked for, and what it complained about.
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv())).get("id") != number:
            self._heard(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def _heard(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
            self.complaints.append(json.dumps(about)[:500])

    def open(self, file: pathlib.Path, *, scheme: str = "light", media: str = "screen", width: int = 1280) -> None:
        """Open a page of a file, as a person sees it who likes this scheme, on a screen of this width or on paper."""
        self.requests.clear()
        self.complaints.clear()
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.send("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.ask("location.href + document.readyState") != f"{file.as_uri()}complete":
            if time.monotonic() > deadline:
                raise RuntimeError(f"{file} isn't open after {PATIENCE} s")
            time.sleep(0.05)

    def ask(self, expression: str) -> Any:
        """The value of an expression, of a promise too."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression[:100]}: {json.dumps(found['exceptionDetails'])[:500]}")
        return found["result"].get("value")

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], **text)

    def violations(self, *, paper: bool = False) -> list[dict[str, Any]]:
        """What axe-core holds against the page by WCAG 2.0 to 2.2, A and AA, and by its best practices; of paper, that
        nobody touches, without the size of what is touched.

        Its source comes by this protocol, past the page's own policy.
        """
        self.send("Runtime.evaluate", expression=axe())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        rules = {"target-size": {"enabled": False}} if paper else {}
        how = json.dumps({"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"], "rules": rules})
        found = self.ask(f"axe.run(document, {how})")
        if not found["passes"]:
            raise RuntimeError("axe looked at nothing")
        return [
            {"rule": each["id"], "help": each["help"], "at": [node["html"][:200] for node in each["nodes"][:5]]}
            for each in found["violations"]
        ]

    def picture(self, file: pathlib.Path, height: int | None = None) -> None:
        """The page as a PNG, to its end or as high as this."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or min(size["height"], 8000), "scale": 1}
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(found["data"]))

    def paper(self, file: pathlib.Path) -> bytes:
        """The page as it is printed, a PDF."""
        found = self.send("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        file.write_bytes(base64.b64decode(found["data"]))
        return file.read_bytes()


@contextlib.contextmanager
def browser() -> Iterator[Tab]:
    """A browser with a profile of its own, that knows no network, and is gone afterwards.

    :raises Missing: there is none.
    """
    program = chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
        # Containers give no sandbox of its own, and little shared memory; what is shown is ours.
        options += ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"]
        options += ["--disable-background-networking", "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>"]
        running = subprocess.Popen(
            [program, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            port = _port(pathlib.Path(profile, "DevToolsActivePort"), running)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
                tabs = json.loads(answer.read())
            yield Tab(next(each["webSocketDebuggerUrl"] for each in tabs if each["type"] == "page"))
        finally:
            running.terminate()
            running.wait(30)


def _port(file: pathlib.Path, running: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and (told := file.read_text().splitlines())):
        if running.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the browser didn't start (code {running.poll()})")
        time.sleep(0.05)
    return told[0]
