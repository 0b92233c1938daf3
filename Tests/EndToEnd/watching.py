"""The watching agent (`run` without `--once`) as a test sees it: started, asked how it stands, ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from checker import Expected
from harness import DONE, Agent, World, kill, plain_environment, wait_until

# The contract's limit for an orderly end, and what starting a process takes on a busy machine.
LONGEST_END = 5.0
# Events alone find what comes: a scan would hide what they miss.
BY_EVENTS = {"rescan": "off"}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self.unix_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Watching:
    """One running `redivis-sync run`. What it says of itself is for waiting and looking, never for judging deliveries."""

    def __init__(
        self, agent: Agent, *arguments: str, prefix: tuple[str, ...] = (), writes: bool = True,
        log: BinaryIO | None = None,
    ) -> None:
        """`log`: where what it logs goes, in place of a file that `said` reads."""
        self.agent = agent
        if writes:
            agent.write_mapping_file()
        self.log_path = agent.home / "run.err"
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as own:
            self.process = subprocess.Popen(
                [*prefix, *agent.command("run", *(arguments or ("-v",)))], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log or own, env=plain_environment(agent.home) | agent.environment,
            )

    # Asking

    def ask(self, request: dict) -> dict:
        connection = _UnixConnection(str((self.agent.state_seen or self.agent.state) / "control.sock"))
        try:
            connection.request("POST", "/v1/control", json.dumps(request), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def status(self) -> dict:
        answer = self.ask({"status": {}})
        return answer["status"]["_0"]

    def mapping(self, identifier: str = "weather") -> dict:
        return next((one for one in self.status()["mappings"] if one["id"] == identifier), {})

    def said(self) -> str:
        with self.log_path.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode("utf-8", "backslashreplace")

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Until it is so; an agent that has ended meanwhile is a failure at once, with what it said."""

        def holds() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the agent ended with {self.process.returncode} before: {what}\n{self.said()[-4000:]}")
            try:
                return condition()
            except (OSError, http.client.HTTPException):
                # Not listening yet.
                return False

        try:
            wait_until(holds, seconds)
        except TimeoutError:
            raise TimeoutError(f"not within {seconds} s: {what}\n{self.said()[-6000:]}") from None

    def ready(self, seconds: float = 40, states: tuple[str, ...] = ("watching", "polling")) -> Watching:
        """Until every mapping's folder has been scanned once and is looked after."""

        def is_ready() -> bool:
            mappings = self.status()["mappings"]
            return all(one.get("lastScanAt") is not None and one.get("state") in states for one in mappings)

        self.wait(is_ready, seconds, "every folder is scanned and looked after")
        return self

    def until_state(self, state: str, seconds: float = 20, identifier: str = "weather") -> None:
        self.wait(lambda: self.mapping(identifier).get("state") == state, seconds, f"{identifier} is {state}")

    # Ending

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> float:
        """SIGTERM; the seconds until it had ended."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            threads = self.threads()
            kill(self.process)
            raise AssertionError(f"SIGTERM did not end it within 30 s\n{threads}\n{self.said()[-4000:]}") from None
        took = time.monotonic() - begun
        assert self.process.returncode == DONE, f"ended with {self.process.returncode}\n{self.said()[-4000:]}"
        assert took <= LONGEST_END, f"the end took {took:.1f} s\n{self.said()[-4000:]}"
        return took

    def threads(self) -> str:
        """What each thread is called, whether it runs, and in which system call it is (`man 5 proc`)."""
        lines = []
        for task in sorted(Path(f"/proc/{self.process.pid}/task").iterdir()):
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            lines.append(f"{(task / 'comm').read_text().strip()} {state} {(task / 'syscall').read_text().strip()}")
        return "\n".join(lines)

    def kill(self) -> None:
        kill(self.process)


@contextmanager
def watching(agent: Agent, *arguments: str, ready: bool = True, **options: object) -> Iterator[Watching]:
    """A running agent; ended by SIGTERM, which has to succeed, where the test has not ended it itself."""
    run = Watching(agent, *arguments, **options)
    try:
        if ready:
            run.ready()
        yield run
        if run.process.poll() is None:
            run.stop()
    finally:
        if run.process.poll() is None:
            run.kill()


def registrations(world: World) -> int:
    """How many were made, without reading each."""
    place = world.record.directory / "registrations"
    return sum(1 for name in os.listdir(place) if name.endswith(".json")) if place.exists() else 0


def until_arrived(world: World, run: Watching, count: int, seconds: float = 60) -> None:
    """Until so many uploads are completed. Whether they are the right ones is the checker's matter."""
    run.wait(lambda: registrations(world) >= count, seconds, f"{count} registrations; there are {registrations(world)}")
    run.wait(
        lambda: sum(1 for one in world.record.uploads() if one.status == "completed") >= count,
        seconds, f"{count} completed uploads",
    )


def until_idle(run: Watching, seconds: float = 60) -> None:
    """Until nothing is under way by the agent's own account: what comes too much has come then."""
    busy = ("settling", "queued", "uploading", "registering", "importing", "waiting")

    def idle() -> bool:
        return not any(entry["state"] in busy for entry in run.agent.list())

    run.wait(idle, seconds, "nothing is under way")


def settle_and_judge(world: World, run: Watching, expected: list[Expected] | None = None, seconds: float = 60) -> None:
    """Until what is expected is there, and nothing more comes; then the checker's word."""
    wanted = world.expect() if expected is None else expected
    until_arrived(world, run, len(wanted), seconds)
    until_idle(run, seconds)
    world.judge(wanted)


def write_at(path: Path, content: bytes, pieces: int, seconds: float) -> None:
    """A writer that keeps the file open for so long."""
    step = -(-len(content) // pieces)
    with path.open("wb") as file:
        for start in range(0, len(content), step):
            file.write(content[start : start + step])
            file.flush()
            time.sleep(seconds / pieces)
