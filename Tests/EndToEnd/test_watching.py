"""The watching agent: whatever comes to a folder arrives once, by events alone."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import KIB, World, scaled, seed_of_run
from watching import BY_EVENTS, registrations, settle_and_judge, until_arrived, watching

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


# Not before somebody says so


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
