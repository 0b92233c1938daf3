"""The lint finds what it is there to find, and the test command says what a machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = ROOT / "Tests" / "lint" / "imports.py"


def lint(root: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-B", str(LINT), str(root)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def source(root: Path, target: str, text: str) -> None:
    path = root / "Sources" / target / "File.swift"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("target", "text", "word"),
    [
        ("SyncCore", "import Glibc\n", "may not import Glibc"),
        ("SyncCore", "import Foundation\n", "may not import Foundation"),
        ("SyncCore", "// For a reason.\nimport Foundation\n", "may not import Foundation"),
        ("LocalFiles", "import Foundation\n", "without a reason"),
        ("LocalFiles", "import FolderWatch\n", "may not import FolderWatch"),
        ("RedivisSandbox", "internal import SyncCore\n", "may not import SyncCore"),
        ("RedivisAPI", "import struct GRDB.Row\n", "may not import GRDB"),
        ("NewTarget", "import Glibc\n", "not in the table"),
        ("LocalFiles", "let a = b!\n", "force unwrap"),
        ("LocalFiles", "let a = f()!.c\n", "force unwrap"),
        ("LocalFiles", "let a = try! f()\n", "try!"),
        ("LocalFiles", "let a = b as! C\n", "as!"),
        ("LocalFiles", 'fatalError("no")\n', "fatalError"),
        ("LocalFiles", "precondition(a)\n", "traps"),
        ("LocalFiles", "struct A: @unchecked Sendable {}\n", "@unchecked Sendable without"),
        ("LocalFiles", "nonisolated(unsafe) var a = 1\n", "nonisolated(unsafe) without"),
        ("LocalFiles", "final class A {\n    private let state: Mutex<Int>\n}\n", "a lock"),
        ("LocalFiles", "table[key]?.value = try await f()\n", "await"),
        ("SyncCore", "switch state {\ncase .a: 1\ndefault: 2\n}\n", "default"),
        ("LocalFiles", "let a = 1\n" * 401, "401 lines"),
    ],
)
def test_the_lint_finds_a_slip(tmp_path: Path, target: str, text: str, word: str) -> None:
    source(tmp_path, target, text)
    status, said = lint(tmp_path)
    assert status == 1
    assert word in said, said


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("LocalFiles", "// Date formatting needs all of it.\nimport Foundation\n"),
        ("LocalFiles", "import Foundation  // Date formatting needs all of it.\n"),
        ("LocalFiles", 'let a = "import GRDB, b! and \\(c ?? "d!") try! e"  // f! and fatalError()\n'),
        ("LocalFiles", "let a = #\"b! \"c\" \"#\nlet d = !e && f != g\n"),
        ("LocalFiles", 'let a = """\n  b! try! c\n  """\n/* d! /* e! */ f! */\n'),
        ("LocalFiles", "// Reached from two tasks.\nprivate let state: Mutex<Int>\n"),
        ("SyncCore", "switch byte {\ncase 0..<32: 1\ndefault: 2\n}\n"),
        ("SyncCore", "switch state {\ncase .a: 1\n// It grows.\ndefault: 2\n}\n"),
    ],
)
def test_the_lint_leaves_the_rest_alone(tmp_path: Path, target: str, text: str) -> None:
    source(tmp_path, target, text)
    assert lint(tmp_path) == (0, "imports, traps, locks, lengths: nothing to say\n")


def test_strangers_at_the_top_are_found(tmp_path: Path) -> None:
    (tmp_path / "Sources").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    status, said = lint(tmp_path)
    assert status == 1 and "notes.txt" in said


@pytest.mark.parametrize(
    ("version", "status"),
    [(None, 69), ("5.10.1", 69), ("6.1", 69), ("6.2", 0), ("6.10.1", 0), ("7.0", 0)],
)
def test_an_old_or_missing_toolchain_is_told(tmp_path: Path, version: str | None, status: int) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sed", "head", "bash", "id"):
        tools.joinpath(name).symlink_to(next(p for p in (Path("/bin") / name, Path("/usr/bin") / name) if p.exists()))
    if version is not None:
        (tools / "swift").write_text(f"#!/bin/bash\necho 'Swift version {version} (swift-{version}-RELEASE)'\n")
        (tools / "swift").chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-c", '. "$1"; check_swift', "-", str(ROOT / "Tests" / "prepare.sh")],
        env={"PATH": str(tools)}, capture_output=True, text=True, timeout=20, check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("swift.org" in done.stderr) == (status != 0)


def test_a_toolchain_that_cannot_run_says_why(tmp_path: Path) -> None:
    (tmp_path / "swift").write_text("#!/bin/bash\necho 'error while loading shared libraries: libx.so' >&2\nexit 127\n")
    (tmp_path / "swift").chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", '. "$1"; check_swift', "-", str(ROOT / "Tests" / "prepare.sh")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=20, check=False,
    )
    assert done.returncode == 69
    assert "libx.so" in done.stderr


def test_an_unknown_stage_is_wrong_usage() -> None:
    done = subprocess.run(
        [str(ROOT / "Tests" / "run"), "no-such-stage"], capture_output=True, text=True, timeout=20, check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 64
    assert "end-to-end" in done.stderr
