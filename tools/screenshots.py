"""Saves every page in both widths, colours and languages into target/screenshots, and says what is wrong with it.

    python3 tools/screenshots.py                   the release binary that was built last, on a free port
    python3 tools/screenshots.py /words/bias /     these pages only
    python3 tools/screenshots.py --server http://127.0.0.1:8080 /runs     pages of a server that runs already, with its runs
    python3 tools/screenshots.py --readme          makes docs/screenshot-overview.png again

Each line that is printed gives a page's bytes as sent (all it loads, cache empty), its layout shift, and how far it reaches beyond the
window. Needs chromium and chromedriver, as the browser tests do.
"""

import argparse
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["/", "/words", "/words/neighbors", "/words/distances", "/words/analogies", "/words/odd", "/words/maps", "/words/bias", "/words/accuracy",
         "/words/neighbors?words=kinng,ship", "/datasets", "/datasets?set=mnist&split=test", "/fashion", "/triplet", "/skin", "/runs", "/compare", "/report", "/reports", "/shares", "/imports", "/api", "/nothing"]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--font-render-hinting=none"]
README_PICTURE = ROOT / "docs" / "screenshot-overview.png"
README_LIMIT = 300_000
TALLEST = 16_000  # what is further down is left out: Chromium draws no larger picture

MEASURE = """
await document.fonts.ready;
const shift = await new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (sum += entry.value))).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 100);
});
const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
const page = document.documentElement;
return [loaded.reduce((sum, entry) => sum + entry.transferSize, 0), shift, page.scrollWidth - page.clientWidth, page.scrollHeight];
"""


class Browser:
    """Chromium behind chromedriver, spoken to over plain HTTP; a context manager."""

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        try:
            self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            sys.exit("chromedriver is missing: sudo apt-get install chromium chromium-driver")
        self.base = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.base}/status", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        options = {"goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={self.profile.name}"]}}
        self.base += "/session/" + self.post("/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        return self

    def __exit__(self, *_):
        # The driver waits for its browser to end; only then is nothing written into the profile any more.
        urllib.request.urlopen(urllib.request.Request(self.base, method="DELETE"), timeout=60).close()
        self.driver.terminate()
        self.driver.wait()
        self.profile.cleanup()

    def post(self, command, body):
        request = urllib.request.Request(self.base + command, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def chromium(self, command, **parameters):
        return self.post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def visit(self, address, width, theme, language):
        """Opens the page with an empty cache and waits for its fonts; what MEASURE returns."""
        self.chromium("Network.enable")
        self.chromium("Network.clearBrowserCache")
        for name, value in (("theme", theme), ("language", language)):
            self.chromium("Network.setCookie", name=name, value=value, url=address)
        self.window(width, 900)
        self.post("/url", {"url": address})
        script = f"const done = arguments[0]; (async () => {{ {MEASURE} }})().then(done)"
        return self.post("/execute/async", {"script": script, "args": []})

    def window(self, width, height):
        self.chromium("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, width, height):
        """The page as PNG, loaded again: with its faces in the cache it has them from the first moment."""
        self.window(width, height)
        self.post("/refresh", {})
        settled = "const done = arguments[0]; document.fonts.ready.then(() => setTimeout(done, 500));"  # live curves are fetched
        self.post("/execute/async", {"script": settled, "args": []})
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.chromium("Page.captureScreenshot", format="png", clip=clip)["data"])


class Server:
    """The release binary on a free port with a data folder of its own; a context manager that gives its address."""

    def __enter__(self):
        binary = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "torchboard"
        self.folder = tempfile.TemporaryDirectory()
        command = [binary, "serve", "--address", "127.0.0.1:0", "--data-dir", self.folder.name]
        try:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError:
            sys.exit(f"{binary} is missing: cargo build --release")
        first = self.process.stdout.readline()
        if not first.startswith("listening on "):
            sys.exit(f"the server did not start: {first!r}")
        return first.removeprefix("listening on ").strip()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="paths with their queries [default: all]")
    parser.add_argument("--output", type=Path, default=ROOT / "target" / "screenshots")
    parser.add_argument("--widths", default="1280,390")
    parser.add_argument("--themes", default="light,dark")
    parser.add_argument("--languages", default="en,fa")
    parser.add_argument("--server", metavar="ADDRESS", help="a server that runs already, instead of one of its own")
    parser.add_argument("--readme", action="store_true", help=f"only make {README_PICTURE.relative_to(ROOT)} again")
    arguments = parser.parse_args()
    server = contextlib.nullcontext(arguments.server) if arguments.server else Server()
    with server as address, Browser() as browser:
        if arguments.readme:
            return make_readme_picture(browser, address)
        return save_pages(browser, address, arguments)


def make_readme_picture(browser, address):
    browser.visit(f"{address}/", 1280, "light", "en")
    picture = browser.picture(1280, 960)
    README_PICTURE.parent.mkdir(exist_ok=True)
    README_PICTURE.write_bytes(picture)
    print(f"{README_PICTURE.relative_to(ROOT)}: {len(picture):,} bytes")
    return 0 if len(picture) <= README_LIMIT else f"more than {README_LIMIT:,} bytes"


def save_pages(browser, address, arguments):
    arguments.output.mkdir(parents=True, exist_ok=True)
    faults = 0
    for page in arguments.pages or PAGES:
        for width in map(int, arguments.widths.split(",")):
            for theme in arguments.themes.split(","):
                for language in arguments.languages.split(","):
                    sent, shift, beyond, height = browser.visit(address + page, width, theme, language)
                    name = (page.strip("/").replace("/", "-") or "overview").replace("?", "-").replace("&", "-").replace("=", "-")
                    file = arguments.output / f"{name}-{width}-{theme}-{language}.png"
                    file.write_bytes(browser.picture(width, min(height, TALLEST)))
                    wrong = beyond > 0 or shift > 0
                    faults += wrong
                    print(f"{'!' if wrong else ' '} {file.name:60}{sent:9,} bytes  shift {shift:.3f}  beyond {beyond:4} px  height {height:6} px")
    return f"{faults} pages shift or reach beyond their window" if faults else 0


if __name__ == "__main__":
    sys.exit(main())
