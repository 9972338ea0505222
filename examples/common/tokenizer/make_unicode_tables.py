#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes unicode_tables.hpp: where Debian 12's libraries and Hugging Face's library (the Python
package `tokenizers`) follow different versions of Unicode. Both are asked about every code point.

  python3 make_unicode_tables.py >unicode_tables.hpp && clang-format -i unicode_tables.hpp
"""
import ctypes

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

utf8proc = ctypes.CDLL("libutf8proc.so.2")
onig = ctypes.CDLL("libonig.so.5")
libc = ctypes.CDLL(None)
utf8proc.utf8proc_map.restype = ctypes.c_ssize_t
utf8proc.utf8proc_map.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t,
                                  ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
libc.free.argtypes = [ctypes.c_void_p]
STABLE, COMPAT, DECOMPOSE = 2, 4, 16
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf "
              "Cs Co").split()
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def category(c):
    return CATEGORIES[utf8proc.utf8proc_category(c)]


def decomposed(text, options):
    raw = text.encode()
    out = ctypes.c_void_p()
    size = utf8proc.utf8proc_map(raw, len(raw), ctypes.byref(out), STABLE | DECOMPOSE | options)
    result = ctypes.string_at(out.value, size).decode()
    libc.free(out.value)
    return result


class OnigClass:
    """One character class of the system's Oniguruma."""

    def __init__(self, pattern):
        raw = pattern.encode()
        buffer = ctypes.create_string_buffer(raw, len(raw))
        begin = ctypes.addressof(buffer)
        self.regex = ctypes.c_void_p()
        info = ctypes.create_string_buffer(256)
        code = onig.onig_new(ctypes.byref(self.regex), ctypes.c_void_p(begin),
                             ctypes.c_void_p(begin + len(raw)), 0,
                             ctypes.c_void_p(ctypes.addressof(
                                 ctypes.c_char.in_dll(onig, "OnigEncodingUTF8"))),
                             ctypes.c_void_p.in_dll(onig, "OnigDefaultSyntax"), info)
        assert code == 0, (pattern, code)

    def __call__(self, c):
        raw = chr(c).encode()
        buffer = ctypes.create_string_buffer(raw, len(raw))
        begin = ctypes.addressof(buffer)
        return onig.onig_match(self.regex, ctypes.c_void_p(begin),
                               ctypes.c_void_p(begin + len(raw)), ctypes.c_void_p(begin), None,
                               0) >= 0


class ReferenceClass:
    """One character class of the reference library."""

    def __init__(self, step):
        self.step = step

    def __call__(self, c):
        return not self.step.pre_tokenize_str(chr(c))


def reference_regex(pattern):
    return ReferenceClass(pre_tokenizers.Split(Regex(pattern), "removed"))


def ranges(code_points):
    result = []
    for c in code_points:
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def print_ranges(name, comment, code_points):
    table = ranges(code_points)
    print(f"\n/// {comment}")
    print(f"inline constexpr std::array<code_point_range, {len(table)}> {name} = {{{{")
    for first, last in table:
        print(f"{{0x{first:X}, 0x{last:X}}},")
    print("}};")


def print_triples(name, kind, comment, table):
    print(f"\n/// {comment}")
    print(f"inline constexpr std::array<{kind}, {len(table)}> {name} = {{{{")
    for first, last, value in table:
        print(f"{{0x{first:X}, 0x{last:X}, {value}}},")
    print("}};")


def younger():
    """Code points that only the reference's Oniguruma knows, with a stand-in: the nearest code
    point below of the same kind and the same length in UTF-8 that the system's one knows."""
    unassigned = OnigClass(r"\p{Cn}")
    ours = {name: OnigClass(pattern) for name, pattern in (("Han", r"\p{Han}"), ("w", r"\w"))}
    theirs_unassigned = reference_regex(r"\p{Cn}")
    theirs = {name: reference_regex(pattern)
              for name, pattern in (("Han", r"\p{Han}"), ("w", r"\w"))}
    kinds = {name: reference_regex(rf"\p{{{name}}}") for name in CATEGORIES[1:]}

    def length(c):
        return len(chr(c).encode())

    known = {}  # kind -> assigned code points, ascending
    found = []
    for c in CODE_POINTS:
        if not unassigned(c):
            if c >= 0x80:
                kind = (category(c), ours["Han"](c), ours["w"](c), length(c))
                known.setdefault(kind, []).append(c)
        elif not theirs_unassigned(c):
            name = next(name for name in kinds if kinds[name](c))
            kind = (name, theirs["Han"](c), theirs["w"](c), length(c))
            found.append((c, kind))
    result = []
    for c, kind in found:
        below = [k for k in known[kind] if k < c]
        stand_in = below[-1] if below else known[kind][0]
        if result and result[-1][1] == c - 1 and result[-1][2] == f"0x{stand_in:X}":
            result[-1][1] = c
        else:
            result.append([c, c, f"0x{stand_in:X}"])
    return result


def lower_cases():
    lower = normalizers.Lowercase()
    result = []
    for c in CODE_POINTS:
        theirs = lower.normalize_str(chr(c))
        if len(theirs) == 1 and ord(theirs) != utf8proc.utf8proc_tolower(c):
            delta = ord(theirs) - c
            if result and result[-1][1] == c - 1 and result[-1][2] == str(delta):
                result[-1][1] = c
            else:
                result.append([c, c, str(delta)])
    return result


def main():
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    unknown_forms = []
    for c in CODE_POINTS:
        char = chr(c)
        marked = "a\u0315" + char + "\u0316"
        if any(form.normalize_str(text) != decomposed(text, options)
               for form, options in ((nfd, 0), (nfkd, COMPAT)) for text in (char, marked)):
            assert nfd.normalize_str(char) == char and nfkd.normalize_str(char) == char, hex(c)
            unknown_forms.append(c)
            # Nor may others be composed to it: not with the last part of its decomposition.
            if decomposed(char, 0) != char:
                unknown_forms.append(ord(decomposed(char, 0)[-1]))
    unknown_forms.sort()

    clean = normalizers.BertNormalizer(True, False, False, False)
    strip_nonspacing = normalizers.BertNormalizer(False, False, True, False)
    strip_combining = normalizers.StripAccents()
    punctuation = ReferenceClass(pre_tokenizers.Punctuation("removed"))
    digits = pre_tokenizers.Digits(True)

    def numeric(c):
        return len(digits.pre_tokenize_str("a" + chr(c))) == 2

    def differing(theirs, ours):
        return [c for c in CODE_POINTS if theirs(c) != ours(c)]

    print(f"""// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Where the libraries here, utf8proc {version_text(utf8proc.utf8proc_version)} and Oniguruma {version_text(onig.onig_version)},
/// and Hugging Face's library, {tokenizers.__version__}, follow different versions of Unicode.
/// Written by make_unicode_tables.py.

#include <array>

namespace packkit::app {{

struct code_point_range {{
    char32_t first;
    char32_t last;
}};

struct code_point_stand_in {{
    char32_t first;
    char32_t last;
    char32_t stand_in;
}};

struct code_point_shift {{
    char32_t first;
    char32_t last;
    int shift;
}};""")
    print_ranges("without_normal_forms",
                 "Have no decomposition and no combining class in the reference.", unknown_forms)
    print_ranges("other_differs", "Differ from general categories Cc and Cf in what BERT removes.",
                 [c for c in differing(lambda c: clean.normalize_str(chr(c)) == "",
                                       lambda c: category(c) in ("Cc", "Cf"))
                  if c not in (0x9, 0xA, 0xD, 0xFFFD)])
    print_ranges("nonspacing_differs", "Differ from general category Mn.",
                 differing(lambda c: strip_nonspacing.normalize_str(chr(c)) == "",
                           lambda c: decomposed(chr(c), 0) != "" and all(
                               category(ord(d)) == "Mn" for d in decomposed(chr(c), 0))))
    print_ranges("combining_differs", "Differ from general categories Mn, Mc and Me.",
                 differing(lambda c: strip_combining.normalize_str(chr(c)) == "",
                           lambda c: category(c)[0] == "M"))
    print_ranges("punctuation_differs", "Differ from general categories P*, beyond ASCII.",
                 [c for c in differing(punctuation, lambda c: category(c)[0] == "P") if c >= 0x80])
    print_ranges("numeric_differs", "Differ from general categories Nd, Nl and No.",
                 differing(numeric, lambda c: category(c)[0] == "N"))
    print_triples("lower_cases", "code_point_shift", "Have another lower case.", lower_cases())
    print_triples("younger_code_points", "code_point_stand_in",
                  "Are not assigned for Oniguruma here, with one of the same kind and length.",
                  younger())
    print("\n}  // namespace packkit::app")


def version_text(function):
    function.restype = ctypes.c_char_p
    return function().decode()


if __name__ == "__main__":
    main()
