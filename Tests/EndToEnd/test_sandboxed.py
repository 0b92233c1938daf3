"""The agent under what examples/systemd/redivis-sync.service takes from it, as far as that can be had without systemd:
namespaces by bubblewrap, and a seccomp filter that is made from the unit's own lines."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import DONE, MIB, Agent, World, binary, wait_until
from mapping_edits import OTHER, by_rename, text_of, until_in_force
from watching import BY_EVENTS, LONGEST_END, Watching, settle_and_judge

UNIT = Path(__file__).parents[2] / "examples" / "systemd" / "redivis-sync.service"
# The system's, which has Debian's python3-seccomp.
PYTHON = "/usr/bin/python3"
FILTER = Path(__file__).with_name("seccomp_filter.py")
USER = "990"
# What the agent is refused and goes on without: Swift's runtime asks for the priorities of its threads.
SPARED = ("setpriority",)
# The file systems of ProtectSystem=strict, ProtectHome=read-only, PrivateTmp and PrivateDevices; no capability at all,
# which is less than the unit leaves; bubblewrap always sets no-new-privileges.
WALLS = (
    "bwrap", "--die-with-parent", "--unshare-user", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--uid", USER,
    "--gid", USER, "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp",
)


def why_not() -> str | None:
    """Why this machine cannot do it, in words for whoever reads the summary."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    tried = subprocess.run([*WALLS, "true"], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode != 0:
        return f"bubblewrap cannot make namespaces here: {tried.stderr.strip()}"
    if subprocess.run([PYTHON, "-c", "import seccomp"], capture_output=True, timeout=30, check=False).returncode != 0:
        return "python3-seccomp is not installed for the system's Python"
    if shutil.which("systemd-analyze") is None:
        return "systemd-analyze, which knows systemd's groups of system calls, is not installed"
    return None


@pytest.fixture(scope="module", autouse=True)
def walls_can_be_had() -> None:
    if reason := why_not():
        pytest.skip(reason)


def walled(world: World, action: str, *reachable: tuple[str, Path]) -> tuple[str, ...]:
    """What stands before a command: the walls, with these places in them (`--bind` or `--ro-bind`), and the filter."""
    program = world.root / f"{action}.bpf"
    subprocess.run([PYTHON, str(FILTER), str(UNIT), str(program), action, *SPARED], check=True, timeout=60)
    places = [word for how, place in reachable for word in (how, str(place), str(place))]
    return ("sh", "-c", 'exec 9<"$0"; exec "$@"', str(program), *WALLS, *places, "--seccomp", "9", "--")


PROBE = """
import ctypes, mmap, os, socket, threading
def tried(name, body):
    try: body()
    except OSError as error: print(name, error.errno)
    else: print(name, "done")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("user", os.getuid(), "capabilities", status["CapEff"].strip(), "no new", status["NoNewPrivs"].strip())
tried("write", lambda: open("/usr/x", "w"))
tried("private", lambda: open("/tmp/x", "w"))
tried("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tried("internet", lambda: socket.socket(socket.AF_INET))
tried("executable", lambda: mmap.mmap(-1, 4096, prot=7))
tried("suid", lambda: os.chmod("/tmp/x", 0o4700))
threading.Thread(target=lambda: print("thread done")).start()
"""


def test_the_walls_are_what_the_unit_says(world: World) -> None:
    """Without this, the next test would hold in an open field."""
    done = subprocess.run(
        [*walled(world, "errno"), PYTHON, "-c", PROBE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"user {USER} capabilities 0000000000000000 no new 1", "write 30", "private done", "netlink 97", "internet done",
        "executable 1", "suid 1", "thread done",
    ]
    # mount(2) is in no list of the unit's.
    forbidden = "import ctypes; print(ctypes.CDLL(None, use_errno=True).mount(b'a', b'/tmp', b'tmpfs', 0, None), ctypes.get_errno())"
    for action, code, said in (("errno", 0, "-1 1\n"), ("kill", 128 + signal.SIGSYS, "")):
        done = subprocess.run(
            [*walled(world, action), PYTHON, "-c", forbidden], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (code, said), done.stderr


@contextmanager
def manager(world: World) -> Iterator[socket.socket]:
    """A stand-in for the service manager's socket."""
    place = world.root / "manager"
    place.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(place / "notify"))
        listening.settimeout(20)
        yield listening


def process_of(run: Watching) -> int:
    """bubblewrap waits for the agent, its child, and hands on how that ends."""
    (child,) = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    return int(child)


def started(world: World, agent: Agent, action: str) -> Watching:
    agent.state.mkdir(mode=0o700)
    prefix = walled(
        world, action, ("--ro-bind", Path(binary()).parent), ("--ro-bind", world.root), ("--bind", agent.state))
    # Through env, since the environment of the test is not the agent's.
    notify = ("env", f"NOTIFY_SOCKET={world.root / 'manager' / 'notify'}", "WATCHDOG_USEC=2000000")
    return Watching(agent, prefix=(*prefix, *notify))


@pytest.mark.parametrize("action", ["errno", "kill"])
def test_the_agent_works_within_the_walls(world: World, action: str) -> None:
    """With `kill`, a system call that the filter leaves out would end the agent: it makes none but those named above."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    world.write("before.csv", b"before\n")
    with manager(world) as listening:
        run = started(world, agent, action)
        try:
            run.ready(states=("watching",))
            words = listening.recv(4096).decode()
            assert "READY=1" in words
            world.write("closed.csv", 5000)
            world.write("deep/er/large.bin", 3 * MIB)
            (world.root / "outside").write_bytes(b"moved in\n")
            os.rename(world.root / "outside", world.folder / "moved.csv")
            settle_and_judge(world, run)
            # Commands come through the control socket, edits through the file, the reload as a signal.
            parked = agent.call("list", "--json").json()
            assert len(parked["files"]) == 4
            agent.call("pause", "weather")
            agent.call("resume", "weather")
            arrived = world.expect()
            agent.map(world.folder, OTHER)
            by_rename(agent.mapping_file, text_of(agent))
            until_in_force(run, OTHER)
            world.write("after.csv", b"after\n")
            after = [one for one in world.expect(table=OTHER) if one.paths[0] == b"after.csv"]
            settle_and_judge(world, run, arrived + after)
            os.kill(process_of(run), signal.SIGHUP)
            wait_until(lambda: "RELOADING=1" in listening.recv(4096).decode(), 20)
            wait_until(lambda: "WATCHDOG=1" in listening.recv(4096).decode(), 20)
            os.kill(process_of(run), signal.SIGTERM)
            assert run.process.wait(LONGEST_END + 5) == DONE, run.said()[-4000:]
            assert "Operation not permitted" not in run.said()
        finally:
            if run.process.poll() is None:
                run.kill()
