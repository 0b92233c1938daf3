"""Many edits of the mapping file, as fast as a script makes them, and while something large is under way."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest
from checker import Expected
from harness import KIB, MIB, TABLE, Agent, World, scaled, seed_of_run
from mapping_edits import IN_FORCE, OTHER, SLACK, THIRD, WAYS, by_rename, in_place, text_of, twice, until_in_force
from watching import BY_EVENTS, Watching, registrations, settle_and_judge, until_arrived, until_idle, watching


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
                run.wait(lambda: registrations(world) >= arrived, 30, f"the small files of edit {number}")
        finally:
            ended.set()
            looker.join()
        assert not mixtures, mixtures[:3]
        print(f"edits: {editor.counts}")
        by_rename(agent.mapping_file, editor.text())
        settle_and_judge(world, run, expected, seconds=scaled(120, 500))
    assert world.record.received_by_size()[size] == size, "the large upload was disturbed"


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
