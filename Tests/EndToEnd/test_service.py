"""The agent under a service manager: what it tells, how it ends, and the unit file."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import Agent, World, binary, plain_environment

UNIT = Path(__file__).parents[2] / "examples" / "systemd" / "redivis-sync.service"


class Manager:
    """A service manager's end of `NOTIFY_SOCKET` (man 3 sd_notify)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.heard: list[str] = []

    def wait_for(self, start: str, seconds: float = 20) -> str:
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                message = self.socket.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"no {start} within {seconds} s; heard {self.heard}") from None
            self.heard.append(message)
            if message.startswith(start):
                return message


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(tmp_path / "notify")


def start(agent: Agent, manager: Manager, **variables: str) -> subprocess.Popen[bytes]:
    agent.write_mapping_file()
    environment = plain_environment(agent.home) | {"NOTIFY_SOCKET": str(manager.path)} | variables
    return subprocess.Popen(
        agent.command("run"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=environment)


def test_the_manager_hears_of_start_reload_and_end(world: World, manager: Manager) -> None:
    agent = world.agent().map(world.folder)
    process = start(agent, manager)
    try:
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=")
        process.send_signal(signal.SIGHUP)
        reloading = manager.wait_for("RELOADING=1")
        assert int(reloading.split("MONOTONIC_USEC=")[1]) > 0
        manager.wait_for("READY=1")
        process.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_watchdog_is_fed_while_the_agent_lives(world: World, manager: Manager) -> None:
    agent = world.agent().map(world.folder)
    process = start(agent, manager, WATCHDOG_USEC="600000")
    try:
        for _ in range(5):
            manager.wait_for("WATCHDOG=1", 10)
        # A frozen program feeds nothing.
        process.send_signal(signal.SIGSTOP)
        manager.socket.settimeout(0.2)
        while True:
            try:
                manager.socket.recv(4096)
            except TimeoutError:
                break
        with pytest.raises(AssertionError):
            manager.wait_for("WATCHDOG=1", 1.5)
    finally:
        process.kill()
        process.communicate()


def test_without_a_manager_nothing_is_missed(world: World, tmp_path: Path) -> None:
    agent = world.agent().map(world.folder)
    agent.write_mapping_file()
    environment = plain_environment(agent.home) | {"NOTIFY_SOCKET": str(tmp_path / "nobody")}
    process = subprocess.Popen(agent.command("run"), env=environment, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_the_unit_file_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program need not be installed for the file to be right.
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/redivis-sync", os.path.realpath(binary())))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0 and str(unit.name) not in said.stderr, said.stderr
