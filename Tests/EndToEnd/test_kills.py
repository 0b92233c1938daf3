"""SIGKILL at any instant: every file once, whole, and hardly a byte twice.

Troubles T-15, T-19 of docs/testing.md.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter

import pytest
from harness import KIB, MIB, World, kill, kill_at_work, scaled, seed_of_run, wait_until

CHUNK = MIB
# In no order: states that a kill must meet at least twice in the full run.
LIVE_STATES = ("settling", "queued", "uploading", "registering", "importing", "waiting")
# Slow enough to be killed everywhere, with trouble of other kinds in between. The first fault whose turn it is strikes,
# so those that always strike stand last.
SLOW = ["--fault", "put-chunk:23:reset", "--fault", "list-uploads:7:503,retry-after=1"]
for count in range(9, 900, 14):
    SLOW += ["--fault", f"put-chunk:{count}:503,retry-after=1"]
SLOW += [
    "--fault", "put-chunk:*:wait=150",
    "--fault", "open-session:*:wait=40",
    "--fault", "post-uploads:*:delay=150",
    "--fault", "list-uploads:*:delay=150",
]


def mixed_sizes(world: World, count: int, used: set[int]) -> list[int]:
    """Sizes that no file had before, so that the request log tells whose a transfer is; the first ones stand
    around the steps of the protocol."""
    sizes = {1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, CHUNK, 3 * CHUNK, 8 * CHUNK + 7} - used
    while len(sizes) < count:
        sizes |= {world.generator.randrange(2, 6 * MIB)} - used
    used |= sizes
    return sorted(sizes)


def random_kills(world: World, kills: int, files: int) -> Counter[str]:
    """Kills the agent `kills` times at random instants while rounds of `files` new files go out."""
    world.open_sandbox(*SLOW)
    agent = world.agent(chunk_size="1MiB", registration_doubt="1s", uploads=4).map(world.folder, settle="500ms")
    met: Counter[str] = Counter()
    exposed: Counter[int] = Counter()
    used: set[int] = set()
    number = done = 0
    while done < kills:
        number += 1
        paths = {f"round-{number}/{size}.bin".encode(): size for size in mixed_sizes(world, files, used)}
        for path, size in paths.items():
            world.write(path, size)
        for turn in range(12):
            if done >= kills:
                break
            sent = len(world.record.requests("put-chunk"))
            process = agent.start("run", "--once")
            # The first of a round dies young, while the new files still settle; most others once bytes are on their way.
            if turn > 0 and world.generator.random() < 0.7:
                wait_until(lambda: process.poll() is not None or len(world.record.requests("put-chunk")) > sent, 60)
            time.sleep(world.generator.uniform(0.05, 0.7 if turn == 0 else 1.2))
            ended = process.poll() is not None
            kill(process)
            states = agent.states()
            tally = Counter(states.values())
            print(f"kill {done + 1}{' (it had ended)' if ended else ''}: {dict(tally)}")
            if ended:
                break
            done += 1
            met.update(tally)
            for path, state in states.items():
                if path in paths and state in ("uploading", "waiting"):
                    exposed[paths[path]] += 1
        agent.run_once(seconds=240)
    world.judge()
    received = world.record.received_by_size()
    for size, times in received.items():
        allowed = size + exposed[size] * CHUNK
        assert times <= allowed, f"{size} bytes were sent {times - size} bytes too often over {exposed[size]} kills"
    return met


@pytest.mark.slow
def test_a_few_random_kills(world: World) -> None:
    met = random_kills(world, kills=8, files=10)
    assert met["uploading"], f"no kill met an upload (seed {seed_of_run()})"


@pytest.mark.full
def test_sixty_random_kills(world: World) -> None:
    met = random_kills(world, kills=60, files=20)
    print(f"states met at kills: {dict(met)}")
    rare = [state for state in LIVE_STATES if met[state] < 2]
    assert not rare, f"met fewer than twice: {rare} (seed {seed_of_run()})"


KILL_POINTS = [
    "open-session:1:delay=3000", "put-chunk:1:delay=3000", "put-chunk:2:wait=3000", "put-chunk:4:delay=3000",
    "post-uploads:1:wait=3000", "post-uploads:1:delay=3000", "list-uploads:1:delay=3000", "get-table:1:delay=3000",
]


@pytest.mark.parametrize("point", KILL_POINTS)
def test_a_kill_at_a_chosen_request(world: World, point: str) -> None:
    """Killed while exactly this request is under way, before or after the server has carried it out."""
    world.open_sandbox("--fault", point)
    world.write("a.bin", 3 * MIB + 5)
    agent = world.agent(registration_doubt="5s").map(world.folder, endpoint="resumable_upload")
    kill_at_work(agent)
    agent.run_once(seconds=60)
    world.judge()


@pytest.mark.parametrize("endpoint", ["resumable_upload", "temp_uploads"])
def test_killed_at_each_chunk_in_turn(world: World, endpoint: str) -> None:
    world.open_sandbox("--fault", "put-chunk:*:delay=80")
    size = 6 * MIB + 100
    world.write("a.bin", size)
    agent = world.agent().map(world.folder, endpoint=endpoint)
    kills = 0
    while kills < scaled(4, 12):
        before = len(world.record.requests("put-chunk"))
        process = agent.start("run", "--once")
        wait_until(lambda: process.poll() is not None or len(world.record.requests("put-chunk")) > before, 20)
        kill(process)
        kills += 1
    agent.run_once()
    world.judge()
    assert world.record.received_by_size()[size] <= size + kills * CHUNK


REWRITES = ["same size, mtime restored", "truncated", "appended", "replaced by rename", "only the sent part", "only the rest"]


@pytest.mark.parametrize("how", REWRITES)
def test_rewritten_while_the_agent_was_down(world: World, how: str) -> None:
    """Never a mixture: what was sent before the change is not continued with bytes from behind it."""
    world.open_sandbox("--fault", "put-chunk:*:wait=100")
    path = world.write("a.bin", 6 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    kill(process)
    assert world.record.uploads() == [], "the kill came too late to say anything"
    before = path.stat()
    rewrite(world, path, how)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    agent.run_once()
    assert world.judge().files == 1


def rewrite(world: World, path, how: str) -> None:
    fresh = world.generator.randbytes(6 * MIB)
    match how:
        case "same size, mtime restored":
            with path.open("r+b") as file:
                file.write(fresh)
        case "truncated":
            os.truncate(path, 5 * MIB)
        case "appended":
            with path.open("ab") as file:
                file.write(fresh[: MIB + 3])
        case "replaced by rename":
            other = path.with_name("other.tmp")
            other.write_bytes(fresh)
            other.rename(path)
        case "only the sent part":
            with path.open("r+b") as file:
                file.write(fresh[:100])
        case "only the rest":
            with path.open("r+b") as file:
                file.seek(5 * MIB)
                file.write(fresh[:100])
        case _:
            raise AssertionError(how)


def test_restored_while_the_agent_was_down_goes_on(world: World) -> None:
    """Other inode, other times, the same bytes: the transfer goes on and sends hardly anything twice."""
    world.open_sandbox("--fault", "put-chunk:*:wait=100")
    path = world.write("a.bin", 6 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 3, 30)
    kill(process)
    copy = path.with_name("copy.tmp")
    shutil.copy2(path, copy)
    copy.rename(path)
    agent.run_once()
    world.judge()


def test_the_server_goes_away_for_a_while(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=60")
    world.write("a.bin", 6 * MIB)
    world.write("b.csv", b"b\n")
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    world.sandbox.stop()
    time.sleep(1.5)
    assert process.poll() is None, "it gave up"
    world.sandbox.start_again()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    world.judge()
