"""Writes the seccomp filter that a unit file asks for as a BPF program: UNIT OUTPUT ACTION CALL….

Run by the system's Python, which has Debian's python3-seccomp. ACTION is what a call meets that SystemCallFilter leaves
out: `errno`, as the unit says, or `kill`, which shows in the exit status of whoever makes it; the CALLs named behind it
meet the error all the same. What the other directives forbid always meets the error that systemd gives.
"""

from __future__ import annotations

import errno
import mmap
import stat
import subprocess
import sys

import seccomp
from seccomp import ALLOW, EQ, ERRNO, GE, KILL_PROCESS, MASKED_EQ, Arg, SyscallFilter

FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
# man 2 clone
CLONE_NEW = {
    "NEWNS": 0x20000, "NEWCGROUP": 0x2000000, "NEWUTS": 0x4000000, "NEWIPC": 0x8000000, "NEWUSER": 0x10000000,
    "NEWPID": 0x20000000, "NEWNET": 0x40000000,
}
REALTIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE


def directives(unit: str) -> list[tuple[str, str]]:
    lines = open(unit, encoding="utf-8").read().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


def groups() -> dict[str, set[str]]:
    """systemd's groups of system calls, as this machine's has them."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True, timeout=60).stdout
    found: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = set()
        elif name and line.startswith(" ") and not line.strip().startswith("#"):
            found[name].add(line.strip())
    return found


def expanded(name: str, known: dict[str, set[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return set().union(*(expanded(inner, known) for inner in known[name]))


def allowed(unit: str) -> set[str]:
    known = groups()
    # What systemd always adds to a list of what is allowed (man 5 systemd.exec).
    calls = expanded("@default", known)
    for name, value in directives(unit):
        if name != "SystemCallFilter":
            continue
        named = set().union(*(expanded(one, known) for one in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def main(unit: str, output: str, action: str, *spared: str) -> None:
    settings = dict(directives(unit))
    calls = allowed(unit)
    left_out = ERRNO(getattr(errno, settings["SystemCallErrorNumber"]))
    assert settings["SystemCallArchitectures"] == "native"
    filters = SyscallFilter(left_out if action == "errno" else KILL_PROCESS)
    special = set()

    def refuse(call: str, number: int, *arguments: Arg) -> None:
        special.add(call)
        # A rule that does what is done anyway is refused.
        if action == "kill" or ERRNO(number) != left_out:
            filters.add_rule(ERRNO(number), call, *arguments)

    def number_of(call: str) -> int:
        return seccomp.resolve_syscall(seccomp.Arch(), call)

    for call in spared:
        assert call not in calls, f"{call} is not left out"
        refuse(call, errno.EPERM)
    # With another default than "allow", what is let through has to be told by its arguments, too.
    families = sorted(FAMILIES[one] for one in settings["RestrictAddressFamilies"].split())
    special.add("socket")
    for family in range(families[-1] + 1):
        if family in families:
            filters.add_rule(ALLOW, "socket", Arg(0, EQ, family))
        else:
            refuse("socket", errno.EAFNOSUPPORT, Arg(0, EQ, family))
    refuse("socket", errno.EAFNOSUPPORT, Arg(0, GE, families[-1] + 1))
    if settings["MemoryDenyWriteExecute"] == "yes":
        both = mmap.PROT_WRITE | mmap.PROT_EXEC
        refuse("mmap", errno.EPERM, Arg(2, MASKED_EQ, both, both))
        filters.add_rule(ALLOW, "mmap", Arg(2, MASKED_EQ, mmap.PROT_EXEC, 0))
        filters.add_rule(ALLOW, "mmap", Arg(2, MASKED_EQ, both, mmap.PROT_EXEC))
        for call in ("mprotect", "pkey_mprotect"):
            refuse(call, errno.EPERM, Arg(2, MASKED_EQ, mmap.PROT_EXEC, mmap.PROT_EXEC))
            filters.add_rule(ALLOW, call, Arg(2, MASKED_EQ, mmap.PROT_EXEC, 0))
    if settings["RestrictNamespaces"] == "yes":
        # Its flags lie in memory, where no filter sees them; the C library goes back to clone (2.34 and later).
        refuse("clone3", errno.ENOSYS)
        refuse("setns", errno.EPERM)
        refuse("unshare", errno.EPERM)
        every = sum(CLONE_NEW.values())
        special.add("clone")
        filters.add_rule(ALLOW, "clone", Arg(0, MASKED_EQ, every, 0))
        for flag in CLONE_NEW.values():
            refuse("clone", errno.EPERM, Arg(0, MASKED_EQ, flag, flag))
    if settings["RestrictSUIDSGID"] == "yes":
        bits = stat.S_ISUID | stat.S_ISGID
        for call, place in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            filters.add_rule(ALLOW, call, Arg(place, MASKED_EQ, bits, 0))
            for bit in (stat.S_ISUID, stat.S_ISGID):
                refuse(call, errno.EPERM, Arg(place, MASKED_EQ, bit, bit))
    if settings["LockPersonality"] == "yes":
        filters.add_rule(ALLOW, "personality", Arg(0, EQ, 0))
        refuse("personality", errno.EPERM, Arg(0, GE, 1))
    for call in sorted(calls - special):
        # Other architectures' calls have no number here.
        if number_of(call) >= 0:
            filters.add_rule(ALLOW, call)
    with open(output, "wb") as file:
        filters.export_bpf(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
