"""Runs the checks (`check`), or the checks and the tests (`test`), and closes with a summary.

Every step runs even when one before it failed, so that one run tells everything. Tests that could not run print a line
that begins with "skipped"; the summary repeats those lines.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dependencies

ROOT = Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")
CHECKS = {
    "scripts": [sys.executable, "-m", "unittest", "discover", "--quiet", "--start-directory", "tools"],
    "formatting": [CARGO, "fmt", "--all", "--check"],
    "clippy": [CARGO, "clippy", "--release", "--locked", "--all-targets", "--", "-D", "warnings"],
    "rustdoc": [CARGO, "doc", "--release", "--locked", "--no-deps", "--document-private-items"],
}
# The tests build first: clippy then reuses the C++ bindings that it compiled.
# Without our side of the benchmarks, which clippy checks and nothing here runs.
BUILD = {"build": [CARGO, "build", "--release", "--locked", "--lib", "--bins", "--tests"]}
TESTS = {"tests": [CARGO, "test", "--release", "--locked", "--no-fail-fast", "--lib", "--tests", "--", "--show-output"]}


def main(arguments):
    if arguments not in (["check"], ["test"]):
        sys.exit(__doc__)
    testing = arguments == ["test"]
    steps = {**(BUILD if testing else {}), **CHECKS, "dependencies": None, **(TESTS if testing else {})}
    results, notes, counts = {}, [], {"passed": 0, "failed": 0, "ignored": 0}
    began = time.monotonic()
    for name, command in steps.items():
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        if name == "dependencies":
            passed = check_dependencies(notes)
        elif name == "tests":
            passed = run_tests(command, notes, counts)
        else:
            environment = {**os.environ, "RUSTDOCFLAGS": f"{os.environ.get('RUSTDOCFLAGS', '')} -D warnings".strip()}
            passed = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode == 0
        results[name] = (passed, time.monotonic() - start)
    print("\n== summary")
    for name, (passed, seconds) in results.items():
        print(f"{name:14}{'ok' if passed else 'FAILED':8}{seconds:7.1f} s")
    if testing:
        print(f"{counts['passed']} tests passed, {counts['failed']} failed, {counts['ignored']} ignored; {time.monotonic() - began:.0f} s in all")
    for note in notes:
        print(note)
    sys.exit(0 if all(passed for passed, _ in results.values()) else 1)


def run_tests(command, notes, counts):
    """Shows cargo's lines as they come, but of what passing tests printed only why some were skipped."""
    within_successes = False
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            stripped = line.strip()
            if re.match(r"skipped\b", stripped, re.IGNORECASE) and stripped not in notes:
                notes.append(stripped)
            if stripped == "successes:":
                within_successes = True
            elif stripped == "failures:" or line.startswith("test result:"):
                within_successes = False
            if counted := re.match(r"test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", line):
                for key, number in zip(counts, counted.groups()):
                    counts[key] += int(number)
            if not within_successes:
                print(line, end="", flush=True)
    return process.returncode == 0


def check_dependencies(notes):
    """Licences, bans and sources always; known vulnerabilities where cargo-deny and its database can be had."""
    problems = dependencies.problems(ROOT, CARGO)
    print("\n".join(problems) if problems else "licences, bans and sources are as deny.toml says")
    if not shutil.which("cargo-deny"):
        notes.append("skipped: known vulnerabilities (cargo-deny is not installed: cargo install --locked cargo-deny)")
        return not problems
    denied = subprocess.run([CARGO, "deny", "--offline", "check", "licenses", "bans", "sources"], cwd=ROOT, stdin=subprocess.DEVNULL).returncode != 0
    fetched = subprocess.run([CARGO, "deny", "fetch", "db"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    if fetched:
        denied |= subprocess.run([CARGO, "deny", "--offline", "check", "advisories"], cwd=ROOT, stdin=subprocess.DEVNULL).returncode != 0
    else:
        notes.append("skipped: known vulnerabilities (the advisory database could not be fetched)")
    return not problems and not denied


if __name__ == "__main__":
    main(sys.argv[1:])
