"""A kubectl for tests that keeps its cluster in one JSON file; run as a program, it imports nothing of ours.

It knows what :mod:`wslgpu.kubernetes` asks: get by name and by labels, the tables of ``cluster_facts``, apply (client
and server side, tried or done), patch, create, delete and logs. Every call is written down with its input.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
STATE = Path(os.environ.get("FAKE_CLUSTER", "/nonexistent"))
TABLES = {"runtimeclasses": "RuntimeClass", "namespaces": "Namespace"}


def key(item: dict[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{item['kind'].lower()}/{metadata.get('namespace', '')}/{metadata['name']}"


def option(words: list[str], *names: str) -> str:
    for place, word in enumerate(words):
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if word == name and place + 1 < len(words):
                return words[place + 1]
    return ""


def fail(text: str, status: int = 1) -> int:
    print(text, file=sys.stderr)
    return status


def get(state: dict[str, Any], words: list[str]) -> int:
    resource = words[1]
    named = words[2] if len(words) > 2 and not words[2].startswith("-") else ""
    space = option(words, "--namespace")
    if named:
        found = state["objects"].get(f"{resource}/{space}/{named}")
        if found is None:
            return 0 if "--ignore-not-found" in words else fail(f'Error from server (NotFound): "{named}" not found')
        print(f"{resource}/{named}" if "name" in option(words, "--output") else json.dumps(found))
        return 0
    table = option(words, "-o", "--output").startswith("jsonpath")
    if resource in state["answers"] and (table or resource == "nodes"):
        print(state["answers"][resource], end="")
        return 0
    if resource in TABLES and table:
        for item in state["objects"].values():
            if item["kind"] == TABLES[resource]:
                print(f"{item['metadata']['name']}|{item.get('handler', 'Active')}")
        return 0
    if option(words, "-o", "--output") == "json":
        chosen = dict(pair.split("=") for pair in option(words, "--selector").split(",") if pair)
        kinds = [kind.partition(".")[0].rstrip("s") for kind in resource.split(",")]
        rows = [item for item in state["objects"].values() if fits(item, kinds, chosen, space)]
        print(json.dumps({"kind": "List", "items": rows}))
    return 0


def fits(item: dict[str, Any], kinds: list[str], chosen: dict[str, str], space: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    kind = item["kind"].lower().rstrip("s").replace("networkpolicy", "networkpolicie")
    right_place = not space or item["metadata"].get("namespace") == space
    return kind in kinds and right_place and all(labels.get(name) == value for name, value in chosen.items())


def apply(state: dict[str, Any], words: list[str], text: str) -> int:
    tried = "--dry-run=server" in words
    end = 0
    for item in json.loads(text)["items"]:
        name = f"{item['kind'].lower()}.fake/{item['metadata']['name']}"
        if state["refuse"].get("dry-run" if tried else "apply") == item["kind"]:
            end = fail(f'The {item["kind"]} "{item["metadata"]["name"]}" is invalid: spec: Required value')
            continue
        old = state["objects"].get(key(item))
        print(f"{name} {'configured' if old else 'created'}{' (server dry run)' if tried else ''}")
        if not tried:
            made = copy.deepcopy(item)
            if "--server-side" not in words:
                annotations = made["metadata"].setdefault("annotations", {})
                annotations[LAST_APPLIED] = json.dumps(item)
            made["status"] = state["status"].get(item["kind"], {})
            state["objects"][key(item)] = made
    return end


def patch(state: dict[str, Any], words: list[str], text: str) -> int:
    item = state["objects"][f"{words[1]}/{option(words, '--namespace')}/{words[2]}"]
    item["metadata"]["annotations"].update(json.loads(text)["metadata"]["annotations"])
    print(f"{words[1]}/{words[2]} patched")
    return 0


def delete(state: dict[str, Any], words: list[str]) -> int:
    state["objects"].pop(f"{words[1]}/{option(words, '--namespace')}/{words[2]}", None)
    return 0


def main(words: list[str]) -> int:
    words = [word for word in words if not word.startswith(("--request-timeout", "--cache-dir", "--kubeconfig"))]
    text = sys.stdin.read()
    state = json.loads(STATE.read_text())
    state["calls"].append([words, text])
    if state["error"]:
        code = fail(state["error"])
    elif words[0] == "version":
        print(json.dumps({"serverVersion": {"major": "1", "minor": "34"}}))
        code = 0
    elif words[0] == "get":
        code = get(state, words)
    elif words[0] == "api-resources":
        kinds = {item["kind"].lower() for item in state["objects"].values() if item["metadata"].get("namespace")}
        print("\n".join(sorted({f"{kind.replace('policy', 'policie')}s" for kind in kinds})))
        code = 0
    elif words[0] == "apply":
        code = apply(state, words, text)
    elif words[0] == "patch":
        code = patch(state, words, text)
    elif words[0] == "delete":
        code = delete(state, words)
    elif words[0] == "logs":
        print(state["log"])
        code = 0
    else:
        code = fail(f"unknown command {words[0]}")
    STATE.write_text(json.dumps(state))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
