"""The README's recording is made by a script, from the program as it is, and shows what it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import binary
from test_documents import ROOT

SCRIPT = ROOT / "docs" / "pictures" / "record"
PICTURE = ROOT / "docs" / "pictures" / "watch.svg"
SVG = "{http://www.w3.org/2000/svg}"


def frames(picture: Path) -> list[list[str]]:
    """The lines of each frame, without their colours."""
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    rows = {f"#{row.get('id')}": " ".join(text.text or "" for text in row) for row in root.find(f"{SVG}defs")}
    found = [[rows[use.get("href")] for use in group] for group in root.iter(f"{SVG}g") if "f " in group.get("class", "")]
    assert found
    return found


def held(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    # Nothing is fetched, run or obeyed by whoever shows it.
    assert not re.search(r"<script|<image|<foreignObject|@import|url\(|\bon\w+=|[\x00-\x09\x0b-\x1f\x7f]", text)
    assert set(re.findall(r'(?:href|src)="([^"]{2})', text)) <= {"#r"}
    assert len(text) < 100_000
    shown = frames(picture)
    assert all(len(line) <= 80 and len(frame) <= 24 for frame in shown for line in frame)
    assert any("% of" in line and "━" in line for frame in shown for line in frame), "no progress bar"
    # While it is watched, files go out at the same time, and in the end all of them have.
    watched = [frame for frame in shown if any(re.match(r"● redivis-sync [\d.]+, running for", line) for line in frame)]
    assert any(sum("% of" in line for line in frame) >= 3 for frame in watched), "no three bars at once"
    assert any("4 delivered · 1 parked" in line for line in watched[-1]), watched[-1]
    last = shown[-1]
    assert [line for line in last if line.startswith("$ ")] == [
        "$ redivis-sync run 2>agent.log &", "$ cp -r fresh/2026 data/", "$ redivis-sync status --watch",
        "$ redivis-sync list",
    ]
    assert sum(line.startswith("delivered ") and "2026/" in line for line in last) == 4
    assert sum(line.startswith("parked ") and "2026/" in line for line in last) == 1


def test_the_picture_of_the_readme_shows_what_the_program_does() -> None:
    held(PICTURE)
    assert "(docs/pictures/watch.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_picture_can_be_made_again(tmp_path: Path) -> None:
    made = tmp_path / "watch.svg"
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    subprocess.run(
        [sys.executable, "-B", SCRIPT, "--binary", binary(), "--output", made], check=True, timeout=120, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )
    held(made)
