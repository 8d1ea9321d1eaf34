#!/usr/bin/env python3
"""The same checks of the command line for both programs: help, version, exit codes, mistakes, precedence, secrets, JSON.

usage: conformance.py PROGRAM

What is checked comes from the program's own --help (help_text.py); only the names that scripts rely on stand here. No server is
needed: Kafka and PostgreSQL are given addresses at which nobody answers. One line is printed for each check; exit code 1 when one
failed or none ran.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from help_text import NUMBERS, SMALLEST_UNIT, Option, Page, number, read_page

LONGEST_RUN_SECONDS = 40
SECRET = "hunter2s3cret"
NOBODY = {"KAFKA_BROKERS": "127.0.0.1:1", "PGHOST": "127.0.0.1", "PGPORT": "1"}

# Names and defaults that must not drift, whatever --help says.
CONTRACT = {
    "backstitch-ingest": {
        "commands": ("serve", "check", "drain", "topics", "source add", "source list", "source show", "source rotate",
                     "source connect", "source remove"),
        "defaults": {
            "KAFKA_BROKERS": "localhost:9092", "KAFKA_TOPIC_PREFIX": "segment", "KAFKA_CONFIG_FILE": None, "LOG_LEVEL": "info",
            "LOG_FORMAT": "logfmt", "INGEST_LISTEN": "0.0.0.0:8080", "INGEST_ADMIN_LISTEN": "127.0.0.1:8081",
            "INGEST_SOURCES_FILE": "sources.json", "INGEST_PUBLIC_URL": None, "INGEST_TRUSTED_PROXIES": None,
            "INGEST_SPOOL_DIR": None, "INGEST_SPOOL_MAX_BYTES": "1GiB",
            "INGEST_KAFKA_ACK_TIMEOUT": "1500ms", "INGEST_REQUEST_DEADLINE": "4s", "INGEST_BODY_TIMEOUT": "10s",
            "INGEST_MAX_BODY_BYTES": "20MiB", "INGEST_MAX_EVENT_BYTES": "1MiB", "INGEST_THREADS": None,
            "INGEST_MAX_INFLIGHT_BYTES": None, "INGEST_DRAIN_DELAY": "0s", "INGEST_SHUTDOWN_TIMEOUT": "25s"}},
    "backstitch-loader": {
        "commands": ("run", "check", "status", "columns list", "columns promote", "columns demote", "names"),
        "defaults": {
            "KAFKA_BROKERS": "localhost:9092", "KAFKA_TOPIC_PREFIX": "segment", "KAFKA_CONFIG_FILE": None, "LOG_LEVEL": "info",
            "LOG_FORMAT": "logfmt", "DATABASE_URL": None, "LOADER_ADMIN_LISTEN": "127.0.0.1:8082", "LOADER_GROUP": "backstitch-loader",
            "LOADER_BATCH_ROWS": "5000", "LOADER_BATCH_BYTES": "8MiB", "LOADER_BATCH_AGE": "5ms", "LOADER_DUPLICATES": "oldest",
            "LOADER_INTEGRATION_NAMES": None, "LOADER_SCHEMA": "open", "LOADER_NEW_COLUMNS_PER_HOUR": "100", "LOADER_ACCEPT_GAP": None,
            "LOADER_ACCEPT_NEW_LOG": None, "LOADER_GRANT_SELECT": None, "LOADER_MAX_COLUMNS": "800",
            "LOADER_IGNORE_PATHS": "integrations,_metadata,writeKey"}},
}

# Values that pass every check of a text option, by the name of its value in --help; else any word does.
TEXTS = {"CIDR,..": "10.0.0.0/{}", "URL": "https://in{}.example.org", "HOST:PORT,..": "127.0.0.1:{}", "TOPIC:PARTITION,..": "segment.track:{}"}


class Program:
    """The program under test, in a folder of its own and with no environment but what a check gives."""

    def __init__(self, path: str, folder: Path) -> None:
        self.path, self.folder, self.name = path, folder, Path(path).name
        self.prefix = self.name.removeprefix("backstitch-").upper() + "_"
        self.help = self.run("--help").stdout
        self.page = read_page(self.help)
        self.pages: dict[str, Page] = {name: read_page(self.run(*name.split(), "--help").stdout) for name in self.page.commands}

    @property
    def default(self) -> str:
        """The command that runs when none is named."""
        return next(iter(self.pages))

    def flags(self) -> list[tuple[str, Option]]:
        """Every flag there is, each with a command that takes it: the program's with the default one."""
        of_program = [(self.default, option) for option in self.page.options if option.flag]
        return of_program + [(name, option) for name, page in self.pages.items() for option in page.flags]

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **NOBODY, **given}

    def run(self, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Runs to its end; exit code -1 when that does not come."""
        try:
            return subprocess.run([self.path, *arguments], env=self.environment(given), cwd=self.folder, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=LONGEST_RUN_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([self.path, *arguments], -1, "", f"it ran for {LONGEST_RUN_SECONDS} s")

    def in_force(self, *flags: str, **given: str) -> tuple[dict[str, str], str]:
        """What the default command logs as its configuration, and its whole stderr until then; it is ended as soon as it is known."""
        given = {"LOG_LEVEL": "debug", **{o.env: "127.0.0.1:0" for o in self.page.options if o.kind == "listen"}, **given}
        values: dict[str, str] = {}
        text = ""
        with subprocess.Popen([self.path, *flags], env=self.environment(given), cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            guard = threading.Timer(LONGEST_RUN_SECONDS, process.kill)
            guard.start()
            for line in process.stderr:
                text += line
                fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
                if fields.get("event") == "configuration":
                    values[fields["option"]] = fields["value"].strip('"')
                if len(values) == len(self.page.options):
                    break
            process.kill()
            guard.cancel()
        return values, text


Result = Iterator[tuple[str, str]]
CHECKS: list[Callable[[Program], Result]] = []


def check(function: Callable[[Program], Result]) -> Callable[[Program], Result]:
    """A function that yields (name, why it failed or "")."""
    CHECKS.append(function)
    return function


def fault(done: subprocess.CompletedProcess[str], code: int, *told: str, untold: tuple[str, ...] = ()) -> str:
    """Why this is not the answer to a mistake (code 2: all on stderr) or to a question (code 0: all on stdout); "" when it is."""
    right, wrong, stream = (done.stdout, done.stderr, "stderr") if code == 0 else (done.stderr, done.stdout, "stdout")
    if done.returncode != code:
        return f"{done.args[1:]}: exit code {done.returncode}, not {code}; stderr: {done.stderr!r}"
    if wrong:
        return f"{done.args[1:]}: {stream} is not empty: {wrong!r}"
    missing = [part for part in told if part not in right]
    extra = [part for part in untold if part in right]
    return f"{done.args[1:]}: {missing or extra} {'is missing' if missing else 'should not be'} in {right!r}" if missing or extra else ""


def value_for(option: Option, step: int) -> str:
    """A valid value that is neither the default nor that of another step."""
    if option.kind == "choice":
        others = [c for c in option.choices if c != option.default]
        return others[step % len(others)]
    if option.kind == "listen":
        return f"127.0.0.{step + 1}:0"
    if option.kind == "switch":
        return "true"
    if option.kind == "text":
        return TEXTS.get(option.value, "conformance{}").format(step + 1)
    base = number(option.default) if option.default else (option.low or 0)
    is_near_the_end = option.high is not None and base + step + 1 > option.high
    return f"{base - step - 1 if is_near_the_end else base + step + 1}{SMALLEST_UNIT[option.kind]}"


def bad_values(option: Option) -> list[str]:
    """Values of all kinds that it must refuse."""
    if option.kind in NUMBERS:
        unit = SMALLEST_UNIT[option.kind]
        bad = ["many", "-1" + unit, "1.5" + unit, "99999999999999999999" + unit, "7 " + unit + "x"]
        bad += [] if unit == "" else ["10000", "10parsecs"]
        bad += [f"{option.high + 1}{unit}"] if option.high is not None else []
        bad += [f"{option.low - 1}{unit}"] if option.low else []
        return bad
    if option.kind == "listen":
        return ["nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http"]
    return ["no-such-choice", option.choices[0].upper() + "x", " " + option.choices[0]]


def with_argument(page: Page, name: str) -> tuple[str, ...]:
    """The command's words, with an argument where its usage line asks for one."""
    takes_one = page.usage.split(name, 1)[1].strip() != "[OPTION...]"
    return (*name.split(), "conformance") if takes_one else tuple(name.split())


# --- help and version --------------------------------------------------------------------------------------------------------------


@check
def help_of_the_program(p: Program) -> Result:
    done = p.run("--help")
    yield "help_goes_to_stdout_with_exit_code_0", fault(done, 0, f"Usage: {p.name} [COMMAND] [OPTION...]", "Commands:", "--help", "--version")
    yield "help_lists_the_exit_codes", fault(done, 0, "Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 stopped with work left")
    yield "short_help_is_the_same", "" if p.run("-h").stdout == done.stdout else "-h differs from --help"
    wrong = p.run("--no-such-flag", "nonsense", "--help", LOG_LEVEL="loud", **{p.prefix + "NO_SUCH": "1"})
    yield "help_works_whatever_else_is_wrong", fault(wrong, 0, f"Usage: {p.name}")
    broad = [line for line in done.stdout.splitlines() if line.startswith("  ") and len(line) > 100]
    yield "help_fits_100_columns", f"too long: {broad}" if broad else ""
    with Path("/dev/full").open("w") as full:
        code = subprocess.run([p.path, "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode
    yield "help_that_cannot_be_written_exits_1", "" if code == 1 else f"exit code {code}"


@check
def version(p: Program) -> Result:
    for words in ([], *(name.split() for name in p.pages)):
        done = p.run(*words, "--version")
        one_line = done.stdout.startswith(p.name + " ") and done.stdout.count("\n") == 1
        yield f"version_is_one_line[{' '.join(words)}]", fault(done, 0) or ("" if one_line else f"it is {done.stdout!r}")


@check
def help_of_commands(p: Program) -> Result:
    for name, page in p.pages.items():
        done = p.run(*name.split(), "--help")
        yield f"help_tells_usage_and_summary[{name}]", fault(done, 0, f"Usage: {p.name} {name}", f"{name}: {p.page.commands[name]}")
        yield f"help_lists_the_options_of_the_program[{name}]", "" if page.options == p.page.options else "they differ from the program's help"
    for group in sorted({name.split()[0] for name in p.pages if " " in name}):
        members = [name for name in p.pages if name.startswith(group + " ")]
        yield f"help_of_a_group_lists_its_commands[{group}]", fault(p.run(group, "--help"), 0, *members)
        yield f"a_group_alone_lists_its_commands[{group}]", fault(p.run(group), 2, *members)


@check
def names_that_must_not_drift(p: Program) -> Result:
    contract = CONTRACT[p.name]
    for name in contract["commands"]:
        yield f"command_is_there[{name}]", "" if name in p.pages else "--help does not list it"
    defaults = {option.env: option.default for option in p.page.options}
    for env, default in contract["defaults"].items():
        yield f"default_is_as_documented[{env}]", "" if defaults.get(env, "") == default else f"--help says {defaults.get(env, 'nothing')!r}"
    for option in (o for o in p.page.options if o.flag):
        flag = "--" + option.env.removeprefix(p.prefix).lower().replace("_", "-") + ("-file" if option.is_secret else "")
        yield f"flag_is_named_after_the_variable[{option.env}]", "" if option.flag == flag else f"it is {option.flag}, not {flag}"


# --- mistakes ----------------------------------------------------------------------------------------------------------------------


@check
def unknown_words(p: Program) -> Result:
    yield "an_unknown_command_exits_2_and_lists_all", fault(p.run("frobnicate"), 2, "'frobnicate'", *p.pages)
    yield "an_empty_command_exits_2", fault(p.run(""), 2, *p.pages)
    yield "control_characters_are_not_echoed", fault(p.run("x\x1b[31m"), 2, untold=("\x1b",))
    told = p.run("--log-level=loud", "--no-such-flag=1", "frobnicate")
    yield "mistakes_before_an_unknown_command_are_told_too", fault(told, 2, "'loud'", "'--no-such-flag'", "'frobnicate'")
    for name in p.pages:
        mistyped = (name + name[-1]).split()
        yield f"a_mistyped_command_is_recognised[{name}]", fault(p.run(*mistyped), 2, f"did you mean {name}?")


@check
def unknown_flags(p: Program) -> Result:
    for name, page in p.pages.items():
        words = with_argument(page, name)
        done = p.run(*words, "--no-such-flag")
        yield f"an_unknown_flag_exits_2_and_is_named[{name}]", fault(done, 2, "'--no-such-flag'", f"'{p.name} --help'")
        done = p.run(*words, "-Z")
        yield f"an_unknown_short_flag_exits_2[{name}]", fault(done, 2, "'-Z'")
    for name, option in p.flags():
        if not option.is_secret:
            done = p.run(*with_argument(p.pages[name], name), option.flag + option.flag[-1] + "=" + SECRET)
            yield f"a_mistyped_flag_is_recognised[{name} {option.flag}]", fault(done, 2, f"did you mean {option.flag}?", untold=(SECRET,))


@check
def arguments(p: Program) -> Result:
    for name, page in p.pages.items():
        wanted = page.usage.split(name, 1)[1].removesuffix("[OPTION...]").strip()
        if wanted:
            yield f"a_missing_argument_is_told[{name}]", fault(p.run(*name.split()), 2, f"{wanted} is missing")
            done = p.run(*name.split(), "--json" if page.has_json else "--log-level=info", "--", "--help")
            is_argument = done.returncode != 2 or "'--help': " in done.stderr  # of which the command may think what it likes
            yield f"two_dashes_end_the_flags[{name}]", "" if "Usage:" not in done.stdout and is_argument else f"{done}"
        if not wanted.endswith("..."):
            done = p.run(*with_argument(page, name), "too-many")
            yield f"an_argument_too_many_is_told[{name}]", fault(done, 2, "unexpected argument 'too-many'")
        done = p.run(*with_argument(page, name), "--json", "--no-such-flag")
        told = () if page.has_json else ("--json",)
        yield f"json_is_taken_only_where_facts_are_printed[{name}]", fault(done, 2, *told, untold=("--json",) if page.has_json else ())


@check
def bad_values_are_refused(p: Program) -> Result:
    for name, option in p.flags():
        if not option.is_checked:
            continue
        words = with_argument(p.pages[name], name)
        for value in bad_values(option):
            for typed in ((f"{option.flag}={value}",), (option.flag, value)):
                done = p.run(*words, *typed)
                yield (f"a_bad_value_is_refused_with_what_is_accepted[{name} {' '.join(typed)}]",
                       fault(done, 2, f"{option.flag}: '{value}' is refused", ": use ", ", for example "))
            if option.env:
                done = p.run(*words, **{option.env: value})
                yield f"a_bad_variable_is_refused[{option.env}={value}]", fault(done, 2, f"{option.env}: '{value}' is refused")
        yield f"an_empty_value_is_refused[{name} {option.flag}]", fault(p.run(*words, option.flag + "="), 2, f"{option.flag}: '' is refused")


@check
def missing_values_are_told(p: Program) -> Result:
    for name, option in p.flags():
        if option.kind == "switch":
            continue
        words = with_argument(p.pages[name], name)
        yield f"a_missing_value_is_told[{name} {option.flag}]", fault(p.run(*words, option.flag), 2, f"{option.flag}: the value is missing")
        done = p.run(*words, option.flag, "--no-such-flag")
        yield (f"a_flag_is_not_taken_for_a_value[{name} {option.flag}]",
               fault(done, 2, f"{option.flag}: the value is missing", "'--no-such-flag'"))


@check
def all_mistakes_are_told_at_once(p: Program) -> Result:
    checked = [option for option in p.page.options if option.is_checked]
    wrong = {option.env: bad_values(option)[0] for option in checked}
    done = p.run(p.default, **wrong)
    yield "all_bad_variables_are_told_at_once", fault(done, 2, *(f"{env}: '{value}' is refused" for env, value in wrong.items()))
    flags = [f"{option.flag}={bad_values(option)[0]}" for option in checked]
    done = p.run(p.default, *flags, "--no-such-flag", "too-many-1", "too-many-2", LOG_FORMAT="xml")
    told = [f"{option.flag}: '" for option in checked] + ["LOG_FORMAT: 'xml'", "'--no-such-flag'", "unexpected argument 'too-many-2'"]
    yield "all_bad_flags_and_words_are_told_at_once", fault(done, 2, *told)


@check
def unknown_variables(p: Program) -> Result:
    near = next(option.env for option in p.page.options if option.env.startswith(p.prefix))
    done = p.run("check", **{near + near[-1]: "1", p.prefix + "QQQQQQQQQQ": "1"})
    yield "an_unknown_variable_with_our_prefix_exits_2", fault(done, 2, f"'{near + near[-1]}'", f"did you mean {near}", f"'{p.prefix}QQQQQQQQQQ'")
    ours = p.name.removeprefix("backstitch-").upper()
    harmless = {f"{ours}_SERVICE_HOST": "10.0.0.1", f"{ours}_PORT": "tcp://10.0.0.1:80", f"{ours}_PORT_80_TCP_ADDR": "10.0.0.1",
                f"{ours}_BIN": p.path, f"{ours}_URL": "http://127.0.0.1:1", f"{ours}_ADMIN_URL": "http://127.0.0.1:1"}
    done = p.run("check", "--no-such-flag", **harmless)
    yield "variables_of_kubernetes_and_of_the_local_stack_are_let_be", fault(done, 2, "'--no-such-flag'", untold=tuple(harmless))


# --- what is in force --------------------------------------------------------------------------------------------------------------


def differences(wanted: dict[str, str | None], values: dict[str, str], name: str, options: dict[str, Option]) -> Result:
    for env, want in wanted.items():
        is_number = options[env].kind in NUMBERS
        seen = values.get(env)
        is_same = seen is not None and (number(seen) == (number(want) if want else 0) if is_number else seen == (want or ""))
        yield f"{name}[{env}]", "" if is_same else f"{seen!r} is in force, not {want!r}"


@check
def precedence(p: Program) -> Result:
    """Flag, then environment, then default; all three as the program itself reports them."""
    options = {option.env: option for option in p.page.options}
    # Not: where it listens and which files it reads, and what the log is read by.
    readable = {env: o for env, o in options.items() if o.kind not in ("listen", "switch") and not o.is_secret and o.value != "FILE"
                and env not in ("LOG_LEVEL", "LOG_FORMAT")}
    unset = {env: "" for env in readable}
    values, _ = p.in_force(**unset)
    yield from differences({env: o.default for env, o in readable.items()}, values, "an_empty_variable_means_the_default", options)
    from_environment = {env: value_for(o, 0) for env, o in readable.items()}
    values, _ = p.in_force(**from_environment)
    yield from differences(from_environment, values, "the_environment_goes_before_the_default", options)
    from_flags = {env: value_for(o, 1) for env, o in readable.items()}
    together = [f"{options[env].flag}={value}" for env, value in from_flags.items()]
    values, _ = p.in_force(*together, **from_environment)
    yield from differences(from_flags, values, "a_flag_goes_before_the_environment[--flag=value]", options)
    apart = [word for env, value in from_flags.items() for word in (options[env].flag, value)]
    values, _ = p.in_force(*apart, **from_environment)
    yield from differences(from_flags, values, "a_flag_goes_before_the_environment[--flag value]", options)


@check
def values_are_accepted_as_flags(p: Program) -> Result:
    """Flags of commands: only the unknown flag beside them is told."""
    for name, page in p.pages.items():
        for option in page.flags:
            words = with_argument(page, name)
            typed = (option.flag,) if option.kind == "switch" else (option.flag, value_for(option, 0))
            done = p.run(*words, *typed, "--no-such-flag")
            yield f"a_good_value_is_accepted[{name} {' '.join(typed)}]", fault(done, 2, "'--no-such-flag'", untold=(f"{option.flag}:",))


@check
def secrets(p: Program) -> Result:
    names = [option for option in p.page.options if option.is_secret]
    for option in names:
        value = f"postgresql://user:{SECRET}@127.0.0.1:1/none" if option.env == "DATABASE_URL" else SECRET
        flag = option.flag.removesuffix("-file") or "--" + option.env.removeprefix(p.prefix).lower().replace("_", "-")
        done = p.run("--help", **{option.env: value})
        yield f"help_shows_no_secret[{option.env}]", fault(done, 0, untold=(SECRET, f"{flag} "))
        for typed in ((f"{flag}={value}",), (flag, value)):
            yield f"a_secret_is_not_taken_from_a_flag[{' '.join(typed)}]", fault(p.run(*typed), 2, flag, option.env, untold=(SECRET,))
        values, text = p.in_force(**{option.env: value})
        yield f"the_log_masks_it[{option.env}]", "" if values.get(option.env) == "***" and SECRET not in text else f"{text!r}"
        yield from secret_files(p, option, value)


def secret_files(p: Program, option: Option, value: str) -> Result:
    """NAME_FILE and --name-file: the value stands in a file."""
    if not option.flag:
        return
    file, empty = p.folder / "secret", p.folder / "empty"
    file.write_text(value + "\n")
    empty.write_text("\n")
    values, text = p.in_force(**{option.env + "_FILE": str(file)})
    yield f"a_secret_comes_from_a_file[{option.env}_FILE]", "" if values.get(option.env) == "***" and SECRET not in text else f"{text!r}"
    values, text = p.in_force(option.flag, str(file))
    yield f"a_secret_comes_from_a_file[{option.flag}]", "" if values.get(option.env) == "***" and SECRET not in text else f"{text!r}"
    done = p.run(**{option.env: value, option.env + "_FILE": str(file)})
    yield f"a_secret_in_two_places_exits_2[{option.env}]", fault(done, 2, option.env, option.env + "_FILE", untold=(SECRET,))
    for name, path in (("missing", p.folder / "nowhere"), ("empty", empty)):
        yield f"a_secret_file_that_is_{name}_exits_2[{option.env}]", fault(p.run(option.flag, str(path)), 2, option.flag, str(path))
    if option.env == "DATABASE_URL":
        done = p.run(DATABASE_URL=f"postgresql://user:{SECRET}@[::1/none")
        yield "a_malformed_url_is_refused_without_showing_it", fault(done, 2, "DATABASE_URL", untold=(SECRET,))


# --- facts -------------------------------------------------------------------------------------------------------------------------


def one_document(done: subprocess.CompletedProcess[str]) -> str:
    """Exactly one JSON document on stdout; nothing there only beside a failure that stderr explains."""
    if done.returncode not in (0, 1) or (not done.stdout and not (done.returncode == 1 and done.stderr)):
        return f"exit code {done.returncode}, stdout {done.stdout!r}, stderr {done.stderr!r}"
    try:
        return "" if not done.stdout or json.loads(done.stdout) is not None else "the document is null"
    except json.JSONDecodeError as error:
        return f"{error}: {done.stdout!r}"


def run_for_facts(p: Program, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    page = p.pages[name]
    patience = ["--timeout=1s"] if any(option.flag == "--timeout" for option in page.flags) else []
    has_database = any(option.env == "DATABASE_URL" for option in page.options)
    given = {"DATABASE_URL": f"postgresql://user:{SECRET}@127.0.0.1:1/none"} if has_database else {}
    if name == "drain":  # a folder, with nothing in it
        folder = p.folder / f"spool{len(more)}"
        folder.mkdir(exist_ok=True)
        given["INGEST_SPOOL_DIR"] = str(folder)
    if name == "import":  # of a source that is there, and a file with nothing in it
        folder = p.folder / f"import{len(more)}"
        folder.mkdir(exist_ok=True)
        given["INGEST_SOURCES_FILE"] = str(folder / "sources.json")
        (folder / "empty").touch()
        p.run("source", "add", "conformance", **given)
        return p.run("import", str(folder / "empty"), "--source=conformance", "--dry-run", *more, **given)
    return p.run(*with_argument(page, name), *patience, *more, **given)


@check
def facts(p: Program) -> Result:
    """Commands that print facts, with nobody answering: as they wait for servers, they run beside each other."""
    names = [name for name, page in p.pages.items() if page.has_json]
    with ThreadPoolExecutor(2 * len(names)) as pool:
        runs = [(name, pool.submit(run_for_facts, p, name, "--json"), pool.submit(run_for_facts, p, name)) for name in names]
    for name, in_json, in_text in runs:
        asked, read = in_json.result(), in_text.result()
        named = asked.returncode == 0 or any(o.env in asked.stdout + asked.stderr for o in p.page.options) or "'conformance'" in asked.stderr
        all_text = asked.stdout + asked.stderr + read.stdout + read.stderr
        yield f"json_is_one_document_and_nothing_else[{name}]", one_document(asked)
        yield f"a_failure_names_the_option_or_input_at_fault[{name}]", "" if named else f"{asked.stdout!r} {asked.stderr!r}"
        yield f"without_json_people_read_text[{name}]", "" if read.stdout + read.stderr and not read.stdout.startswith("{") else f"{read}"
        yield f"no_secret_is_printed[{name}]", "" if SECRET not in all_text else f"{all_text!r}"


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: conformance.py PROGRAM", file=sys.stderr)
        return 2
    ran = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Program(str(Path(sys.argv[1]).resolve()), Path(folder))
        for function in CHECKS:
            for name, why in function(program):
                ran += 1
                failed += why != ""
                print(f"[  FAILED  ] {name}: {why}" if why else f"[       OK ] {name}")
    print(f"{ran} checks, {failed} failed")
    return 1 if failed or ran == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
