"""The reference implementation of GloVe in C, one of its four programs a process.

    python glove_reference.py build FOLDER
    python glove_reference.py vocabulary|cooccurrences|shuffle|train FOLDER SETTINGS

FOLDER keeps the libraries and holds what the programs write. SETTINGS is JSON: minimum_count, window, dimension, x_max,
epochs, threads. Each program prints one JSON line with its seconds; progress goes to standard error as the programs write it.

The sources are those of the package crucyble (Apache-2.0), which turned each main() into a function; benches/README.md
says how they differ from the reference of today.
"""

import ctypes
import hashlib
import html.parser
import io
import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

PACKAGE, VERSION = "crucyble", "0.1.0.dev4"
SHA256 = "abf6d332cbde9e66e58e156e6a7af03c9312cad79437db5ee9d372335c506f28"
PROGRAMS = ["vocab_count", "cooccur", "shuffle", "glove"]
# Those of the reference's Makefile, and what makes a library of a program without slowing its variables down.
FLAGS = ["-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC", "-fno-semantic-interposition", "-Wl,-Bsymbolic", "-w"]
LIBRARIES = ["-lm", "-pthread"]
# The package closes its log before its last message, which then lands in the file of co-occurrences.
MENDED = ("    fclose(logfile);\n    free(cr);", "    free(cr);")


def main():
    task, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if task == "build":
        return build(folder)
    os.chdir(folder)  # the programs keep file names in short buffers
    began = time.perf_counter()
    status = TASKS[task](folder, json.loads(sys.argv[3]))
    print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
    return status


def build(folder):
    """Fetches the sources and compiles them, unless that is done already."""
    stamp = folder / "built"
    wanted = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(fetch())) as archive:
        for name in PROGRAMS:
            for extension in ("c", "h"):
                member = archive.extractfile(f"{PACKAGE}-{VERSION}/src/lib/glove/{name}.{extension}")
                (folder / f"{name}.{extension}").write_bytes(member.read())
    source = folder / "cooccur.c"
    text = source.read_text()
    assert text.count(MENDED[0]) == 1
    source.write_text(text.replace(*MENDED))
    for name in PROGRAMS:
        command = [os.environ.get("CC", "cc"), *FLAGS, f"-I{folder}", str(folder / f"{name}.c"), "-o", str(library(folder, name)), *LIBRARIES]
        subprocess.run(command, check=True)
    stamp.write_text(wanted)
    return 0


def vocabulary(folder, settings):
    function = ctypes.CDLL(str(library(folder, "vocab_count"))).vocab_count
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong, ctypes.c_char_p]
    return function(b"tokens.txt", b"vocabulary.txt", 0, 0, settings["minimum_count"], b"/dev/null")


def cooccurrences(folder, settings):
    function = ctypes.CDLL(str(library(folder, "cooccur"))).cooccur
    text, number = ctypes.c_char_p, ctypes.c_int
    function.argtypes = [text, text, text, number, number, number, text, ctypes.c_float, text]
    names = [b"tokens.txt", b"vocabulary.txt", b"cooccurrences.bin"]
    # Verbosity 0, both sides of a word, and the 4 GB of the reference's demonstration.
    return function(*names, 0, 1, settings["window"], b"overflow", 4.0, b"/dev/null")


def shuffle(folder, settings):
    function = ctypes.CDLL(str(library(folder, "shuffle"))).shuffle
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_float]
    return function(b"cooccurrences.bin", b"shuffled.bin", b"part", 0, 2.0)


def train(folder, settings):
    """What the reference's main() does, without the package's function, which always writes the squared gradients too."""
    glove = ctypes.CDLL(str(library(folder, "glove")))
    threads = settings["threads"]
    cost = (ctypes.c_double * threads)()
    words = Path("vocabulary.txt").read_bytes().count(b"\n")
    whole = {"verbose": 2, "num_threads": threads, "num_iter": settings["epochs"], "vector_size": settings["dimension"], "use_binary": 0, "model": 2}
    texts = {"vocab_file": b"vocabulary.txt", "input_file": b"shuffled.bin", "save_W_file": b"vectors"}
    for name, value in whole.items():
        ctypes.c_int.in_dll(glove, name).value = value
    for name, value in {"x_max": settings["x_max"], "alpha": 0.75, "eta": 0.05}.items():
        ctypes.c_double.in_dll(glove, name).value = value
    for name, value in texts.items():
        ctypes.c_char_p.in_dll(glove, name).value = value  # a literal: it lives as long as this function's code
    ctypes.c_longlong.in_dll(glove, "vocab_size").value = words
    ctypes.c_void_p.in_dll(glove, "cost").value = ctypes.addressof(cost)
    return glove.train_glove()


TASKS = {"vocabulary": vocabulary, "cooccurrences": cooccurrences, "shuffle": shuffle, "train": train}


def library(folder, name):
    return folder / f"lib{name}.so"


def fetch():
    """The pinned source archive, from the package index that pip uses. pip itself would try to build it."""
    index = pip_setting("index-url") or "https://pypi.org/simple"
    page = f"{index.rstrip('/')}/{PACKAGE}/"
    parser = Links()
    parser.feed(read(page).decode())
    wanted = f"{PACKAGE}-{VERSION}.tar.gz"
    links = [link for link in parser.links if urllib.parse.urlsplit(link).path.endswith(f"/{wanted}")]
    if not links:
        sys.exit(f"the package index has no {wanted}")
    archive = read(urllib.parse.urljoin(page, links[0]))
    if hashlib.sha256(archive).hexdigest() != SHA256:
        sys.exit(f"{wanted} does not match its hash: it was damaged or changed on its way")
    return archive


class Links(html.parser.HTMLParser):
    """Where the links of a page lead."""

    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if tag == "a" and name == "href"]


def read(address):
    certificates = pip_setting("cert")
    with urllib.request.urlopen(address, timeout=60, context=ssl.create_default_context(cafile=certificates)) as response:
        return response.read()


def pip_setting(name):
    """What pip is told by its environment or else by its files; none when it is told nothing."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found = dict(re.findall(rf"^(:env:|global|site|user|install)\.{name}='(.*)'$", told, re.MULTILINE))
    return next((found[place] for place in (":env:", "install", "site", "user", "global") if place in found), None)


if __name__ == "__main__":
    sys.exit(main())
