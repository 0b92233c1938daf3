#!/usr/bin/env python3
"""Holds the sources to rules of the house that no compiler checks.

    python3 Tests/lint/imports.py [ROOT]

One line for each finding, as FILE:LINE: what is wrong; what to do. Exit status 1 where there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Which target may import what. The build keeps the direction between targets and packages too
# (--explicit-target-dependency-import-check); it never sees Foundation, Glibc or a package's other modules.
NIO = {"NIOCore", "NIOConcurrencyHelpers", "NIOFoundationCompat", "NIOHTTP1", "NIOPosix", "NIOSSL", "NIOTLS"}
STANDARD = {"Swift", "Synchronization", "RegexBuilder", "_Concurrency", "_StringProcessing"}
EDGE = {"FoundationEssentials", "Glibc", "CLinux", "Logging", "SystemPackage"}
ADAPTERS = {"FolderWatch", "LocalFiles", "SQLiteQueue", "RedivisAPI", "MappingConfig", "SyncEngine", "StatusServer", "RedivisSandbox"}
ALLOWED = {
    "SyncCore": {"FoundationEssentials", "SystemPackage", "Crypto"},
    "CLinux": set(),
    "FolderWatch": EDGE | {"SyncCore"},
    "LocalFiles": EDGE | {"SyncCore", "Crypto"},
    "SQLiteQueue": EDGE | {"SyncCore", "GRDB", "Crypto"},
    "RedivisAPI": EDGE | {"SyncCore", "AsyncHTTPClient"} | NIO,
    "MappingConfig": EDGE | {"SyncCore", "Yams"},
    "SyncEngine": EDGE | {"SyncCore", "ServiceLifecycle"},
    "StatusServer": EDGE | {"SyncCore"} | NIO,
    # No SyncCore: the sandbox is a second, independent reading of the protocol.
    "RedivisSandbox": EDGE | {"Hummingbird", "HummingbirdCore", "HTTPTypes", "Crypto"} | NIO,
    "RedivisSyncCLI": EDGE | ADAPTERS | {
        "SyncCore", "ArgumentParser", "ServiceLifecycle", "UnixSignals",
        # The client of the control socket.
        "AsyncHTTPClient", "NIOCore", "NIOHTTP1",
    },
    "redivis-sync": {"RedivisSyncCLI"},
}
FOUNDATIONS = {"Foundation"}
# Where Foundation may stand at all, given a reason beside it.
FOUNDATION_TARGETS = ADAPTERS | {"RedivisSyncCLI"}

TOP_LEVEL = {"Package.swift", "Sources", "Tests", "examples", "docs", "README.md"}
# Made by the build, never kept.
TOP_LEVEL_MADE = {"Package.resolved"}

LONGEST = 400
LONG_FILES = "Tests/lint/long-files.txt"


@dataclass
class Source:
    """A Swift file, with its code and its comments apart; line n of each is line n of the file."""

    path: Path
    code: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def has_comment_beside(self, index: int) -> bool:
        """A comment on the line, or in the lines right above it (attributes may stand between)."""
        if self.comments[index].strip():
            return True
        above = index - 1
        while above >= 0 and self.code[above].strip().startswith("@"):
            if self.comments[above].strip():
                return True
            above -= 1
        return above >= 0 and bool(self.comments[above].strip()) and not self.code[above].strip()

    def type_says(self, index: int, pattern: re.Pattern[str]) -> bool:
        """Whether the comment above the type that holds this line says something that matches."""
        indentation = len(self.code[index]) - len(self.code[index].lstrip())
        for above in range(index - 1, -1, -1):
            line = self.code[above]
            if not line.strip() or len(line) - len(line.lstrip()) >= indentation:
                continue
            if not re.search(r"\b(?:class|actor|struct|enum|extension)\b", line):
                return False
            words, above = "", above - 1
            while above >= 0 and not self.code[above].strip() and self.comments[above].strip():
                words, above = self.comments[above] + words, above - 1
            return bool(pattern.search(words))
        return False


def split_code_and_comments(text: str) -> tuple[list[str], list[str]]:
    """Blanks strings and moves comments out, so that patterns see nothing but code."""
    code: list[str] = []
    comment: list[str] = []
    position = 0
    depth = 0
    while position < len(text):
        character = text[position]
        if depth:
            if text.startswith("/*", position):
                depth, step = depth + 1, 2
            elif text.startswith("*/", position):
                depth, step = depth - 1, 2
            else:
                step = 1
            for piece in text[position : position + step]:
                code.append("\n" if piece == "\n" else "")
                comment.append(piece)
            position += step
        elif text.startswith("//", position):
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            comment.append(text[position:end])
            position = end
        elif text.startswith("/*", position):
            depth = 1
            comment.append("/*")
            position += 2
        elif match := re.compile(r'(#*)("""|")').match(text, position):
            hashes, quotes = match.groups()
            end = closing_quote(text, match.end(), quotes + hashes, escape="\\" + hashes)
            newlines = text.count("\n", position, end)
            code.append('""' + "\n" * newlines)
            comment.append("\n" * newlines)
            position = end
        else:
            code.append(character)
            if character == "\n":
                comment.append("\n")
            position += 1
    return "".join(code).split("\n"), "".join(comment).split("\n")


def closing_quote(text: str, start: int, close: str, escape: str) -> int:
    """The place behind a string's end; an interpolation's own strings are inside it."""
    position = start
    while position < len(text):
        if text.startswith(escape + "(", position):
            position = end_of_interpolation(text, position + len(escape) + 1)
        elif text.startswith(escape, position):
            position += len(escape) + 1
        elif text.startswith(close, position):
            return position + len(close)
        elif text[position] == "\n" and not close.startswith('"""'):
            return position  # not valid Swift; the compiler says so
        else:
            position += 1
    return len(text)


def end_of_interpolation(text: str, start: int) -> int:
    depth = 1
    position = start
    while position < len(text) and depth:
        if match := re.compile(r'(#*)("""|")').match(text, position):
            hashes, quotes = match.groups()
            position = closing_quote(text, match.end(), quotes + hashes, escape="\\" + hashes)
            continue
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        position += 1
    return position


IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public\s+|package\s+|internal\s+|fileprivate\s+|private\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var)\s+)?(\w+)"
)
TRAPS = [
    (re.compile(r"\btry!"), "try! traps; handle the error"),
    (re.compile(r"\bas!"), "as! traps; use as? and handle nil"),
    (re.compile(r"\bfatalError\s*\("), "fatalError ends the agent; throw, or return a Failure"),
    (re.compile(r"\b(?:precondition|preconditionFailure|assertionFailure)\s*\("), "this traps; throw instead"),
    (re.compile(r"[\w)\]}>]!(?!=)"), "force unwrap; use guard let"),
    # Swift 6.3 evaluates the right side inside the accessor of the left: a suspension there corrupts the task's memory.
    (re.compile(r"\?\.[\w.]+\s*=\s*.*\bawait\b"), "await to the right of an optional chain; use two statements"),
]
NEEDS_REASON = [
    (re.compile(r"@unchecked\s+Sendable"), "@unchecked Sendable"),
    (re.compile(r"nonisolated\(unsafe\)"), "nonisolated(unsafe)"),
    (
        re.compile(r"\b(?:let|var)\s+\w+\s*[:=].*\b(?:Mutex|NIOLock|NIOLockedValueBox|Atomic|pthread_\w+_t)\b"),
        "a lock or an atomic",
    ),
]
# A type may say it once for all of its locks.
SPEAKS_OF_LOCKING = re.compile(r"mutex|lock|thread|Sendable|concurren|at once", re.IGNORECASE)


def lint_imports(source: Source, target: str) -> list[tuple[int, str]]:
    findings = []
    allowed = ALLOWED.get(target)
    if allowed is None:
        return [(0, f"target {target} is not in the table of {Path(__file__).name}; add what it may import")]
    for index, line in enumerate(source.code):
        match = IMPORT.match(line)
        if not match:
            continue
        module = match.group(1)
        if module in STANDARD or module in allowed:
            continue
        if module in FOUNDATIONS and target in FOUNDATION_TARGETS:
            if not source.has_comment_beside(index):
                findings.append((index, f"import {module} without a reason; say beside it why Essentials is not enough"))
            continue
        findings.append((index, f"{target} may not import {module}; the table is in Tests/lint/imports.py"))
    return findings


def lint_habits(source: Source) -> list[tuple[int, str]]:
    findings = []
    for index, line in enumerate(source.code):
        findings += [(index, f"{why}") for pattern, why in TRAPS if pattern.search(line)]
        for pattern, what in NEEDS_REASON:
            if not pattern.search(line) or source.has_comment_beside(index):
                continue
            if not source.type_says(index, SPEAKS_OF_LOCKING):
                findings.append((index, f"{what} without its reason in a comment beside it"))
    return findings


def lint_switches(source: Source) -> list[tuple[int, str]]:
    """In the core a switch over states has no default, so that a new state is a compiler error at each of them.

    A switch over bytes, numbers or text cannot do without; it is known by a literal in one of its cases.
    """
    findings = []
    for index, line in enumerate(source.code):
        match = re.match(r"^(\s*)(?:@unknown\s+)?default\s*:", line)
        if not match or source.has_comment_beside(index):
            continue
        cases = []
        for above in range(index - 1, -1, -1):
            text = source.code[above]
            if not text.strip() or len(text) - len(text.lstrip()) > len(match.group(1)):
                continue
            if not text.lstrip().startswith("case "):
                break
            cases.append(text)
        if not any(re.search(r'\bcase\b[^:]*(?:"|\b\d|UInt8\(|\bascii\b)', text) for text in cases):
            findings.append((index, "default in a switch of the core; name the cases, or say beside it why not"))
    return findings


STATE_BUILT = re.compile(r"(?<![\w)])\.(?:working|waiting|held|parked|abandoned|delivered)\(")


def lint_decisions(source: Source) -> list[tuple[int, str]]:
    """The queue gathers facts and applies moves; what state a row gets is decided in the core."""
    return [
        (index, "a delivery's state is built here; decide it in SyncCore/Versions")
        for index, line in enumerate(source.code)
        if STATE_BUILT.search(line) and not re.search(r"\bcase\b", line)
    ]


def lint_swift(root: Path) -> list[str]:
    findings = []
    for path in sorted((root / "Sources").rglob("*.swift")):
        code, comments = split_code_and_comments(path.read_text(encoding="utf-8"))
        source = Source(path, code, comments)
        relative = path.relative_to(root)
        target = relative.parts[1]
        found = lint_imports(source, target) + lint_habits(source)
        if target == "SyncCore":
            found += lint_switches(source)
        if target == "SQLiteQueue":
            found += lint_decisions(source)
        findings += [f"{relative}:{index + 1}: {what}" for index, what in found]
    return findings


def lint_lengths(root: Path) -> list[str]:
    listed = {}
    listing = root / LONG_FILES
    if listing.exists():
        for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, reason = line.partition(":")
            if not reason.strip():
                return [f"{LONG_FILES}:{number}: {name} without a reason; write PATH: reason"]
            listed[name.strip()] = number
    findings = []
    for folder in ("Sources", "Tests", "examples"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".swift", ".py", ".c", ".h", ".sh"} or not path.is_file():
                continue
            name = str(path.relative_to(root))
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LONGEST and name not in listed:
                findings.append(f"{name}:{LONGEST}: {lines} lines; two subjects? Else list it in {LONG_FILES}")
            if lines <= LONGEST and name in listed:
                findings.append(f"{LONG_FILES}:{listed[name]}: {name} has {lines} lines by now; take it off the list")
    return findings


def lint_top_level(root: Path) -> list[str]:
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        names = {part.split(b"/")[0].decode() for part in listing.stdout.split(b"\0") if part}
    else:
        names = {path.name for path in root.iterdir()} - TOP_LEVEL_MADE
    strangers = sorted(name for name in names if name not in TOP_LEVEL and not name.startswith("."))
    return [f"{name}:1: nothing but {', '.join(sorted(TOP_LEVEL))} lies at the top" for name in strangers]


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    findings = lint_top_level(root) + lint_swift(root) + lint_lengths(root)
    for finding in findings:
        print(finding)
    if not findings:
        print("imports, traps, locks, lengths: nothing to say")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
