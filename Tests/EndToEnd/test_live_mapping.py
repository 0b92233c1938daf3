"""The mapping file is edited while the agent runs: at every moment one whole file is in force, and nothing under way
notices."""

from __future__ import annotations

import base64
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checker import Expected
from harness import KIB, MIB, TABLE, Agent, World, scaled, seed_of_run
from watching import BY_EVENTS, Watching, settle_and_judge, until_arrived, until_idle, watching

OTHER = "demo_org.weather_stations.other"
THIRD = "demo_org.weather_stations.third"
# The contract's two seconds, and what asking takes on a busy machine.
IN_FORCE = 2.0
SLACK = 1.0


def text_of(agent: Agent) -> str:
    """What the agent's mapping file would say now; the file itself stays as it is."""
    kept = agent.mapping_file.read_bytes() if agent.mapping_file.exists() else None
    agent.write_mapping_file()
    text = agent.mapping_file.read_text("utf-8")
    if kept is not None:
        # Renamed over, so that the agent sees nothing but the file that was there.
        other = agent.mapping_file.with_name("kept")
        other.write_bytes(kept)
        other.replace(agent.mapping_file)
    return text


# How people and programs write a file


def by_rename(path: Path, text: str) -> None:
    other = path.with_name(".new")
    other.write_text(text, "utf-8")
    other.rename(path)


def in_place(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def in_halves(path: Path, text: str) -> None:
    """Written in two halves, with the file held open between them; each first half is a valid file for itself."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text[: text.index("mappings:")])
        file.flush()
        time.sleep(1.3)
        file.write(text[text.index("mappings:") :])


def twice(path: Path, text: str) -> None:
    """As some editors do: empty, and then all of it."""
    path.write_text("", "utf-8")
    path.write_text(text, "utf-8")


def deleted_and_written(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    time.sleep(0.2)
    path.write_text(text, "utf-8")


def swapped(path: Path, text: str) -> None:
    other = path.with_name("other.yaml")
    other.write_text(text, "utf-8")
    away = path.with_name("away.yaml")
    path.rename(away)
    other.rename(path)
    away.rename(other)


WAYS: dict[str, Callable[[Path, str], None]] = {
    "rename": by_rename, "in place": in_place, "halves": in_halves, "twice": twice, "deleted first": deleted_and_written,
    "swapped": swapped,
}


def table_in_force(run: Watching, identifier: str = "weather") -> str:
    return run.mapping(identifier).get("table", "")


def folder_of(mapping: dict) -> bytes:
    return base64.b64decode(mapping.get("folder", ""), validate=True)


def until_in_force(run: Watching, table: str, identifier: str = "weather") -> float:
    begun = time.monotonic()
    run.wait(lambda: table_in_force(run, identifier) == table, 20, f"{identifier} goes to {table}")
    return time.monotonic() - begun


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_takes_effect_within_two_seconds(world: World, way: str) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("before.csv", b"before\n")
        before = world.expect()
        settle_and_judge(world, run, before)
        agent.map(world.folder, OTHER)
        WAYS[way](agent.mapping_file, text_of(agent))
        took = until_in_force(run, OTHER)
        assert took <= IN_FORCE + SLACK, f"{way}: {took:.1f} s"
        assert run.status()["mappingFile"]["problems"] == []
        world.write("after.csv", b"after\n")
        after = [one for one in world.expect(table=OTHER) if one.paths[0] == b"after.csv"]
        settle_and_judge(world, run, before + after)


def broken(agent: Agent) -> dict[str, Callable[[], None]]:
    path, text = agent.mapping_file, text_of(agent)

    def half_held_open() -> None:
        file = path.open("w", encoding="utf-8")
        file.write(text[: len(text) // 2])
        file.flush()
        HELD.append(file)

    return {
        "deleted": path.unlink,
        "no YAML": lambda: path.write_text("mappings: [", "utf-8"),
        "unknown key": lambda: path.write_text(text + "nonsense: 1\n", "utf-8"),
        "empty": lambda: path.write_text("", "utf-8"),
        "half": lambda: path.write_text(text[: text.index("folder")], "utf-8"),
        "half, held open": half_held_open,
        "not UTF-8": lambda: path.write_bytes(b"\xff\xfe\x00"),
        "folder missing": lambda: path.write_text(text.replace(f"folder: {chr(34)}", f"folder: {chr(34)}relative"), "utf-8"),
        "own files": lambda: path.write_text(text.replace(str(agent.home.parent / "data"), str(agent.home)), "utf-8"),
    }


HELD: list = []


@pytest.mark.parametrize(
    "what",
    ["deleted", "no YAML", "unknown key", "empty", "half", "half, held open", "not UTF-8", "folder missing", "own files"],
)
def test_a_broken_edit_changes_nothing(world: World, what: str) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(world.folder, OTHER)
        broken(agent)[what]()
        time.sleep(2.2)
        assert table_in_force(run) == TABLE
        if what != "half, held open":
            assert run.status()["mappingFile"]["problems"], "the problem is not shown"
        world.write("a.csv", b"under the old one\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        while HELD:
            HELD.pop().close()
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        run.wait(lambda: not run.status()["mappingFile"]["problems"], 5, "the problem is gone")
        settle_and_judge(world, run, arrived)


def test_the_last_good_one_is_kept_for_the_next_start(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        agent.mapping_file.write_text("mappings: [", "utf-8")
        time.sleep(1.5)
    with watching(agent, writes=False) as run:
        assert table_in_force(run) == OTHER
        assert run.status()["mappingFile"]["problems"]
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run, world.expect(table=OTHER))


# What an edit may change


def test_another_table(world: World) -> None:
    """Delivered stays delivered; what has a session ends where it began; what is queued goes to the new table."""
    world.open_sandbox("--fault", "put-chunk:*:wait=250")
    agent = world.agent(uploads=1, inline_limit=0, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("delivered.csv", b"delivered\n")
        settle_and_judge(world, run)
        world.write("running.bin", 16 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 3, 20, "the large file is on its way")
        old = world.expect()
        for number in range(5):
            world.write(f"queued-{number}.csv", 1000 + number)
        run.wait(lambda: list(agent.states().values()).count("queued") == 5, 20, "five files are queued")
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        known = {one.paths for one in old}
        new = [one for one in world.expect(table=OTHER) if one.paths not in known]
        assert len(new) == 5
        settle_and_judge(world, run, old + new)
    assert world.record.received_by_size()[16 * MIB] == 16 * MIB, "the transfer was disturbed"


def test_another_folder(world: World) -> None:
    """The same path and content is the same version, wherever its folder is."""
    for number in range(3):
        world.write(f"sub/{number}.csv", 500 + number)
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        elsewhere = world.root / "elsewhere"
        shutil.copytree(world.folder, elsewhere)
        (elsewhere / "sub" / "new.csv").write_bytes(b"only here\n")
        agent.map(elsewhere)
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: folder_of(run.mapping()) == os.fsencode(elsewhere), 5, "the other folder is in force")
        settle_and_judge(world, run, world.expect(elsewhere))
        # Nobody looks at the old one any more.
        world.write("late.csv", b"nobody's\n")
        (elsewhere / "late too.csv").write_bytes(b"somebody's\n")
        settle_and_judge(world, run, world.expect(elsewhere))


def test_mappings_come_and_go(world: World) -> None:
    second = world.root / "second"
    second.mkdir()
    (second / "there.csv").write_bytes(b"there before the mapping\n")
    world.write("a.csv", b"a\n")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        agent.map(second, OTHER, "second")
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run, world.expect() + world.expect(second, OTHER))
        arrived = world.expect() + world.expect(second, OTHER)
        del agent.mappings["weather"]
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: len(run.status()["mappings"]) == 1, 5, "the mapping is gone")
        world.write("unmapped.csv", b"nobody's now\n")
        (second / "more.csv").write_bytes(b"more\n")
        more = [one for one in world.expect(second, OTHER) if one.paths[0] == b"more.csv"]
        settle_and_judge(world, run, arrived + more)
        agent.map(world.folder)
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run, world.expect() + world.expect(second, OTHER))


def test_a_mapping_that_goes_while_it_has_work_and_comes_back(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=200")
    agent = world.agent(uploads=1, inline_limit=0, **BY_EVENTS).map(world.folder).map(world.root / "none", OTHER, "none")
    with watching(agent, ready=False) as run:
        run.until_state("watching")
        world.write("running.bin", 10 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "the large file is on its way")
        world.write("queued.csv", b"queued\n")
        run.wait(lambda: agent.states().get(b"queued.csv") == "queued", 20, "a file is queued")
        mapping = agent.mappings.pop("weather")
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: len(run.status()["mappings"]) == 1, 5, "the mapping is gone")
        running = [one for one in world.expect() if one.paths[0] == b"running.bin"]
        until_arrived(world, run, 1, 30)
        world.judge(running)
        agent.mappings["weather"] = mapping
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run)


def test_paused_by_the_mapping_file(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        agent.map(world.folder, paused=True)
        by_rename(agent.mapping_file, text_of(agent))
        run.until_state("paused", 5)
        world.write("b.csv", b"b\n")
        run.wait(lambda: agent.states().get(b"b.csv") == "queued", 20, "it is queued")
        time.sleep(1)
        world.judge(arrived)
        agent.map(world.folder)
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run)


def test_what_needs_a_restart_says_so_and_does_not_come_by_the_next_edit(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.settings["registration_doubt"] = "7s"
        agent.settings["api"] = "http://127.0.0.1:1/api/v1"
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: any("restart" in one for one in run.status()["mappingFile"]["problems"]), 5, "it says so")
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        assert any("`api`" in one for one in run.status()["mappingFile"]["problems"])
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run, world.expect(table=OTHER))


# Many


class Editor:
    """Edits two mappings together, so that a mixture of two files would show."""

    def __init__(self, world: World, agent: Agent, run: Watching, second: Path) -> None:
        self.world, self.agent, self.run, self.second = world, agent, run, second
        self.generator = random.Random(f"{seed_of_run()} edits")
        self.number = 0
        self.good = ""
        self.counts: dict[str, int] = {}

    def tables(self) -> tuple[str, str]:
        pairs = [(TABLE, TABLE + "_2"), (OTHER, OTHER + "_2"), (THIRD, THIRD + "_2")]
        return pairs[self.number % 3]

    def text(self) -> str:
        first, other = self.tables()
        self.agent.map(self.world.folder, first).map(self.second, other, "second")
        return text_of(self.agent)

    def edit(self) -> bool:
        """- Returns: whether it was a valid one."""
        kind = self.generator.choice(
            ["rename", "in place", "swapped", "twice", "halves", "broken", "half", "deleted", "unknown key"])
        self.counts[kind] = self.counts.get(kind, 0) + 1
        path = self.agent.mapping_file
        if kind in WAYS:
            self.number += self.generator.randrange(1, 3)
            WAYS[kind](path, self.text())
            return True
        text = self.text()
        if kind == "deleted":
            path.unlink(missing_ok=True)
        elif kind == "broken":
            by_rename(path, "mappings: [\n")
        elif kind == "half":
            path.write_text(text[: text.index("folder")], "utf-8")
        else:
            path.write_text(text + "nonsense: 1\n", "utf-8")
        return False


@pytest.mark.slow
def test_many_edits_while_a_large_file_goes_out(world: World) -> None:
    edits, size, chunk = scaled(40, 200), scaled(64 * MIB, 1 << 30), scaled(1, 4)
    # About as long as the edits take.
    world.open_sandbox("--fault", f"put-chunk:*:wait={scaled(450, 900)}")
    second = world.root / "second"
    second.mkdir()
    agent = world.agent(chunk_size=f"{chunk}MiB", **BY_EVENTS)
    agent.map(world.folder, TABLE).map(second, TABLE + "_2", "second")
    block = world.generator.randbytes(MIB)
    with watching(agent) as run:
        with (world.root / "large").open("wb") as file:
            for number in range(size // MIB):
                file.write(number.to_bytes(8, "big") + block[8:])
        (world.root / "large").rename(world.folder / "large.bin")
        expected = world.expect()
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 30, "the large file is on its way")
        editor = Editor(world, agent, run, second)
        mixtures: list[tuple[str, str]] = []
        ended = threading.Event()

        def look() -> None:
            while not ended.is_set():
                seen = {one["id"]: one["table"] for one in run.status()["mappings"]}
                if seen.get("weather", "") + "_2" != seen.get("second"):
                    mixtures.append((seen.get("weather", ""), seen.get("second", "")))
                time.sleep(0.05)

        looker = threading.Thread(target=look)
        looker.start()
        try:
            in_force, arrived = editor.tables(), 0
            for number in range(edits):
                if editor.edit():
                    in_force = editor.tables()
                    took = until_in_force(run, in_force[0])
                    assert took <= IN_FORCE + SLACK, f"edit {number}: {took:.1f} s"
                for folder, table in ((world.folder, in_force[0]), (second, in_force[1])):
                    path = folder / f"{number}.csv"
                    temporary = path.with_suffix(".tmp")
                    temporary.write_bytes(world.generator.randbytes(2 * KIB))
                    temporary.rename(path)
                    expected += [one for one in world.expect(folder, table) if one.paths[0] == os.fsencode(path.name)]
                    arrived += 1
                run.wait(lambda: small_arrivals(world) >= arrived, 30, f"the small files of edit {number}")
        finally:
            ended.set()
            looker.join()
        assert not mixtures, mixtures[:3]
        print(f"edits: {editor.counts}")
        by_rename(agent.mapping_file, editor.text())
        settle_and_judge(world, run, expected, seconds=scaled(120, 500))
    assert world.record.received_by_size()[size] == size, "the large upload was disturbed"


def small_arrivals(world: World) -> int:
    place = world.record.directory / "registrations"
    return sum(1 for name in os.listdir(place) if name.endswith(".json")) if place.exists() else 0


def test_a_storm_of_edits_ends_with_the_last(world: World) -> None:
    """As fast as a script writes; whatever was in between, the last one is in force, and each file is there once."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    generator = random.Random(f"{seed_of_run()} storm")
    tables = [TABLE, OTHER, THIRD]
    with watching(agent) as run:
        for number in range(60):
            agent.map(world.folder, generator.choice(tables))
            generator.choice([by_rename, in_place, twice])(agent.mapping_file, text_of(agent))
            world.write(f"{number}.csv", 200 + number)
            time.sleep(generator.uniform(0, 0.12))
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        until_arrived(world, run, 60)
        until_idle(run)
        where: dict[bytes, str] = {}
        for upload in world.record.uploads():
            for one in world.expect(table=upload.table):
                if upload.name in one.names():
                    where[one.paths[0]] = upload.table
        wanted: list[Expected] = []
        for path, table in where.items():
            wanted += [one for one in world.expect(table=table) if one.paths[0] == path]
        assert len(wanted) == 60
        world.judge(wanted)
