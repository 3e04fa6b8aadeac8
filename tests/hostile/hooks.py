"""What the OpenAPI document can't say: which ids this server has, and how much may be asked of it in a few minutes.

run.py names this file and the server to schemathesis.
"""

import json
import os
import urllib.request

import schemathesis

SERVER = os.environ["TORCHBOARD_SERVER"]
ABSENT = "nothing-is-called-so"
# What takes long is asked for in small: parameters by path, the most that is asked, and the most that may be.
SMALL = {
    ("/api/v1/words/{set}/evaluation", "limit"): (2000, 10_000_000),
    ("/api/v1/runs/{id}/projection", "n"): (100, 100_000),
}


def ids(path):
    with urllib.request.urlopen(f"{SERVER}{path}") as answer:
        return [item["id"] for item in json.load(answer)["items"]]


@schemathesis.check
def no_fault_of_the_server(context, response, case):
    """503 with what is missing, or when to come again, is an answer; all else from 500 on is a fault of the server's."""
    if response.status_code < 500:
        return
    kind = response.json().get("type") if "json" in response.headers.get("content-type", [""])[0] else None
    assert response.status_code == 503 and kind in ("/api#unavailable", "/api#busy"), f"{response.status_code} {kind}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """What may be asked is asked in small; what may not is left as it is, to be refused."""
    for (path, name), (most, allowed) in SMALL.items():
        query = case.query or {}
        value = query.get(name, allowed) if case.path == path else most
        if isinstance(value, int) and most < value <= allowed:
            case.query = {**query, name: most}


@schemathesis.hook
def before_load_schema(context, schema):
    """Ids are those of the server and one that is nobody's; negative tests try what is none at all."""
    # One run of each series, since what is asked is dealt out among them.
    runs = {run.rsplit("-", 1)[0]: run for run in ids("/api/v1/runs?limit=1000")}
    known = {
        "/api/v1/runs/{id}": list(runs.values()),
        "/api/v1/studies/{id}": ids("/api/v1/studies"),
        "/api/v1/datasets/{id}": ids("/api/v1/datasets"),
        "/api/v1/words/{set}": ids("/api/v1/words"),
    }
    for path, operations in schema["paths"].items():
        here = next((found for prefix, found in known.items() if path.startswith(prefix)), [])
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in ("id", "set"):
                    parameter["schema"]["enum"] = [*here, ABSENT]
                    parameter.pop("example", None)
                elif parameter["name"] == "split" and parameter["in"] == "path":
                    parameter["schema"]["enum"] = ["train", "validation", "test"]
