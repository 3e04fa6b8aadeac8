"""What deny.toml allows, held over `cargo metadata`: licences, banned crates, and where crates come from.

cargo-deny does this and more, but takes minutes to build where it is not installed; this takes a second and no network.
Only what is linked on the systems below counts, as crates for others are not even downloaded.
"""

import json
import re
import subprocess
from pathlib import Path

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin"]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def problems(root, cargo="cargo"):
    """One sentence for each dependency that deny.toml does not allow."""
    configuration = (root / "deny.toml").read_text()
    allowed = set(re.findall(r'"([^"]+)"', re.search(r"^allow = \[(.*?)^\]", configuration, re.DOTALL | re.MULTILINE)[1]))
    banned = set(re.findall(r'\{ name = "([^"]+)" \}', configuration))
    listed = packages(root, cargo)
    if listed is None:
        return ["cargo could not list the dependencies; see above"]
    found = []
    for package in listed:
        name = f"{package['name']} {package['version']}"
        if package["source"] not in (None, REGISTRY):
            found.append(f"{name} comes from {package['source']}, not from crates.io")
        if package["name"] in banned:
            found.append(f"{name} is banned by deny.toml")
        if not package["license"]:
            found.append(f"{name} names no licence")
        elif not permits(package["license"], allowed):
            found.append(f"{name} is under {package['license']}, which deny.toml does not allow")
    return found


def packages(root, cargo="cargo"):
    """What cargo tells of each package that may be linked, our own included; None when it tells nothing."""
    filters = [part for target in TARGETS for part in ("--filter-platform", target)]
    told = subprocess.run([cargo, "metadata", "--locked", "--format-version", "1", *filters], cwd=root, stdout=subprocess.PIPE)
    return json.loads(told.stdout)["packages"] if told.returncode == 0 else None


def folder(package):
    """Where cargo keeps the package's source."""
    return Path(package["manifest_path"]).parent


def permits(expression, allowed):
    """Whether an SPDX expression can be met with the `allowed` licences; the old `/` between licences means OR."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", re.sub(r"\s+WITH\s+", "\0", expression))
    tokens = ["OR" if token == "/" else token.replace("\0", " WITH ") for token in tokens]

    def any_of():
        met = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = all_of() or met
        return met

    def all_of():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in allowed
        met = any_of()
        tokens.pop(0)  # the closing parenthesis
        return met

    return any_of()
