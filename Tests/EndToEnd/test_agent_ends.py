"""The watching agent's end, in order or not, and its going on; and signals that are no end."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from harness import KIB, MIB, World, scaled, seed_of_run
from watching import BY_EVENTS, LONGEST_END, Watching, settle_and_judge, watching


def test_sigterm_while_idle(world: World) -> None:
    world.write("a.csv", b"a\n")
    with watching(world.agent().map(world.folder)) as run:
        settle_and_judge(world, run)
        run.stop()


def test_sigterm_while_the_storage_host_stalls(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:2:wait=60000")
    world.write("a.bin", 5 * MIB)
    agent = world.agent().map(world.folder, endpoint="resumable_upload")
    with watching(agent) as run:
        run.wait(lambda: bool(world.record.requests("put-chunk")), 20, "the first chunk is there")
        time.sleep(1)
        run.stop()
    world.sandbox.arguments = ()
    world.sandbox.start_again()
    with watching(agent, writes=False) as run:
        settle_and_judge(world, run, seconds=90)
    assert len(world.record.requests("open-session")) == 1, "the session was not kept"


def test_sigterm_while_the_api_is_down(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    world.sandbox.stop()
    with watching(agent) as run:
        time.sleep(4)
        run.stop()
    world.sandbox.start_again()
    with watching(agent, writes=False) as run:
        settle_and_judge(world, run)


@pytest.mark.slow
def test_sigterm_in_the_midst_of_a_scan(world: World) -> None:
    for number in range(scaled(10_000, 200_000)):
        place = world.folder / f"{number // 500}"
        if number % 500 == 0:
            place.mkdir()
        (place / f"{number}.csv").touch()
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    generator = world.generator
    for _ in range(4):
        with watching(agent, ready=False) as run:
            run.wait(lambda: "control.sock" in os.listdir(agent.state) if agent.state.exists() else False, 20, "it runs")
            time.sleep(generator.uniform(0.1, 1.0))
            run.stop()
    with watching(agent) as run:
        settle_and_judge(world, run, [one for one in world.expect() if one.size])


def test_a_second_signal_ends_at_once(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=60000")
    world.write("a.bin", 3 * MIB)
    with watching(world.agent().map(world.folder)) as run:
        run.wait(lambda: bool(world.record.requests("open-session")), 20, "a transfer is under way")
        run.signal(signal.SIGTERM)
        time.sleep(0.05)
        if run.process.poll() is None:
            run.signal(signal.SIGTERM)
        begun = time.monotonic()
        run.process.wait(LONGEST_END)
        assert time.monotonic() - begun < 2
        assert run.process.returncode in (0, 128 + signal.SIGTERM)


def test_sigterm_while_nobody_takes_what_it_logs(world: World) -> None:
    """Its threads stand in write(2) then, all that Swift's runtime has, and the end has to come without them."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    agent.write_mapping_file()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with open(reader, "rb"), open(writer, "wb") as log:
        with watching(agent, ready=False, writes=False, log=log) as run:
            for number in range(100):
                world.write(f"{number}.csv", f"{number}\n".encode())
            run.wait(lambda: threads_writing_the_log(run) > 0, 20, "it stands in writing its log")
            time.sleep(1)
            run.stop()
    with watching(agent, writes=False) as run:
        settle_and_judge(world, run, seconds=60)


def threads_writing_the_log(run: Watching) -> int:
    """`write` is 1 on x86-64, 64 on arm64 (`man 2 syscalls`)."""
    tasks = Path(f"/proc/{run.process.pid}/task")
    calls = [(one / "syscall").read_text().split()[:2] for one in tasks.iterdir()]
    return sum(call in (["1", "0x2"], ["64", "0x2"]) for call in calls)


@pytest.mark.slow
def test_killed_while_watching(world: World) -> None:
    """SIGKILL at random instants while files go on coming; at the end each is there once."""
    world.open_sandbox("--fault", "put-chunk:*:wait=60", "--fault", "post-uploads:*:delay=60")
    agent = world.agent(registration_doubt="1s", **BY_EVENTS).map(world.folder)
    stop = threading.Event()
    generator = random.Random(f"{seed_of_run()} feeder")

    def feed() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            size = generator.choice([100, 5000, 300 * KIB, 2 * MIB + number])
            place = world.folder / f"{number % 5}"
            place.mkdir(exist_ok=True)
            temporary = world.folder / f"{number}.tmp"
            temporary.write_bytes(f"{number} ".encode() + generator.randbytes(size))
            temporary.rename(place / f"{number}.bin")
            time.sleep(0.1)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(scaled(6, 40)):
            with watching(agent, ready=False, writes=True) as run:
                time.sleep(world.generator.uniform(0.2, 2.5))
                run.kill()
    finally:
        stop.set()
        feeder.join()
    with watching(agent) as run:
        settle_and_judge(world, run, seconds=120)


# Signals that are no end


def test_sighup_reads_the_mapping_file_and_the_token_again(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        other = world.root / "other"
        other.mkdir()
        (other / "b.csv").write_bytes(b"b\n")
        table = "demo_org.weather_stations.other"
        agent.map(other, table, "second").write_mapping_file()
        run.signal(signal.SIGHUP)
        settle_and_judge(world, run, world.expect() + world.expect(other, table), seconds=20)
        for _ in range(20):
            run.signal(signal.SIGHUP)
            time.sleep(0.02)
        world.write("c.csv", b"c\n")
        settle_and_judge(world, run, world.expect() + world.expect(other, table), seconds=20)
