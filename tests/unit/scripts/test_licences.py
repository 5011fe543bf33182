"""Which licences pass, by expression, by text, and by the metadata of each registry."""

from __future__ import annotations

import pytest

from scripts.corpus import debian, npm, pypi
from scripts.corpus.licences import permitted
from scripts.corpus.refusal import Refused


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", "MIT"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0"),
        ("MIT OR GPL-2.0-or-later", "MIT"),
        ("MIT AND GPL-2.0-or-later", None),
        ("MPL-2.0 AND MIT", None),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ("BSD-3-Clause AND 0BSD AND Zlib AND CC0-1.0", "BSD-3-Clause AND 0BSD AND Zlib AND CC0-1.0"),
        ("Expat or Apache-2.0", "MIT OR Apache-2.0"),
        ("Expat and LGPL-2.1+", None),
        ("LicenseRef-Proprietary", None),
        ("UNLICENSED", None),
        ("", None),
    ],
)
def test_permissive_part_of_a_licence_expression(expression: str, expected: str | None) -> None:
    assert permitted(expression) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: BSD-3-Clause\n",
        "Classifier: License :: OSI Approved :: BSD License\nLicense: BSD 3-Clause\n",
        "License: UNKNOWN\nClassifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License\n",
    ],
)
def test_python_metadata_that_is_permissive(metadata: str) -> None:
    assert pypi.licence(metadata, []) == "BSD-3-Clause"


def test_python_licence_file_decides_where_the_metadata_says_too_little() -> None:
    two_clauses = "Redistribution and use in source and binary forms, with or without modification, " * 4
    classifier = "Classifier: License :: OSI Approved :: BSD License\n"
    assert pypi.licence(classifier, [two_clauses]) == "BSD-2-Clause"
    assert pypi.licence("Name: x\n", [two_clauses]) == "BSD-2-Clause"


@pytest.mark.parametrize(
    "metadata",
    [
        "Name: x\n",
        "License: Other\n",
        "License-Expression: LGPL-3.0-only\n",
        "License: MIT\nClassifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)\n",
        "Classifier: License :: Other/Proprietary License\n",
    ],
)
def test_python_metadata_that_keeps_a_package_out(metadata: str) -> None:
    with pytest.raises(Refused, match="licence not permissive"):
        pypi.licence(metadata, [])


def test_npm_licence_in_its_three_forms() -> None:
    assert npm.licence({"license": "ISC"}) == "ISC"
    assert npm.licence({"license": {"type": "MIT", "url": "x"}}) == "MIT"
    assert npm.licence({"licenses": [{"type": "MIT"}, {"type": "GPL-3.0"}]}) == "MIT"
    for manifest in ({}, {"license": "SEE LICENSE IN LICENSE"}, {"license": "MPL-2.0"}):
        with pytest.raises(Refused):
            npm.licence(manifest)


def test_debian_copyright_gives_the_licence_of_the_bulk_and_the_patterns_to_leave_out() -> None:
    text = (
        "Upstream-Name: sample\n\n"
        "Files: *\nCopyright: someone\nLicense: Expat\n\n"
        "Files: tools/*.c tools/lib/*\nCopyright: someone\nLicense: GPL-2+\n\n"
        "Files: debian/*\nCopyright: a packager\nLicense: GPL-3+\n\n"
        "License: Expat\n Permission is hereby granted\n"
    )
    assert debian.licence(text) == ("MIT", ["tools/*.c", "tools/lib/*"])
    with pytest.raises(Refused):
        debian.licence(text.replace("Expat", "GPL-2"))
    with pytest.raises(Refused):
        debian.licence("This package was debianized by someone.\n")
