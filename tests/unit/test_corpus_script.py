"""The corpus script's decisions, offline: which licences pass, which packages and files stay out, what is sampled."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_script", ROOT / "scripts" / "corpus.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


corpus = load_script()
UNSEEN = corpus.Unseen(corpus.imports_of(["streamlit"]), frozenset({"streamlit"}), frozenset({"parso"}))


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
    assert corpus.permitted(expression) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: BSD-3-Clause\n",
        "Classifier: License :: OSI Approved :: BSD License\nLicense: BSD 3-Clause\n",
        "License: UNKNOWN\nClassifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License\n",
    ],
)
def test_python_metadata_that_is_permissive(metadata: str) -> None:
    assert corpus.python_licence(metadata, []) == "BSD-3-Clause"


def test_python_licence_file_decides_where_the_metadata_says_too_little() -> None:
    two_clauses = "Redistribution and use in source and binary forms, with or without modification, " * 4
    classifier = "Classifier: License :: OSI Approved :: BSD License\n"
    assert corpus.python_licence(classifier, [two_clauses]) == "BSD-2-Clause"
    assert corpus.python_licence("Name: x\n", [two_clauses]) == "BSD-2-Clause"


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
    with pytest.raises(corpus.Refused, match="licence not permissive"):
        corpus.python_licence(metadata, [])


def test_npm_licence_in_its_three_forms() -> None:
    assert corpus.npm_licence({"license": "ISC"}) == "ISC"
    assert corpus.npm_licence({"license": {"type": "MIT", "url": "x"}}) == "MIT"
    assert corpus.npm_licence({"licenses": [{"type": "MIT"}, {"type": "GPL-3.0"}]}) == "MIT"
    for manifest in ({}, {"license": "SEE LICENSE IN LICENSE"}, {"license": "MPL-2.0"}):
        with pytest.raises(corpus.Refused):
            corpus.npm_licence(manifest)


def test_debian_copyright_gives_the_licence_of_the_bulk_and_the_patterns_to_leave_out() -> None:
    text = (
        "Upstream-Name: sample\n\n"
        "Files: *\nCopyright: someone\nLicense: Expat\n\n"
        "Files: tools/*.c tools/lib/*\nCopyright: someone\nLicense: GPL-2+\n\n"
        "Files: debian/*\nCopyright: a packager\nLicense: GPL-3+\n\n"
        "License: Expat\n Permission is hereby granted\n"
    )
    assert corpus.debian_licence(text) == ("MIT", ["tools/*.c", "tools/lib/*"])
    with pytest.raises(corpus.Refused):
        corpus.debian_licence(text.replace("Expat", "GPL-2"))
    with pytest.raises(corpus.Refused):
        corpus.debian_licence("This package was debianized by someone.\n")


def test_one_package_in_ten_is_held_out_by_its_name_alone() -> None:
    assert corpus.is_held_out("django")
    assert not corpus.is_held_out("requests")
    share = sum(corpus.is_held_out(f"package-{number}") for number in range(2000)) / 2000
    assert 0.08 < share < 0.12


def test_the_listing_is_consistent() -> None:
    packages, excluded = corpus.read_listing(corpus.LISTING)
    assert {package.ecosystem for package in packages} == {"pypi", "npm", "debian"}
    assert {"streamlit", "langchain", "mcp", "react"} <= set(excluded)
    assert all(package.language in corpus.SUFFIXES for package in packages)
    assert all(corpus.permitted(package.licence) for package in packages)


def test_a_package_of_an_excluded_domain_is_refused(tmp_path: Path) -> None:
    listing = tmp_path / "listing.toml"
    listing.write_text(
        '[excluded_domains]\nweb_ui = ["streamlit"]\n[max_mb]\npypi = 1\nnpm = 1\ndebian = 1\n'
        '[pypi]\nstreamlit = { licence = "Apache-2.0" }\n[npm]\n[debian]\n'
    )
    with pytest.raises(corpus.Refused, match="streamlit belongs to an excluded domain"):
        corpus.read_listing(listing)


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("pip/_vendor/requests/api.py", "python"),
        ("sample/tests/fixtures/case.py", "python"),
        ("sample/schema_pb2.py", "python"),
        ("sample/module.pyi", "python"),
        ("libcst/_parser/parso/tree.py", "python"),
        ("sample/integrations/_streamlit/state.py", "python"),
        ("dist/index.js", "javascript"),
        ("src/types.d.ts", "javascript"),
        ("lib/jquery.min.js", "javascript"),
        ("api/service.pb.go", "go"),
        ("pkg/testdata/input.go", "go"),
    ],
)
def test_paths_left_out(path: str, language: str) -> None:
    assert not corpus.wanted_path(path, language=language, unseen=UNSEEN)


def test_paths_kept() -> None:
    assert corpus.wanted_path("requests/sessions.py", language="python", unseen=UNSEEN)
    assert corpus.wanted_path("sample/streamlit.py", language="python", unseen=UNSEEN)
    assert corpus.wanted_path("parso/tree.py", language="python", unseen=UNSEEN)
    assert corpus.wanted_path("src/build.ts", language="javascript", unseen=UNSEEN)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"# Generated by a tool. DO NOT EDIT.\nx = 1\n",
        b"x=1;" * 100,
        b"x = 1\n" * 40_000,
        b"import streamlit as st\n",
        b"def f():\n    from streamlit_extras.row import row\n",
        b'import { x } from "streamlit/core";\n',
        b"const s = require('streamlit')\n",
    ],
)
def test_contents_left_out(data: bytes) -> None:
    assert not corpus.wanted_text(data, imports=UNSEEN.imports)


def test_contents_kept() -> None:
    for data in (b"import json\n", b"from .streamlit import x\n", b"streamlit = 1\n"):
        assert corpus.wanted_text(data, imports=UNSEEN.imports)


def test_selection_keeps_whole_files_under_the_limit_and_at_most_a_quarter_tests() -> None:
    files = {f"sample/part{n}.py": b"value = 1\n" * 100 for n in range(30)}
    files |= {f"sample/tests/test_part{n}.py": b"assert True\n" * 100 for n in range(30)}
    chosen = corpus.select(files, language="python", unseen=UNSEEN, limit=20_000)
    tests = sum(len(data) for path, data in chosen.items() if corpus.is_test(path))
    total = sum(map(len, chosen.values()))
    assert total <= 20_000
    assert 0 < tests <= total / 4
    assert all(files[path] == data for path, data in chosen.items())
    assert chosen == corpus.select(files, language="python", unseen=UNSEEN, limit=20_000)
