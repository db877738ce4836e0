"""ansible-playbook for very many short runs. What each begins with, a third of its time, is imported once; a run is a
fork of that, and from there on the same program.

Ansible reads its own settings (ANSIBLE_*) at import: all runs of one server have the server's. Requests are lines of
JSON on stdin, `{"arguments": [...], "environment": {...}, "output": file}`; the answer to each is its exit code.
"""

from __future__ import annotations

import atexit
import json
import os
import sys

from ansible.cli.playbook import main


def serve() -> None:
    # Not `for line in sys.stdin`: that reads ahead, and a fork would take what it read with it.
    while line := sys.stdin.readline():
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            # The server's folder for temporary files is the server's to remove.
            atexit._clear()
            os.environ.update(request["environment"])
            output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.exit(main(["ansible-playbook", *request["arguments"]]))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
