"""Which libraries a Linux binary needs and where it looks for them, as binutils tells; they come with every C++ compiler."""

import mmap
import os
import re
import subprocess


class Unfit(Exception):
    """A binary that can't be packed as it is; the text says why."""


def needed(path):
    """The names of the libraries that the loader brings for this file."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", path))


def search_path(path):
    """Where the loader looks for them before it looks in the system's folders; None when nothing is said."""
    found = re.search(r"\(R(?:UN)?PATH\).*\[(.*)\]", readelf("-d", path))
    return found and found[1]


def newest_glibc(paths):
    """The glibc that all of the files ask for, as "2.35"."""
    versions = {version for path in paths for version in re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)", readelf("-V", path))}
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def closure(binary, folder):
    """Those of the folder's libraries that the binary needs, and those that these need; by name, sorted."""
    found, waiting = set(), [binary]
    while waiting:
        for name in needed(waiting.pop()):
            if name not in found and (folder / name).exists():
                found.add(name)
                waiting.append(folder / name)
    return sorted(found)


def look_in(path, place):
    """Makes the loader look for this file's libraries in `place` alone.

    The text lies in a table whose entries can't move, so that it is written over the old one, which must be as long at
    least. A linked binary has the folder that it was built against in it, which on another machine is nobody's or a
    stranger's.
    """
    old = search_path(path)
    if old is None or len(place) > len(old):
        raise Unfit(f"{path} looks for its libraries in {old}: there is no room to write {place}")
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        text = b"\0" + old.encode() + b"\0"
        at = content.find(text)
        if at < 0 or content.find(text, at + 1) >= 0:
            raise Unfit(f"{path} does not hold {old} exactly once: which of them the loader reads can't be told")
        content[at + 1 : at + 1 + len(old)] = place.encode().ljust(len(old), b"\0")
    if search_path(path) != place:
        raise Unfit(f"{path} still looks for its libraries in {search_path(path)}")


def strip(path):
    """Takes out what only debuggers read."""
    subprocess.run(["strip", "--strip-unneeded", path], check=True)


def readelf(what, path):
    return subprocess.run(["readelf", "--wide", what, path], env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.PIPE, text=True, check=True).stdout
