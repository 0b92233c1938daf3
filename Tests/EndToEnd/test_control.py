"""Commands that change something, while a run goes on: they reach it over the control socket."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import BUSY, DONE, LEFT, MIB, USAGE, Agent, Result, World, kill, wait_until

NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user")


@contextmanager
def running(world: World, agent: Agent, status: int = DONE, chunks: int = 1) -> Iterator[list[Result]]:
    """A single run in the middle of its first transfer, which is slow; it is waited for at the end."""
    begun = time.monotonic()
    process = agent.start("run", "--once")
    ended: list[Result] = []
    try:
        wait_until(lambda: len(world.record.requests("put-chunk")) >= chunks, 30)
        wait_until((agent.state / "control.sock").exists, 10)
        yield ended
        ended.append(agent.finish(process, begun, 90))
        assert ended[0].status == status, ended[0]
    finally:
        if process.poll() is None:
            kill(process)
    assert not (agent.state / "control.sock").exists()


@pytest.fixture
def slow(world: World) -> World:
    """One transfer of seconds, which comes first, and an import that fails once."""
    world.open_sandbox("--fault", "put-chunk:*:wait=400", "--fault", "post-uploads:1:import-failed=No variables found")
    return world


def parked(world: World, name: str = "parked.csv", **settings: object) -> Agent:
    """An agent with a parked file."""
    agent = world.agent(uploads=1, **settings).map(world.folder)
    world.write(name, b"a\n")
    agent.run_once(status=LEFT)
    assert agent.states() == {name.encode(): "parked"}
    return agent


# retry, forget, resolve


def test_retry_reaches_the_run_that_goes_on(slow: World) -> None:
    agent = parked(slow)
    slow.write("big.bin", 4 * MIB)
    with running(slow, agent):
        result = agent.call("retry", str(slow.folder / "parked.csv"))
        assert result.text == "parked.csv: queued again\n"
    assert agent.states() == {b"parked.csv": "delivered", b"big.bin": "delivered"}
    slow.judge(withdrawn=1)


def test_retry_all_reaches_it_too(slow: World) -> None:
    agent = parked(slow)
    slow.write("big.bin", 4 * MIB)
    with running(slow, agent):
        assert agent.call("retry", "--all").text == "parked.csv: queued again\n"
        assert "nothing here is parked" in agent.call("retry", "--all").errors
    slow.judge(withdrawn=1)


def test_forget_reaches_it(slow: World) -> None:
    agent = parked(slow)
    agent.call("retry", "--all")
    slow.write("big.bin", 4 * MIB)
    slow.write("unwanted.csv", b"u\n")
    before = agent.states
    with running(slow, agent):
        wait_until(lambda: before().get(b"unwanted.csv") == "queued", 10)
        assert agent.call("forget", str(slow.folder / "unwanted.csv")).text == "unwanted.csv: forgotten\n"
        late = agent.call("forget", str(slow.root / "elsewhere.csv"), status=LEFT)
        assert "lies in no mapped folder" in late.errors
    assert agent.states()[b"unwanted.csv"] == "ignored"
    slow.judge([one for one in slow.expect() if one.paths[0] != b"unwanted.csv"], withdrawn=1)


def test_forget_of_what_is_being_sent_stops_it(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=400")
    path = world.write("big.bin", 20 * MIB)
    agent = world.agent().map(world.folder)
    begun = time.monotonic()
    with running(world, agent):
        agent.call("forget", str(path))
    assert time.monotonic() - begun < 7
    assert agent.states() == {b"big.bin": "ignored"}
    world.judge([])


def test_resolve_reaches_it(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=400")
    agent = world.agent(uploads=1).map(world.folder)
    path = world.write("held.csv", b"one\n")
    agent.run_once()
    arrived = world.expect()
    path.write_bytes(b"two\n")
    agent.run_once(status=LEFT)
    world.write("big.bin", 4 * MIB)
    before = len(world.record.requests("put-chunk"))
    with running(world, agent, chunks=before + 1):
        assert agent.call("resolve", str(path), "--add").text == "held.csv: queued\n"
        assert "nothing to do" in agent.call("resolve", str(path), "--ignore", status=LEFT).errors
    world.judge(arrived + world.expect())


def test_names_that_are_not_utf8_reach_it_whole(slow: World) -> None:
    name = b"caf\xe9 \xff.csv"
    agent = slow.agent(uploads=1).map(slow.folder)
    path = slow.write(name, b"a\n")
    agent.run_once(status=LEFT)
    slow.write("big.bin", 4 * MIB)
    with running(slow, agent):
        assert agent.call("retry", bytes(path)).text == "caf\\xe9 \\xff.csv: queued again\n"
    slow.judge(withdrawn=1)


# pause and resume


def queue_behind_a_transfer(world: World, agent: Agent) -> None:
    wait_until(lambda: agent.states().get(b"b.csv") == "queued" and agent.states().get(b"c.csv") == "queued", 20)


@pytest.fixture
def pausing(world: World) -> Agent:
    world.open_sandbox("--fault", "put-chunk:*:wait=800")
    world.write("a.bin", 4 * MIB)
    world.write("b.csv", b"b\n")
    world.write("c.csv", b"c\n")
    return world.agent(uploads=1).map(world.folder)


@pytest.mark.parametrize("name", [["weather"], []], ids=["one", "all"])
def test_a_pause_lets_what_has_begun_end_and_nothing_begin(world: World, pausing: Agent, name: list[str]) -> None:
    with running(world, pausing, status=LEFT) as ended:
        queue_behind_a_transfer(world, pausing)
        said = pausing.call("pause", *name).text
        assert said == f"{'weather' if name else 'all mappings'}: paused; what has begun goes on to its end\n"
        again = pausing.call("pause", *name).text
        assert again.endswith(": paused already\n")
    resume = " ".join(["redivis-sync", "resume", *name])
    assert f"paused: weather: 2 files wait; {resume}\n" in ended[0].errors
    assert pausing.states() == {b"a.bin": "delivered", b"b.csv": "queued", b"c.csv": "queued"}
    # It outlives the run, holds for what comes later, and is told wherever the files are.
    world.write("d.csv", b"d\n")
    with world.nothing_sent():
        assert "3 files wait" in pausing.run_once(status=LEFT).errors
    (entry, *_) = pausing.list("--state", "queued")
    assert (entry["reason"], entry["remedy"]) == ("its mapping is paused", resume)
    assert "nothing until its mapping is resumed" in pausing.call("why", str(world.folder / "d.csv")).text
    report = pausing.call("check", "--json").json()
    assert report["mappings"][0]["paused"] == ("by_hand" if name else "everything")
    assert resume in pausing.call("check").text
    # Without a run, the same commands work on their own.
    assert pausing.call("resume", *name).text == f"{'weather' if name else 'all mappings'}: resumed\n"
    pausing.run_once()
    world.judge()
    assert "paused" not in pausing.call("check", "--json").json()["mappings"][0]


def test_a_run_goes_on_with_what_is_resumed(world: World, pausing: Agent) -> None:
    with running(world, pausing):
        queue_behind_a_transfer(world, pausing)
        pausing.call("pause")
        refused = pausing.call("resume", "weather", status=LEFT)
        assert "still paused: all mappings are paused; redivis-sync resume" in refused.errors
        pausing.call("resume")
    world.judge()


def test_a_pause_of_one_mapping_leaves_the_others(world: World) -> None:
    world.write("b.csv", b"b\n")
    other = world.root / "other"
    other.mkdir()
    (other / "o.csv").write_bytes(b"o\n")
    agent = world.agent().map(world.folder).map(other, identifier="other", table="demo_org.weather_stations.others")
    agent.call("pause", "weather")
    agent.run_once(status=LEFT)
    assert agent.states() == {b"b.csv": "queued", b"o.csv": "delivered"}
    agent.call("resume", "weather")
    agent.run_once()
    assert agent.states() == {b"b.csv": "delivered", b"o.csv": "delivered"}


def test_an_interrupted_transfer_ends_while_its_mapping_is_paused(world: World, pausing: Agent) -> None:
    process = pausing.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    kill(process)
    pausing.call("pause")
    pausing.run_once(status=LEFT)
    assert pausing.states() == {b"a.bin": "delivered", b"b.csv": "queued", b"c.csv": "queued"}
    pausing.call("resume")
    pausing.run_once()
    world.judge()


def test_the_mapping_file_pauses_too(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder, paused=True)
    with world.nothing_sent():
        result = agent.run_once(status=LEFT)
    remedy = "take `paused: true` out of the mapping file"
    assert f"paused: weather: 1 file waits; {remedy}\n" in result.errors
    assert agent.call("check", "--json").json()["mappings"][0]["paused"] == "mapping_file"
    assert remedy in agent.call("resume", status=LEFT).errors
    agent.map(world.folder, paused=False)
    agent.run_once()
    world.judge()


def test_a_mapping_that_is_not_there_is_wrong_usage(world: World) -> None:
    agent = world.agent().map(world.folder)
    for command in ("pause", "resume"):
        result = agent.call(command, "wether", status=USAGE)
        assert "there is no mapping wether in the mapping file; it has: weather" in result.errors


# The socket


def test_a_socket_left_by_a_killed_run_disturbs_nobody(world: World, pausing: Agent) -> None:
    process = pausing.start("run", "--once")
    path = pausing.state / "control.sock"
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kill(process)
    assert path.exists()
    pausing.call("pause")
    pausing.call("resume")
    pausing.run_once()
    assert not path.exists()
    world.judge()


@pytest.mark.parametrize("pause", [0, 0, 0, 0.2], ids=str)
def test_a_run_ends_in_order_with_somebody_on_its_socket(world: World, pausing: Agent, pause: float) -> None:
    process = pausing.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_UNIX) as half:
        for one in (idle, half):
            one.connect(str(pausing.state / "control.sock"))
        half.sendall(b"POST /v1/control HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        # Also while its server is only about to take the connections in.
        time.sleep(pause)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert time.monotonic() - begun < 5
    assert process.returncode == LEFT
    assert not (pausing.state / "control.sock").exists()


def test_a_state_that_another_holds_without_a_socket_is_busy(world: World, pausing: Agent) -> None:
    process = pausing.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    (pausing.state / "control.sock").unlink()
    result = pausing.call("pause", status=BUSY)
    assert str(process.pid) in result.errors
    kill(process)


def test_a_path_too_long_for_a_socket_costs_the_socket_only(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.settings["state_directory"] = str(world.root / ("deep" * 25))
    result = agent.run_once()
    assert "commands cannot reach this run" in result.errors and "state_directory" in result.errors
    world.judge()


# Who may ask


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may pass through."""
    place = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@ROOT_ONLY
def test_root_leaves_nothing_of_its_own_in_another_users_state(world: World, pausing: Agent, open_place: Path) -> None:
    state = open_place / "state"
    state.mkdir(mode=0o700)
    os.chown(state, NOBODY, NOBODY)
    folder = open_place / "data"
    shutil.copytree(world.folder, folder)
    agent = world.agent("other", state_directory=str(state), uploads=1).map(folder)
    agent.call("pause")
    agent.call("resume")
    assert {path.stat().st_uid for path in state.iterdir()} == {NOBODY}
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    agent.call("pause")
    agent.call("forget", str(folder / "b.csv"))
    assert {path.stat().st_uid for path in state.iterdir()} == {NOBODY}
    assert {path.name for path in state.iterdir()} >= {"control.sock", "queue.sqlite", "lock"}
    agent.finish(process, time.monotonic(), 60)
    assert agent.states() == {b"a.bin": "delivered", b"b.csv": "ignored", b"c.csv": "queued"}


@ROOT_ONLY
def test_root_makes_a_state_for_the_owner_of_the_place(world: World, open_place: Path) -> None:
    os.chown(open_place, NOBODY, NOBODY)
    agent = world.agent(state_directory=str(open_place / "above" / "state")).map(world.folder)
    agent.call("pause")
    made = [open_place / "above", *(open_place / "above").rglob("*")]
    assert {path.stat().st_uid for path in made} == {NOBODY}


ASK = """
import os, socket, sys
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
with socket.socket(socket.AF_UNIX) as one:
    one.settimeout(10)
    one.connect(sys.argv[1])
    body = b'{"status":{}}'
    try:
        one.sendall(b"POST /v1/control HTTP/1.1\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        answer = b""
        while piece := one.recv(65536):
            answer += piece
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
sys.stdout.buffer.write(answer)
"""


@ROOT_ONLY
def test_another_user_is_cut_off_also_where_the_modes_let_it_in(world: World, pausing: Agent, open_place: Path) -> None:
    state = open_place / "state"
    pausing.settings["state_directory"] = str(state)
    process = pausing.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    path = state / "control.sock"
    state.chmod(0o755)
    path.chmod(0o666)

    def ask(user: int) -> bytes:
        command = ["python3", "-c", ASK, str(path), str(user)]
        return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout

    assert b"200 OK" in ask(0) and b'"status"' in ask(0)
    assert ask(NOBODY) == b""
    kill(process)
