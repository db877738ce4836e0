"""Measuring: contenders in rounds of alternating order, whole processes, one at a time on a quiet machine.

May hold: what concerns any measurement. May not hold: Kubernetes, Ansible, or a particular task.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import audit

STOPWATCH = pathlib.Path(__file__).with_name("stopwatch.py")
#: What keeps a core busy.
NEIGHBOUR = [sys.executable, "-I", "-S", "-c", "while True: pass"]


class Wrong(Exception):
    """A contender failed, or did not do the work: its time counts nothing. The text says what was expected."""


@dataclass
class Done:
    """One measured process.

    :ivar peak_mb: of the biggest process of its tree (ru_maxrss), in MB of 1,000,000 bytes.
    :ivar cpu: seconds of CPU of the whole tree: steadier than `seconds` where something else runs too.
    :ivar output: all it printed.
    :ivar busy: cores that the sandbox's own processes used just before.
    :ivar load: the machine's load average of the last minute just before.
    """

    seconds: float
    code: int
    peak_mb: float
    output: str
    requests: list[audit.Request] = field(default_factory=list)
    cpu: float = 0.0
    busy: float = 0.0
    load: float = 0.0

    def __str__(self) -> str:
        requests = f"{len(self.requests):,} requests"
        return f"{self.seconds:.2f} s ({self.cpu:.2f} s of CPU), {self.peak_mb:.0f} MB, {requests}"

    @property
    def output_bytes(self) -> int:
        return len(self.output.encode())


def nothing() -> None:
    pass


@dataclass
class Attempt:
    """One measurement made ready.

    :ivar check: raises Wrong if the work was not done.
    :ivar clear: takes away what the attempt left; called in any case.
    :ivar codes: exit codes that mean success.
    :ivar directory: where it runs; None for where all do.
    """

    command: Sequence[str]
    check: Callable[[Done], None]
    clear: Callable[[], None] = nothing
    environment: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0,)
    directory: pathlib.Path | None = None


@dataclass
class Contender:
    """One way of doing a task.

    :ivar user: as whom it speaks to the API server, by which its requests are known.
    :ivar prepare: makes an attempt ready; what it does is not measured.
    :ivar rounds: at most so many; None for all. For what takes minutes.
    :ivar neighbours: so many other processes work all the time meanwhile, as on a controller that is shared.
    :ivar may_fail: where it fails it is told, and not measured any more: another commit may lack what it takes.
    """

    name: str
    user: str
    prepare: Callable[[], Attempt]
    rounds: int | None = None
    neighbours: int = 0
    may_fail: bool = False


@dataclass
class Machine:
    """Where it is measured.

    :ivar quiet: waits until nothing works in the background; returns the cores still in use.
    :ivar audit_log: of the API server, or None if no request is to be counted.
    :ivar rounds_of: by user, at most so many rounds; all for who isn't named.
    """

    environment: Mapping[str, str]
    quiet: Callable[[], float]
    audit_log: pathlib.Path | None
    output: pathlib.Path
    directory: pathlib.Path
    say: Callable[[str], None] = print
    rounds_of: Mapping[str, int] = field(default_factory=dict)

    def measure(self, attempt: Attempt, user: str, neighbours: int = 0) -> Done:
        """Run an attempt's command to its end, beside so many that work all the time. Raises Wrong if it fails."""
        busy, load = self.quiet(), os.getloadavg()[0]
        mark = self.audit_log.stat().st_size if self.audit_log else 0
        environment, directory = {**self.environment, **attempt.environment}, attempt.directory or self.directory
        with contextlib.ExitStack() as others:
            for _each in range(neighbours):
                others.enter_context(_own_group(NEIGHBOUR, environment, directory))
            done = run(attempt.command, environment, self.output, directory)
        if done.code not in attempt.codes:
            raise Wrong(f"exit code {done.code} of {' '.join(attempt.command)[:300]}\n{done.output[-3000:]}")
        done.busy, done.load = busy, load
        if self.audit_log:
            done.requests = [each for each in audit.requests_since(self.audit_log, mark) if each.user == user]
        return done

    def compare(self, task: str, contenders: Sequence[Contender], rounds: int) -> dict[str, list[Done]]:
        """All contenders' measurements by name, none of one that may fail and did; the order turns round after each
        round. Raises Wrong."""
        measured: dict[str, list[Done]] = {each.name: [] for each in contenders}
        failed: set[str] = set()
        for number in range(rounds):
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                most = min(self.rounds_of.get(contender.user, rounds), contender.rounds or rounds)
                if number >= most or contender.name in failed:
                    continue
                attempt = contender.prepare()
                try:
                    done = self.measure(attempt, contender.user, contender.neighbours)
                    attempt.check(done)
                except Wrong as reason:
                    if not contender.may_fail:
                        raise Wrong(f"{task}: {contender.name}: {reason}") from None
                    self.say(f"  {task}: left out, for it can't do it: {contender.name}: {reason}")
                    measured[contender.name] = []
                    failed.add(contender.name)
                    continue
                finally:
                    attempt.clear()
                measured[contender.name].append(done)
                self.say(f"  {task}, round {number + 1} of {rounds}: {contender.name}: {done}")
        return measured


def run(command: Sequence[str], environment: Mapping[str, str], output: pathlib.Path, directory: pathlib.Path) -> Done:
    """Run a command under the stopwatch, its output going to a file; whoever interrupts us ends it too."""
    stopwatch = [sys.executable, "-I", "-S", str(STOPWATCH), str(output), *command]
    with _own_group(stopwatch, environment, directory) as process:
        printed, _nothing = process.communicate()
    if process.returncode:
        raise Wrong(f"{command[0]} could not be started")
    seconds, code, kilobytes, cpu = printed.split()
    text = output.read_text(encoding="utf-8", errors="replace")
    return Done(float(seconds), int(code), int(kilobytes) * 1024 / 1e6, text, cpu=float(cpu))


@contextlib.contextmanager
def _own_group(
    command: Sequence[str], environment: Mapping[str, str], directory: pathlib.Path
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=dict(environment), cwd=directory, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def seconds(measured: Sequence[Done]) -> list[float]:
    return [each.seconds for each in measured]


def extrapolate(measured: Sequence[float], start_up: float, items: int, of: int) -> list[float]:
    """What `of` items would take, by what some took: only the start-up (seconds) does not grow with them."""
    return [start_up + max(each - start_up, 0.0) * of / items for each in measured]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def noise(values: Sequence[float]) -> float:
    """How far from its median a contender's measurements lie, as a share of it: half of their range."""
    return (max(values) - min(values)) / 2 / median(values)
