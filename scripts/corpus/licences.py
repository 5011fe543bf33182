"""Which licences are permissive, by name, by text, or by an expression of several; the answer is an SPDX identifier."""

from __future__ import annotations

import re

COPYLEFT = re.compile(
    r"\b[AL]?GPL|GNU\b|General Public|Mozilla|\bMPL\b|\bEPL|Eclipse|\bEUPL|\bCDDL|\bOSL\b|SSPL|BUSL|Business Source"
    r"|Creative Commons Attribution|CC-BY|Proprietary|Commercial|Non-?Commercial|Artistic",
    re.IGNORECASE,
)
_COPYLEFT_TEXT = re.compile(r"GNU (?:\w+ )?General Public|Mozilla Public|Creative Commons Attribution", re.IGNORECASE)
_NAMES = (
    (r"apache.{0,30}\b2|^apache$|^apache software license$|^apache license$|^asl 2", "Apache-2.0"),
    (r"bsd.{0,3}2|2.clause|simplified bsd|freebsd", "BSD-2-Clause"),
    (r"\b0bsd|zero.clause", "0BSD"),
    (r"bsd", "BSD-3-Clause"),
    (r"mit-0\b|mit no attribution", "MIT-0"),
    (r"mit-cmu|hpnd|historical permission", "MIT-CMU"),
    (r"\bmit\b|\bexpat\b|\bx11\b", "MIT"),
    (r"\bisc\b|\biscl\b", "ISC"),
    (r"python software foundation|\bpsf|python-2\.0|^python$", "PSF-2.0"),
    (r"\bbsl-1|boost", "BSL-1.0"),
    (r"zlib|libpng", "Zlib"),
    (r"unlicense\b", "Unlicense"),
    (r"cc0", "CC0-1.0"),
    (r"public.domain|\bblessing\b", "LicenseRef-public-domain"),
    (r"^curl\b", "curl"),
    (r"^postgresql", "PostgreSQL"),
)
_TEXTS = (
    ("permission is hereby granted, free of charge, to any person obtaining", "MIT"),
    ("neither the name", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    ("apache license version 2.0", "Apache-2.0"),
    ("licensed under the apache license, version 2.0", "Apache-2.0"),
    ("distribute this software for any purpose with or without fee", "ISC"),
    ("python software foundation license", "PSF-2.0"),
    ("boost software license", "BSL-1.0"),
    ("this is free and unencumbered software", "Unlicense"),
)
#: A longer statement is a licence's text, a shorter one its name.
_NAME_CHARACTERS = 200


def identify(statement: str) -> str | None:
    """Return the SPDX identifier of a licence given by its name or its text; None when it is not a permissive one."""
    words = " ".join(statement.split())
    if len(words) > _NAME_CHARACTERS:
        if _COPYLEFT_TEXT.search(words):
            return None
        return next((spdx for phrase, spdx in _TEXTS if phrase in words.lower()), None)
    if COPYLEFT.search(words):
        return None
    return next((spdx for pattern, spdx in _NAMES if re.search(pattern, words, re.IGNORECASE)), None)


def permitted(expression: str) -> str | None:
    """Return the permissive part of an expression: MIT of "MIT OR GPL-2.0", None of "MIT AND GPL-2.0".

    Reads SPDX (Annex D) and Debian's copyright format 1.0 (section 7.2); AND binds tighter than OR.
    """
    tokens = [
        token.strip().lower() if token.strip().lower() in ("and", "or") else token.strip()
        for token in re.split(r"([()])|\b(and|or)\b(?!-)", expression.replace(",", " "), flags=re.IGNORECASE)
        if token and token.strip()
    ]

    def either() -> str | None:
        sides = [both()]
        while tokens and tokens[0] == "or":
            tokens.pop(0)
            sides.append(both())
        return " OR ".join(dict.fromkeys(side for side in sides if side)) or None

    def both() -> str | None:
        sides = [leaf()]
        while tokens and tokens[0] == "and":
            tokens.pop(0)
            sides.append(leaf())
        return None if None in sides else " AND ".join(dict.fromkeys(side for side in sides if side))

    def leaf() -> str | None:
        token = tokens.pop(0) if tokens else ""
        if token != "(":
            return identify(re.split(r"\bwith\b", token, flags=re.IGNORECASE)[0])
        inside = either()
        if tokens:
            tokens.pop(0)
        return f"({inside})" if inside and " OR " in inside else inside

    found = either()
    return found[1:-1] if found and found.startswith("(") and found.find(")") == len(found) - 1 else found
