#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes axolotl.txt beside this script: what Axolotl's own sampler makes of generated lengths.

Run by hand, never by the build, in an environment with NumPy and Numba (written with axolotl 0.19.0,
numpy 2.4.6 and numba 0.68.1):

    pip download --no-deps axolotl==0.19.0
    python3 tests/unit/core/axolotl/make_axolotl.py axolotl-0.19.0-py3-none-any.whl

It loads axolotl/utils/samplers/multipack.py out of the wheel (Axolotl is under the Apache License 2.0;
nothing of it is kept here), with empty stand-ins for what that file imports and packing does not use:
PyTorch's sampler classes, logging, and the exchange between ranks.

Lengths and orders are not stored: they follow from a seed by Philox 4x32-10, as in
packkit/utility/random.hpp (`lengths` and `order` below; axolotl_test.cpp has the same). A line is

    case SEED COUNT SHAPE ORDER CAPACITY GROUP_SIZE BIN_SIZE SEQUENTIAL BATCH_SIZE DROP_LAST
         BINS BINS_HASH BATCHES BATCHES_HASH

- ORDER 0: samples in the order of their indices; 1: shuffled.
- BINS, BINS_HASH: of all bins, without batches. FNV-1a, 64 bits, over 64-bit numbers, lowest byte
  first: for each bin the number of its samples, then their indices.
- BATCHES, BATCHES_HASH: of `generate_batches()`: for each batch the number of its bins, then each bin
  as above.

`bins A,B,... C,D ...` in the line after a small case is all its bins in full.
"""

import importlib.util
import pathlib
import sys
import tempfile
import types
import zipfile

import numpy as np

SAMPLER = "axolotl/utils/samplers/multipack.py"
MASK = (1 << 64) - 1


def load_sampler(wheel):
    """The module, with stand-ins for what it imports beside NumPy and Numba."""

    class Sampler:
        def __class_getitem__(cls, item):
            return cls

    class BatchSampler(Sampler):
        def __init__(self, sampler, batch_size, drop_last):
            self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    class SequentialSampler(Sampler):
        pass

    class Log:
        def __getattr__(self, name):
            return lambda *args, **kwargs: None

    names = {
        "torch.utils.data": dict(
            BatchSampler=BatchSampler, Sampler=Sampler, SequentialSampler=SequentialSampler
        ),
        "axolotl.utils.distributed": dict(reduce_and_broadcast=lambda mine, all: all([mine()])),
        "axolotl.utils.logging": dict(get_logger=lambda name: Log()),
    }
    for dotted, members in names.items():
        parts = dotted.split(".")
        for k in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:k]), types.ModuleType(".".join(parts[:k])))
        vars(sys.modules[dotted]).update(members)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            path = pathlib.Path(archive.extract(SAMPLER, folder))
        spec = importlib.util.spec_from_file_location("axolotl_multipack", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def random_bits(key, count, stream):
    """`packkit::random_bits(key, i, stream)[0]` for i in [0, count)."""
    counter = np.arange(count, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [
        counter & low,
        counter >> np.uint64(32),
        np.full(count, stream & 0xFFFFFFFF, np.uint64),
        np.full(count, stream >> 32, np.uint64),
    ]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]),
            b & low,
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]),
            a & low,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c[0] | c[1] << np.uint64(32)


def lengths(seed, count, shape, capacity):
    r = random_bits(seed, count, 0)
    u = random_bits(seed, count, 1)
    cap = np.uint64(capacity)
    one = np.uint64(1)
    if shape == 0:  # uniform
        made = one + r % cap
    elif shape == 1:  # mostly short
        made = one + (r % cap) * (u % cap) // cap
    elif shape == 2:  # few distinct
        made = np.minimum(cap, one + cap // np.uint64(5) * (r % np.uint64(5)))
    elif shape == 3:  # a fifth longer than the capacity
        made = one + r % (cap + cap // np.uint64(4))
    else:  # a third of length 0, the others short
        made = np.where(u % np.uint64(3) == 0, np.uint64(0), r % (cap // np.uint64(4) + one))
    return made.astype(np.int64)


def order(seed, count, kind):
    if kind == 0:
        return list(range(count))
    return np.argsort(random_bits(seed, count, 2), kind="stable").tolist()


def fnv(words):
    value = 0xCBF29CE484222325
    for word in words:
        for byte in int(word).to_bytes(8, "little"):
            value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def words_of_bins(bins):
    for one in bins:
        yield len(one)
        yield from one


def words_of_batches(batches):
    for batch in batches:
        yield len(batch)
        yield from words_of_bins(batch)


def run(module, seed, count, shape, kind, capacity, group, bin_size, sequential, batch, drop):
    def batches(size, last):
        sampler = module.MultipackBatchSampler(
            order(seed, count, kind),
            batch_size=size,
            batch_max_len=capacity,
            lengths=lengths(seed, count, shape, capacity),
            bin_size=bin_size or None,
            drop_last=last,
            sequential=bool(sequential),
            group_size=group,
        )
        return sampler.generate_batches()

    bins = [one for (one,) in batches(1, False)]
    dealt = batches(batch, bool(drop))
    text = (
        f"case {seed} {count} {shape} {kind} {capacity} {group} {bin_size} {sequential} {batch} {drop} "
        f"{len(bins)} {fnv(words_of_bins(bins)):016x} {len(dealt)} {fnv(words_of_batches(dealt)):016x}\n"
    )
    if count <= 40:
        text += "bins " + " ".join(",".join(map(str, one)) for one in bins) + "\n"
    return text


def cases():
    """Defaults first, then every shape in both modes, then parameters drawn at random."""
    seed = 1
    for sequential in (0, 1):
        for count, capacity, shape in ((250_000, 4096, 1), (120_000, 8192, 3), (30_000, 512, 0)):
            yield seed, count, shape, 1, capacity, 100_000, 200, sequential, 1, 1
            seed += 1
    for count in (0, 1, 2, 13, 40, 700):
        for shape in range(5):
            for sequential in (0, 1):
                yield seed, count, shape, seed % 2, 64, 17, (200, 0, 1, 2, 7)[seed % 5], sequential, 3, 1
                seed += 1
    counts = (5, 40, 99, 1000, 2500, 5000)
    for _ in range(120):
        pick = [int(v) for v in random_bits(seed, 9, 3)]
        yield (
            seed,
            counts[pick[0] % len(counts)],
            pick[1] % 5,
            pick[2] % 2,
            (1, 4, 10, 100, 512, 2048, 4096, 32768)[pick[3] % 8],
            (1, 3, 50, 997, 1000, 100_000)[pick[4] % 6],
            (0, 1, 2, 7, 50, 200)[pick[5] % 6],
            int(pick[6] % 3 == 0),
            (1, 2, 3, 8)[pick[7] % 4],
            pick[8] % 2,
        )
        seed += 1


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    module = load_sampler(sys.argv[1])
    target = pathlib.Path(__file__).with_name("axolotl.txt")
    with target.open("w") as out:
        out.write(f"# By make_axolotl.py, from {pathlib.Path(sys.argv[1]).name}\n")
        for case in cases():
            out.write(run(module, *case))
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
