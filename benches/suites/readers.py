"""A lecture room at once: 500 readers walk over the pages, 200 follow one training, and that training wants every core.

No peer is measured beside it: the limits are absolute, for a reader at a screen. Each reader has a connection that is kept alive, asks for
compressed pages as browsers do, brings the style sheets and scripts of the first page it opens, and reads between two pages for as long as
people do: 5 to 35 s, drawn anew each time. The client is one thread, and shares the cores with the server and the training.
"""

import asyncio
import datetime
import json
import random
import re
import shutil
import statistics
import time
import urllib.request

import common
import scale
import serve

common.fair()

PAGE_MS, EVENT_MS = 200, 1000
READS_S = 5, 35
# Each with how often it is opened: runs more than what is read once.
PAGES = {"/": 2, "/words/neighbors": 2, "/words": 1, "/triplet": 1, "/skin": 1, "/fashion": 1, "/report": 1, "/datasets": 1, "/studies": 1, "/api": 1,
         "/runs": 5, "/runs?sort=validation_accuracy": 2, "/runs?q=long": 1, "RUN": 4, "OTHER": 4, "COMPARED": 2}
TRAINING = {"system": "mlp", "config": {"dataset": "fashion-mnist-sample", "epochs": 10_000, "units": 4096, "batch_size": 256}}
PATIENCE_S = 30


def main():
    arguments = common.arguments()
    readers, followers, seconds = (20, 10, 5) if arguments.quick else (500, 200, 40)
    folder = arguments.work / "readers"
    shutil.rmtree(folder, ignore_errors=True)
    with scale.serving(arguments.torchboard, folder) as server:
        told = asyncio.run(Room(server.address).measured(readers, followers, seconds))
    shutil.rmtree(folder, ignore_errors=True)
    common.save(arguments.output, "readers", "Readers and followers while a training runs", rows(told, readers, followers, seconds), peers=[])


def rows(told, readers, followers, seconds):
    pages, events, errors = told["pages"], told["events"], told["errors"]
    client = f"the client took {100 * told['client']:.0f} % of a core"
    about = f"{readers} readers, {READS_S[0]} to {READS_S[1]} s between two pages, {followers} followers, one training; {seconds} s, {len(pages):,} pages; {client}"
    heard = f"{len(events):,} events came to {followers} followers of one training; the slowest {max(events):.0f} ms"
    shown = "; ".join(f"{count} x {what}" for what, count in sorted(errors.items())) or "none"
    share = lambda values, part: statistics.quantiles(values, n=100)[part - 1]
    return [
        common.row("Requests and streams that failed", sum(errors.values()), None, None, "", limit=0, note=shown),
        common.row("Pages, median", statistics.median(pages), None, None, "ms", note=about),
        common.row("Pages, 99th percentile", share(pages, 99), None, None, "ms", limit=PAGE_MS, note=f"the slowest {max(pages):.0f} ms: {told['slowest']}"),
        common.row("From an event's being stored to its follower, median", statistics.median(events), None, None, "ms", note=heard),
        common.row("From an event's being stored to its follower, 99th percentile", share(events, 99), None, None, "ms", limit=EVENT_MS, note=heard),
    ]


class Room:
    def __init__(self, address):
        self.address = address
        self.host, port = address.removeprefix("http://").split(":")
        self.port = int(port)
        self.pages, self.events, self.errors, self.slowest = [], [], {}, (0, "")
        self.is_measured = False

    async def measured(self, readers, followers, seconds):
        """What they saw in so many seconds, once everybody is there."""
        run = self.ask("/api/v1/runs", TRAINING)["id"]
        others = [item["id"] for item in self.ask("/api/v1/runs?state=done&limit=50")["items"]]
        while self.ask(f"/api/v1/runs/{run}")["progress"]["step"] == 0:
            await asyncio.sleep(0.1)
        self.places = {"RUN": [f"/runs/{run}"], "OTHER": [f"/runs/{other}" for other in others],
                       "COMPARED": [f"/compare?run={run}&run={other}" for other in others]}
        end = asyncio.get_running_loop().time() + READS_S[1] + seconds
        everybody = [asyncio.create_task(self.reader(number, end)) for number in range(readers)]
        everybody += [asyncio.create_task(self.follower(run, end)) for _ in range(followers)]
        await asyncio.sleep(READS_S[1])  # by then each reader has opened a page, at times of its own
        self.is_measured, used, began = True, time.process_time(), time.monotonic()
        await asyncio.gather(*everybody)
        client = (time.process_time() - used) / (time.monotonic() - began)
        self.ask(f"/api/v1/runs/{run}/cancel", {})
        return {"pages": self.pages, "events": self.events, "errors": self.errors, "slowest": self.slowest[1], "client": client}

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"content-type": "application/json"})
        with serve.DIRECT.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def failed(self, what):
        self.errors[what] = self.errors.get(what, 0) + 1

    async def reader(self, number, end):
        chance, now = random.Random(number), asyncio.get_running_loop().time
        await asyncio.sleep(chance.uniform(0, READS_S[1]))
        connection, is_first = None, True
        while now() < end:
            [page] = chance.choices(list(PAGES), PAGES.values())
            path = chance.choice(self.places.get(page, [page]))
            try:
                connection = connection or await asyncio.open_connection(self.host, self.port)
                began, is_counted = time.perf_counter(), self.is_measured
                status, body = await asyncio.wait_for(exchange(connection, path), PATIENCE_S)
                took = 1e3 * (time.perf_counter() - began)
                if status != 200:
                    self.failed(f"{status} for {page}")
                elif is_counted:
                    self.pages.append(took)
                    self.slowest = max(self.slowest, (took, page))
                if is_first:
                    status, body = await asyncio.wait_for(exchange(connection, path, "identity"), PATIENCE_S)
                    for asset in sorted(set(re.findall(rb'(?:href|src)="(/assets/[^"]+)"', body))):
                        status, _ = await asyncio.wait_for(exchange(connection, asset.decode()), PATIENCE_S)
                        if status != 200:
                            self.failed(f"{status} for an asset")
                    is_first = False
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.failed(f"{type(error).__name__} for {page}")
                connection = None
            await asyncio.sleep(min(chance.uniform(*READS_S), max(0, end - now())))

    async def follower(self, run, end):
        loop, last = asyncio.get_running_loop(), self.ask_last
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(f"GET /api/v1/runs/{run}/events?after={last(run)} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAccept: text/event-stream\r\n\r\n".encode())
            if b" 200 " not in await reader.readline():
                return self.failed("a stream that did not begin")
            while loop.time() < end:
                line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
                if not line:
                    return self.failed("a stream that ended")
                if self.is_measured and line.startswith(b"data:") and (found := re.search(rb'"at":"([^"]+)"', line)):
                    stored = datetime.datetime.fromisoformat(found[1].decode().replace("Z", "+00:00")).timestamp()
                    self.events.append(1e3 * (time.time() - stored))
            writer.close()
        except (OSError, asyncio.TimeoutError) as error:
            self.failed(f"{type(error).__name__} of a stream")

    def ask_last(self, run):
        """The number of an event so late that nothing before the measurement is said again."""
        if not hasattr(self, "last"):
            with serve.DIRECT.open(f"{self.address}/runs/{run}", timeout=PATIENCE_S) as page:
                self.last = int(re.search(r'data-after="(\d+)"', page.read().decode())[1])
        return self.last


async def exchange(connection, path, encoding="gzip"):
    """The status and the body of an answer, as it came."""
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if length := re.search(rb"\r\ncontent-length: *(\d+)", head):
        return status, await reader.readexactly(int(length[1]))
    body = bytearray()
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, bytes(body)


if __name__ == "__main__":
    main()
