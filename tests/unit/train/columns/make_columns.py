#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the data sets beside this script: the same rows as JSON lines, Parquet and Arrow.

Run by hand, never by the build, where pyarrow is (written with 26.0.1):

    python3 tests/unit/train/columns/make_columns.py

<type>.jsonl     an object a row, without the fields that are null
<type>.parquet   row groups of two rows, page checksums
<type>.arrow     an Arrow file, batches of three rows
chat_template.stream.arrow   an Arrow stream, as Hugging Face's `datasets` keeps its cache
completion.wide.parquet      the other ways of storing texts: large strings coded by a dictionary,
                             no checksums
damaged.parquet  two columns, 'text' and 'other', uncompressed, for tests that damage a page
wrong.parquet    columns of types that are no text: number, when, list, binary, twice
not_utf8.parquet a text with a byte that is not UTF-8 in row 1
"""

import datetime
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent

TEXTS = ["one", "", "zwei, drei; größer", "四\n五", "a" * 70, '"quoted" \\ back', "\u0000 zero"]
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_()),
                     ("tool_calls", pa.list_(pa.string())), ("at", pa.timestamp("us"))])
DATASETS = {
    "completion": (
        [{"id": i, "meta": {"text": text, "score": i / 4}} for i, text in enumerate(TEXTS)],
        pa.schema([("id", pa.int16()),
                   ("meta", pa.struct([("score", pa.float32()), ("text", pa.string())]))])),
    "tokens": (
        [{"input_ids": [1, 2, 3], "attention_mask": [1, 1, 1]},
         {"input_ids": [4, 5, 6, 7], "labels": [-100, -100, 6, 7]},
         {"input_ids": []},
         {"input_ids": [258, 0], "labels": [-100, 0]},
         {"input_ids": list(range(30)), "labels": list(range(30))}],
        pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.large_list(pa.int64())),
                   ("attention_mask", pa.list_(pa.int8()))])),
    "alpaca": (
        [{"instruction": "Add.", "input": "1 + 1", "output": "2"},
         {"instruction": "Say hello.", "output": "hello"},
         {"instruction": "Größe?", "input": "", "output": "1,80 m"}],
        pa.schema([("instruction", pa.string()), ("input", pa.string()),
                   ("output", pa.string()), ("text", pa.string())])),
    "input_output": (
        [{"segments": [{"label": False, "text": "<s>Hi "}, {"label": True, "text": "there"}]},
         {"segments": [{"label": True, "text": "all"}]},
         {"segments": []}],
        pa.schema([("segments", pa.list_(pa.struct([("label", pa.bool_()),
                                                    ("text", pa.string())])))])),
    "chat_template": (
        [{"chat": {"messages": [{"role": "user", "content": "Hi"},
                                {"role": "assistant", "content": "Hello!"}]}},
         {"chat": {"messages": [{"role": "system", "content": "Be short."},
                                {"role": "user", "content": "Größe?"},
                                {"role": "assistant", "content": "1,80 m", "train": False},
                                {"role": "user", "content": "And?"},
                                {"role": "assistant", "content": "2 m", "train": True}]}},
         {"chat": {"messages": [{"role": "user", "content": "Hi"},
                                {"role": "assistant", "content": "no"}]},
          "system": "Say no."}],
        pa.schema([("chat", pa.struct([("messages", pa.list_(MESSAGE))])),
                   ("system", pa.string())])),
}


def write_arrow(table, path, new_writer):
    with pa.OSFile(str(path), "wb") as sink, new_writer(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def main():
    for name, (rows, schema) in DATASETS.items():
        table = pa.Table.from_pylist(rows, schema=schema)
        with open(HERE / f"{name}.jsonl", "w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        pq.write_table(table, HERE / f"{name}.parquet", row_group_size=2,
                       write_page_checksum=True)
        write_arrow(table, HERE / f"{name}.arrow", pa.ipc.new_file)
        if name == "chat_template":
            write_arrow(table, HERE / f"{name}.stream.arrow", pa.ipc.new_stream)
    coded = pa.array(TEXTS, pa.large_string()).dictionary_encode()
    pq.write_table(pa.table({"meta": pa.StructArray.from_arrays([coded], ["text"])}),
                   HERE / "completion.wide.parquet", version="1.0", compression="none")
    count = 400
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(count)],
                             "other": [f"other {i}" for i in range(count)]}),
                   HERE / "damaged.parquet", compression="none", use_dictionary=False,
                   write_page_checksum=True)
    twice = [pa.array(["a"]), pa.array(["b"])]
    pq.write_table(
        pa.Table.from_arrays(
            [pa.array([17]), pa.array([datetime.datetime(2024, 1, 1)]), pa.array([["a"]]),
             pa.array([b"a"]), *twice],
            names=["number", "when", "list", "binary", "twice", "twice"]),
        HERE / "wrong.parquet")
    bad = pa.Array.from_buffers(pa.string(), 2, [
        None, pa.array([0, 2, 5], pa.int32()).buffers()[1], pa.py_buffer(b"okab\xff")])
    pq.write_table(pa.table({"text": bad}), HERE / "not_utf8.parquet")


if __name__ == "__main__":
    main()
