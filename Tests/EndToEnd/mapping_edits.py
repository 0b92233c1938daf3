"""How people and programs edit a mapping file."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

from harness import Agent
from watching import Watching

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
