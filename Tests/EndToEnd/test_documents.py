"""What the documents say is held against the program: links, mapping files, commands and flags."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness import World, binary, plain_environment

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that headings get where these pages are shown."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken


def mapping_files() -> list:
    """Each block of YAML, with the problems that the block behind it says it has."""
    found = []
    for document in DOCUMENTS:
        blocks = FENCE.findall(document.read_text(encoding="utf-8"))
        for number, (kind, text) in enumerate(blocks):
            if kind == "yaml":
                behind = blocks[number + 1][1] if number + 1 < len(blocks) else ""
                problems = behind if re.match(r"mapping\.yaml:\d+:\d+: ", behind) else ""
                found.append(pytest.param(text, problems, id=f"{document.name}-{number}"))
    return found


@pytest.mark.parametrize(("text", "problems"), mapping_files())
def test_mapping_files_are_what_the_documents_say(world: World, text: str, problems: str) -> None:
    """Every block of YAML is a mapping file, whole, or the keys of one mapping; valid, or wrong just so."""
    if not re.search(r"^mappings:", text, re.MULTILINE):
        inner = "\n".join("    " + line for line in text.splitlines())
        keys = {line.split(":")[0] for line in text.splitlines() if re.match(r"[a-z_]+:", line)}
        needed = [f"    {key}: {value}" for key, value in (("folder", "/data"), ("table", "a.b.c")) if key not in keys]
        text = "mappings:\n  example:\n" + "\n".join(needed) + "\n" + inner + "\n"
    home = world.root / "home"
    home.mkdir()
    for name in ("token", "token.txt"):
        (home / name).touch(0o600)
        (home / name).write_text("sandbox")
    file = home / "mapping.yaml"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [binary(), "check", "--mapping-file", str(file)], capture_output=True, stdin=subprocess.DEVNULL, timeout=30,
        env=plain_environment(home), check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if problems:
        assert done.returncode == 78
        assert [line.replace(str(file), "mapping.yaml") for line in said.splitlines()] == problems.splitlines()
        return
    # That /data/weather is not on this machine is the one thing that may be wrong.
    wrong = [line for line in said.splitlines() if f"{file}:" in line and "folder" not in line]
    assert done.returncode in (0, 1, 78) and not wrong, said


def help_text(*command: str) -> str:
    done = subprocess.run([binary(), *command, "--help"], capture_output=True, timeout=30, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_flags_exist(document: Path) -> None:
    """Each `redivis-sync COMMAND --flag` at the beginning of a line of an example is one that the program knows."""
    wrong = []
    for kind, text in FENCE.findall(document.read_text(encoding="utf-8")):
        if kind in ("yaml", "json", "swift"):
            continue
        for command, rest in re.findall(r"^(?:\$ )?redivis-sync ([a-z]+)(.*)$", text, re.MULTILINE):
            known = help_text(command)
            if "USAGE: redivis-sync " + command not in known:
                wrong.append(command)
            wrong += [f"{command} {flag}" for flag in re.findall(r"(?<!\S)--[a-z-]+", rest) if flag not in known]
    assert not wrong


@pytest.mark.slow
def test_the_quickstart_ends_with_every_byte_verified(world: World) -> None:
    environment = plain_environment(world.root) | {"QUICKSTART_BINARY": binary(), "TMPDIR": str(world.root)}
    done = subprocess.run(
        [str(ROOT / "examples" / "quickstart"), "--remove"], capture_output=True, stdin=subprocess.DEVNULL,
        env=environment, timeout=240, check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, said
    assert "killed with SIGKILL" in said
    assert "each arrived exactly once, byte for byte" in said
    assert "\x1b[" not in said
    assert not list(world.root.glob("redivis-quickstart.*"))
