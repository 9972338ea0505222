# SPDX-License-Identifier: Apache-2.0
"""The README's code is an example that runs, with the output it shows; its configuration is one that
packkit-train accepts; its links lead somewhere; the bounds it claims are those that tests assert.

Usage: readme_test.py SOURCE_DIR PACK_LENGTHS PACKKIT_PLAN [PACKKIT_TRAIN]"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def example(path):
    """The lines between the marks, and the end of main()."""
    text = path.read_text(encoding="utf-8")
    return re.search(r"// example-begin readme\n(.*?) *// example-end readme", text,
                     re.DOTALL)[1] + "}\n"


def check_snippet(source, readme, program):
    shown = blocks(readme, "cpp")[0]
    assert shown == example(source / "examples/quickstart/pack_lengths.cpp"), shown
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    trimmed = "".join(line.rstrip() + "\n" for line in output.splitlines())
    assert blocks(readme, "text")[0] == trimmed, output


def check_sessions(readme, program):
    """Blocks of a command after `$ ` and what it prints."""
    sessions = blocks(readme, "console")
    assert sessions
    for session in sessions:
        command, shown = session.removeprefix("$ ").split("\n", 1)
        name, *arguments = command.split()
        assert name == pathlib.Path(program).name, command
        output = subprocess.run([program, *arguments], check=True, capture_output=True,
                                text=True).stdout
        assert output == shown, output


def check_links(source, readme):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    assert len(links) >= 10, links
    for link in links:
        assert (source / link).exists(), link


# What the README's table of checks says of bounds, by the beginning of its row; names are those of
# tests/support/bounds.hpp.
CLAIMED = {
    "logits, loss and gradients of nine families": "{golden_float64}",
    "ten training steps of six families":
        "{golden_training_float64} float64, {golden_training_float32} float32",
    "logits in bf16": "not above",
    "bytes sent by every collective": "equal",
    "peak memory": "each large component {memory_component:percent}, total {memory_total:percent}",
    "each document of a packed row":
        "{packed_document_float64} float64, {packed_document_float32} float32",
    "losses of 20 steps and first gradients on every mesh":
        "{mesh_threads_float64} float64, {mesh_threads_float32} float32",
    "losses of 20 steps on 2 and 4 processes":
        "{mesh_processes_float64} float64, {mesh_processes_float32} or "
        "{mesh_processes_shared_rows_float32} float32",
    "`reduction: canonical`": "same bits",
    "stopped and resumed": "same bits",
    "saved on one mesh and loaded on another":
        "same bits; {checkpoint_float64} float64, {checkpoint_float32} float32",
}


class Bound(float):
    """A bound as the README writes it: 2e-6, or 5 %."""

    def __format__(self, form):
        if form == "percent":
            return f"{100 * self:g} %"
        return f"{float(self):g}".replace("e-0", "e-")


def check_bounds(source, readme):
    bounds = {name: Bound(value) for name, value in re.findall(
        r"^inline constexpr double (\w+) = ([^;]+);",
        (source / "tests/support/bounds.hpp").read_text(encoding="utf-8"), re.MULTILINE)}
    table = re.search(r"\n\| \| bound \|\n\|---\|---\|\n((?:\|.*\n)+)", readme)[1]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()]
    assert len(rows) == len(CLAIMED), len(rows)
    for what, bound in rows:
        claims = [claim for begin, claim in CLAIMED.items() if what.startswith(begin)]
        assert len(claims) == 1, what
        expected = claims[0].format(**bounds)
        assert bound == expected, f"{what}: the README says {bound}, the tests {expected}"
    end = f"ends all within {bounds['rank_end_seconds']} seconds"
    assert end in re.sub(r"\s+", " ", readme), end
    used = set(re.findall(r"{(\w+)", "".join(CLAIMED.values()))) | {"rank_end_seconds"}
    assert used == set(bounds), used ^ set(bounds)


def check_configuration(readme, program):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model").mkdir()
        (folder / "model/config.json").write_text(json.dumps({
            "model_type": "llama", "vocab_size": 259, "hidden_size": 32,
            "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}))
        (folder / "data.jsonl").write_text('{"text": "hello"}\n' * 20)
        (folder / "run.yaml").write_text(blocks(readme, "yaml")[0])
        subprocess.run([program, "check", str(folder / "run.yaml"), "--processes", "2"],
                       check=True, capture_output=True)


def main(source, pack_lengths, packkit_plan, packkit_train=None):
    readme = (source / "README.md").read_text(encoding="utf-8")
    check_snippet(source, readme, pack_lengths)
    check_sessions(readme, packkit_plan)
    check_links(source, readme)
    check_bounds(source, readme)
    if packkit_train is not None:
        check_configuration(readme, packkit_train)
    print("5 passed, 0 failed")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
