# shellcheck shell=bash disable=SC2034 # the lists are for who sources this
# install.sh: Debian packages: which are missing, and apt-get for exactly those.
#
# A need is a line "PACKAGE KIND ARGUMENT": KIND is one of the have_* functions below, so that a tool
# which came another way than by its package counts too. When nothing is missing, apt-get is not run.
# tests/run uses this file as well.

readonly NEEDS_BASE='
curl cmd curl
python3 cmd python3
iproute2 cmd ss
ca-certificates file /etc/ssl/certs/ca-certificates.crt'

readonly NEEDS_BUILD='
gcc cmd cc
libc6-dev header stdio.h
cmake cmake 3.25
ninja-build cmd ninja
pkg-config cmd pkg-config
librdkafka-dev pc rdkafka >= 2.0.2
libjson-c-dev pc json-c >= 0.16
libcurl4-openssl-dev pc libcurl
libpq-dev pc libpq >= 15
libssl-dev pc libcrypto
zlib1g-dev pc zlib
libcivetweb-dev header civetweb.h
uthash-dev header uthash.h'

readonly NEEDS_JAVA='
default-jre-headless java 17'

readonly NEEDS_MAVEN='
maven cmd mvn'

readonly NEEDS_POSTGRES_CLIENT='
postgresql-client cmd psql'

readonly NEEDS_POSTGRES='
postgresql postgres_server 15'

readonly NEEDS_TLS='
openssl cmd openssl'

readonly NEEDS_PGBOUNCER='
pgbouncer file /usr/sbin/pgbouncer'

have_cmd() { command -v "$1" >/dev/null; }
have_sbin() { [ -x "/usr/sbin/$1" ]; }
have_file() { [ -e "$1" ]; }
have_pc() { pkg-config --exists "$1" 2>/dev/null; }
have_header() { compgen -G "/usr/include/$1" >/dev/null || compgen -G "/usr/include/*/$1" >/dev/null || [ -e "/usr/local/include/$1" ]; }
have_python() { python3 -c "import $1" 2>/dev/null; }
have_java() { java_find >/dev/null; }
have_postgres_server() { postgres_bindir >/dev/null; }

have_cmake() {
    local version
    version=$(cmake --version 2>/dev/null | sed -n '1s/^cmake version //p')
    [ -n "$version" ] && printf '%s\n' "$1" "$version" | sort -CV
}

# Prints the first java of version 17 or later; fails when there is none.
java_find() {
    local java major
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [ -x "$java" ] || continue
        major=$("$java" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
        if [ "${major:-0}" -ge 17 ]; then
            echo "$java"
            return 0
        fi
    done
    return 1
}

# Prints the folder of the newest PostgreSQL server, 15 or later; fails when there is none.
postgres_bindir() {
    local dir version
    for dir in "$(pg_config --bindir 2>/dev/null || true)" $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV); do
        [ -x "$dir/postgres" ] || continue
        version=$("$dir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        if [ "${version:-0}" -ge 15 ] && [ -x "$dir/initdb" ]; then
            echo "$dir"
            return 0
        fi
    done
    return 1
}

# needs_missing LINES: the packages whose test fails, one a line.
needs_missing() {
    local package kind argument
    while read -r package kind argument; do
        [ -n "$package" ] || continue
        "have_$kind" "$argument" || echo "$package"
    done <<<"$1"
}

# install_needs LOG LINES: installs what is missing of LINES, and ends the script when that fails.
install_needs() {
    local log=$1 needs=$2 missing=() still=()
    mapfile -t missing < <(needs_missing "$needs")
    [ "${#missing[@]}" -gt 0 ] || return 0
    have_cmd apt-get ||
        die packages "missing here, and there is no apt-get to install it: ${missing[*]} (names as on Debian)"
    [ "$EUID" -eq 0 ] || have_cmd sudo ||
        die packages "missing: run this as root first: apt-get install ${missing[*]}"
    say packages "installing ${missing[*]} (log: $log)"
    packages_install "${missing[@]}" </dev/null >>"$log" 2>&1 8>&- 9>&- ||
        die_with_log packages "apt-get could not install ${missing[*]}" "$log"
    mapfile -t still < <(needs_missing "$needs")
    [ "${#still[@]}" -eq 0 ] ||
        die packages "installed, but still missing or too old: ${still[*]} (Debian 12 or Ubuntu 24.04, or later, is needed)"
}

as_root() {
    if [ "$EUID" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@"
}

# Package lists may be absent or old: then update them and try again. The PostgreSQL package would
# start a server of the machine's own on port 5432; that is held off while it is installed.
packages_install() {
    local hold=/etc/postgresql-common/createcluster.d/backstitch-local.conf code=0
    if [[ " $* " == *" postgresql "* ]]; then
        as_root mkdir -p "${hold%/*}"
        echo "create_main_cluster = false" | as_root tee "$hold" >/dev/null
    fi
    apt_install "$@" || { as_root apt-get update && apt_install "$@"; } || code=$?
    as_root rm -f "$hold"
    return "$code"
}

# package_unpack PART PACKAGE: Debian's package, unpacked into build/PACKAGE and not installed, for a
# program that would start a server of its own.
package_unpack() {
    local log=$STATE/log/packages.log folder=$CHECKOUT/build/$2
    build_lock
    if [ ! -d "$folder" ]; then # else another stack has fetched it meanwhile
        say "$1" "fetching Debian's package $2 (log: $log)"
        rm -rf -- "$folder.new"
        mkdir -p -- "$folder.new"
        {
            (cd -- "$folder.new" && apt-get download -q "$2") &&
                dpkg-deb -x "$folder.new/$2"_*.deb "$folder.new"
        } >>"$log" 2>&1 || die_with_log "$1" "its package could not be fetched (apt-get update may help)" "$log"
        mv -T -- "$folder.new" "$folder"
    fi
    build_unlock
}
