#!/bin/sh
# Make .venv from the lock file: the one thing `make demo` and `make test` need besides python3 and make.
# Says in one sentence what to install when something is missing.
set -eu

cd "$(dirname "$0")/../.."
VENV=.venv
UV_VERSION=0.13.8

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '==> %s\n' "$1"
}

# Python that can run callfold: an explicit choice by PYTHON=, or the first of these that is new enough.
find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

make_virtual_environment() {
    python=$(find_python) || fail "callfold needs Python 3.11 or newer; install it (Debian, Ubuntu: apt-get install python3 python3-venv) or name one: make install PYTHON=/path/to/python3"
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$("$python" -c 'import sys; print(sys.executable)') cannot make virtual environments; install its venv and pip parts (Debian, Ubuntu: apt-get install python3-venv)"
    say "making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV" || fail "could not make $VENV; see the lines above"
}

# A folder that was moved, or made by a Python that has gone, is made again.
if ! "$VENV/bin/python" -c 'import pip' >/dev/null 2>&1; then
    make_virtual_environment
fi

if [ "$("$VENV/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    say "installing uv $UV_VERSION, which reads the lock file"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" ||
        fail "could not install uv $UV_VERSION; is the Python package index reachable?"
fi

say "installing the locked packages (some 700 MB to fetch when nothing is cached)"
quiet=--quiet
[ ! -t 2 ] || quiet=
# The machine's own certificates, so that a network with an inspecting proxy works; hard links are not possible
# when the cache is on another file system, and copying silently is better than a warning for each package.
VIRTUAL_ENV="$PWD/$VENV" UV_SYSTEM_CERTS=1 UV_LINK_MODE=${UV_LINK_MODE:-copy} \
    "$VENV/bin/uv" sync --active --frozen $quiet --extra embedded ||
    fail "could not install the locked packages; see the lines above (is the Python package index reachable?)"

touch "$VENV/.synced"
say "ready: $VENV/bin/callfold"
