"""The listing is consistent with its own rules, and what breaks them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.corpus.licences import permitted
from scripts.corpus.listing import LISTING, is_held_out, read_listing
from scripts.corpus.refusal import Refused
from scripts.corpus.release import SUFFIXES


def test_one_package_in_ten_is_held_out_by_its_name_alone() -> None:
    assert is_held_out("django")
    assert not is_held_out("requests")
    share = sum(is_held_out(f"package-{number}") for number in range(2000)) / 2000
    assert 0.08 < share < 0.12


def test_the_listing_is_consistent() -> None:
    listing = read_listing(LISTING)
    packages = listing.packages
    assert {package.ecosystem for package in packages} == {"pypi", "npm", "debian"}
    assert {"streamlit", "langchain", "mcp", "react"} <= set(listing.excluded)
    assert all(package.language in SUFFIXES for package in packages)
    assert all(permitted(package.licence) for package in packages)


def test_a_package_of_an_excluded_domain_is_refused(tmp_path: Path) -> None:
    listing = tmp_path / "listing.toml"
    listing.write_text(
        '[excluded_domains]\nweb_ui = ["streamlit"]\n[max_mb]\npypi = 1\nnpm = 1\ndebian = 1\n'
        '[pypi]\nstreamlit = { licence = "Apache-2.0" }\n[npm]\n[debian]\n'
    )
    with pytest.raises(Refused, match="streamlit belongs to an excluded domain"):
        read_listing(listing)


def test_every_package_names_the_version_that_was_read() -> None:
    assert all(package.version for package in read_listing(LISTING).packages)


def test_a_file_that_is_no_listing_is_refused_in_one_line(tmp_path: Path) -> None:
    listing = tmp_path / "listing.toml"
    for text in ("not = [toml", "a = 1", '[excluded_domains]\n[max_mb]\nnpm = 1\n[npm]\nx = { licens = "MIT" }'):
        listing.write_text(text)
        with pytest.raises(Refused, match="no listing of packages"):
            read_listing(listing)
