"""What the documents say is held against the program: links, mapping files, commands and flags."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from harness import DONE, INVALID, LEFT, MIB, World, binary, kill, path_of, plain_environment, wait_until
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
COMMAND_LINE = ROOT / "docs" / "command-line.md"
SCHEMAS = ROOT / "docs" / "schemas"
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


def blocks(language: str) -> list:
    """The blocks of a language in all documents, each with the text that stands below it as what is said of it."""
    found = []
    for document in DOCUMENTS:
        all_blocks = FENCE.findall(document.read_text(encoding="utf-8"))
        for number, (kind, text) in enumerate(all_blocks):
            below = all_blocks[number + 1] if number + 1 < len(all_blocks) else ("", "")
            if kind == language:
                said = below[1] if below[0] == "text" and re.match(r"\S+:\d+:\d+: ", below[1]) else ""
                found.append(pytest.param(text, said, id=f"{document.name}-{number}"))
    return found


@pytest.mark.parametrize(("text", "said"), blocks("yaml"))
def test_mapping_files_are_what_the_page_says(world: World, text: str, said: str) -> None:
    """Every block of YAML is a mapping file, whole, or the keys of one mapping; or what is wrong with it stands below."""
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
    (home / "mapping.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [binary(), "check", "--mapping-file", "mapping.yaml"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30,
        env=plain_environment(home), cwd=home, check=False,
    )
    out, errors = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    if said:
        assert (done.returncode, errors) == (INVALID, said)
        return
    # That /data/weather is not on this machine is the one thing that may be wrong.
    assert done.returncode in (DONE, LEFT), out + errors
    assert all("cannot list the folder" in line for line in errors.splitlines()), errors


# Commands and flags


def help_text(*command: str) -> str:
    done = subprocess.run(
        [binary(), *command, "--help"], capture_output=True, timeout=30, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode()


def commands() -> list[str]:
    return re.findall(r"^  ([a-z]+) ", help_text().split("SUBCOMMANDS:")[1], re.MULTILINE)


def section(page: str, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading}"
    return found[1]


def flags_of_help(text: str) -> set[str]:
    """The flags that the help lists, by the beginnings of its lines, so that a word within a sentence is none."""
    heads = re.findall(r"^  ((?:-\w, )?--[a-z-]+)", text, re.MULTILINE)
    return {re.search(r"--[a-z-]+", head)[0] for head in heads}


def flags_of_page(text: str) -> set[str]:
    """The flags in the first cells of a section's tables."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return {flag for cell in cells for flag in re.findall(r"`(--[a-z-]+)", cell)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_flags_of_examples_exist(document: Path) -> None:
    """Each `redivis-sync COMMAND --flag` at the beginning of a line of an example is one that the program knows."""
    wrong = []
    for kind, text in FENCE.findall(document.read_text(encoding="utf-8")):
        if kind in ("yaml", "json", "swift"):
            continue
        for command, rest in re.findall(r"^(?:\$ )?redivis-sync ([a-z]+)(.*)$", text, re.MULTILINE):
            if command not in commands():
                wrong.append(command)
                continue
            known = flags_of_help(help_text(command))
            wrong += [f"{command} {flag}" for flag in re.findall(r"(?<!\S)--[a-z-]+", rest) if flag not in known]
    assert not wrong


def test_the_page_has_every_command_and_flag_and_no_other() -> None:
    page = COMMAND_LINE.read_text(encoding="utf-8")
    common = flags_of_page(section(page, "For every command"))
    assert {"--mapping-file", "--version", "--help"} <= common
    headings = re.findall(r"^## ([a-z]+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted(commands())
    for command in commands():
        known = flags_of_help(help_text(command))
        expected = {"--version", "--help"} if command in ("sandbox", "selftest") else common
        assert expected <= known, command
        assert flags_of_page(section(page, command)) == known - expected, command


def test_the_page_begins_with_the_help() -> None:
    first = FENCE.findall(COMMAND_LINE.read_text(encoding="utf-8"))[0][1]
    assert first.strip() == help_text().strip()


def test_the_variables_of_the_page_are_those_that_are_read() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?`) \|", section(COMMAND_LINE.read_text(encoding="utf-8"), "Environment"), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "Sources").rglob("*.swift"))
    lists = re.findall(r"(?:ofThisProcess\(|ariables = )\[(\s*\"[^\]]*?)\]", sources)
    assert len(lists) == 3
    read = {name for one in lists for name in re.findall(r'"([A-Z_]+)"', one)} | {"NO_COLOR", "TERM", "TMPDIR"}
    assert told == read


# JSON


def schemas() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}


def hold(name: str, value: object) -> None:
    """Holds one output to its schema."""
    registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas().values())
    Draft202012Validator(schemas()[name], registry=registry).validate(value)


def fields(schema: dict) -> set[str]:
    """The names that an object of a schema may have."""
    return set(schema["properties"])


def test_the_schemas_are_schemas() -> None:
    assert set(schemas()) == {
        "file-version", "list", "why", "check", "plan", "status", "receipt", "verification", "doctor", "sandbox",
        "selftest",
    }
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:redivis-sync:{name}"
    with pytest.raises(ValidationError):
        hold("list", {"files": [{"path": "a"}]})
    with pytest.raises(ValidationError):
        hold("why", {"path": "/a", "mappings": [], "more": 1})


@pytest.mark.parametrize(
    ("command", "tables"),
    [
        ("check", ["check", "check/mapping"]), ("list", ["list", "file-version"]),
        ("why", ["why", "why/place", "why/version"]), ("sandbox", ["sandbox"]),
        ("plan", ["plan", "plan/mapping", "plan/edit", "plan/confirmation"]),
        (
            "status",
            [
                "status", "status/mapping", "status/figures", "status/transfer", "status/unreleased", "status/problem",
                "status/edit",
            ],
        ),
        ("doctor", ["doctor", "doctor/check"]), ("selftest", ["selftest", "selftest/step", "selftest/problem"]),
        (
            "receipts",
            [
                "receipt", "verification", "verification/chain", "verification/files", "verification/table",
                "verification/problem",
            ],
        ),
    ],
)
def test_the_page_has_every_field_and_no_other(command: str, tables: list[str]) -> None:
    """Each table of fields of a command's section has the names of one object, in the order of the schema."""
    page = section(COMMAND_LINE.read_text(encoding="utf-8"), command)
    told = [re.findall(r"^\| `([a-z0-9_]+)` \|", table, re.MULTILINE) for table in page.split("| field | meaning |")[1:]]
    known = []
    for name in tables:
        schema, _, part = name.partition("/")
        known.append(list((schemas()[schema]["$defs"][part] if part else schemas()[schema])["properties"]))
    assert told == known


def test_the_example_of_the_page_is_held_by_the_schema() -> None:
    for kind, text in FENCE.findall(COMMAND_LINE.read_text(encoding="utf-8")):
        if kind == "json":
            hold("list", json.loads(text))


def test_the_output_is_held_by_the_schemas(world: World) -> None:
    """File versions in many states, odd names, and paths of every kind."""
    world.open_sandbox("--fault", "post-uploads:1:import-failed=No variables\x1b[2J found")
    agent = world.agent().map(world.folder, exclude=["raw/**"])
    failing = world.write("parked.csv", b"x\n")
    agent.run_once(status=LEFT)
    changed = world.write("changed.csv", 3000)
    names = [b"caf\xe9 \xff.csv", "line\nend\u202e\u009b.csv".encode(), "\u6c17\u6e29.csv".encode()]
    odd = [world.write(name, 100 + number) for number, name in enumerate(names)]
    empty = world.write("empty.csv", b"")
    agent.run_once(status=LEFT)
    changed.write_bytes(b"another content")
    forgotten = world.write("forgotten.csv", b"f\n")
    agent.call("forget", str(forgotten))
    agent.run_once(status=LEFT)
    link, folder, part = world.folder / "link.csv", world.folder / "below", world.write("half.part", b"h")
    link.symlink_to("changed.csv")
    folder.mkdir()

    listed = agent.call("list", "--json").json()
    hold("list", listed)
    states = {entry["state"] for entry in listed["files"]}
    assert {"parked", "delivered", "held", "ignored"} <= states
    assert {path_of(entry) for entry in listed["files"]} >= set(names)
    kinds, verdicts = set(), set()
    missing, elsewhere = world.folder / "missing.csv", world.root / "elsewhere.csv"
    for path in [failing, changed, *odd, empty, forgotten, link, link / "x", folder, part, missing, elsewhere]:
        story = agent.call("why", os.fsencode(path), "--json", status=(DONE, LEFT)).json()
        hold("why", story)
        kinds |= {place["kind"] for place in story["mappings"]}
        verdicts |= {place["verdict"] for place in story["mappings"]}
    assert {"file", "missing", "folder", "symbolic_link", "through_symbolic_link"} <= kinds
    assert {"taken", "ignored"} <= verdicts
    seen = {name for entry in listed["files"] for name in entry}
    assert fields(schemas()["file-version"]) - seen <= {"confirmed_bytes", "next_attempt_at"}, "what no test has shown"


def test_an_interrupted_transfer_is_held_by_the_schema(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    path = world.write("a.bin", 6 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 3, 30)
    kill(process)
    (entry,) = agent.call("list", "--json").json()["files"]
    assert entry["confirmed_bytes"] >= MIB
    hold("why", agent.call("why", str(path), "--json").json())
    hold("list", agent.call("list", "--json").json())


def test_check_is_held_by_the_schema(world: World) -> None:
    world.write("a.csv", b"a\n")
    world.write("b.tmp", b"b\n")
    agent = world.agent().map(world.folder)
    hold("check", agent.call("check", "--json").json())
    online = agent.call("check", "--online", "--json").json()
    hold("check", online)
    assert "online" in online["mappings"][0] and "token_source" in online
    agent.map(world.root / "missing", identifier="missing")
    missing = agent.call("check", "--json", status=LEFT).json()
    hold("check", missing)
    assert missing["mappings"][1]["problems"]
    agent.settings["uploads"] = "many"
    broken = agent.call("check", "--json", status=INVALID).json()
    hold("check", broken)
    assert broken["problems"] and not broken["mappings"]


def test_the_sandbox_tells_its_origins_by_the_schema(world: World) -> None:
    sandbox = world.sandbox
    hold("sandbox", {"api": sandbox.api, "storage": sandbox.storage, "directory": str(sandbox.directory)})
    source = (ROOT / "Sources" / "RedivisSyncCLI" / "Commands" / "SandboxCommand.swift").read_text(encoding="utf-8")
    told = re.search(r"JSONText\.line\(\[(.*?)\]\)", source, re.DOTALL)
    assert told and set(re.findall(r'"([a-z]+)":', told[1])) == fields(schemas()["sandbox"])


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


def test_known_troubles_are_tested_where_the_page_says() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    rows = re.findall(r"^\| (T-\d\d) \|.*\| (.*) \|$", page, re.MULTILINE)
    assert len(rows) >= 13
    for number, places in rows:
        for name in re.findall(r"`(\w+)(?:\.py)?`", places):
            files = [*ROOT.glob(f"Tests/**/{name}.py"), *ROOT.glob(f"Tests/**/{name}.swift")]
            assert files, f"{number}: there is no {name}"
            assert any(number in file.read_text() for file in files), f"{name} does not bear {number}"
