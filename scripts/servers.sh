#!/usr/bin/env bash
# Real servers for the tests: llama.cpp's own, and PostgreSQL from Debian's packages. One that cannot be had costs its
# tests (they skip and say so), never this script; CODECOMPOSE_REQUIRE_EDITORS=1 makes pytest refuse to skip PostgreSQL's.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export DEBIAN_FRONTEND=noninteractive

main() {
    "$root/.venv/bin/python" -m pip --disable-pip-version-check install --quiet --constraint "$root/constraints.txt" \
        xllamacpp gguf || echo "servers: no llama.cpp for this machine: its tests will be skipped" >&2
    postgresql_there || install_postgresql || echo "servers: no PostgreSQL: install the package postgresql yourself" >&2
}

postgresql_there() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Debian's package starts a server of its own; the tests make theirs, on a socket in a temporary folder.
install_postgresql() {
    command -v apt-get >/dev/null || return 1
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

main
