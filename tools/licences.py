"""The licences of everything that the binary is linked from or holds: what is passed on must carry them."""

import json
import re
import shutil

import dependencies

# What projects call the files that their licences ask to be passed on.
NAMES = re.compile(r"(un)?licen[sc]es?\b|copying|copyright|notice|ofl\b", re.IGNORECASE)


def collect(root, into, cargo):
    """Fills the folder `into`: crates.txt, a folder for each npm package that is embedded, and the word vectors' terms."""
    packages = dependencies.packages(root, cargo)
    if packages is None:
        raise SystemExit("cargo could not list the dependencies; see above")
    into.mkdir(parents=True)
    (into / "crates.txt").write_text(of_crates(packages))
    for name in json.loads((root / "package.json").read_text())["dependencies"]:
        (into / name).mkdir(parents=True)
        for file in texts_in(root / "node_modules" / name):
            shutil.copyfile(file, into / name / file.name)
    shutil.copyfile(root / "data" / "words" / "README.md", into / "word-vectors.md")


def of_crates(packages):
    """Every crate with its licence and where its source is, and each text once, under the crates that it is from."""
    listed, holders = [], {}
    for package in sorted((package for package in packages if package["source"]), key=lambda package: (package["name"], package["version"])):
        name = f"{package['name']} {package['version']}"
        listed.append(f"{name}: {package['license'] or 'see its text'}; {package['repository'] or 'https://crates.io/crates/' + package['name']}")
        for file in texts_in(dependencies.folder(package)):
            names = holders.setdefault(file.read_text(errors="replace").strip(), [])
            if name not in names:
                names.append(name)
    texts = [f"{'=' * 100}\n{', '.join(names)}\n{'=' * 100}\n\n{text}\n" for text, names in holders.items()]
    return "The crates of which Torchboard is made, and below the texts that come with them.\n\n" + "\n".join(listed) + "\n\n" + "\n".join(texts)


def texts_in(folder):
    return sorted(file for file in folder.iterdir() if file.is_file() and NAMES.match(file.name))
