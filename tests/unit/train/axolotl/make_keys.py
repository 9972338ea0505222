#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists the top-level keys of Axolotl's configuration: the fields of its schemas.

usage: make_keys.py AXOLOTL_CHECKOUT > keys.txt

keys.txt was made from commit 067b021c8b87a9e5e380b9173c704cf7340e30f5 (2026-07-24, Apache-2.0).
"""

import ast
import pathlib
import re
import sys

# Schemas whose fields stand at the top of a configuration; those of nested maps are left out.
NESTED = re.compile(
    r"LoftQ|Dataset|SpecialTokens|UserDefined|EBFT|LrGroup|Selective|Vllm|RoleBoundary|FSDPConfig|"
    r"QAT|PTQ|TRLConfig|Capabilities|DiffusionConfig|MoraConfig|HatcheryConfig|DynamicCheckpointConfig|"
    r"Mixin"
)


def fields(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef) or NESTED.search(node.name):
            continue
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                yield item.target.id
                alias = re.search(r"alias=['\"](\w+)", ast.unparse(item.value) if item.value else "")
                if alias:
                    yield alias[1]


def main():
    source = pathlib.Path(sys.argv[1]) / "src" / "axolotl"
    files = [*(source / "utils" / "schemas").glob("*.py"), *(source / "integrations").glob("*/args.py")]
    keys = {key for path in files if path.name != "enums.py" for key in fields(path)}
    print("\n".join(sorted(keys - {"model_config"})))


if __name__ == "__main__":
    main()
