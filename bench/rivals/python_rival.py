# SPDX-License-Identifier: Apache-2.0
"""python_rival.py FILE.npy CAPACITY NAME [COUNT [RUNS]]

Packs the first COUNT lengths (0: all) with a Python packer, RUNS times, and prints one line of
JSON as `pack_npy` does. The packers' files come out of their wheels, unpacked beside the
environment; what they import and do not use here (torch, transformers, a logger) is a stand-in.
The result is checked by counting: samples and tokens lost, repeated, bins over capacity.
"""

import importlib.util
import json
import logging
import os
import sys
import time
import types
from pathlib import Path

STARTED = float(os.environ.get("RIVALS_STARTED", time.time()))
WHEELS = Path(os.environ.get("RIVALS_WHEELS", Path(__file__).resolve().parent))

import numpy as np  # noqa: E402  (counted in the process time)


def stand_in(name, **members):
    """A module with these members, and the packages above it."""
    parts = name.split(".")
    for k in range(1, len(parts)):
        sys.modules.setdefault(".".join(parts[:k]), types.ModuleType(".".join(parts[:k])))
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def from_wheel(name, path):
    spec = importlib.util.spec_from_file_location(name, WHEELS / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Checked:
    """Bins as sample indices."""

    def __init__(self, bins):
        self.bins = bins

    def report(self, lengths, capacity):
        sizes = np.fromiter((len(b) for b in self.bins), dtype=np.int64, count=len(self.bins))
        items = np.fromiter((i for b in self.bins for i in b), dtype=np.int64, count=sizes.sum())
        times = np.bincount(items, minlength=len(lengths))
        ends = np.cumsum(sizes)
        total = np.concatenate([[0], np.cumsum(lengths[items].astype(np.int64))])
        loads = total[ends] - total[ends - sizes]
        return {
            "bins": len(self.bins),
            "lost_samples": int((times == 0).sum()),
            "lost_tokens": int(lengths[times == 0].sum(dtype=np.int64)),
            "repeated": int((times > 1).sum()),
            "overfull": int((loads > capacity).sum()),
        }


def axolotl(sequential=False, length=False):
    """Axolotl's MultipackBatchSampler as a training run makes it: groups of 100,000, at most
    200 samples a bin, one process. `length`: what len(sampler) costs at the start of a run."""
    class BatchSampler:
        def __init__(self, sampler, batch_size, drop_last):
            self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    class SequentialSampler(list):
        pass

    stand_in("torch.utils.data", BatchSampler=BatchSampler, Sampler=list,
             SequentialSampler=SequentialSampler)
    stand_in("axolotl.utils.distributed", reduce_and_broadcast=lambda one, all_: all_([one()]))
    stand_in("axolotl.utils.logging", get_logger=logging.getLogger)
    module = from_wheel("axolotl_multipack", "axolotl/utils/samplers/multipack.py")

    def pack(lengths, capacity):
        sampler = module.MultipackBatchSampler(
            SequentialSampler(range(len(lengths))), batch_size=1, batch_max_len=capacity,
            lengths=lengths, bin_size=200, sequential=sequential, num_processes=1)
        if length:
            len(sampler)
        return [rows[0] for rows in sampler.generate_batches()]

    pack(np.arange(1, 100, dtype=np.int32), 100)  # compiles
    return pack, Checked


def trl():
    """TRL's pack_dataset(strategy="bfd") as trainers call it: through datasets' map, a batch of
    1000 rows at a time, and with the tokens, which it moves. The tokens of sample i are all i."""
    import datasets
    import pyarrow as pa
    datasets.disable_progress_bars()
    stand_in("transformers", PreTrainedTokenizerBase=type("Tokenizer", (), {}),
             ProcessorMixin=type("Processor", (), {}))
    module = from_wheel("trl_data_utils", "trl/data_utils.py")
    del sys.modules["transformers"]  # datasets would look for more in it
    made = {}

    def pack(lengths, capacity):
        return module.pack_dataset(made[len(lengths)], capacity, strategy="bfd")

    def prepare(lengths):
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        tokens = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        rows = (pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), tokens)
                if offsets[-1] < 2**31 else pa.LargeListArray.from_arrays(offsets, tokens))
        made[len(lengths)] = datasets.Dataset(pa.table({"input_ids": rows}))

    class Packed:
        def __init__(self, dataset):
            self.dataset = dataset

        def report(self, lengths, capacity):
            rows = self.dataset.with_format("arrow")[:].column("input_ids").combine_chunks()
            if isinstance(rows, pa.ChunkedArray):
                rows = rows.chunk(0)
            loads = np.diff(rows.offsets.to_numpy())
            seen = np.bincount(rows.flatten().to_numpy(), minlength=len(lengths))
            return {
                "bins": len(loads),
                "lost_samples": int((seen == 0).sum()),
                "lost_tokens": int(np.maximum(lengths - seen, 0).sum()),
                "repeated": int((seen > lengths).sum()),
                "overfull": int((loads > capacity).sum()),
            }

    pack.prepare = prepare
    return pack, Packed


def binpacking():
    """binpacking.to_constant_volume: sorts, and tries every bin for every sample."""
    import binpacking as module

    def pack(lengths, capacity):
        return module.to_constant_volume(dict(enumerate(lengths.tolist())), capacity)

    return pack, Checked


RIVALS = {
    "axolotl": axolotl,
    "axolotl_len": lambda: axolotl(length=True),
    "axolotl_sequential": lambda: axolotl(sequential=True),
    "binpacking": binpacking,
    "trl_bfd": trl,
}


def main():
    if len(sys.argv) not in (4, 5, 6) or sys.argv[3] not in RIVALS:
        print(f"usage: {Path(__file__).name} FILE.npy CAPACITY NAME [COUNT [RUNS]], NAME one of",
              *RIVALS, file=sys.stderr)
        return 2
    path, capacity, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    runs = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    lengths = np.load(path)
    if count > len(lengths):
        print(f"{path} holds {len(lengths)} lengths, not {count}", file=sys.stderr)
        return 2
    lengths = lengths[:count] if count else lengths
    pack, result_type = RIVALS[name]()
    if hasattr(pack, "prepare"):
        pack.prepare(lengths)
    seconds = []
    packed = None
    for _ in range(runs):
        packed = None
        start = time.perf_counter()
        packed = pack(lengths, capacity)
        seconds.append(time.perf_counter() - start)
    process = time.time() - STARTED
    print(json.dumps({"algorithm": name, "samples": len(lengths), "capacity": capacity,
                      "seconds": seconds, "process_seconds": process,
                      **result_type(packed).report(lengths, capacity)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
