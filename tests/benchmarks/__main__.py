"""`python -m benchmarks`: start a sandbox, run the tasks against their rivals, print and write the results.

May hold: the command line and the order of things. Exit codes: 0 all was measured, whether or not a row is red; 1 a
contender failed or did not do the work.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import time
from typing import Any, NoReturn

from acceptance.support import REPOSITORY, Sandbox
from benchmarks import report
from benchmarks.checkout import Checkout, described
from benchmarks.rounds import Wrong
from benchmarks.tasks import TASKS
from benchmarks.world import World, write_json
from sandbox.simulator.api import ApiError

RESULTS, FACTS = "results.json", "facts.json"
PAGE = REPOSITORY / "docs" / "performance.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The collection against what people use instead: docs/performance.md."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=100)
    parser.add_argument("--only", default=",".join(TASKS), metavar="TASK[,TASK]", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--output", type=pathlib.Path, default=REPOSITORY / ".bench")
    parser.add_argument(
        "--contender-checkout",
        type=pathlib.Path,
        metavar="FOLDER",
        help="another checkout of this repository (git worktree add), measured in the same rounds",
    )
    parser.add_argument("--page", action="store_true", help=f"write the table into {PAGE.relative_to(REPOSITORY)} too")
    parser.add_argument("--no-run", action="store_true", help="only show (and write) the results of the last run again")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := [each for each in arguments.only if each not in TASKS]:
        parser.error(f"no such task: {', '.join(unknown)}")
    if arguments.contender_checkout and not (arguments.contender_checkout / "galaxy.yml").is_file():
        parser.error(f"{arguments.contender_checkout} is no checkout of this repository: it has no galaxy.yml")
    if arguments.rounds < 1 or arguments.regions < 1 or arguments.children < 8:
        parser.error("at least one round, one region and 8 children")
    return arguments


def _facts(arguments: argparse.Namespace) -> dict[str, Any]:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "when": datetime.date.today().isoformat(),
        "commit": described(REPOSITORY),
        "machine": f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}",
        "children": arguments.children,
        "regions": arguments.regions,
        "rounds": arguments.rounds,
    }


def main() -> int:
    arguments = _arguments()
    folder: pathlib.Path = arguments.output.absolute()
    wrong = [] if arguments.no_run else _measure(arguments, folder)
    _show(folder, arguments.page)
    for each in wrong:
        print(f"FAILED: {each}", file=sys.stderr)
    return 1 if wrong else 0


def _measure(arguments: argparse.Namespace, folder: pathlib.Path) -> list[str]:
    """Run the tasks and write their results; returns what failed."""
    for left in ("cache", "guide", "render", "inventory-*", "rendered-*"):
        for path in folder.glob(left):
            shutil.rmtree(path)
    write_json(folder / FACTS, _facts(arguments))
    sandbox = Sandbox(folder / "sandbox")
    rows: list[report.Row] = []
    wrong: list[str] = []
    began = time.monotonic()
    try:
        sandbox.command("down")
        sandbox.command("up", "--clusters", "none")
        other = arguments.contender_checkout and Checkout.at(arguments.contender_checkout, folder / "collections")
        world = World(sandbox, folder, arguments.regions, arguments.children, _say, other)
        world.prepare()
        for task in [each for each in TASKS if each in arguments.only]:
            _say(f"{task} (at {(time.monotonic() - began) / 60:.0f} min)")
            try:
                rows += TASKS[task](world, arguments.rounds)
            except (Wrong, ApiError) as reason:
                _say(f"FAILED: {reason}")
                wrong.append(f"{task}: {reason}".partition("\n")[0])
            write_json(folder / RESULTS, rows)
    finally:
        # Whoever presses Ctrl-C twice must not leave servers behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sandbox.command("down")
        for file in folder.glob("bench-*.yaml"):
            file.unlink()
    _say(f"it took {(time.monotonic() - began) / 60:.0f} min")
    return wrong


def _show(folder: pathlib.Path, page: bool) -> None:
    rows, facts = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (RESULTS, FACTS))
    _say(f"\n{report.text(rows)}\nsee {folder / RESULTS}")
    if page:
        report.write_section(PAGE, report.markdown(rows, facts))
        _say(f"written: {PAGE}")


def _say(line: str) -> None:
    print(line, flush=True)


def _ended(_number: int, _frame: object) -> NoReturn:
    sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    try:
        sys.exit(main())
    except (Wrong, KeyboardInterrupt) as reason:
        print(f"benchmarks: {reason or 'interrupted'}", file=sys.stderr)
        sys.exit(1)
