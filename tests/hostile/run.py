"""Sends a server of its own what its OpenAPI document allows, and what it forbids. `make hostile` runs it.

    python3 tests/hostile/run.py [--torchboard BINARY] [--examples N] [--seconds N] [--seed N] [PATH ...]

schemathesis makes requests from the document, good and bad, and holds every answer against it: no fault of the server,
no status, type or shape that is not in the document, nothing bad taken for good. The server has a folder of its own, the
runs that come with the program, no data sets, and nowhere to fetch them from; it is stopped at the end, and must not have
panicked. With PATHs (as the document writes them) only these are tried. Ends with status 1 when something was found.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import setup

CARGO = os.environ.get("CARGO", "cargo")
# What is left out: whether good data is taken can't be asked where a data set may be missing or a run not done, and there
# is nobody to sign in as on a server of one's own (tests/integration/accounts.rs does that). hooks.py looks for faults.
CHECKS_LEFT_OUT = "not_a_server_error,positive_data_acceptance,ignored_auth,object_level_authorization"
# Streams end when what they follow does.
STREAMS = "/events$"
NOBODY = "http://127.0.0.1:9"


def main():
    parser = argparse.ArgumentParser(description="Attacks a server of its own with what its OpenAPI document allows and forbids.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="as the document writes it; all when none is named")
    parser.add_argument("--torchboard", type=Path, help="the binary; built when none is named")
    parser.add_argument("--examples", type=int, default=50, help="requests of each kind for each operation (50)")
    parser.add_argument("--seconds", type=int, default=600, help="so long at most (600)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same requests (0)")
    arguments = parser.parse_args()
    schemathesis = installed()
    binary = arguments.torchboard or built()
    with tempfile.TemporaryDirectory(prefix="torchboard-hostile-") as folder:
        log = Path(folder, "log")
        server, address = serve(binary, Path(folder, "data"), log)
        try:
            found = attack(schemathesis, address, arguments, folder)
            alive = server.poll() is None
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
        said = log.read_text(errors="replace")
    faults = [line for line in said.splitlines() if "panicked" in line or "internal error" in line.lower()]
    if faults:
        print("the server's log:", *faults[:20], sep="\n  ")
    if not alive:
        print("the server did not live to the end; its last words:", *said.splitlines()[-5:], sep="\n  ")
    sys.exit(1 if found or faults or not alive else 0)


def attack(schemathesis, address, arguments, folder):
    """Whether anything was found. What schemathesis keeps for itself goes into `folder`."""
    chosen = [part for path in arguments.paths for part in ("--include-path", path)]
    command = [
        str(schemathesis), "run", f"{address}/api/v1/openapi.json", "--checks", "all", "--exclude-checks", CHECKS_LEFT_OUT,
        "--exclude-path-regex", STREAMS, *chosen, "--phases", "examples,coverage,fuzzing", "--max-examples", str(arguments.examples),
        "--seed", str(arguments.seed), "--continue-on-failure", "--request-timeout", "40", "--generation-database", "none",
        "--suppress-health-check", "all", "--no-color",
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "TORCHBOARD_SERVER": address, "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL) as process:
        try:
            found = process.wait(timeout=arguments.seconds) != 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it tells what it has found so far
            print(f"stopped after {arguments.seconds} s: ask for less with --examples, or give it longer with --seconds")
            found = True
    print(f"{time.monotonic() - began:.0f} s")
    return found


def serve(binary, folder, log):
    """A server on a free port, once it answers, and its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCHBOARD_")}
    environment |= {"TORCHBOARD_MIRROR": NOBODY, "NO_COLOR": "1"}
    command = [str(binary), "serve", "--address", "127.0.0.1:0", "--device", "cpu", "--data-dir", str(folder)]
    with open(log, "wb") as errors:
        server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)
    first = server.stdout.readline()
    if not first.startswith("listening on "):
        server.kill()
        sys.exit(f"the server did not start: {first}{log.read_text(errors='replace')}")
    return server, first.removeprefix("listening on ").strip()


def installed():
    """The command of schemathesis in a virtual environment in the cache, made anew when the pins change."""
    folder = setup.CACHE / "hostile-venv"
    requirements = HERE / "requirements.txt"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    command = folder / "bin" / "schemathesis"
    setup.CACHE.mkdir(parents=True, exist_ok=True)
    with setup.locked("hostile"):
        if stamp.exists() and stamp.read_text() == wanted:
            return command
        print(f"installing schemathesis into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        if subprocess.run([sys.executable, "-m", "venv", str(folder)]).returncode != 0:
            sys.exit("Python's venv is not installed: sudo apt-get install python3-venv")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
        subprocess.run([*pip, "--requirement", str(requirements)], check=True)
        stamp.write_text(wanted)
    return command


def built():
    """The path of the binary, built when it is not."""
    told = subprocess.run([CARGO, "build", "--release", "--locked", "--bin", "torchboard", "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if told.returncode != 0:
        sys.exit("the build failed; see above")
    artefacts = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    return next(artefact["executable"] for artefact in artefacts if artefact.get("executable"))


if __name__ == "__main__":
    main()
