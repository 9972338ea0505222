#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes schedules.txt: learning rates of 100 steps by Transformers' get_scheduler.

Usage: PYTHONPATH=.deps/torch:… make_schedules.py > schedules.txt   (transformers 4.57, torch 2.11)

A line a schedule: the arguments as name=value, then a bar and the rates of the steps in STEPS.
Axolotl's own schedules (quadratic warmup, lowest rate, constant end, rex) follow the formulas of
its src/axolotl/utils/schedulers.py at 067b021, written down here again.
"""
import math

import torch
from transformers import get_scheduler
from transformers.optimization import get_inverse_sqrt_schedule

PEAK = 3e-4
TOTAL = 100
STEPS = [0, 1, 5, 9, 10, 11, 50, 70, 90, 98, 99]
WARMUPS = [0, 1, 10]


def rates(make):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=PEAK)
    schedule = make(optimizer)
    result = []
    for _ in range(TOTAL):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return result


def show(name, warmup, arguments, values):
    given = [f"shape={name}", f"warmup={warmup}"]
    given += [f"{key}={value}" for key, value in arguments.items()]
    print(" ".join(given), "|", " ".join(repr(float(values[s])) for s in STEPS))


def lambda_rates(function):
    return [PEAK * function(step) for step in range(TOTAL)]


def cosine_of_axolotl(warmup, ratio, constant=None, quadratic=False):
    def factor(step):
        if step < warmup:
            return (step / max(1, warmup)) ** (2 if quadratic else 1)
        end = TOTAL if constant is None else int(TOTAL * constant)
        at = step if constant is None else min(step, end)
        progress = (at - warmup) / max(1, end - warmup)
        return max(0, (1 - ratio) * 0.5 * (1 + math.cos(math.pi * progress))) + ratio
    return lambda_rates(factor)


def rex(warmup, ratio):
    def factor(step):
        step += 1  # RexLR begins with last_epoch 0 and steps once
        if 1 <= step <= warmup:
            return step / warmup
        since, span = step - warmup, TOTAL - warmup
        if since >= span:
            return ratio
        z = (span - since) / span
        return ratio + (1 - ratio) * (z / (0.1 + 0.9 * z))
    return lambda_rates(factor)


def main():
    of_transformers = [
        ("constant", {}), ("constant_with_warmup", {}), ("linear", {}), ("cosine", {}),
        ("cosine", {"num_cycles": 1.25}), ("cosine_with_restarts", {}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("cosine_with_min_lr", {"min_lr": 3e-5}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.25, "num_cycles": 0.75}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.05}),
        ("polynomial", {}), ("polynomial", {"power": 2.0, "lr_end": 1e-5}),
        ("inverse_sqrt", {}),
        ("warmup_stable_decay", {"num_decay_steps": 40}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "num_stable_steps": 20,
                                 "decay_type": "linear", "warmup_type": "cosine",
                                 "min_lr_ratio": 0.1}),
        ("warmup_stable_decay", {"num_decay_steps": 60, "decay_type": "1-sqrt",
                                 "warmup_type": "1-sqrt", "min_lr_ratio": 0.2}),
        ("warmup_stable_decay", {"num_decay_steps": 60, "num_cycles": 1.5})]
    for warmup in WARMUPS:
        for name, arguments in of_transformers:
            show(name, warmup, arguments,
                 rates(lambda optimizer: get_scheduler(
                     name, optimizer, warmup, TOTAL, dict(arguments))))
        show("inverse_sqrt", warmup, {"timescale": 20},
             rates(lambda optimizer: get_inverse_sqrt_schedule(optimizer, warmup, 20)))
        show("cosine", warmup, {"quadratic": 1}, cosine_of_axolotl(warmup, 0, None, True))
        show("cosine", warmup, {"min_lr_ratio": 0.1}, cosine_of_axolotl(warmup, 0.1))
        show("cosine", warmup, {"min_lr_ratio": 0.1, "constant_lr_ratio": 0.8},
             cosine_of_axolotl(warmup, 0.1, 0.8))
        show("rex", warmup, {}, rex(warmup, 0))
        show("rex", warmup, {"min_lr_ratio": 0.1}, rex(warmup, 0.1))


main()
