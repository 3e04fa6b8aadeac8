"""Tries a tarball of `make dist` on a clean Debian: what it needs must be in it, or in every Debian. Needs root.

    python3 tools/try_dist.py TARBALL [--mirror URL]

debootstrap makes the smallest Debian there is, from the mirror that apt uses here. The tarball is unpacked there in a
folder with spaces in its name, and run without privileges: pages and shipped runs are asked for over HTTP, a network
is trained, and the server is stopped while it trains another one. Nothing is mounted outside of the namespaces of the
processes that are started here, so that nothing stays mounted whatever happens.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

SUITE = "bookworm"
PLACE = "srv/an odd place/for it"
DATA = "/var/lib/torchboard data"
TOOLS = {"debootstrap": "debootstrap", "unshare": "util-linux", "chroot": "coreutils", "tar": "tar", "xz": "xz-utils"}
NOBODY = 65534
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
PAGES = ["/", "/words", "/runs", "/skin", "/fashion", "/triplet", "/studies", "/datasets", "/api"]
# Seconds. Each wait ends when what is waited for happens; these only end a trial in which it never does.
PATIENCE = 1200
ANSWER = 120
TRAINING = {"system": "mlp", "config": {"dataset": "fashion-mnist-sample", "epochs": 2}}
LONG_TRAINING = {"system": "mlp", "config": {"dataset": "fashion-mnist-sample", "epochs": 10_000}}


class Failed(Exception):
    """What is missing for a trial, or what the trial found; a sentence."""


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarball", type=Path)
    parser.add_argument("--mirror", metavar="URL", help="where debootstrap finds Debian [default: where apt does]")
    given = parser.parse_args(arguments)
    try:
        check_tools()
        attempt(given.tarball, given.mirror)
    except Failed as failed:
        sys.exit(f"\n{failed}\n")


def check_tools():
    """Names everything that a trial will miss, all at once."""
    lacking = [f"{tool}: sudo apt-get install {package}" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if os.geteuid() != 0:
        lacking.append("root, who alone may make a Debian and enter it: sudo python3 tools/try_dist.py TARBALL, once `make dist` has made one")
    if lacking:
        raise Failed("the trial on a clean Debian lacks:\n" + "\n".join(f"  - {what}" for what in lacking))


def attempt(tarball, mirror=None):
    """Raises `Failed` unless the tarball does all that is asked of it."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is cleared away then too
    with tempfile.TemporaryDirectory(dir=tarball.resolve().parent, prefix=".debian-") as scratch:
        root = Path(scratch) / "root"
        make_debian(root, mirror or apt_mirror())
        say(f"Debian {(root / 'etc/debian_version').read_text().strip()}, {len(list((root / 'var/lib/dpkg/info').glob('*.list')))} packages")
        program = unpack(tarball, root)
        version = call(root, program, "--version").strip()
        say(f"{version}, in /{PLACE}")
        with serving(root, program) as address:
            run = first_visit(address, version)
        with serving(root, program) as address:
            second_visit(address, run)
        without_library(root, program)
    say(f"the tarball works; {time.monotonic() - began:.0f} s")


def make_debian(root, mirror):
    print(f"making a clean Debian {SUITE} with debootstrap", flush=True)
    with tempfile.TemporaryFile("w+") as output:
        command = [*apart(), "debootstrap", "--variant=minbase", SUITE, root, mirror]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT).returncode != 0:
            output.seek(0)
            raise Failed(f"debootstrap failed:\n{output.read()[-2000:]}")
    data = root / DATA.lstrip("/")
    data.mkdir(parents=True)
    os.chown(data, NOBODY, NOBODY)


def apt_mirror():
    """Where apt on this machine finds Debian's packages."""
    if not shutil.which("apt-get"):
        raise Failed("apt is not here to tell a mirror: name one with --mirror URL")
    listing = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"], stdout=subprocess.PIPE, text=True)
    if found := mirror_in(listing.stdout):
        return found
    raise Failed(f"apt on this machine knows no Debian {SUITE}: name a mirror with tools/try_dist.py TARBALL --mirror URL")


def mirror_in(listing):
    """The first address that offers the suite's main part; lines are address, suite, component."""
    rows = (line.split() for line in listing.splitlines())
    return next((row[0] for row in rows if row[1:] == [SUITE, "main"]), None)


def unpack(tarball, root):
    """The program's path within the root, after its checksums were compared there."""
    place = root / PLACE
    place.mkdir(parents=True)
    subprocess.run(["tar", "--extract", "--file", tarball, "--directory", place], check=True)
    (folder,) = place.iterdir()
    inside = f"/{PLACE}/{folder.name}"
    checked = call(root, "/bin/sh", "-c", 'cd "$0" && sha256sum --check SHA256SUMS', inside)
    listed = {line.rsplit(": ", 1)[0] for line in checked.splitlines()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if there - listed != {"SHA256SUMS"}:
        raise Failed(f"SHA256SUMS leaves out {sorted(there - listed - {'SHA256SUMS'})}")
    say(f"{len(listed)} files are as SHA256SUMS says")
    return f"{inside}/bin/torchboard"


@contextlib.contextmanager
def serving(root, program):
    """The address of a server; it is asked to stop when the block ends well, and must end well itself."""
    command = within(root, program, "--data-dir", DATA, "--threads", "1", "serve", "--address", "127.0.0.1:0")
    with tempfile.TemporaryFile("w+") as log:
        began = time.monotonic()
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT, text=True)
        alarm = threading.Timer(PATIENCE, server.kill)
        alarm.start()
        try:
            line = server.stdout.readline()
            if not line.startswith("listening on "):
                raise Failed(f"the server did not say where it listens, but {line!r}")
            say(f"serves {time.monotonic() - began:.1f} s after it was started")
            yield line.split()[-1]
            server.terminate()
            if (status := server.wait()) != 0:
                raise Failed(f"asked to stop, the server ended with status {status}")
            say("ends well when asked to stop")
        except (Failed, OSError, ValueError, KeyError) as problem:
            log.seek(0)
            what = problem if isinstance(problem, Failed) else repr(problem)
            raise Failed(f"{what}\nThe server's last words:\n{log.read()[-3000:]}") from problem
        finally:
            server.kill()  # does nothing to one that has ended
            server.wait()
            server.stdout.close()
            alarm.cancel()


def first_visit(address, version):
    """Asks for what a first visitor sees, and for two trainings; the answer is the second, which is under way then."""
    health = json.loads(ask(f"{address}/health"))
    if health["status"] != "ok" or health["version"] not in version:
        raise Failed(f"/health says {health}")
    say(f"/health: libtorch {health['libtorch']} on {health['device']}")
    for page in PAGES:
        if "</html>" not in ask(address + page):
            raise Failed(f"{page} is no whole page")
    say(f"pages: {' '.join(PAGES)}")
    runs = json.loads(ask(f"{address}/api/v1/runs"))["items"]
    if not runs or any(run["state"] != "done" for run in runs):
        raise Failed("the runs that ship are not there")
    nearest = json.loads(ask(f"{address}/api/v1/words/default/neighbors?word=king&k=1"))["neighbors"][0]["word"]
    say(f"the runs that ship are there, and the word vectors: nearest to king is {nearest}")
    done = follow(address, train(address, TRAINING), until="end")
    if done["state"] != "done":
        raise Failed(f"the training ended {done['state']}: {done.get('reason')}")
    say("a training ended done")
    under_way = train(address, LONG_TRAINING)
    follow(address, under_way, until="checkpoint")
    return under_way


def second_visit(address, run):
    """What was under way when the server was stopped kept its place: neither cancelled nor lost."""
    state = json.loads(ask(f"{address}/api/v1/runs/{run}"))["state"]
    if state != "interrupted":
        raise Failed(f"the training under way is {state} now, not interrupted")
    say("the training that was under way can be resumed")


def without_library(root, program):
    """A library that is gone is told by its name, and not in the loader's words."""
    library = (root / program.lstrip("/")).parent.parent / "lib" / "libtorch_cpu.so"
    library.rename(library.with_suffix(".away"))
    done = subprocess.run(within(root, program, "--version"), stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT, text=True)
    library.with_suffix(".away").rename(library)
    if done.returncode != 1 or "lib/libtorch_cpu.so is missing" not in done.stderr:
        raise Failed(f"without libtorch_cpu.so it ended with status {done.returncode} and said: {done.stderr}")
    say("a library that is missing is named")


def train(address, what):
    """The id of a training that is asked for."""
    return json.loads(ask(f"{address}/api/v1/runs", what))["id"]


def follow(address, run, until):
    """The first event of a kind that a run tells."""
    with urllib.request.urlopen(f"{address}/api/v1/runs/{run}/events", timeout=ANSWER) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                event = json.loads(line[len(b"data:") :])
                if event.get("event") == until:
                    return event
                if event.get("event") == "end":
                    raise Failed(f"the training ended early: {event}")
    raise Failed(f"the events of run {run} ended without {until}")


def ask(address, body=None):
    request = urllib.request.Request(address, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"} if body else {})
    with urllib.request.urlopen(request, timeout=ANSWER) as answer:
        return answer.read().decode()


def call(root, *command):
    done = subprocess.run(within(root, *command), stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT, text=True)
    if done.returncode != 0:
        raise Failed(f"`{command[0]} ...` ended with status {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def within(root, *command):
    """A command in the root, as nobody. Each step becomes the next one, so that the process is the command itself."""
    enter = f'mount -t proc proc "$0/proc" && exec chroot --userspec={NOBODY}:{NOBODY} "$0" "$@"'
    return [*apart(), "sh", "-c", enter, root, *command]


def apart():
    """What is mounted from here on is gone when the process is."""
    return ["unshare", "--mount", "--propagation", "private"]


def say(what):
    print(f"ok  {what}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
