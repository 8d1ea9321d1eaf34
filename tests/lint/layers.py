"""The include arrows of the architecture: who may include whom, and where a library's header may appear.

    common/base <- common/service <- ingest, loader
    common/base <- common/contract <- ingest, loader
    ingest/commands -> request -> { http, events, durable, registry }
    loader/commands -> consume -> load -> { mapping, postgres }, postgres -> mapping
Service and contract never include each other, ingest and loader never include each other. A library's header appears in .c files only, and
only in folders that may know the library.
"""

import sys

import tree

COMMON = {"common/base", "common/service", "common/contract"}

MAY_INCLUDE = {
    "common/base": {"common/base"},
    "common/service": {"common/base", "common/service"},
    "common/contract": {"common/base", "common/contract"},
    "ingest/commands": COMMON | {"ingest/commands", "ingest/request", "ingest/http", "ingest/events", "ingest/durable", "ingest/registry"},
    "ingest/request": COMMON | {"ingest/request", "ingest/http", "ingest/events", "ingest/durable", "ingest/registry"},
    "ingest/http": {"common/base", "ingest/http"},
    "ingest/events": {"common/base", "common/contract", "ingest/events"},
    "ingest/durable": COMMON | {"ingest/durable"},
    "ingest/registry": COMMON | {"ingest/registry"},
    "loader/commands": COMMON | {"loader/commands", "loader/consume", "loader/load", "loader/mapping", "loader/postgres"},
    "loader/consume": COMMON | {"loader/consume", "loader/load"},
    "loader/load": COMMON | {"loader/load", "loader/mapping", "loader/postgres"},
    "loader/postgres": COMMON | {"loader/postgres", "loader/mapping"},
    "loader/mapping": {"common/base", "common/contract", "loader/mapping"},
}

MAY_USE = {
    "common/base": set(),
    "common/service": {"librdkafka", "civetweb", "json-c"},
    "common/contract": {"openssl"},
    "ingest/commands": {"librdkafka", "json-c", "openssl", "libcurl", "zlib"},
    "ingest/request": {"openssl"},
    "ingest/http": {"civetweb", "zlib"},
    "ingest/events": set(),
    "ingest/durable": {"librdkafka"},
    "ingest/registry": {"json-c", "openssl"},
    "loader/commands": {"json-c"},
    "loader/consume": {"librdkafka"},
    "loader/load": set(),
    "loader/postgres": {"libpq"},
    "loader/mapping": {"uthash"},
}

LIBRARY_OF = {
    "librdkafka/rdkafka.h": "librdkafka",
    "civetweb.h": "civetweb",
    "libpq-fe.h": "libpq",
    "zlib.h": "zlib",
    "curl/curl.h": "libcurl",
    "uthash.h": "uthash",
}


def library_of(header: str) -> str | None:
    """The library of an angle-bracket include; None for the C library's and the system's own."""
    if header in LIBRARY_OF:
        return LIBRARY_OF[header]
    first = header.split("/")[0]
    return first if first in {"json-c", "openssl", "librdkafka"} else None


def folder_of(path: str) -> str:
    """The longest folder of the rules that the path lies in."""
    return max((f for f in MAY_INCLUDE if path.startswith(f + "/")), key=len)


def findings_of(path: str, header: str) -> list[str]:
    folder = folder_of(path)
    inner = header[1:-1]
    if header[0] == '"':
        known = [f for f in MAY_INCLUDE if inner.startswith(f + "/")]
        if not known:
            return [f"{path}: {header} is not a path from the root"]
        target = max(known, key=len)
        allowed = MAY_INCLUDE[folder]
        ok = target in allowed or any(target.startswith(a + "/") for a in allowed if folder == a)
        return [] if ok else [f"{path}: {folder} may not include {target} ({inner})"]
    library = library_of(inner)
    if library is None:
        return []
    if path.endswith(".h"):
        return [f"{path}: {header} stands in a header; only .c files may know {library}"]
    return [] if library in MAY_USE[folder] else [f"{path}: {folder} may not know {library}"]


def main() -> int:
    sources = tree.files(".c", ".h")
    findings = []
    for path in sources:
        for header in tree.includes(path):
            findings += findings_of(tree.name(path), header)
    return tree.report("layers", findings, len(sources))


if __name__ == "__main__":
    sys.exit(main())
