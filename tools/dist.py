"""Packs what runs on a machine without compilers or libtorch. `make dist` runs it.

    python3 tools/dist.py                 builds, and packs target/dist/torchboard-VERSION-SYSTEM.tar.xz
    python3 tools/dist.py --binary FILE   packs a binary that is built already
    python3 tools/dist.py --try           and tries the tarball on a clean Debian (tools/try_dist.py, as root)

One binary gives one tarball, byte for byte, wherever and whenever it is packed: entries are sorted, belong to root and
bear the date in SOURCE_DATE_EPOCH, or else the last commit's. What is shipped as data is inside the binary.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import elf
import licences
import pins
import setup
import try_dist

ROOT = setup.ROOT
CARGO = os.environ.get("CARGO", "cargo")
# A fifth smaller than gzip makes it, and every tar reads it. The default level, 6, takes twice the time for another twentieth.
XZ_LEVEL = 3
# NVIDIA's terms allow its libraries to be passed on as they are, so that only PyTorch's are changed.
OURS_TO_CHANGE = ["libtorch_cpu.so", "libc10.so"]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, metavar="FILE", help="pack this one instead of building")
    parser.add_argument("--try", action="store_true", dest="is_tried", help="try the tarball on a clean Debian root")
    given = parser.parse_args(arguments)
    try:
        if given.is_tried:
            try_dist.check_tools()  # before minutes of building and packing
        tarball = make(given.binary)
        if given.is_tried:
            try_dist.attempt(tarball)
    except (setup.Missing, elf.Unfit, try_dist.Failed) as problem:
        sys.exit(f"\n{problem}\n")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"\n`{failed.cmd[0]} ...` failed with status {failed.returncode}; its own words are above.\n")


def make(binary):
    """The path of the packed tarball."""
    check()
    date = moment()
    setup.licences()
    name = f"torchboard-{version()}-{setup.host()}"
    output = ROOT / "target" / "dist" / f"{name}.tar.xz"
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".packing-") as scratch:
        folder = Path(scratch) / name
        gather(folder, binary or build())
        (folder / "SHA256SUMS").write_text(checksums(folder))
        unpacked = sum(path.stat().st_size for path in folder.rglob("*"))
        print(f"packing {unpacked / 1e6:.0f} MB, which takes a few minutes", flush=True)
        pack(folder, Path(scratch) / output.name, date)
        (Path(scratch) / output.name).replace(output)
    print(f"{output}: {output.stat().st_size / 1e6:.0f} MB, {unpacked / 1e6:.0f} MB unpacked, sha256 {sha256(output)}")
    return output


def check():
    if not sys.platform.startswith("linux") or setup.host() not in pins.LIBTORCH:
        raise setup.Missing(f"tarballs are made on Linux; there is none for {setup.host()}")
    if os.environ.get("LIBTORCH"):
        raise setup.Missing("LIBTORCH is set; the tarball takes the libtorch that `make setup` brings, whose licences are known. Unset it.")
    if lacking := [tool for tool in ("readelf", "strip") if not shutil.which(tool)]:
        raise setup.Missing(f"{' and '.join(lacking)} not installed: sudo apt-get install binutils")
    if not (ROOT / "libtorch" / "lib").exists() or not (ROOT / "node_modules").exists():
        raise setup.Missing("libtorch or the npm packages are not here: run `make setup`")


def build():
    subprocess.run([CARGO, "build", "--release", "--locked", "--bin", "torchboard"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release" / "torchboard"


def gather(folder, binary):
    """Lays out what is packed: everything but the checksums."""
    libtorch = (ROOT / "libtorch").resolve()
    for part in ("bin", "lib", "systemd"):
        (folder / part).mkdir(parents=True)
    program = folder / "lib" / "torchboard"  # started by bin/torchboard, which looks whether it can be
    shutil.copyfile(binary, program)
    program.chmod(0o755)
    elf.strip(program)
    libraries = elf.closure(program, libtorch / "lib")
    for name in libraries:
        shutil.copyfile(libtorch / "lib" / name, folder / "lib" / name)
        if name in OURS_TO_CHANGE:
            elf.strip(folder / "lib" / name)
            # PyTorch's own looks in a folder beside the one that this is unpacked in first, which may be anybody's.
            elf.look_in(folder / "lib" / name, "$ORIGIN")
    elf.look_in(program, "$ORIGIN")

    licences.collect(ROOT, folder / "licences", CARGO)
    shutil.copytree(libtorch / "licences", folder / "licences", dirs_exist_ok=True)
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(ROOT / "packaging" / "torchboard.service", folder / "systemd" / "torchboard.service")
    glibc = elf.newest_glibc([program, *(folder / "lib" / name for name in libraries)])
    start(folder, libraries, glibc)
    text = (ROOT / "packaging" / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("VERSION", version()).replace("GLIBC", glibc))


def start(folder, libraries, glibc):
    """Writes bin/torchboard, which knows these libraries by their lengths."""
    told = "\n".join(f"{name} {(folder / 'lib' / name).stat().st_size}" for name in libraries)
    text = (ROOT / "packaging" / "torchboard").read_text()
    for name, value in {"MACHINE": platform.machine(), "GLIBC": glibc, "LIBRARIES": told}.items():
        text = text.replace(name, value)
    (folder / "bin" / "torchboard").write_text(text)
    (folder / "bin" / "torchboard").chmod(0o755)


def checksums(folder):
    """A line for each file, as `sha256sum --check` reads them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)


def pack(folder, tarball, date):
    """One archive of the folder, under its name; nothing of this machine or this hour is in it."""

    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = date
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with tarfile.open(tarball, "w:xz", preset=XZ_LEVEL, format=tarfile.GNU_FORMAT) as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            archive.add(path, arcname=path.relative_to(folder.parent).as_posix(), recursive=False, filter=plain)


def version():
    return re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def moment():
    """Seconds since 1970 that every packed file is dated with."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if told.returncode != 0:
        raise setup.Missing("git knows no last commit to date the files with: set SOURCE_DATE_EPOCH to seconds since 1970")
    return int(told.stdout)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
