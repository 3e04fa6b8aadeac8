"""Measures Torchboard beside its peers and writes BENCHMARKS.md from the stored results. `make bench` runs it.

    python3 benches/run.py [--quick] [--report] [SUITE ...]

Each suite is benches/suites/SUITE.py; without names all of them run. `--quick` is a smoke run on small inputs: it says
whether a suite works, and its figures are neither stored nor reported. `--report` writes BENCHMARKS.md from what is
stored and measures nothing.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ROOT / "benches" / "suites"
RESULTS = ROOT / "benches" / "results"
REPORT = ROOT / "BENCHMARKS.md"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
CARGO = os.environ.get("CARGO", "cargo")
NOT_SUITES = {"common", "__init__"}
SKIPPED = 77  # what a suite ends with that lacks what it needs, and has said so


def main():
    known = sorted(path.stem for path in SUITES.glob("*.py") if path.stem not in NOT_SUITES)
    parser = argparse.ArgumentParser(description="Measures Torchboard beside its peers.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(known)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="a smoke run on small inputs; nothing is stored")
    parser.add_argument("--report", action="store_true", help="only write BENCHMARKS.md from the stored results")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.suites) - set(known)):
        parser.error(f"there is no suite {', '.join(unknown)}; there are {', '.join(known)}")
    failed = [] if arguments.report else measure(arguments.suites or known, arguments.quick)
    if not arguments.quick:
        REPORT.write_text(report(stored()))
        print(f"wrote {REPORT.relative_to(ROOT)}")
    sys.exit(f"these suites failed: {', '.join(failed)}" if failed else 0)


def measure(suites, quick):
    """Runs the suites one after another and names those that failed; a failed suite leaves its stored result alone."""
    python = peers()
    torchboard, ours = build()
    work = TARGET / "bench-work"
    work.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for suite in suites:
        print(f"\n== {suite}", flush=True)
        fresh = work / f"{suite}.json"
        fresh.unlink(missing_ok=True)
        command = [python, SUITES / f"{suite}.py", "--ours", ours, "--torchboard", torchboard, "--work", work, "--output", fresh]
        began = time.monotonic()
        done = subprocess.run([str(part) for part in command] + (["--quick"] if quick else []), cwd=ROOT, stdin=subprocess.DEVNULL)
        if done.returncode == SKIPPED:
            continue
        if done.returncode != 0 or not fresh.exists():
            print(f"{suite} failed with status {done.returncode}", file=sys.stderr)
            failed.append(suite)
            continue
        print("\n".join(table(json.loads(fresh.read_text()))))
        print(f"{suite}: {time.monotonic() - began:.0f} s")
        if not quick:
            shutil.copyfile(fresh, RESULTS / f"{suite}.json")
    return failed


def peers():
    """The Python of a virtual environment that holds the pinned peers, made anew when the pins change."""
    folder = TARGET / "bench-venv"
    python = folder / "bin" / "python"
    requirements = ROOT / "benches" / "requirements.txt"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        print(f"installing the peers into {folder}", flush=True)
        if not (sys.version_info >= (3, 11)):
            sys.exit("the peers need Python 3.11 or newer: PYTHON=python3.12 make bench")
        shutil.rmtree(folder, ignore_errors=True)
        if subprocess.run([sys.executable, "-m", "venv", str(folder)]).returncode != 0:
            sys.exit("Python's venv is not installed: sudo apt-get install python3-venv")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--requirement", str(requirements)], check=True)
        stamp.write_text(wanted)
    return python


def build():
    """The paths of the torchboard binary and of our side of the benchmarks."""
    command = [CARGO, "build", "--release", "--locked", "--bin", "torchboard", "--bench", "ours", "--message-format=json-render-diagnostics"]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if told.returncode != 0:
        sys.exit("the build failed; see above")
    artefacts = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    built = {artefact["target"]["name"]: artefact["executable"] for artefact in artefacts if artefact.get("executable")}
    return built["torchboard"], built["ours"]


def stored():
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]


def report(results):
    """BENCHMARKS.md: the stored figures, the machine each was measured on and the command that repeats it."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` from `benches/results/`; not edited by hand. Each row was measured beside its peer in the same run,",
        "interleaved and repeated; the figures are medians. How each is measured: [benches/README.md](benches/README.md).",
    ]
    for result in results:
        machine = result["machine"]
        lines += ["", f"## {result['title']}", "", *table(result), "", f"Repeat with `{result['command']}`. Measured on {describe(machine)}."]
    if not results:
        lines += ["", "Nothing is measured yet: run `make bench`."]
    return "\n".join(lines) + "\n"


def table(result):
    lines = ["| task | ours | peer | unit | ratio | wanted | |", "|---|--:|--:|---|--:|--:|---|"]
    for row in result["rows"]:
        peer = f"{figure(row['peer'])} ({row['peer_name']})" if row.get("peer") is not None else "-"
        ratio = f"{figure(row['ratio'])}x" if row.get("ratio") is not None else "-"
        lines.append(f"| {row['task']} | {figure(row['ours'])} | {peer} | {row['unit']} | {ratio} | {wanted(row)} | {row.get('note') or ''} |")
    return lines


def wanted(row):
    """Which ratio, and which bound on our own figure, a row should meet, and whether it does."""
    said = lambda met: "met" if met else "**missed**"
    parts = []
    if row.get("target") is not None and row.get("ratio") is not None:
        parts.append(f"{figure(row['target'])}x {said(row['ratio'] >= row['target'])}")
    if row.get("limit") is not None:
        lower = row["better"] == "lower"
        met = row["ours"] <= row["limit"] if lower else row["ours"] >= row["limit"]
        parts.append(f"at {'most' if lower else 'least'} {figure(row['limit'])} {said(met)}")
    return "; ".join(parts)


def figure(number):
    """Three significant digits, or the whole number."""
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"


def describe(machine):
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine.get("versions", {}).items()))
    return f"{machine['cpu']}, {machine['threads']} threads of {machine['cores']}, {machine['memory_gib']} GiB, {machine['system']}, {machine['date']}; {versions}"


if __name__ == "__main__":
    main()
