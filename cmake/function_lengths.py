# SPDX-License-Identifier: Apache-2.0
"""Lists functions of C++ files that are longer than a limit, longest first; exits 1 if there are any.

Usage: function_lengths.py LIMIT PATH...    a path is a file or a folder, searched for .cpp and .hpp

A function is a brace-enclosed body that follows a parameter list. Its length counts the lines from the
brace that opens it to the one that closes it. The sources are formatted by clang-format, so comments,
strings and braces are all that has to be understood; lambdas count as part of the function around them.
"""

import pathlib
import re
import sys

# Comments, raw strings, strings and characters: what may hold braces that are none.
IGNORED = re.compile(r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'""",
                     re.DOTALL)
# What may stand between a parameter list and its body: specifiers, a trailing return type, a requires
# clause; behind ": " the members of a constructor.
HEAD = re.compile(r"\)(?:\s*(?:const\b|noexcept\b|override\b|final\b|mutable\b|&&?|->[^;{}]*|requires[^;{}]*))*\s*$")
# A member of a constructor that is set by braces.
MEMBER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)[^;]*[\w>]\s*$")
# Statements with a body of their own.
STATEMENT = re.compile(r"(?:^|[\s;{}])(?:if|for|while|switch|catch|if constexpr)\s*$")


def blanked(match):
    return re.sub(r"[^\n]", " ", match[0])


def opening_of(text, close):
    """The parenthesis that `close` closes."""
    depth = 0
    for at in range(close, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


def name_before(head):
    """The name of the function whose head this is; None where a body of another kind begins."""
    initialisers = re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", head)
    if initialisers and head.rstrip()[-1] in ")},":
        head = head[:initialisers.start() + 1]
    if not HEAD.search(head):
        return None
    close = head.rstrip().rfind(")")
    open_ = opening_of(head, close)
    before = head[:open_]
    if STATEMENT.search(before) or before.rstrip().endswith("]"):
        return None
    name = re.search(r"([~\w:]+|operator\s*\S+)\s*$", before)
    return name[1] if name else None


def functions_of(text):
    """(first line, lines, name) of every outermost function body."""
    text = IGNORED.sub(blanked, text)
    text = re.sub(r"^[ \t]*#[^\n]*(?:\\\n[^\n]*)*", blanked, text, flags=re.MULTILINE)
    found, stack, start = [], [], 0
    for at, sign in enumerate(text):
        if sign == "{":
            head = text[start:at]
            # A default value, a lambda that is passed, a member's initial value.
            argument = head.count("(") > head.count(")") or bool(MEMBER.search(head))
            inside = any(name for _, name, _ in stack)
            stack.append((at, None if inside or argument else name_before(head), argument))
            start = start if argument else at + 1
        elif sign == "}" and stack:
            begin, name, argument = stack.pop()
            if name:
                line = text.count("\n", 0, begin) + 1
                found.append((line, text.count("\n", begin, at) + 1, name))
            start = start if argument else at + 1
        elif sign == ";" and not any(argument for _, _, argument in stack):
            start = at + 1
    return found


def sources(paths):
    for path in map(pathlib.Path, paths):
        yield from ([path] if path.is_file() else
                    sorted(p for p in path.rglob("*") if p.suffix in (".cpp", ".hpp")))


def main(limit, *paths):
    long = []
    for source in sources(paths):
        for line, lines, name in functions_of(source.read_text(encoding="utf-8")):
            if lines > int(limit):
                long.append((lines, f"{source}:{line}: {name} has {lines} lines, at most {limit}"))
    for _, text in sorted(long, reverse=True):
        print(text)
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
