"""Files and directories are written, moved and removed at random while the agent scans and uploads; a model says what
must, may and must not arrive, and the checker finds exactly that."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from checker import Expected
from harness import KIB, MIB, TABLE, World, scaled, seed_of_run
from watching import Watching, until_idle, watching


@dataclass
class Version:
    """One content: no two are alike, so that content alone says which version something is."""

    size: int
    sha256: bytes
    # Every path at which it was: its upload is named after one of them.
    paths: set[bytes] = field(default_factory=set)


@dataclass
class File:
    """What is at a path now, and everything that was there before under this file's names."""

    version: Version
    history: list[Version]


class Model:
    """Does things to a folder, and remembers what they mean.

    What is done to it, and so what is known of the outcome, is one of

    - `moves`: a path never gets a second content, so every file that stays has arrived, and no file twice;
    - `rewrites`: files are rewritten in place; the first content of a file that is delivered is the last, since what
      comes then is held, and a file that stays has exactly one;
    - `everything`: also one moved over another; a file that stays has arrived, or something that was before it at its
      path.

    What did not stay may have been faster than its end; whatever arrives is a content that was whole, once.
    """

    def __init__(self, root: Path, generator: random.Random, kind: str) -> None:
        self.root, self.generator, self.kind = root, generator, kind
        self.files: dict[bytes, File] = {}
        # Deleted ones, for what they had.
        self.ended: list[File] = []
        self.versions: list[Version] = []
        self.counts: Counter[str] = Counter()
        self.number = 0
        self.directories: list[bytes] = [b""]

    # Choosing

    def path(self, name: bytes) -> str:
        return os.fsdecode(os.path.join(os.fsencode(self.root), name))

    def new_name(self) -> bytes:
        self.number += 1
        return os.path.join(self.generator.choice(self.directories), b"f%d.bin" % self.number)

    def some(self) -> bytes | None:
        return self.generator.choice(list(self.files)) if self.files else None

    def content(self) -> tuple[bytes, Version]:
        size = self.generator.choice([1, 40, 900, 5 * KIB, 70 * KIB, 300 * KIB, MIB + self.generator.randrange(99)])
        data = b"%d " % len(self.versions) + self.generator.randbytes(size)
        version = Version(len(data), sha256(data).digest())
        self.versions.append(version)
        return data, version

    # Doing

    def step(self) -> None:
        common = [self.create] * 6 + [self.delete, self.touch, self.make_directory, self.rewrite_same]
        moves = [self.move, self.create_by_rename, self.move_directory, self.remove_directory, self.create_in_new_directory]
        rewrites = [self.rewrite] * 3
        kinds = {"moves": moves, "rewrites": rewrites, "everything": moves + rewrites + [self.move_over]}
        do = self.generator.choice(common + kinds[self.kind])
        self.counts[do.__name__] += 1
        do()

    def create(self) -> None:
        name = self.new_name()
        data, version = self.content()
        with open(self.path(name), "wb") as file:
            file.write(data)
        self.put(name, version)

    def create_in_new_directory(self) -> None:
        self.make_directory()
        self.create()

    def create_by_rename(self) -> None:
        name = self.new_name()
        data, version = self.content()
        temporary = self.path(name) + ".tmp"
        Path(temporary).write_bytes(data)
        os.rename(temporary, self.path(name))
        self.put(name, version)

    def put(self, name: bytes, version: Version) -> None:
        version.paths.add(name)
        self.files[name] = File(version, [version])

    def rewrite(self) -> None:
        name = self.some()
        if name is None:
            return
        data, version = self.content()
        # In one write: between opening and closing nothing else is ever whole.
        with open(self.path(name), "r+b") as file:
            file.truncate(0)
            file.write(data)
        version.paths.add(name)
        self.files[name].version = version
        self.files[name].history.append(version)

    def rewrite_same(self) -> None:
        """The same bytes again: no new version."""
        name = self.some()
        if name is None:
            return
        data = Path(self.path(name)).read_bytes()
        with open(self.path(name), "r+b") as file:
            file.write(data)

    def touch(self) -> None:
        name = self.some()
        if name is not None:
            os.utime(self.path(name))

    def delete(self) -> None:
        name = self.some()
        if name is not None:
            os.unlink(self.path(name))
            self.ended.append(self.files.pop(name))

    def move(self) -> None:
        name = self.some()
        if name is None:
            return
        to = self.new_name()
        os.rename(self.path(name), self.path(to))
        self.moved(name, to)

    def move_over(self) -> None:
        name, over = self.some(), self.some()
        if name is None or over is None or name == over:
            return
        os.rename(self.path(name), self.path(over))
        before = self.files.pop(over)
        self.ended.append(before)
        self.moved(name, over)
        self.files[over].history[:0] = before.history

    def moved(self, name: bytes, to: bytes) -> None:
        file = self.files.pop(name)
        file.version.paths.add(to)
        self.files[to] = file

    def make_directory(self) -> None:
        self.number += 1
        name = os.path.join(self.generator.choice(self.directories), b"d%d" % self.number)
        os.mkdir(self.path(name))
        self.directories.append(name)

    def below(self, directory: bytes) -> list[bytes]:
        return [name for name in self.files if name.startswith(directory + b"/")]

    def move_directory(self) -> None:
        candidates = self.directories[1:]
        if not candidates:
            return
        directory = self.generator.choice(candidates)
        self.number += 1
        above = self.generator.choice([d for d in self.directories if d != directory and not d.startswith(directory + b"/")])
        to = os.path.join(above, b"m%d" % self.number)
        os.rename(self.path(directory), self.path(to))
        for name in self.below(directory):
            self.moved(name, to + name[len(directory) :])
        self.directories = [
            to + d[len(directory) :] if d == directory or d.startswith(directory + b"/") else d for d in self.directories
        ]

    def remove_directory(self) -> None:
        candidates = [d for d in self.directories[1:] if len(self.below(d)) < 6]
        if not candidates:
            return
        directory = self.generator.choice(candidates)
        shutil.rmtree(self.path(directory))
        for name in self.below(directory):
            self.ended.append(self.files.pop(name))
        self.directories = [d for d in self.directories if d != directory and not d.startswith(directory + b"/")]

    # Judging

    def expected(self, world: World) -> list[Expected]:
        """Everything that must have arrived, and of what may have arrived whatever is there: the checker then has
        nothing left that it cannot place."""
        names = {upload.name for upload in world.record.uploads(TABLE)}

        def expectation(version: Version) -> Expected:
            return Expected(TABLE, tuple(sorted(version.paths)), version.size, version.sha256)

        def is_there(version: Version) -> bool:
            return bool(expectation(version).names() & names)

        for path, file in self.files.items():
            assert any(is_there(one) for one in file.history), f"nothing of {path!r} was delivered"
        if self.kind == "rewrites":
            for file in [*self.files.values(), *self.ended]:
                there = sum(is_there(one) for one in file.history)
                assert there <= 1, f"{there} contents of {file.version.paths} were delivered; later ones are to be held"
        required = {id(file.version) for file in self.files.values()} if self.kind == "moves" else set()
        return [expectation(one) for one in self.versions if is_there(one) or id(one) in required]


def run_model(world: World, kind: str, seconds: float) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=40", "--fault", "post-uploads:*:delay=40")
    generator = random.Random(f"{seed_of_run()} model {kind}")
    # Rescans all the time, so that they meet everything that events tell as well.
    agent = world.agent(rescan="1s", uploads=6, registration_doubt="1s")
    agent.map(world.folder)
    model = Model(world.folder, generator, kind)
    with watching(agent) as run:
        reload_now_and_then = Reloader(run)
        reload_now_and_then.start()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                model.step()
                if generator.random() < 0.7:
                    time.sleep(generator.uniform(0, 0.06))
        finally:
            reload_now_and_then.stop()
        print(f"steps: {dict(model.counts)}; {len(model.versions)} versions, {len(model.files)} files left")
        # A rescan or two, and whatever follows from them.
        time.sleep(2.5)
        until_idle(run, scaled(90, 400))
        world.judge(model.expected(world))


class Reloader(threading.Thread):
    """Has the mapping file read again every now and then: scans begin anew then."""

    def __init__(self, run: Watching) -> None:
        super().__init__(daemon=True)
        self.watched = run
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(3):
            self.watched.ask({"reload": {}})

    def stop(self) -> None:
        self.ended.set()
        self.join()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["moves", "rewrites", "everything"])
def test_whatever_is_done_to_a_folder(world: World, kind: str) -> None:
    run_model(world, kind, scaled(10, 60))
