#!/bin/sh
# Makes the project's virtual environment: bootstrap.sh FOLDER [SALT], with another Salt than requirements.txt names if a version
# is given. Everything else is Python and runs in it.
set -eu

venv=$1
python=${PYTHON:-python3}

fail() {
    echo "error: $1" >&2
    exit 2
}

if ! command -v "$python" >/dev/null || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    command -v apt-get >/dev/null || fail "$python with its venv module is missing, and there is no apt-get to install it with"
    [ "$(id -u)" = 0 ] || fail "the Debian package python3-venv is missing: install it, or run this as root"
    echo "installing what is missing on this machine: python3-venv" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv ca-certificates >/dev/null
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$("$python" --version) is too old: 3.10 is needed"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# uv resolves and installs the lot in half of pip's time.
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
echo "${2:+salt==$2}" | "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" \
    --requirement requirements-dev.txt --override requirements-override.txt --override -
touch "$venv/.installed"
