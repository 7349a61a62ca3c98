# shellcheck shell=bash
# What the scripts share: words on the terminal, Debian packages, and a PostgreSQL of their own in a
# temporary folder. To be sourced.

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "cannot install packages: neither root nor sudo; install them and run this again: $*"
    fi
}

install_packages() {
    command -v apt-get >/dev/null ||
        die "this machine lacks: $*. Install them (these are their Debian names) and run this again"
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# The folder with initdb and pg_ctl; nothing if there is none. The newest version wins.
postgres_bin() {
    local folder
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) \
        "$(dirname "$(command -v initdb || echo /nowhere/initdb)")"; do
        if [[ -x $folder/initdb && -x $folder/pg_ctl ]]; then
            echo "$folder"
            return
        fi
    done
}

postgres_dir=
postgres_pg_ctl=
postgres_user=$(id -un)

# PostgreSQL refuses root.
as_postgres() {
    if ((EUID == 0)); then
        runuser -u "$postgres_user" -- "$@"
    else
        "$@"
    fi
}

stop_postgres() {
    if [[ -n $postgres_dir ]]; then
        if [[ -f $postgres_dir/data/postmaster.pid ]]; then
            (cd / && as_postgres "$postgres_pg_ctl" -D "$postgres_dir/data" -m immediate -w stop) \
                >/dev/null 2>&1 || true
        fi
        rm -rf -- "$postgres_dir"
        postgres_dir=
    fi
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_postgres() {
    local bin password port try
    bin=$(postgres_bin)
    [[ -n $bin ]] || die "PostgreSQL is installed, but initdb and pg_ctl are not to be found"
    if ((EUID == 0)); then
        postgres_user=postgres
        id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
    fi
    postgres_pg_ctl=$bin/pg_ctl
    # Root's own temporary folder may be closed to the other user.
    postgres_dir=$(mktemp -d "$( ((EUID == 0)) && echo /tmp || echo "${TMPDIR:-/tmp}")/kenh-postgres.XXXXXX")
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && printf '%s\n' "$password" >"$postgres_dir/password")
    if ((EUID == 0)); then
        chown -R "$postgres_user" "$postgres_dir"
    fi
    (cd / && as_postgres "$bin/initdb" -D "$postgres_dir/data" -U kenh -E UTF8 --locale=C \
        -A scram-sha-256 --pwfile="$postgres_dir/password") >"$postgres_dir/initdb.log" 2>&1 ||
        die "initdb failed: $(cat "$postgres_dir/initdb.log")"
    for try in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 40000))
        port_is_free "$port" || continue
        # A port may be taken between the look and the start; then the next one is tried.
        if (cd / && as_postgres "$bin/pg_ctl" -D "$postgres_dir/data" -l "$postgres_dir/data/log" -w -t 60 \
            -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c max_connections=300" \
            start) >/dev/null 2>&1; then
            export KENH_TEST_POSTGRES_URL="postgres://kenh:$password@127.0.0.1:$port/postgres"
            say "PostgreSQL $("$bin/postgres" --version | grep -oE '[0-9]+(\.[0-9]+)*' | head -n1) on port $port (try $try)"
            return
        fi
    done
    cat "$postgres_dir/data/log" >&2 || true
    die "PostgreSQL did not start"
}
