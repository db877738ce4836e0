"""Forwards that are held: begun again where they end or nobody answers, and ended with us. kubectl is played here."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import forward

#: Answers any request until a file is there: then it ends (`ends`), or goes on and answers nobody (`mute`).
PROGRAM = """
import os, pathlib, socket, sys
port, how, folder = int(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
assert sys.argv[4:] == ["--address", "127.0.0.1"]
turn = len(list(folder.glob("turn-*")))
(folder / f"turn-{turn}").write_text(str(os.getpid()))
if how == "refused" and turn == 0:
    sys.exit("error: no such service")
ours = socket.socket()
ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
ours.bind(("127.0.0.1", port))
ours.listen()
while True:
    there = ours.accept()[0]
    there.recv(1000)
    if turn == 0 and (folder / "stop").exists():
        if how == "ends":
            sys.exit("error: lost connection to pod")
        there.close()
        continue
    there.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    there.close()
"""


class World:
    def __init__(self, folder: pathlib.Path, how: str) -> None:
        (folder / "program").write_text(PROGRAM)
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, str(folder / "program"), str(self.port), how, str(folder)]
        self.folder, self.one, self.said = folder, forward.Forward("it", command, self.port), list[str]()
        self.over = threading.Event()
        self.thread = threading.Thread(
            target=forward.hold, args=([self.one], 60, self.over.is_set, self.said.append), daemon=True
        )

    def wait(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + 300
        while not what():
            assert time.monotonic() < end, self.said
            time.sleep(0.05)


@pytest.fixture
def world(tmp_path: pathlib.Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(forward, "PROBED_EVERY", 0.2)
    found = World(tmp_path, request.param)
    found.thread.start()
    yield found
    found.over.set()
    found.thread.join(120)
    assert not found.thread.is_alive()
    assert not forward.is_taken(found.port)
    for each in tmp_path.glob("turn-*"):
        assert not pathlib.Path(f"/proc/{each.read_text()}/cmdline").exists() or _is_dead(int(each.read_text()))


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("world", ["ends", "mute"], indirect=True)
def test_what_ends_or_answers_nobody_is_begun_again(world: World) -> None:
    world.wait(lambda: world.said == ["it: open"])
    assert forward.is_taken(world.port)
    (world.folder / "stop").touch()
    world.wait(lambda: "it: open again" in world.said)
    assert world.one.began == 2
    assert world.said[1] in (
        "it: error: lost connection to pod; tried again",
        "it: nobody answers behind it; tried again",
    )


@pytest.mark.parametrize("world", ["refused"], indirect=True)
def test_what_kubectl_says_is_told_once(world: World) -> None:
    world.wait(lambda: "it: open again" in world.said)
    assert world.said[0] == "it: error: no such service; tried again"


def test_a_port_that_is_taken_is_seen() -> None:
    with contextlib.closing(socket.socket()) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        assert forward.is_taken(ours.getsockname()[1])


def test_ports_that_there_are_none_of_count_as_taken() -> None:
    assert forward.is_taken(65536)
    assert forward.is_taken(70000)


class Mute:
    """A way behind which nobody answers: a look at it takes its time."""

    def __init__(self, over: threading.Event) -> None:
        self.over, self.looked, self.told = over, 0, list[str]()

    def look(self, _say: object) -> None:
        self.looked += 1
        self.over.set()

    def ask_to_end(self) -> None:
        self.told.append("asked")

    def end(self) -> None:
        self.told.append("ended")


def test_who_ends_it_waits_for_no_other_look_and_for_all_ends_at_once() -> None:
    over = threading.Event()
    ways = [Mute(over) for _ in range(3)]
    order: list[str] = []
    for way in ways:
        way.told = order
    forward.hold(ways, 60, over.is_set, print)  # type: ignore[arg-type]
    assert [way.looked for way in ways] == [1, 0, 0]
    assert order == ["asked"] * 3 + ["ended"] * 3
