"""The sandbox's command line: `python -m sandbox up`, `down`, `status`, `fault` and others (`--help`).

May hold: arguments, printing and exit codes. May not hold: anything that does the work.

Exit codes: 0 all well; 1 it failed, with the reason on stderr; 2 wrong arguments; 3 `status`: it is not up.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

from sandbox import binaries, cluster, faults, lifecycle, lines
from sandbox import state as state_files
from sandbox.state import SandboxError


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Real Kubernetes control planes, an OCI registry and a stand-in for AWS on loopback. "
        "State lies in $KOF_SANDBOX_DIR, else in .sandbox of the clone.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it; does nothing if it runs")
    up.add_argument("--only", choices=["control-plane"], help="only etcd and API server, with all CRDs")
    up.add_argument("--clusters", choices=["real", "none"], help="none: clusters get no control planes of their own")
    up.add_argument(
        "--charts",
        choices=["real", "small"],
        help="small: without the thousands of lines that kof-operators' CRDs have",
    )
    up.add_argument("--line", help=f"of kof: {' or '.join(lines.NAMES)}; by default $KOF_LINE, or what it was, or 0.1")
    up.add_argument(
        "--data",
        nargs="?",
        const="on",
        choices=["on", "off", "default"],
        help="real metrics and logs go from children to regionals; default: if its programs are built",
    )
    build = commands.add_parser("build", help="find or build the binaries, and no more")
    build.add_argument("--data", action="store_true", help="those too that metrics and logs go through")
    build.add_argument("--external-dns", action="store_true", help="external-dns too, for who tests what it writes")
    down = commands.add_parser("down", help="stop it and leave nothing behind")
    down.add_argument("--keep-logs", action="store_true", help="leave logs/ and audit.log")
    status = commands.add_parser("status", help="what runs; exit code 3 if it is not up")
    status.add_argument("--json", action="store_true", help="for programs")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of a kubeconfig")
    kubeconfig.add_argument("name", help="a cluster's name, or kof: the collection's own user on the mothership")
    user = commands.add_parser("user", help="print the path of a kubeconfig for a user who has no rights yet")
    user.add_argument("name", help="the user's name; a kubeconfig of that name on the mothership is made")
    adopt = commands.add_parser("adopt", help="make a cluster that kcm can adopt, and its Credential NAME-cred")
    adopt.add_argument("name", help="the cluster's name")
    fault = commands.add_parser(
        "fault",
        help="make the simulator fail; without arguments print what is set",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + "\n".join(f"  {name:27}{text}" for name, text in faults.SWITCHES.items()),
    )
    fault.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="lists are comma-separated; empty is off")
    fault.add_argument("--clear", action="store_true", help="first switch all off")
    commands.add_parser("next-steps", help="what to look at in a sandbox where site.yml has run")
    restart = commands.add_parser("restart-apiserver", help="kill a cluster's API server and start it again")
    restart.add_argument("name")
    restart.add_argument("--down-seconds", type=float, default=0, metavar="N", help="stay away so long")
    return parser


def _print_status(facts: dict[str, object]) -> None:
    what = "control plane only" if facts["only_control_plane"] else f"all of it, line {facts['line']}"
    print(f"up: {what}" if facts["up"] else "not up")
    rows = facts["processes"]
    assert isinstance(rows, list)
    for row in rows:
        print(f"  {row['name']:50} pid {row['pid']:<8} {row['rss'] / 2**20:6.0f} MiB {row['cpu']:8.1f} s CPU")
    if rows:
        print(f"  {'in all':50} {'':12} {sum(row['rss'] for row in rows) / 2**20:6.0f} MiB")
    missing = facts["missing"]
    assert isinstance(missing, list)
    for name in missing:
        print(f"  {name:50} does not run")


def main() -> int:
    """Do what the command line says; returns the exit code."""
    arguments = _arguments().parse_args()
    state = state_files.folder()
    if arguments.command == "up":
        if not lifecycle.up(
            state,
            only_control_plane=arguments.only == "control-plane",
            clusters=arguments.clusters,
            line=lines.find(arguments.line) if arguments.line else lines.of_environment(),
            with_data=_with_data(state, arguments.data),
            charts=arguments.charts,
            say=_say,
        ):
            print(f"sandbox: is up, see {state}")
    elif arguments.command == "build":
        binaries.find_or_build(_say, data=arguments.data, external_dns=arguments.external_dns)
    elif arguments.command == "down":
        lifecycle.down(state, keep_logs=arguments.keep_logs)
        print("sandbox: down")
    elif arguments.command == "status":
        facts = lifecycle.status(state)
        if arguments.json:
            print(json.dumps(facts, indent=2))
        else:
            _print_status(facts)
        return 0 if facts["up"] else 3
    elif arguments.command == "kubeconfig":
        file = state / f"{arguments.name}.kubeconfig"
        if not file.exists():
            there = ", ".join(cluster.names(state=state)) or "none"
            raise SandboxError(f"no cluster {arguments.name}; there is: {there}")
        print(file)
    elif arguments.command == "user":
        print(lifecycle.make_user(state, arguments.name))
    elif arguments.command == "adopt":
        template = lifecycle.adopt(state, arguments.name)
        print(f"Credential {arguments.name}-cred, for the ClusterTemplate {template}")
    elif arguments.command == "next-steps":
        print(_next_steps(state))
    elif arguments.command == "fault":
        wanted = faults.parse(arguments.settings)
        state_files.claim(state)
        if arguments.clear:
            faults.clear(state)
        now = faults.change(state, wanted) if wanted else faults.read(state)
        print(json.dumps(now, indent=2))
    elif arguments.command == "restart-apiserver":
        cluster.restart_apiserver(arguments.name, down_seconds=arguments.down_seconds, state=state)
    return 0


def _with_data(state: pathlib.Path, wish: str | None) -> bool | None:
    """What `up` is to do of `--data`: "default" is as it was, and at first on if that costs no build."""
    if wish == "default":
        return None if lifecycle.status(state)["line"] else binaries.built_for_data() is not None
    return None if wish is None else wish == "on"


_PLAY = ".work/venv/bin/ansible-playbook -i inventories/sandbox playbooks"


def _next_steps(state: pathlib.Path) -> str:
    """What a person would want to see after `make demo`, as commands that work as they stand."""
    endpoints = state_files.read_json(state / "endpoints.json")
    if endpoints is None:
        raise SandboxError("it is not up")
    kubectl = f"{endpoints['kubectl']} --kubeconfig {state}/mothership.kubeconfig"
    config = "-o go-template='{{index .data \"config.yaml\" | base64decode}}'"
    rows = [
        ("the clusters", f"{kubectl} get clusterdeployments -n kcm-system"),
        ("what runs on the mothership", f"{kubectl} get pods -n kof"),
        ("both regions in promxy's config", f"{kubectl} get secret -n kof kof-mothership-promxy-config {config}"),
    ]
    rows += [
        (f"what runs in {name}", f"{endpoints['kubectl']} --kubeconfig {state}/{name}.kubeconfig get pods -A")
        for name in cluster.names(state=state)
        if name != "mothership"
    ]
    if endpoints.get("proxy"):
        asked = f"curl --proxy {endpoints['proxy']} --cacert {endpoints['certificates']} --user USER"
        count = "--data-urlencode 'query=count by (promxyCluster, clusterName) (up)'"
        rows += [
            ("whose metrics arrive in which region, by promxy's query side",
             f"curl {endpoints['promxy']}/api/v1/query {count}"),
            ("the same at one region's vmauth (its user is in the Secret kof/storage-vmuser-credentials)",
             f"{asked} https://vmauth.DOMAIN/vm/select/0/prometheus/api/v1/query --data-urlencode query=up"),
        ]  # fmt: skip
    rows += [
        ("the same run again changes nothing", "make demo"),
        ("all clusters go again", f"{_PLAY}/delete.yml -e kof_delete_confirm=sandbox"),
        ("stop everything", "make sandbox-down"),
    ]
    return "\n".join(["", "What to look at next:", *(f"  {what}:\n    {command}" for what, command in rows)])


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SandboxError as reason:
        print(f"sandbox: {reason}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("sandbox: interrupted; `down` clears away what was started", file=sys.stderr)
        sys.exit(1)
