#!/bin/sh
# Builds .venv from requirements.lock, on a machine that may have nothing but Python: Debian ships neither pip nor
# venv's ensurepip with it. Nothing is installed on the system; what is missing is unpacked below .runtime/.
# A second run costs a few milliseconds. PYTHON=/path/to/python3.12 picks the interpreter.
set -eu

cd "$(dirname "$0")/.."
venv=.venv
runtime="${PBX112_RUNTIME_DIR:-.runtime}"
unset PYTHONPATH PYTHONHOME
# PostgreSQL's programs in .venv run as the user nobody when we are root: they must be readable.
[ "$(id -u)" != 0 ] || umask 022

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# The path is part of it: a moved checkout has scripts that point to the old place.
wanted="$(pwd) $(cat requirements.lock pyproject.toml deploy/bootstrap-venv.sh | sha256sum)"
is_ready() {
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.ready" 2>/dev/null)" = "$wanted" ]
}

runs_us() {
    # Tried by running it: a version manager's shim may be there and have nothing behind it.
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs_us "$PYTHON" || die "PYTHON=$PYTHON is not a working Python 3.11 or 3.12."
        command -v "$PYTHON"
        return
    fi
    for name in python3.12 python3.11 python3; do
        if runs_us "$name"; then command -v "$name"; return; fi
    done
    if found="$(uv python find '>=3.11,<3.13' 2>/dev/null)" && runs_us "$found"; then
        printf '%s\n' "$found"
        return
    fi
    have="$(python3 -V 2>/dev/null || echo 'no python3')"
    die "pbx112 needs Python 3.11 or 3.12, and this machine has $have." \
        "(Newer ones do not do: the drill call's softphone, pjsua2-python, is published for 3.11 and 3.12 only.)" \
        "Debian 12 and Ubuntu 24.04 have it: apt-get install python3." \
        "Elsewhere: install uv (https://docs.astral.sh/uv/), run 'uv python install 3.12', and try again."
}

fetch_pip() {
    # Debian and Ubuntu keep pip as a wheel in a package of its own, and a wheel runs without being installed. An apt
    # state of our own lets an ordinary user read the package lists, and leaves the system's as they are.
    folder="$runtime/pip"
    wheel="$(ls "$folder"/usr/share/python-wheels/pip-*.whl 2>/dev/null | tail -n 1)"
    if [ -z "$wheel" ]; then
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
            die "Python has neither ensurepip nor pip here. Install them (Debian's python3-venv) and try again."
        say "Fetching pip from this machine's own package source ..."
        rm -rf "$folder"
        mkdir -p "$folder/lists/partial" "$folder/archives/partial"
        top="$(cd "$folder" && pwd)"
        {
            printf 'Dir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\n'
            printf 'Dir::State::lists "%s/lists";\nDir::Cache::archives "%s/archives";\n' "$top" "$top"
            printf 'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
            printf 'APT::Sandbox::User "root";\nAcquire::Languages "none";\nAcquire::Retries "3";\n'
            apt-config dump | grep -E '^Acquire::(http|https|ForceIPv[46])[: ]' || :
        } >"$folder/apt.conf"
        if ! {
            # One source of several that is away or out of date does not matter if the package is to be had.
            APT_CONFIG="$top/apt.conf" apt-get -q update || :
            (cd "$folder" && APT_CONFIG="$top/apt.conf" apt-get -q download python3-pip-whl) &&
                dpkg-deb -x "$folder"/python3-pip-whl_*.deb "$folder"
        } >"$folder.log" 2>&1; then
            tail -n 15 "$folder.log" >&2
            die "pip could not be fetched. Install it (as root: apt-get install python3-venv) and try again."
        fi
        rm -rf "$folder/lists" "$folder/archives" "$folder"/*.deb "$folder.log"
        wheel="$(ls "$folder"/usr/share/python-wheels/pip-*.whl | tail -n 1)"
    fi
    printf '%s\n' "$wheel"
}

make_venv() {
    if runs_us "$venv/bin/python" && "$venv/bin/python" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)'; then
        return
    fi
    python="$(find_python)"
    say "Making $venv with $("$python" -V) ($python) ..."
    rm -rf "$venv"
    # --without-pip needs no ensurepip, so it works where Debian has split python3-venv off.
    "$python" -m venv --without-pip "$venv" || die "$python cannot make a virtual environment."
}

pip() {
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        "$venv/bin/python" -m pip "$@"
    else
        "$venv/bin/python" "$pip_wheel/pip" "$@"
    fi
}

is_ready && exit 0
mkdir -p "$runtime"
if command -v flock >/dev/null; then
    exec 9>"$runtime/venv.lock"
    flock 9
    is_ready && exit 0
fi
make_venv
pip_wheel=
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null && ! "$venv/bin/python" -m ensurepip >/dev/null 2>&1; then
    pip_wheel="$(fetch_pip)"
fi
say "Installing the Python packages of requirements.lock ..."
pip install -q --disable-pip-version-check --no-input --require-hashes -r requirements.lock ||
    die "The Python packages could not be installed. Check the network (pip's own settings are used), and try again."
pip install -q --disable-pip-version-check --no-input --no-deps --no-build-isolation -e . ||
    die "pbx112 itself could not be installed into $venv."
printf '%s' "$wanted" >"$venv/.ready"
