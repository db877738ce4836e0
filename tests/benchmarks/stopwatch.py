"""Runs one command and tells how long it took and what it needed: `python -I -S stopwatch.py OUTPUT COMMAND...`.

A program of its own, and a small one: Linux counts the memory of whoever forks a process as the child's own until it
becomes another program, so a big parent would be measured instead. May not hold: any import but a few small ones.

Prints seconds, exit code, kilobytes of the biggest process among the command and all it waited for, and their CPU
seconds together.
"""

import os
import sys
import time


def main(output, command):
    with open(output, "wb") as stream, open(os.devnull, "rb") as nothing:
        files = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)]
        files += [(os.POSIX_SPAWN_DUP2, stream.fileno(), number) for number in (1, 2)]
        began = time.monotonic()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
        _pid, status, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - began
    print(seconds, os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
