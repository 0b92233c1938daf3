"""The watching agent: whatever comes to a folder arrives once, whole, and no sooner than it is whole."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import KIB, MIB, World, scaled, seed_of_run
from watching import BY_EVENTS, LONGEST_END, registrations, settle_and_judge, until_arrived, watching

# How files come and go


def test_ways_in_which_files_come(world: World) -> None:
    """Without a single rescan: events and the listings that they lead to find everything."""
    outside = world.root / "outside"
    (outside / "tree" / "deep").mkdir(parents=True)
    (outside / "renamed.csv").write_bytes(b"renamed in\n")
    (outside / "tree" / "deep" / "in a tree.csv").write_bytes(b"in a tree\n")
    world.write("there/before.csv", b"there before\n")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("new.csv", b"new\n")
        world.write("a/b/c/d/e/nested at once.csv", b"nested\n")
        (outside / "renamed.csv").rename(world.folder / "renamed in.csv")
        (outside / "tree").rename(world.folder / "tree")
        temporary = world.write("final.csv.tmp", b"written under another name\n")
        temporary.rename(world.folder / "final.csv")
        late = world.write("there/late.csv", b"in a folder that was there\n")
        assert late.exists()
        settle_and_judge(world, run)
        (world.folder / "tree" / "deep" / "later.csv").write_bytes(b"below a folder that was renamed in\n")
        (world.folder / "a" / "b" / "c" / "d" / "e" / "later.csv").write_bytes(b"below a new folder\n")
        settle_and_judge(world, run)


def test_a_hard_link_and_a_moved_file_are_the_same_version(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        first = world.write("a.csv", 3000)
        second = world.write("b.csv", 4000)
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        with world.nothing_sent():
            os.link(first, world.folder / "link.csv")
            (world.folder / "elsewhere").mkdir()
            second.rename(world.folder / "elsewhere" / "moved.csv")
            # The link is told of before the move.
            run.wait(lambda: agent.states().get(b"elsewhere/moved.csv") == "delivered", 20, "the move is known")
    world.judge(arrived)


def test_a_moved_folder_sends_nothing_again_and_stays_watched(world: World) -> None:
    for number in range(5):
        world.write(f"old/below/{number}.csv", 1000 + number)
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        with world.nothing_sent():
            (world.folder / "old").rename(world.folder / "new")
            run.wait(
                lambda: sum(p.startswith(b"new/") and s == "delivered" for p, s in agent.states().items()) == 5,
                20, "five moves are known",
            )
        world.write("new/below/after.csv", b"after the move\n")
        more = [one for one in world.expect() if one.paths[0] == b"new/below/after.csv"]
        settle_and_judge(world, run, arrived + more)


def test_deleted_before_and_after_it_is_sent(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    agent.defaults = {"settle": "1s"}
    with watching(agent) as run:
        kept = world.write("kept.csv", b"kept\n")
        world.write("gone.csv", b"gone before it settled\n").unlink()
        shutil.rmtree(world.write("folder/gone too.csv", b"with its folder\n").parent)
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        kept.unlink()
        # The same name again is another version of the path: a person decides about it.
        world.write("gone.csv", b"here to stay\n")
        settle_and_judge(world, run, arrived + world.expect())


def test_an_excluded_name_is_never_sent_under_it(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        part = world.write("movie.bin.part", 200 * KIB)
        world.write("other.csv", b"other\n")
        settle_and_judge(world, run, [one for one in world.expect() if one.paths[0] == b"other.csv"])
        part.rename(world.folder / "movie.bin")
        settle_and_judge(world, run)


# Writers that take their time


def slow(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        for start in range(0, len(content), len(content) // 6 + 1):
            file.write(content[start : start + len(content) // 6 + 1])
            file.flush()
            time.sleep(0.7)


def still(path: Path, content: bytes) -> None:
    """Half, then nothing for longer than the quiet time, with the file held open."""
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        time.sleep(4)
        file.write(content[len(content) // 2 :])


def reopening(path: Path, content: bytes) -> None:
    """Opens, appends and closes, each time well within the quiet time."""
    for start in range(0, len(content), len(content) // 12 + 1):
        with path.open("ab") as file:
            file.write(content[start : start + len(content) // 12 + 1])
        time.sleep(0.3)


def preallocated(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        time.sleep(2)
        for start in range(0, len(content), len(content) // 3 + 1):
            file.write(content[start : start + len(content) // 3 + 1])
            file.flush()
            time.sleep(1)


def mapped(path: Path, content: bytes) -> None:
    """Writes through a mapping whose descriptor is closed: no write(2), no close, and mtime need not move."""
    with path.open("w+b") as file:
        file.truncate(len(content))
        memory = mmap.mmap(file.fileno(), len(content))
    for start in range(0, len(content), len(content) // 4 + 1):
        piece = content[start : start + len(content) // 4 + 1]
        memory[start : start + len(piece)] = piece
        time.sleep(1)
    memory.flush()
    memory.close()


def truncated_first(path: Path, content: bytes) -> None:
    subprocess.run(["truncate", "-s", str(len(content)), str(path)], check=True)
    with path.open("r+b") as file:
        time.sleep(2.5)
        file.write(content)


def copied_slowly(path: Path, content: bytes) -> None:
    """What `cp` does over a slow line: one open file, and steady writes."""
    with path.open("wb") as file:
        for start in range(0, len(content), 64 * KIB):
            file.write(content[start : start + 64 * KIB])
            file.flush()
            time.sleep(0.06)


WRITERS: dict[str, Callable[[Path, bytes], None]] = {
    "slow": slow, "still": still, "reopening": reopening, "preallocated": preallocated, "mmap": mapped,
    "truncate": truncated_first, "cp": copied_slowly,
}


@pytest.mark.slow
def test_never_a_prefix_of_what_somebody_still_writes(world: World) -> None:
    """All kinds of writers at once, with a quiet time that is shorter than their pauses where they keep the file open."""
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="1s")
    contents = {name: world.generator.randbytes(scaled(3, 20) * MIB + len(name)) for name in WRITERS}
    with watching(agent) as run:
        threads = [
            threading.Thread(target=WRITERS[name], args=(world.folder / f"{name}.bin", contents[name]))
            for name in WRITERS
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            sizes = {one.size for one in world.record.uploads()}
            assert sizes <= {len(content) for content in contents.values()}, "a part of a file arrived"
            time.sleep(0.2)
        for thread in threads:
            thread.join()
        assert {path.name for path in world.folder.iterdir()} == {f"{name}.bin" for name in WRITERS}
        settle_and_judge(world, run, seconds=90)


@pytest.mark.full
def test_a_writer_that_reopens_each_minute(world: World) -> None:
    """Its pauses are longer than `settle`: each registration is one whole content between two writes."""
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="5s", on_change="add")
    path = world.folder / "log.csv"
    with watching(agent) as run:
        wanted = []
        for number in range(4):
            with path.open("ab") as file:
                file.write(world.generator.randbytes(200 * KIB))
            wanted += world.expect()
            until_arrived(world, run, number + 1, 40)
            time.sleep(60)
        settle_and_judge(world, run, wanted)


@pytest.mark.full
def test_cp_of_a_large_file_at_one_megabyte_a_second(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="2s")
    source = world.root / "source.bin"
    source.write_bytes(world.generator.randbytes(90 * MIB))
    with watching(agent) as run:
        # `cp` from a pipe that is fed slowly: one open, one writer.
        writer = subprocess.Popen(["cp", "/dev/stdin", str(world.folder / "copy.bin")], stdin=subprocess.PIPE)
        assert writer.stdin
        with source.open("rb") as file, writer.stdin as pipe:
            while piece := file.read(MIB):
                pipe.write(piece)
                pipe.flush()
                assert not world.record.uploads()
                time.sleep(1)
        writer.wait(20)
        settle_and_judge(world, run)


def test_ready_marker(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder, ready_marker="{name}.done")
    with watching(agent) as run:
        world.write("a.csv", b"first half, ")
        time.sleep(1.5)
        with (world.folder / "a.csv").open("ab") as file:
            file.write(b"second half\n")
        world.write("unmarked.csv", b"nobody says that this is whole\n")
        time.sleep(1.5)
        assert registrations(world) == 0, "sent before its marker was there"
        world.write("a.csv.done", b"")
        wanted = [one for one in world.expect() if one.paths[0] == b"a.csv"]
        until_arrived(world, run, 1, 20)
        time.sleep(1)
        world.judge(wanted)


# Without events


def test_polling(world: World) -> None:
    world.write("there.csv", b"there\n")
    agent = world.agent(**BY_EVENTS).map(world.folder, watch="poll", poll="1s")
    with watching(agent) as run:
        assert run.mapping()["state"] == "polling"
        settle_and_judge(world, run)
        world.write("new/file.csv", b"found by the next poll\n")
        settle_and_judge(world, run, seconds=30)
        path = world.write("slow.csv", b"a beginning, ")
        with path.open("ab") as file:
            time.sleep(3)
            file.write(b"and an end\n")
        settle_and_judge(world, run, seconds=30)


# Many at once


def storm(folder: Path, outside: Path, writer: int, count: int, seed: int) -> None:
    """`mkdir -p` five deep, and a file in it at once: written there, or renamed in from elsewhere."""
    generator = random.Random(seed * 1000 + writer)
    for number in range(count):
        place = folder / f"w{writer}" / f"{number % 97}" / f"{number}" / "deep" / "deeper"
        content = f"{writer} {number}\n".encode() + generator.randbytes(generator.randrange(1, 300))
        match generator.randrange(3):
            case 0:
                place.mkdir(parents=True)
                (place / "file.csv").write_bytes(content)
            case 1:
                source = outside / f"{writer}-{number}.csv"
                source.write_bytes(content)
                place.mkdir(parents=True)
                source.rename(place / "file.csv")
            case _:
                tree = outside / f"{writer}-{number}" / "deep" / "deeper"
                tree.mkdir(parents=True)
                (tree / "file.csv").write_bytes(content)
                place.parent.parent.parent.mkdir(parents=True, exist_ok=True)
                tree.parent.parent.rename(place.parent.parent)


def run_storm(world: World, each: int, seconds: float) -> None:
    outside = world.root / "outside"
    outside.mkdir()
    agent = world.agent(uploads=8, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from test_watching import storm; "
            "storm(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]))"
        )
        here = str(Path(__file__).parent)
        writers = [
            subprocess.Popen(
                [sys.executable, "-B", "-c", code, here, str(world.folder), str(outside), str(writer), str(each),
                 str(seed_of_run())])
            for writer in range(8)
        ]
        for writer in writers:
            assert writer.wait(seconds) == 0
        settle_and_judge(world, run, seconds=seconds)
        assert len(world.expect()) == 8 * each


@pytest.mark.slow
def test_eight_writers_of_deep_folders_at_once(world: World) -> None:
    run_storm(world, scaled(100, 1250), scaled(90, 500))


# Ending and going on


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
