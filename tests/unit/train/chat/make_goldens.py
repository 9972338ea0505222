#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Jinja makes of conversations, and what Axolotl trains of them: writes templates.json,
masks.json and instructions.json beside this file.

    make_goldens.py AXOLOTL     (a checkout of axolotl-ai-cloud/axolotl; made with 067b021)

Needs transformers 5, tokenizers, jinja2, pydantic. Templates are read from the checkout (Apache-2.0);
the two it does not have are below: llama2 as in Transformers' LlamaTokenizer and the model's
tokenizer_config.json (Apache-2.0), qwen2 as in Qwen2's tokenizer_config.json (Apache-2.0).
No template is stored in the results. Masks come from Axolotl's own ChatTemplateStrategy,
instruction rows from its own prompters; what these import and do not use is replaced by mocks.
"""
import importlib
import json
import pathlib
import random
import sys
from unittest import mock

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = pathlib.Path(__file__).parent
AXOLOTL = pathlib.Path(sys.argv[1])
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
QWEN2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}")
# bos, eos and the tokenizer of the masks
FAMILIES = {
    "chatml": ("<s>", "<|im_end|>", "bytes"),
    "gemma": ("<bos>", "<end_of_turn>", "blanks"),
    "gemma3": ("<bos>", "<end_of_turn>", "blanks"),
    "llama2": ("<s>", "</s>", "blanks"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", "bytes"),
    "mistral_v1": ("<s>", "</s>", "blanks"),
    "mistral_v2v3": ("<s>", "</s>", "blanks"),
    "mistral_v3_tekken": ("<s>", "</s>", "bytes"),
    "qwen2": ("<s>", "<|im_end|>", "bytes"),
    "qwen_25": ("<s>", "<|im_end|>", "bytes"),
    "qwen3": ("<s>", "<|im_end|>", "bytes"),
}
LLAMA3_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<s>", "</s>", "<bos>", "<eos>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
            "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<think>", "</think>"]


def template_text(name):
    if name in ("llama2", "qwen2"):
        return {"llama2": LLAMA2, "qwen2": QWEN2}[name]
    return (AXOLOTL / "src/axolotl/utils/chat_templates/templates" / f"{name}.jinja").read_text()


def system(text): return {"role": "system", "content": text}
def user(text): return {"role": "user", "content": text}
def answer(text, **more): return {"role": "assistant", "content": text, **more}


def conversations():
    hand = [
        [user("Hi"), answer("Hello there.")],
        [system("Be brief."), user("Why?"), answer("Because.")],
        [user("One"), answer("1"), user("Two"), answer("2"), user("Three"), answer("3")],
        [system("  Count.\n"), user(" a "), answer("\nb\n"), user("\tc"), answer("  d  ")],
        [user(""), answer("")], [system(""), user("x"), answer("y")],
        [system("s"), user(" \n "), answer(" ")],
        [user("\u00e9\u4f60\u597d \U0001f600"), answer("\u0420\u0443\u0441 \u0627\u0644\u0639 e\u0301")],
        [user("\u3000wide\u00a0"), answer("\u2003em\u2028line\u0085next\u001f")],
        [user("zero\u200bwidth\u200b"), answer("\ufeffmark\u180e")],
        [user("only a question")], [system("alone")], [answer("alone")],
        [user("a"), user("b")], [answer("a"), user("b")], [user("a"), answer("b"), answer("c")],
        [system("a"), system("b"), user("c"), answer("d")], [user("a"), system("b"), answer("c")],
        [user("a"), answer("b"), system("c"), answer("d")], [system("s"), answer("a"), user("u")],
        [system("s"), user("a"), answer("b"), user("ends with a question")],
        [user("<s>[INST] <|im_end|> </s>"), answer("<|eot_id|><end_of_turn>{{ x }}")],
        [user("a"), answer("<think>\nbecause\n</think>\n\nyes")],
        [user("a"), answer("<think>first</think>one"), user("b"), answer("<think>\n\nsecond\n\n</think>\n\n\ntwo")],
        [user("a"), answer("no opening</think>rest"), answer("<think>x</think>y<think>z</think>w")],
        [user("a"), answer("b", reasoning_content="given\n"), user("c"), answer("d", reasoning_content="\nthoughts")],
        [user("a"), answer("b</think>c", reasoning_content=""), answer("\n\nd", reasoning_content=" ")],
        [user("a"), answer("call"), user("<tool_response>1</tool_response>"), answer("<think>t</think>done")],
        [user("<tool_response>1</tool_response>"), answer("<think>t</think>done")],
        [user("q"), answer("one", reasoning_content="why"), answer("two")],
    ]
    pool = ["word", "two words", "", " lead", "trail ", "\n", "line\nline\n\nline", "\u00fcber \u65e5\u672c",
            "1 + 1 = 2", "tab\t", "\u00a0nb", "end.", "Is it so? It is!", "x" * 30]
    rng = random.Random(6)
    for _ in range(20):
        talk = [system(rng.choice(pool))] if rng.random() < 0.5 else []
        for _ in range(rng.randint(1, 3)):
            talk += [user(rng.choice(pool)), answer(rng.choice(pool))]
        hand.append(talk)
    return hand


def rendered(template, messages, bos, eos):
    return _compile_jinja_template(template).render(
        messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=False)


def parts_of(message):
    """Thoughts and content as Qwen3 splits them."""
    content, thoughts = message["content"], message.get("reasoning_content")
    if thoughts is None and "</think>" in content:
        thoughts = content.split("</think>")[0].rstrip("\n").split("<think>")[-1]
        content = content.split("</think>")[-1].lstrip("\n")
    return (thoughts or "").strip("\n"), content


def spans(name, template, messages, bos, eos):
    """Bytes of each content: the template's own text around it is found by marks in its place."""
    marked, marks = [], {}
    for i, message in enumerate(messages):
        one, two = chr(0xE000 + 2 * i), chr(0xE001 + 2 * i)
        thoughts, content = parts_of(message) if name == "qwen3" and message["role"] == "assistant" else (
            "", message["content"])
        marks[one], marks[two] = (i, thoughts), (i, content)
        copy = {"role": message["role"], "content": two}
        if name == "qwen3" and message["role"] == "user" and message["content"].startswith("<tool_response>"):
            copy["content"] = f"<tool_response>{two}</tool_response>"
            marks[two] = (i, content[len("<tool_response>"):-len("</tool_response>")])
        if thoughts:
            copy["reasoning_content"] = one
        elif "reasoning_content" in message:
            copy["reasoning_content"] = ""
        marked.append(copy)
    frame = rendered(template, marked, bos, eos)
    text = rendered(template, messages, bos, eos)
    pieces, literal = [], ""
    for char in frame:
        if char in marks:
            pieces += [literal, char]
            literal = ""
        else:
            literal += char
    pieces.append(literal)

    def place(at, k):
        """Positions of the marks from piece k on, or None."""
        if not text.startswith(pieces[k], at):
            return None
        at += len(pieces[k])
        if k + 1 == len(pieces):
            return [] if at == len(text) else None
        content = marks[pieces[k + 1]][1]
        for form in dict.fromkeys([content, content.strip(), content.rstrip(), content.lstrip("\n")]):
            if text.startswith(form, at):
                rest = place(at + len(form), k + 2)
                if rest is not None:
                    return [(pieces[k + 1], at, at + len(form))] + rest
        return None

    found = place(0, 0)
    if found is None:
        return None
    result = [None] * len(messages)
    for mark, begin, end in found:
        i = marks[mark][0]
        if messages[i]["content"].startswith("<tool_response>") and name == "qwen3":
            begin, end = begin - len("<tool_response>"), end + len("</tool_response>")
        if ord(mark) % 2 == 0 and marks[mark][1]:  # thoughts, with what stands there because of them
            begin -= len("\n") if i + 1 == len(messages) else len("<think>\n")
        begin, end = len(text[:begin].encode()), len(text[:end].encode())
        if i == 0 and messages[0]["role"] == "system" and name.startswith(("gemma", "llama2", "mistral")):
            continue  # part of a question, no turn
        result[i] = [begin, end] if result[i] is None else [min(begin, result[i][0]), end]
    return result


def template_cases(talks):
    cases = []
    for name, (bos, eos, _) in FAMILIES.items():
        template = template_text(name)
        for i, talk in enumerate(talks):
            try:
                text = rendered(template, talk, bos, eos)
            except Exception as error:  # TemplateError, or undefined
                cases.append({"template": name, "conversation": i, "error": str(error)})
                continue
            case = {"template": name, "conversation": i, "text": text}
            contents = spans(name, template, talk, bos, eos)
            if contents is not None:
                case["contents"] = contents
            cases.append(case)
    return cases


def make_tokenizers():
    words = " ".join(json.dumps(talk, ensure_ascii=False) for talk in conversations()) + (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Hello there. Because. You are a helpful assistant. user model assistant system \n\n [INST] [/INST] ") * 4
    # Axolotl finds a turn by putting [[dummy_message]] in its place: no token may join a bracket and
    # the blank beside it, or the dummy would move the turn's ends.
    words = words.replace("[", "").replace("]", "")
    special = [AddedToken(text, special=True, normalized=False) for text in SPECIALS]
    of_bytes = Tokenizer(models.BPE())
    of_bytes.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    of_bytes.decoder = decoders.ByteLevel()
    of_bytes.train_from_iterator([words], trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    of_bytes.add_special_tokens(special)
    blanks = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    blanks.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    blanks.train_from_iterator([words.replace("\n", " ")], trainers.BpeTrainer(
        vocab_size=520, show_progress=False,
        special_tokens=["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]))
    data = json.loads(blanks.to_str())
    data["added_tokens"] = []
    blanks = Tokenizer.from_str(json.dumps(data))
    blanks.add_special_tokens(special)
    return {"bytes": json.loads(of_bytes.to_str()), "blanks": json.loads(blanks.to_str())}


def import_axolotl():
    sys.path.insert(0, str(AXOLOTL / "src"))
    for name in ("colorama", "datasets", "axolotl.utils.logging", "axolotl.utils.dict",
                 "axolotl.utils.chat_templates", "axolotl.utils.schemas", "axolotl.utils.schemas.datasets"):
        sys.modules[name] = mock.MagicMock()
    package = type(sys)("axolotl.utils")
    package.__path__ = []
    sys.modules["axolotl.utils"] = package
    sys.modules["axolotl.utils.dict"].remove_none_values = lambda row: row
    strategies = type(sys)("axolotl.prompt_strategies")
    strategies.__path__ = [str(AXOLOTL / "src/axolotl/prompt_strategies")]
    sys.modules["axolotl.prompt_strategies"] = strategies
    return {name: importlib.import_module(f"axolotl.{name}") for name in
            ("prompters", "prompt_tokenizers", "prompt_strategies.chat_template", "prompt_strategies.input_output")}


def fast(data, bos, eos):
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(data)),
                                   bos_token=bos, eos_token=eos)


SETTINGS = [
    {}, {"train_on_eos": "all"}, {"train_on_eos": "last"}, {"train_on_eos": "none"},
    {"train_on_inputs": True}, {"roles_to_train": ["user"]},
    {"roles_to_train": ["user", "assistant"], "train_on_eos": "last"},
]


def prefixes_hold(template, talk, bos, eos, settings):
    """Axolotl looks for a turn in the conversation up to it and takes its indices for those of the
    whole; where a template renders a turn in another way when it is the last, they are wrong."""
    whole = rendered(template, talk, bos, eos)
    roles = settings.get("roles_to_train", ["assistant"])
    everything = settings.get("train_on_inputs") or settings.get("train_on_eos") == "all"
    return all(whole.startswith(rendered(template, talk[:i + 1], bos, eos))
               for i, message in enumerate(talk) if everything or message["role"] in roles)


def mask_cases(axolotl, tokenizers, talks):
    chat = axolotl["prompt_strategies.chat_template"]
    cases = []
    for name, (bos, eos, kind) in FAMILIES.items():
        template = template_text(name)
        tokenizer = fast(tokenizers[kind], bos, eos)
        for i, talk in enumerate(talks):
            # Behind a special token inside a content this tokenizer begins anew, so that the text behind
            # the turn becomes other tokens than behind the dummy.
            if kind == "blanks" and any(text in message["content"] for message in talk for text in SPECIALS):
                continue
            # An empty turn has no place in Axolotl, which then looks for its end at token -1.
            if any(not message["content"].strip() for message in talk):
                continue
            try:
                rendered(template, talk, bos, eos)
            except Exception:
                continue
            for settings in SETTINGS:
                if not prefixes_hold(template, talk, bos, eos, settings):
                    continue
                prompter = chat.ChatTemplatePrompter(tokenizer, template)
                strategy = chat.ChatTemplateStrategy(
                    prompter, tokenizer=tokenizer, train_on_inputs=settings.get("train_on_inputs", False),
                    sequence_len=4096, roles_to_train=settings.get("roles_to_train", ["assistant"]),
                    train_on_eos=settings.get("train_on_eos", "turn"))
                try:
                    result = strategy.tokenize_prompt({"messages": talk})
                except Exception:  # a conversation up to a turn that the template refuses
                    continue
                trained = "".join("1" if label != -100 else "0" for label in result["labels"])
                if not cases or cases[-1]["conversation"] != i or cases[-1]["template"] != name:
                    cases.append({"template": name, "conversation": i, "ids": result["input_ids"], "trained": []})
                cases[-1]["trained"].append([SETTINGS.index(settings), trained])
    return cases


def instruction_cases(axolotl, tokenizers):
    tokenizer = fast(tokenizers["bytes"], "<s>", "</s>")
    prompter = axolotl["prompters"].AlpacaPrompter("instruct")
    cases = []
    rows = [{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": "Add.", "output": "3"},
            {"instruction": "Say {braces}", "input": "", "output": "ok\n"},
            {"instruction": " \u00e9 ", "input": "\n", "output": " lead"},
            {"instruction": "", "input": "x", "output": "ends </s>"}]
    for inputs in (False, True):
        alpaca = axolotl["prompt_tokenizers"].AlpacaPromptTokenizingStrategy(prompter, tokenizer, inputs, 4096)
        for row in rows:
            result = alpaca.tokenize_prompt(row)
            text = next(prompter.build_prompt(row["instruction"], row.get("input", "")))
            cases.append({"type": "alpaca", "row": row, "train_on_inputs": inputs, "prompt": text,
                          "ids": result["input_ids"], "labels": result["labels"]})
    raw = axolotl["prompt_strategies.input_output"]
    rows = [{"segments": [{"label": False, "text": "<s>Q: a\n"}, {"label": True, "text": "A: b</s>"}]},
            {"segments": [{"label": True, "text": "one"}, {"label": False, "text": " two "}, {"label": True, "text": "\u65e5"}]},
            {"segments": [{"label": False, "text": ""}, {"label": True, "text": "x"}]}]
    for inputs in (False, True):
        strategy = raw.RawInputOutputStrategy(raw.RawInputOutputPrompter(), tokenizer, inputs, 4096)
        for row in rows:
            result = strategy.tokenize_prompt(row)
            cases.append({"type": "input_output", "row": row, "train_on_inputs": inputs,
                          "ids": result["input_ids"], "labels": result["labels"]})
    return cases


def write(name, value, rows):
    """One case a line."""
    lists = value.pop(rows)
    head = json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:-1]
    body = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in lists)
    (HERE / name).write_text(f"{head}{',' if len(head) > 1 else ''}\n\"{rows}\":[\n{body}\n]}}\n", encoding="utf-8")


def main():
    talks = conversations()
    families = {name: {"bos": bos, "eos": eos, "tokenizer": kind} for name, (bos, eos, kind) in FAMILIES.items()}
    write("templates.json", {"families": families, "conversations": talks, "cases": template_cases(talks)}, "cases")
    tokenizers = make_tokenizers()
    axolotl = import_axolotl()
    for kind, data in tokenizers.items():
        (HERE / f"{kind}.tokenizer.json").write_text(
            json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    write("masks.json", {"settings": SETTINGS, "cases": mask_cases(axolotl, tokenizers, talks)}, "cases")
    write("instructions.json", {"cases": instruction_cases(axolotl, tokenizers)}, "cases")


main()
