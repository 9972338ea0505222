#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small tokenizers of this folder and the ids that Hugging Face's `tokenizers` and Google's
`sentencepiece` (Python packages) give for every line of lines.txt.

  python3 make_tokenizers.py

The text that they are trained on and the lines are written here, so the folder is under packkit's own
licence. The files are committed: tests need neither Python nor these packages.
"""
import io
import json
import random
from pathlib import Path

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors,
                        trainers)

HERE = Path(__file__).resolve().parent

TEXT = """
The quick brown fox jumps over the lazy dog, and the dog doesn't mind: it's asleep.
We packed 1,234,567 samples into 8192 rows of 4096 tokens; 99.97 % of them were full.
def pack(lengths, capacity):\n    return [sum(row) <= capacity for row in lengths]
Die Kiste ist voll, größer wird sie nicht; außerdem drängt die Zeit.
Où est passée la boîte ? Elle était là hier, près de l'entrée.
El niño preguntó cuántas cajas caben en el camión pequeño.
Быстрая лиса перепрыгнула через ленивую собаку и убежала в лес.
Η γρήγορη αλεπού πήδηξε πάνω από τον τεμπέλη σκύλο.
箱に本を詰める。残りは明日にしましょう。コンピュータは速いです。
把所有的样本装进最少的箱子里,这就是装箱问题。
상자를 가득 채우면 빈 공간이 남지 않습니다.
الثعلب السريع يقفز فوق الكلب الكسول.
השועל המהיר קופץ מעל הכלב העצלן.
तेज़ लोमड़ी आलसी कुत्ते के ऊपर कूदती है।
สุนัขจิ้งจอกกระโดดข้ามสุนัขขี้เกียจ
Con cáo nâu nhanh nhẹn nhảy qua con chó lười.
😀 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 → ∑ ≤ ½ ² €
"""

CASES = [
    "", " ", "  ", "a", " a", "a ", "Hello world", "hello   world  ", "The THE the tHe",
    "don't DON'T we'll I'm they'Ve 'S 's 'ſ", "1 12 123 1234 12345 1,234.5 ٣٤ Ⅷ ½²",
    "tab\tand\u000bothers\u000c\u001f\u0085end", "carriage\r", "\r\rreturns\r in \rbetween",
    "nbsp\u00a0here\u00a0\u00a0 and\u2003em\u3000wide\u200bzero\u200d\ufeffbom",
    "\u00e9 e\u0301 \u1e9b\u0323 \u212b \ufb01 \u0130\u0131 \u01c4 \u03a3\u03c3\u03c2 \u00df\u1e9e",
    "q\u0307\u0323 q\u0323\u0307 \u0344 \uac00\u11a8 \u1100\u1161\u11a8 \u0958 \u2126",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇩🇪 ☺️☺︎ 1️⃣", "日本語のテキスト。漢字かな交じり文", "装箱问题是一个组合优化问题",
    "상자를 가득 채우면", "الثعلب السريع ١٢٣", "שָׁלוֹם עולם", "तेज़ क्षत्रिय श्रद्धा", "สวัสดีครับ",
    "ἀρχὴ ἦν ὁ λόγος", "\U00010400\U00010428 \U0001d400\U0001d7d8 \U000e0041 \U0010ffff \ue000\uf8ff",
    "\u0378 unassigned", "\u1fdfa\u1e4ed younger \U0001fa77\U0001fae8 \U00031350", "\u0000nul\u0000",
    "\u007f\u0001\u0008", "<s>", "</s>", "a<s>b</s>c", " <s> x </s> ", "<|end|><|end|>", "x<|end|>  y",
    "<mask> a  <mask>  b<mask>c", "WORD word WORDS a-WORD-b WORD", "New York New  York new york",
    "[UNK] [CLS] <unk> <0x41> <0xFF>", "▁ ▁▁ a▁b Ġ Ċ Ġa",
    "a" * 300, "ab" * 200, " " * 100, "\t" * 60 + "x", "!" * 90, "=" * 50 + ">" + "-" * 70,
    "ßäöü" * 40, "漢" * 120, "é" * 65, "😀" * 50,
    "https://example.org/a_b-c?d=e&f=%20#g", "C:\\path\\to\\file.txt", "x=[1,2,{'a':None}];\t// done",
    "snake_case camelCase kebab-case SCREAMING_CASE", "\"quotes\" ‘single’ «guillemets» …—–",
]


def make_lines():
    chars = (" ", "  ", "\t", "\u00a0", "\u3000", "\u200d", "\r", "\u2028", "'s", "'LL", "a", "Z",
             "the", "é", "e\u0301", "ﬁ", "İ", "ß", "1", "42", "٣", "½", "汉", "か", "가", "각", "한", "न्",
             "👩‍👧", "🏽", "!", "...", "_", "-", "<s>", "</s>", "<|end|>", "<mask>", "WORD", "\ufeff",
             "\ufffd", "\u0300\u0316", "ä", "a\u0308", "▁", "Ġ", "\ue000", "\u0378", "µ", "$", "\\", "{")
    generator = random.Random(20240229)
    lines = list(CASES) + [line for line in TEXT.split("\n") if line]
    for _ in range(120):
        lines.append("".join(generator.choice(chars) for _ in range(generator.randint(1, 30))))
    assert not any("\n" in line for line in lines)
    return lines


def corpus():
    words = [line for line in TEXT.split("\n") if line]
    return words * 3 + [word for line in words for word in line.split(" ")]


GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_trainer(size, specials=()):
    return trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False,
                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def byte_level_gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(corpus(), byte_trainer(700, ["<|end|>"]))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), "<s>"])
    tokenizer.post_processor = processors.RobertaProcessing(("<|end|>", 0), ("<s>", 701))
    return tokenizer


def byte_level_llama3():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(GPT4), "isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(corpus(), byte_trainer(800))
    # ignore_merges makes whole words of tokens that merges cannot reach.
    document = json.loads(tokenizer.to_str())
    document["model"]["vocab"]["Ġsnake"] = 800
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False),
         processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 801)])])
    return tokenizer


def byte_level_qwen2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(GPT4.replace("{1,3}", "")), "isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(corpus(), byte_trainer(600))
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.add_tokens([AddedToken("WORD", single_word=True), AddedToken("e\u0301\u0301", normalized=True),
                          AddedToken("<mask>", rstrip=True, normalized=False)])
    return tokenizer


def characters_llama2():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=900, limit_alphabet=150, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]))
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = None
    document["added_tokens"] = document["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def word_piece_bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(
        vocab_size=900, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return tokenizer


def unigram_metaspace():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "),
         normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.Metaspace(prepend_scheme="first")])
    tokenizer.train_from_iterator(corpus(), trainers.UnigramTrainer(
        vocab_size=600, unk_token="<unk>", special_tokens=["<unk>", "</s>"], show_progress=False))
    document = json.loads(tokenizer.to_str())
    document["model"]["vocab"] = [
        [token, score] for token, score in document["model"]["vocab"] if "漢" not in token]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def write_ids(name, rows):
    text = "".join(" ".join(map(str, ids)) + "\n" for ids in rows)
    (HERE / f"{name}.ids").write_text(text)


def main():
    lines = make_lines()
    (HERE / "lines.txt").write_bytes("".join(line + "\n" for line in lines).encode())
    for make in (byte_level_gpt2, byte_level_llama3, byte_level_qwen2, characters_llama2,
                 word_piece_bert, unigram_metaspace):
        name = make.__name__
        text = make().to_str()
        (HERE / f"{name}.json").write_text(text)
        tokenizer = Tokenizer.from_str(text)
        # Every other line with the ids around it.
        write_ids(name, (tokenizer.encode(line, add_special_tokens=i % 2 == 1).ids
                         for i, line in enumerate(lines)))
    for kind in ("bpe", "unigram"):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus()), model_writer=model, vocab_size=700, model_type=kind,
            byte_fallback=kind == "bpe", pad_id=3, hard_vocab_limit=False, minloglevel=2,
            normalization_rule_name="identity")
        (HERE / f"sentence_piece_{kind}.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        write_ids(f"sentence_piece_{kind}",
                  (processor.encode(line, add_bos=i % 2 == 1) for i, line in enumerate(lines)))


if __name__ == "__main__":
    main()
