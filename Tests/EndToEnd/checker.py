#!/usr/bin/env python3
"""Says whether what arrived is exactly what was to arrive, from the receiving side alone.

It reads the sandbox's directory and request log (docs/sandbox.md), and the source folders. It never asks the agent,
shares no code with it, and computes upload names by the contract itself.

    python3 checker.py DIRECTORY --folder /data/weather=demo_org.weather_stations.readings [--folder …] [--exclude GLOB]

Exit status 0 where nothing is wrong; 1 with one line for each problem.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import hmac
import json
import os
import re
import stat
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from upload_names import upload_name

SLICE = 1 << 20


def digest_of(path: bytes | str | Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file's bytes."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(SLICE):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


@dataclass(frozen=True)
class Expected:
    """One file that must be on a table exactly once. Hard links give it several paths, of which one counts."""

    table: str
    paths: tuple[bytes, ...]
    size: int
    sha256: bytes
    template: str = "{path}"
    mapping: str = ""

    def names(self) -> set[str]:
        return {upload_name(path, self.sha256, self.template, self.mapping) for path in self.paths}

    def __str__(self) -> str:
        return f"{self.paths[0]!r} ({self.size} bytes) on {self.table}"


def expect_folder(
    folder: bytes | str | Path,
    table: str,
    *,
    template: str = "{path}",
    mapping: str = "",
    skip: Iterable[str] = (),
    empty: bool = False,
) -> list[Expected]:
    """What a mapping of `folder` must have sent: every regular file, hidden ones and those of `skip` left out."""
    root = os.fsencode(folder)
    found: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    for directory, subdirectories, names in os.walk(root):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(b".")]
        for name in names:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            if not stat.S_ISREG(status.st_mode) or name.startswith(b".") or (status.st_size == 0 and not empty):
                continue
            if any(fnmatch.fnmatchcase(os.fsdecode(relative), pattern) for pattern in skip):
                continue
            found[status.st_dev, status.st_ino].append(relative)
    expected = []
    for paths in found.values():
        size, sha256 = digest_of(os.path.join(root, paths[0]))
        expected.append(Expected(table, tuple(sorted(paths)), size, sha256, template, mapping))
    return expected


@dataclass
class Registration:
    """An upload on a table, as DIRECTORY/registrations/NUMBER.json has it."""

    number: int
    table: str
    version: int
    name: str
    requested_name: str
    status: str
    deleted: bool
    object: str
    size: int
    upload_id: str | None
    via: str
    fields: dict = field(default_factory=dict)
    error: str | None = None

    @classmethod
    def read(cls, path: Path) -> Registration:
        raw = json.loads(path.read_bytes())
        return cls(
            number=raw["number"],
            table=f"{raw['owner']}.{raw['dataset']}.{raw['table']}",
            version=raw["version"],
            name=raw["name"],
            requested_name=raw["requestedName"],
            status=raw["status"],
            deleted=raw["deleted"],
            object=raw["object"],
            size=raw["size"],
            upload_id=raw.get("uploadId"),
            via=raw["via"],
            fields=raw.get("fields") or {},
            error=raw.get("errorMessage"),
        )

    @property
    def counts(self) -> bool:
        """Whether it puts rows on the table."""
        return not self.deleted and self.status != "failed"


def fold(name: str) -> str:
    """Redivis's folding of names: case and punctuation do not count."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


class Sandbox:
    """A sandbox's directory, read anew at each question."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def registrations(self) -> list[Registration]:
        paths = (self.directory / "registrations").glob("*.json")
        return sorted((Registration.read(path) for path in paths), key=lambda one: one.number)

    def uploads(self, table: str | None = None) -> list[Registration]:
        """Registrations that put rows on a table."""
        return [one for one in self.registrations() if one.counts and table in (None, one.table)]

    def lines(self, name: str) -> Iterator[dict]:
        """The JSON lines of a file. A last line that is being written is left out."""
        path = self.directory / name
        if not path.exists():
            return
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and line.strip():
                    yield json.loads(line)

    def requests(self, *classes: str) -> list[dict]:
        """The request log, or its lines of the given classes (docs/sandbox.md)."""
        return [line for line in self.lines("log.jsonl") if not classes or line.get("class") in classes]

    def counts(self) -> Counter[str]:
        return Counter(line.get("class", "?") for line in self.requests())

    def object_path(self, identifier: str) -> Path:
        return self.directory / "objects" / identifier

    def secrets(self) -> list[str]:
        """The unguessable part of every upload URL that was handed out: HMAC-SHA256 of its id under the key file."""
        key = self.directory / "key"
        if not key.exists():
            return []
        raw = bytes.fromhex(key.read_text().strip())
        ids = {line["id"] for line in self.lines("transfers.jsonl") if "id" in line}
        return [hmac.new(raw, one.encode(), "sha256").hexdigest() for one in sorted(ids)]

    def received(self) -> dict[str, int]:
        """Bytes of file content that came in, by transfer; repeated ones count each time."""
        totals: dict[str, int] = defaultdict(int)
        for line in self.requests("put-chunk", "put-whole"):
            totals[line.get("upload") or "?"] += line.get("bytes", 0)
        return dict(totals)

    def received_by_size(self) -> dict[int, int]:
        """The same by the announced size of the file: tests that ask give every file a size of its own."""
        sizes = {line["id"]: line["size"] for line in self.lines("transfers.jsonl") if line.get("event") == "transfer"}
        totals: dict[int, int] = defaultdict(int)
        for transfer, count in self.received().items():
            if transfer in sizes:
                totals[sizes[transfer]] += count
        return dict(totals)


@dataclass
class Report:
    problems: list[str]
    files: int
    bytes: int

    @property
    def holds(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        if self.problems:
            return "\n".join(self.problems)
        return f"{self.files} files, {self.bytes} bytes: each there once, byte for byte, and nothing more"


def check(sandbox: Sandbox, expected: list[Expected], *, foreign: Iterable[int] = (), withdrawn: int = 0) -> Report:
    """Holds the sandbox's directory against what was to arrive.

    - Parameters:
      - foreign: numbers of registrations that others made, which do not count.
      - withdrawn: how many uploads of ours may have been put on a table and taken off again, or failed.
    """
    ignored = set(foreign)
    ours = [one for one in sandbox.registrations() if one.number not in ignored]
    live = [one for one in ours if one.counts]
    problems = check_files(sandbox, expected, live)
    problems += check_twins(live)
    problems += check_wire(sandbox)
    gone = [one for one in ours if not one.counts]
    if len(gone) > withdrawn:
        names = ", ".join(f"{one.number} {one.name!r} ({one.status})" for one in gone[:5])
        problems.append(f"{len(gone)} uploads were put on a table and taken off again or failed, not {withdrawn}: {names}")
    return Report(problems, len(expected), sum(one.size for one in expected))


def check_files(sandbox: Sandbox, expected: list[Expected], live: list[Registration]) -> list[str]:
    problems = []
    by_name: dict[tuple[str, str], list[Registration]] = defaultdict(list)
    for one in live:
        by_name[fold_table(one.table), one.name].append(one)
    claimed: set[int] = set()
    for file in expected:
        hits = [hit for name in file.names() for hit in by_name.get((fold_table(file.table), name), [])]
        claimed |= {hit.number for hit in hits}
        if len(hits) != 1:
            numbers = [hit.number for hit in hits]
            problems.append(f"{file} is there {len(hits)} times {numbers}, not once; name {sorted(file.names())[0]!r}")
        problems += [problem for hit in hits for problem in check_bytes(sandbox, file, hit)]
    for one in live:
        if one.number not in claimed:
            problems.append(f"upload {one.number} {one.name!r} on {one.table} is nothing that was to arrive")
    return problems


def check_bytes(sandbox: Sandbox, file: Expected, hit: Registration) -> list[str]:
    where = f"upload {hit.number} {hit.name!r}"
    problems = []
    if hit.status != "completed":
        problems.append(f"{where} is {hit.status}, not completed")
    if hit.requested_name != hit.name:
        problems.append(f"{where} was renamed from {hit.requested_name!r}: its name was taken")
    path = sandbox.object_path(hit.object)
    if not path.exists():
        if file.size:
            problems.append(f"{where} has no bytes at {path}")
        return problems
    size, sha256 = digest_of(path)
    if (size, sha256) != (file.size, file.sha256):
        problems.append(f"{where} has {size} bytes {sha256.hex()[:12]}, {file} has {file.sha256.hex()[:12]}")
    if hit.size != size:
        problems.append(f"{where} is registered with {hit.size} bytes, its object has {size}")
    return problems


def check_twins(live: list[Registration]) -> list[str]:
    """No two uploads of a table may have names that Redivis folds together, and no bytes may be used twice."""
    problems = []
    by_fold: dict[tuple[str, str], list[Registration]] = defaultdict(list)
    by_transfer: dict[str, list[Registration]] = defaultdict(list)
    for one in live:
        by_fold[fold_table(one.table), fold(one.name)].append(one)
        if one.upload_id:
            by_transfer[one.upload_id].append(one)
    for (table, _), twins in by_fold.items():
        if len(twins) > 1:
            problems.append(f"names on {table} fold together: {[one.name for one in twins]}")
    for identifier, twins in by_transfer.items():
        if len(twins) > 1:
            problems.append(f"transfer {identifier} was registered {len(twins)} times: {[one.name for one in twins]}")
    return problems


def check_wire(sandbox: Sandbox) -> list[str]:
    """No token on the storage origin, and no request that the sandbox does not know."""
    problems = []
    for line in sandbox.requests():
        what = f"request {line.get('seq')} {line.get('method')} {line.get('class')}"
        if line.get("origin") == "storage" and line.get("token"):
            problems.append(f"{what}: an Authorization header reached the storage origin")
        if line.get("class") == "unknown":
            problems.append(f"{what}: a path or method that the API does not have")
    return problems


def fold_table(table: str) -> str:
    return ".".join(fold(part.split(":")[0]) for part in table.split("."))


def main() -> int:
    parser = argparse.ArgumentParser(description="Is every file there once, byte for byte, and nothing more?")
    parser.add_argument("directory", type=Path, help="the sandbox's directory")
    parser.add_argument("--folder", action="append", default=[], metavar="FOLDER=TABLE", help="a mapped folder")
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="on the path below the folder")
    parser.add_argument("--empty", action="store_true", help="files of 0 bytes are registered too")
    parser.add_argument("--withdrawn", type=int, default=0, help="uploads that may have been taken off again")
    arguments = parser.parse_args()
    expected = []
    for pair in arguments.folder:
        folder, separator, table = pair.rpartition("=")
        if not separator:
            parser.error(f"write --folder FOLDER=TABLE, not {pair}")
        expected += expect_folder(folder, table, skip=arguments.exclude, empty=arguments.empty)
    report = check(Sandbox(arguments.directory), expected, withdrawn=arguments.withdrawn)
    print(report)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
