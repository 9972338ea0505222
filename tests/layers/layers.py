#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every folder to the folders that it may include.

Usage: layers.py ROOT         checks include/ and examples/ below ROOT
       layers.py --self-test  checks that each kind of fault is found

The tables below say it, top first. Only what a file includes itself counts: whoever may include a
folder need not know what lies under that. Faults are told a line each, and the exit status is 1.
"""
import re
import sys
import tempfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

MOST_FLAT_HEADERS = 16  # of include/packkit: what a newcomer's eye takes in

# folder of include/packkit: folders that its files may include. "base" are the flat headers that
# all stand on; "umbrellas", the other flat ones, which include whole folders, are for users alone.
CORE = {
    "umbrellas": "planner estimate sampling sequence packing packing/bound model lengths mesh"
                 " utility base umbrellas",
    "planner": "estimate sampling sequence packing packing/bound model lengths mesh utility"
               " detail base",
    "estimate": "sampling sequence packing packing/bound model lengths mesh utility detail base",
    "sampling": "packing packing/bound model lengths mesh utility detail base",
    "sequence": "packing packing/bound model lengths mesh utility detail base",
    "packing": "packing/bound model lengths mesh utility detail base",
    "packing/bound": "lengths utility detail base",
    "model": "lengths mesh utility detail base",
    "lengths": "utility detail detail/memory base",
    "mesh": "detail base",
    "utility": "detail base",
    "detail": "detail/memory base",
    "base": "detail/memory",
    "detail/memory": "",
}
BASE = {"bin_list.hpp", "concepts.hpp", "error.hpp", "fwd.hpp", "version.hpp"}

# folder of include/packkit/torch: the same; each may include the core.
TORCH = {
    "torch": "torch/optim torch/parallel torch/ops torch/communication torch/memory",
    "torch/optim": "torch/parallel torch/ops torch/communication torch/memory",
    "torch/parallel": "torch/ops torch/communication torch/memory",
    "torch/ops": "torch/communication torch/memory",
    "torch/communication": "torch/memory",
    "torch/memory": "",
}

# folder of examples: the same; each may include the core, and torch stands for all of it.
EXAMPLES = {
    "quickstart": "",
    "pack_calc": "common/lengths common/report common",
    "plan": "common/lengths common/report common",
    "train": "train/commands train/run train/config train/data train/model common torch",
    "train/commands": "train/run train/checkpoint train/record train/step train/model train/plan"
                      " train/batch train/data train/config train/chat common/report common/lengths"
                      " common torch",
    "train/run": "train/checkpoint train/record train/step train/model train/plan train/batch"
                 " train/data train/config common torch",
    "train/checkpoint": "train/step train/model train/plan train/batch train/data train/config"
                        " common torch",
    "train/record": "train/step train/model train/plan train/batch train/data train/config"
                    " common/report common torch",
    "train/step": "train/model train/plan train/batch train/data train/config common torch",
    "train/model": "train/plan train/batch train/data train/config common torch",
    "train/plan": "train/batch train/data train/config common torch/ops",
    "train/batch": "train/data train/config common",
    "train/data": "train/config train/chat common",
    "train/config": "train/chat common",
    "train/chat": "common",
    "common/lengths": "common",
    "common/tokenizer": "common",
    "common/report": "common",
    "common": "",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)')


def table():
    """Every folder, as it is written above, with the set of those that it may include."""
    rooms = {room: set(text.split()) for room, text in (CORE | TORCH | EXAMPLES).items()}
    core = set(CORE) - {"umbrellas"}
    for room in TORCH:
        rooms[room] |= core
    for room in EXAMPLES:
        rooms[room] |= core | {"umbrellas"} if room not in ("common",) else core
        if "torch" in rooms[room]:
            rooms[room] |= set(TORCH)
    return rooms


def room_of(path, rooms):
    """The folder of the tables that a file below ROOT belongs to, or None."""
    parts = path.split("/")
    if path.startswith("include/packkit/"):
        parts = parts[2:]
        if len(parts) == 1:
            return "base" if parts[0] in BASE else "umbrellas"
    else:
        parts = parts[1:]
    for length in range(len(parts) - 1, 0, -1):
        room = "/".join(parts[:length])
        if room in rooms:
            # A folder of the core, of torch or of a program has a line of its own, unless it
            # is a part of the one above it.
            below = parts[length:-1]
            if below and room in ("torch", "train"):
                return None
            return room
    return None


def included(root, path, line):
    """The file below `root` that a line of `path` includes, or None: it is another library's."""
    found = INCLUDE.match(line)
    if not found:
        return None
    name = found.group(1) or found.group(2)
    if name.startswith("packkit/"):
        return "include/" + name
    if not path.startswith("examples/"):
        return None
    program = "/".join(path.split("/")[:2])
    for folder in (path.rpartition("/")[0], program, "examples"):
        if (root / folder / name).is_file():
            return (root / folder / name).resolve().relative_to(root.resolve()).as_posix()
    return None


def circle(edges):
    """Folders that include each other in a circle, or None."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def faults(root, rooms):
    """What is wrong below `root`, a line each, and how many files there are."""
    result, edges = [], {}
    files = sorted(path.relative_to(root).as_posix() for folder in ("include/packkit", "examples")
                   for path in (root / folder).rglob("*")
                   if path.suffix in (".hpp", ".cpp", ".inl"))
    for path in files:
        room = room_of(path, rooms)
        if room is None:
            result.append(f"{path}: its folder has no line in the tables of layers.py")
            continue
        for number, line in enumerate((root / path).read_text(encoding="utf-8").split("\n"), 1):
            target = included(root, path, line)
            if target is None:
                continue
            other = room_of(target, rooms)
            if other is None:
                result.append(f"{path}:{number}: the folder of {target} has no line in the tables")
                continue
            if other == room:
                continue
            edges.setdefault(room, set()).add(other)
            if other not in rooms[room]:
                result.append(f"{path}:{number}: {room} may not include {other} ({target})")
    found = circle(edges)
    if found:
        result.append("folders include each other in a circle: " + " -> ".join(reversed(found)))
    flat = [path for path in files if path.count("/") == 2 and path.startswith("include/")]
    if len(flat) > MOST_FLAT_HEADERS:
        result.append(f"include/packkit has {len(flat)} headers outside of folders, "
                      f"at most {MOST_FLAT_HEADERS}: {', '.join(Path(p).name for p in flat)}")
    return result, len(files)


def self_test():
    """Plants a fault of each kind."""
    rooms = table()
    assert circle({a: b - {a} for a, b in rooms.items()}) is None, "the tables have a circle"

    def check(files, *expected):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            found, _ = faults(root, rooms)
            assert len(found) == len(expected), found
            for line, part in zip(found, expected):
                assert part in line, f"{line}\nlacks\n{part}"

    pack = "include/packkit/packing/pack.hpp"
    fit = "include/packkit/packing/detail/fit.hpp"
    shape = "include/packkit/mesh/mesh_shape.hpp"
    setup = "include/packkit/estimate/training_setup.hpp"
    check({shape: "", pack: "#include <packkit/mesh/mesh_shape.hpp>\n#include <vector>\n",
           fit: "#include <packkit/packing/pack.hpp>\n"})
    check({shape: "", setup: "", pack: "//\n#include <packkit/estimate/training_setup.hpp>\n"},
          f"{pack}:2: packing may not include estimate ({setup})")
    check({pack: "#  include <packkit/packkit.hpp>\n", "include/packkit/packkit.hpp": ""},
          f"{pack}:1: packing may not include umbrellas")
    check({shape: "#include <packkit/torch/ops/dropout.hpp>\n",
           "include/packkit/torch/ops/dropout.hpp": ""},
          f"{shape}:1: mesh may not include torch/ops")
    check({shape: "#include <packkit/packing/pack.hpp>\n",
           pack: "#include <packkit/mesh/mesh_shape.hpp>\n"},
          f"{shape}:1: mesh may not include packing", "in a circle: ")
    check({"include/packkit/speed/fast.hpp": ""}, "speed/fast.hpp: its folder has no line")
    check({"examples/train/speed/fast.cpp": ""}, "train/speed/fast.cpp: its folder has no line")
    check({f"include/packkit/a{i}.hpp": "" for i in range(MOST_FLAT_HEADERS)})
    check({f"include/packkit/a{i}.hpp": "" for i in range(MOST_FLAT_HEADERS + 1)},
          f"{MOST_FLAT_HEADERS + 1} headers outside of folders")
    check({"examples/train/config/config.hpp": '#include "data/dataset.hpp"\n',
           "examples/train/data/dataset.hpp": ""},
          "config/config.hpp:1: train/config may not include train/data")
    check({"examples/common/errors.hpp": '#include "report/svg.hpp"\n',
           "examples/common/report/svg.hpp": ""},
          "common/errors.hpp:1: common may not include common/report")
    check({"examples/plan/report.hpp": "#include <packkit/torch/ops/dropout.hpp>\n",
           "include/packkit/torch/ops/dropout.hpp": ""},
          "plan/report.hpp:1: plan may not include torch/ops")
    print("every kind of fault is found")


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        self_test()
        return
    found, count = faults(Path(sys.argv[1]), table())
    if found:
        sys.exit("\n".join(found))
    print(f"{count} files include only what their folders may")


if __name__ == "__main__":
    main()
