# shellcheck shell=bash
# build.sh: the two programs and Kafka's jars: everything below build/, shared by all stacks of this
# checkout (and kept by `down --wipe`: it is build output, not state).

# One build at a time in a checkout, even when two stacks come up at once.
build_lock() {
    mkdir -p -- "$CHECKOUT/build"
    exec 8>>"$CHECKOUT/build/.lock"
    flock 8
}

build_unlock() {
    exec 8>&-
}

# Builds both programs; CMake does nothing, quickly, when no source has changed.
build_programs() {
    local log=$STATE/log/build.log start=$SECONDS
    build_lock
    if [ ! -x "$INGEST_BIN" ] || [ ! -x "$LOADER_BIN" ]; then
        say build "building both programs (log: $log)"
    fi
    (cd -- "$CHECKOUT" && build_run) >"$log" 2>&1 8>&- 9>&- ||
        die_with_log build "the programs do not build" "$log"
    build_unlock
    if grep -q '^ninja: no work to do' "$log"; then
        say build "up to date"
    else
        say build "built in $((SECONDS - start)) s"
    fi
}

build_run() {
    if [ ! -f build/release/build.ninja ]; then
        cmake --preset release
    fi
    cmake --build --preset release
}
