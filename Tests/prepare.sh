# Sourced by Tests/run, Tests/full, Tests/benchmark and examples/quickstart: what a machine needs before anything is built.
# shellcheck shell=bash

# What Swift itself needs to run and to link, what we link against, and what the tests and examples use.
DEBIAN_PACKAGES=(
    libncurses6 libxml2 binutils g++ libc6-dev libstdc++-12-dev git ca-certificates tzdata
    libsqlite3-dev zlib1g-dev
    python3 python3-venv curl openssl
    bubblewrap python3-seccomp systemd bindfs
)
SWIFT_MAJOR=6
SWIFT_MINOR=2

say() { printf '%s\n' "$*" >&2; }

# Ends with a word on what failed; the second argument is the exit status.
fail() {
    say "failed: $1"
    exit "${2:-1}"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "installing needs root or sudo; install by hand: ${DEBIAN_PACKAGES[*]}" 69
    fi
}

# Installs the Debian packages that are missing, and nothing where none is.
install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: taking it that these are there: ${DEBIAN_PACKAGES[*]}"
        return 0
    fi
    local missing=() package
    for package in "${DEBIAN_PACKAGES[@]}"; do
        # Another release of Debian has its C++ library's headers under another number; g++ brings the right ones.
        [ "$package" = libstdc++-12-dev ] && ls /usr/include/c++/*/vector >/dev/null 2>&1 && continue
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2 && return 0
    say "once more, with fresh lists"
    as_root apt-get update >&2 || fail "apt-get update" 69
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
        fail "apt-get install ${missing[*]}" 69
}

# A Swift toolchain of at least 6.2 on the PATH, or exit 69 with where to get one.
check_swift() {
    local where="get one from https://www.swift.org/install/linux/ and put its usr/bin on the PATH"
    command -v swift >/dev/null || fail "no Swift toolchain; at least $SWIFT_MAJOR.$SWIFT_MINOR is needed: $where" 69
    local version major minor
    version=$(swift --version 2>&1 || true)
    local said=$version
    version=$(sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' <<<"$said" | head -n 1)
    major=${version%%.*} minor=${version#*.}
    [ -n "$version" ] || fail "swift --version does not say its version but: $said; $where" 69
    if [ "$major" -lt "$SWIFT_MAJOR" ] || { [ "$major" = "$SWIFT_MAJOR" ] && [ "$minor" -lt "$SWIFT_MINOR" ]; }; then
        fail "Swift $version is too old; at least $SWIFT_MAJOR.$SWIFT_MINOR is needed: $where" 69
    fi
}

# The Python that runs the tests from outside: one of our own below .build-venv, with exact versions.
# Sets PYTHON.
prepare_python() {
    local venv="$1/.build-venv" wanted="$1/Tests/EndToEnd/requirements.txt"
    PYTHON="$venv/bin/python"
    if [ -x "$PYTHON" ] && cmp -s "$wanted" "$venv/installed.txt"; then return 0; fi
    say "preparing $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "python3 -m venv (Debian package python3-venv)" 69
    # The vendor's client asks for a gigabyte of data libraries that uploading does not use, so it comes without them.
    grep -v '^redivis==' "$wanted" | "$PYTHON" -m pip install --quiet --disable-pip-version-check -r /dev/stdin >&2 ||
        fail "pip install of Tests/EndToEnd/requirements.txt" 69
    grep '^redivis==' "$wanted" | "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -r /dev/stdin >&2 ||
        fail "pip install of the vendor's client" 69
    cp "$wanted" "$venv/installed.txt"
}
