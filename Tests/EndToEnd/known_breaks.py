"""Helpers for the tests of known breaks: rows written straight into the state database, and measurements of the agent.

Histories and queues of tens of thousands of rows take too long to make through the program. They are copies of a row
that the program wrote, so new columns of the schema need no change here.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
from harness import TOKEN, Agent, SandboxProcess
from watching import Watching


class PromiseBroken(AssertionError):
    """The one error by which a known break shows. Any other error fails the test even while the break is known."""


def must_hold(condition: object, what: str) -> None:
    """Raises `PromiseBroken` if `condition` is false; `what` says what was found instead, with figures."""
    if not condition:
        raise PromiseBroken(what)


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Returns whether the condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# The state database


@contextmanager
def database(agent: Agent) -> Iterator[sqlite3.Connection]:
    """The state database, committed at the end. Write to it only while no agent runs."""
    with closing(sqlite3.connect(agent.state / "queue.sqlite", timeout=20)) as connection, connection:
        # A power failure loses nothing of value: each test writes its own rows.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        yield connection


def rows(connection: sqlite3.Connection, sql: str, *arguments: object) -> list[tuple]:
    return connection.execute(sql, arguments).fetchall()


def journal_lines(agent: Agent, mapping: str) -> int:
    """Returns the number of journal lines about the files of one mapping. May be called while the agent runs."""
    with database(agent) as connection:
        return rows(
            connection,
            "SELECT count(*) FROM journal WHERE file IN "
            "(SELECT id FROM file WHERE mapping = (SELECT id FROM mapping WHERE name = ?))",
            mapping,
        )[0][0]


def is_at_rest(agent: Agent) -> bool:
    """Returns whether no delivery has anything left to do. May be called while the agent runs; fast with many rows."""
    with database(agent) as connection:
        return not rows(connection, "SELECT 1 FROM delivery WHERE work IS NOT NULL LIMIT 1") and not rows(
            connection, "SELECT 1 FROM settling LIMIT 1")


def known_versions(agent: Agent, file: StoredFile) -> int:
    """Returns how many versions of a path have a known content. May be called while the agent runs."""
    with database(agent) as connection:
        return rows(connection, "SELECT count(*) FROM delivery WHERE file = ? AND sha256 IS NOT NULL", file.row)[0][0]


def copy_row(connection: sqlite3.Connection, table: str, row: int, count: int, **columns: str) -> None:
    """Inserts `count` copies of the row with this id.

    `columns` are SQL expressions for the columns that differ; `n` counts the copies from 1. The copies get new ids
    unless `columns` says otherwise.
    """
    names = [one[1] for one in connection.execute(f"PRAGMA table_info({table})") if one[1] != "id" or "id" in columns]
    values = ", ".join(columns.get(name, f'source."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.execute(
        f"""
        WITH RECURSIVE counter (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counter WHERE n < ?)
        INSERT INTO {table} ({quoted}) SELECT {values} FROM counter JOIN {table} AS source ON source.id = ?
        """,
        (count, row),
    )


@dataclass
class StoredFile:
    """A path as the state database has it: its row, and the newest delivery of it."""

    row: int
    delivery: int


def stored_file(connection: sqlite3.Connection, name: bytes) -> StoredFile:
    """Returns the row of a path, relative to its mapped folder. Only one mapping may have that path."""
    ((row,),) = rows(connection, "SELECT id FROM file WHERE path = ?", name)
    ((delivery,),) = rows(connection, "SELECT max(id) FROM delivery WHERE file = ?", row)
    return StoredFile(row, delivery)


def add_versions(connection: sqlite3.Connection, file: StoredFile, count: int) -> None:
    """Adds delivered versions of other contents to a path that is delivered."""
    copy_row(
        connection, "delivery", file.delivery, count, file=str(file.row),
        sha256="randomblob(32)", md5="randomblob(16)", uploadName=f"'version {file.row} ' || n")


def add_paths(
    connection: sqlite3.Connection, like: StoredFile, prefix: str, count: int, inode: int | None = None
) -> None:
    """Adds paths, each with a delivery copied from `like`: all with the inode number `inode`, or each with its own.

    A delivery whose content is known gets another content, so that no two of them are the same version.
    """
    first_file = rows(connection, "SELECT max(id) FROM file")[0][0]
    first_delivery = rows(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'delivery'")[0][0]
    number = str(inode) if inode is not None else "1000000000 + n"
    ((stored,),) = rows(connection, "SELECT device IS NOT NULL FROM file WHERE id = ?", like.row)
    # The two tables refer to each other, so the path comes first, without its delivery.
    copy_row(
        connection, "file", like.row, count, id=f"{first_file} + n", path=f"CAST('{prefix}' || n || '.csv' AS BLOB)",
        delivery="NULL", inode=number if stored else "NULL")
    copy_row(
        connection, "delivery", like.delivery, count, id=f"{first_delivery} + n", file=f"{first_file} + n",
        inode=number, nameBase=f"CAST('{prefix}' || n || '.csv' AS BLOB)",
        sha256="CASE WHEN source.sha256 IS NOT NULL THEN randomblob(32) END",
        md5="CASE WHEN source.sha256 IS NOT NULL THEN randomblob(16) END",
        uploadName=f"CASE WHEN source.sha256 IS NOT NULL THEN '{prefix}' || n END")
    connection.execute(
        "UPDATE file SET delivery = id - ? + ? WHERE id > ?", (first_file, first_delivery, first_file))


# Measurements


def processor_seconds(run: Watching) -> float:
    """Returns the processor time that the agent has used so far, over all its threads, in seconds."""
    # The id of another process's clock, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime(~run.process.pid << 3 | 2)


# The sandbox


def fill_table(sandbox: SandboxProcess, table: str, count: int) -> None:
    """Registers `count` small uploads on the table, as another user of it would, over one connection."""
    place = urllib.parse.urlsplit(sandbox.api)
    path = f"{place.path}/tables/{urllib.parse.quote(table, safe='')}/uploads"
    with closing(HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        for number in range(count):
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
            connection.request("POST", f"{path}?name=other-{number}.csv", b"a\n%d\n" % number, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status in (200, 201), said


def list_requests(sandbox: SandboxProcess, after: int, before: int) -> int:
    """Returns how many pages of uploads were requested between two requests, given by their `seq` in the log."""
    return sum(1 for line in sandbox.record.requests("list-uploads") if after < line["seq"] < before)


# Files that are not as long as `stat` says


def preload_sizes(world_root: Path, agent: Agent, suffix: str, size: int) -> None:
    """Makes `stat` report `size` bytes for files whose name ends in `suffix`, from the agent's next start (stat_size.c)."""
    library = world_root / "stat_size.so"
    source = Path(__file__).with_name("stat_size.c")
    try:
        subprocess.run(
            ["cc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no C compiler")
    agent.environment = {"LD_PRELOAD": str(library), "STAT_SIZE_SUFFIX": suffix, "STAT_SIZE": str(size)}


def ask_pause(run: Watching, mapping: str) -> float:
    """Pauses a mapping through the control socket: a small write to the state. Returns how long it waited, in seconds."""
    begun = time.monotonic()
    try:
        answer = run.ask({"pause": {"mapping": mapping}})
    except TimeoutError:
        # The caller's bound is far lower than the timeout.
        return time.monotonic() - begun
    assert "done" in answer, answer
    return time.monotonic() - begun
