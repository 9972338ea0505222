#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes prompts.json: the tokens of some rows for each of Axolotl's instruction prompts.

A case is {"type", "row", "text", "from"}: the text of all tokens, in which U+0001 stands for bos
and U+0002 for eos, and the number of tokens at its beginning that are no targets.

Usage: make_prompts.py FOLDER > prompts.json
FOLDER is src/axolotl of a checkout of Axolotl (commit 067b021c8b87). Its own strategies are run,
with a tokenizer that makes UTF-8 bytes of a text, 256 before it; eos is 257. What they import but
do not need here (transformers, datasets) is replaced.
"""
import importlib.util
import json
import logging
import sys
import types
from pathlib import Path

STYLES = ("instruct", "chat", "chatml", "phi")
SEQUENCE_LEN = 100000


class Encoding(dict):
    def __init__(self, data):
        super().__init__(data)


class Tokenizer:
    bos_token_id, eos_token_id, eos_token = 256, 257, "</s>"

    def __call__(self, text, add_special_tokens=True, **_):
        ids = ([256] if add_special_tokens else []) + list(text.encode())
        return Encoding({"input_ids": ids, "attention_mask": [1] * len(ids)})


def load(root):
    """Axolotl's modules by name, with stand-ins for what is not installed."""
    def stand_in(name, **values):
        module = types.ModuleType(name)
        module.__dict__.update(values)
        sys.modules[name] = module

    class Logger(logging.Logger):
        def warning_once(self, *_):
            pass

    for package in ("axolotl", "axolotl.utils", "axolotl.prompt_strategies"):
        stand_in(package, __path__=[])
    stand_in("axolotl.utils.logging", get_logger=Logger)
    stand_in("colorama", Fore=types.SimpleNamespace(CYAN="", RESET=""))
    stand_in("datasets", Dataset=object)
    stand_in("transformers", BatchEncoding=Encoding, PreTrainedTokenizer=object)
    stand_in("yaml")
    names = ["prompters", "prompt_tokenizers"] + [
        "prompt_strategies." + name for name in (
            "alpaca_chat", "alpaca_instruct", "alpaca_w_system", "context_qa", "creative_acr",
            "metharme", "orcamini", "user_defined")]
    for name in names:
        path = root / (name.replace(".", "/") + ".py")
        spec = importlib.util.spec_from_file_location("axolotl." + name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["axolotl." + name] = module
        spec.loader.exec_module(module)
    return lambda name: sys.modules["axolotl." + name]


ROWS = {
    "alpaca": [{"instruction": "Add {x}.", "input": "1 2", "output": "3"},
               {"instruction": "Hé", "output": "yes"}],
    "system": [{"instruction": "i", "input": "n", "output": "o", "system": "be brief"},
               {"instruction": "i", "input": "", "output": "o", "system": ""}],
    "gpteacher": [{"instruction": "a", "input": "b", "response": "c"},
                  {"instruction": "a", "response": "c"}],
    "jeopardy": [{"question": "q", "category": "c", "answer": "a"}],
    "oasst": [{"INSTRUCTION": "a", "RESPONSE": "b"}],
    "choices": [{"question": "q", "choices": ["x", "y"], "solution": "s"},
                {"question": "q", "choices": ["x"], "explanation": "e"}],
    "summarize": [{"article": "long", "summary": "short"}],
    "reflection": [{"instruction": "a", "input": "b", "output": "c", "reflection": "d", "corrected": "e"},
                   {"instruction": "a", "output": "c", "reflection": "d", "corrected": "e"}],
    "qa": [{"question": "q", "answer": "a"}],
    "camel": [{"message_1": "q", "message_2": "a"}],
    "orca": [{"question": "q", "response": "r", "system_prompt": "s"},
             {"question": "q", "response": "r", "system_prompt": ""}],
    "article": [{"article": "t", "question": "q", "answer": "a", "unanswerable_question": "u"}],
    "context": [{"context": "t", "question": "q", "answer": "a"}],
    "creative": [{"instruction": "i", "revision": "r"}],
    "metharme": [{"prompt": "p", "generation": "g"}],
}
USER = [
    ({"field_instruction": "q", "field_output": "a", "format": "[INST] {instruction} {input} [/INST]",
      "no_input_format": "[INST] {instruction} [/INST]"}, [{"q": "x", "a": "y"}, {"q": "x", "input": "n", "a": "y"}]),
    ({"system_prompt": "S", "system_format": "<{system}>", "format": "{{{instruction}}}{input}|",
      "field_system": "sys"},
     [{"instruction": "x", "input": "n", "output": "y", "sys": "T"}, {"instruction": "x", "output": "y"}]),
    ({}, [{"instruction": "x", "output": "y"}]),
]


def main():
    module = load(Path(sys.argv[1]))
    prompters, tokenizers = module("prompters"), module("prompt_tokenizers")
    cases = []

    def add(kind, rows, make):
        for row in rows:
            for train_on_inputs in (True, False):
                cfg = types.SimpleNamespace(train_on_inputs=train_on_inputs, sequence_len=SEQUENCE_LEN)
                result = make(cfg).tokenize_prompt(dict(row))
                ids, labels = result["input_ids"], result["labels"]
                begin = next(i for i, label in enumerate(labels) if label != -100)
                assert labels == [-100] * begin + ids[begin:]
                assert not train_on_inputs or begin == 0
            text = bytes({256: 1, 257: 2}.get(i, i) for i in ids).decode()
            cases.append({"type": kind, "row": row, "text": text, "from": begin})

    styled = {
        "alpaca": ("alpaca", "AlpacaPrompter", "AlpacaPromptTokenizingStrategy"),
        "gpteacher": ("gpteacher", "GPTeacherPrompter", "GPTeacherPromptTokenizingStrategy"),
        "jeopardy": ("jeopardy", "JeopardyPrompter", "JeopardyPromptTokenizingStrategy"),
        "oasst": ("oasst", "AlpacaPrompter", "OpenAssistantPromptTokenizingStrategy"),
        "reflection": ("reflection", "ReflectAlpacaPrompter", "AlpacaReflectionPTStrategy"),
        "explainchoice": ("choices", "MultipleChoiceExplainPrompter",
                          "AlpacaMultipleChoicePromptTokenizingStrategy"),
        "concisechoice": ("choices", "MultipleChoiceConcisePrompter",
                          "AlpacaMultipleChoicePromptTokenizingStrategy"),
        "summarizetldr": ("summarize", "SummarizeTLDRPrompter", "SummarizeTLDRPromptTokenizingStrategy"),
    }
    for name, (rows, prompter, strategy) in styled.items():
        for style in STYLES:
            def make(cfg, prompter=prompter, strategy=strategy, style=style):
                return getattr(tokenizers, strategy)(getattr(prompters, prompter)(style), Tokenizer(),
                                                     cfg.train_on_inputs, cfg.sequence_len)
            add(name + ("" if style == "instruct" else ":" + style), ROWS[rows], make)
    loaders = {
        "alpaca_chat": "alpaca", "alpaca_chat.load_concise": "alpaca", "alpaca_chat.load_qa": "qa",
        "alpaca_chat.load_camel_ai": "camel", "alpaca_chat.load_no_prompt": "alpaca",
        "alpaca_instruct": "alpaca", "alpaca_instruct.load_no_prompt": "alpaca",
        "alpaca_w_system": "system", "alpaca_w_system.load_instruct": "system",
        "alpaca_w_system.load_chat": "system", "alpaca_w_system.load_open_orca": "orca",
        "alpaca_w_system.load_open_orca_chatml": "orca", "orcamini": "orca",
        "context_qa": "article", "context_qa.load_404": "article", "context_qa.load_v2": "context",
        "creative_acr.load_answer": "creative", "metharme": "metharme"}
    for name, rows in loaders.items():
        strategy, _, function = name.partition(".")
        load_it = getattr(module("prompt_strategies." + strategy), function or "load")
        add(name, ROWS[rows], lambda cfg, load_it=load_it: load_it(Tokenizer(), cfg))
    user = module("prompt_strategies.user_defined")
    for given, rows in USER:
        add(given, rows, lambda cfg, given=given: user.load(
            Tokenizer(), cfg, user.UserDefinedDatasetConfig(**given)))
    print("[" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "]")


main()
