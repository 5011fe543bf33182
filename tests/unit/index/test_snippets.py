"""Snippets: definitions of the names in use, passages that use them, and nothing that the index does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.snippets import near_names, snippets, snippets_of
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.types import Context, Snippet

SHOP = '''\
import decimal


class Basket:
    """What a customer has chosen."""

    def add_item(self, item, *, amount=1):
        self.items.append((item, amount))

    def total_price(
        self,
        discount,
    ):
        return sum(item.price * amount for item, amount in self.items) - discount
'''
USE = """\
def check_out(basket, customer):
    basket.add_item(gift_for(customer))
    invoice = write_invoice(customer, basket.total_price(customer.discount))
    return send_invoice(invoice, customer.address)
"""


def workspace_of(root: Path, files: dict[str, str]) -> Workspace:
    """Write files and index them."""
    vocabulary = Vocabulary()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    lexed = [(path, vocabulary.encode(text)) for path, text in files.items()]
    return Workspace(vocabulary, Segment.build(Files.of(lexed)), root=root)


def find(workspace: Workspace, before: str, *, path: str = "new.py", limit: int = 1000) -> dict[str, str]:
    found = snippets(workspace, path=path, before=before, after="\n", limit=limit)
    return {snippet.path: snippet.text for snippet in found}


class TestDefinitions:
    def test_of_a_name_in_use_is_its_first_line(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        assert find(workspace, "b = Basket()\nb.") == {"shop.py": "class Basket:"}

    def test_goes_on_until_its_brackets_are_closed(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        assert find(workspace, "b.total_price(") == {
            "shop.py": "    def total_price(\n        self,\n        discount,\n    ):"
        }

    def test_of_a_name_that_the_document_defines_itself_is_not_looked_for(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        assert find(workspace, "class Basket:\n    pass\n\nb = Basket()\nb.") == {}

    def test_of_a_name_with_many_namesakes_says_nothing(self, tmp_path: Path) -> None:
        files = {f"{name}.py": f"def run_{name}():\n    pass\n\n\ndef main():\n    pass\n" for name in "abcd"}
        workspace = workspace_of(tmp_path, files)
        assert find(workspace, "main()\nrun_a(") == {"a.py": "def run_a():"}

    @pytest.mark.parametrize(
        "line",
        [
            "async def fetch_page(url):",
            "export class fetch_page {",
            "func fetch_page(url string) {",
            "pub fn fetch_page(url: &str) -> Page {",
            "type fetch_page struct {",
        ],
    )
    def test_in_the_words_of_other_languages(self, tmp_path: Path, line: str) -> None:
        workspace = workspace_of(tmp_path, {"web.any": f"x = 1\n{line}\n    body\n"})
        assert find(workspace, "page = fetch_page(") == {"web.any": line}

    def test_prose_defines_nothing(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"a.py": "# the class fetch_page is gone\n"})
        assert find(workspace, "fetch_page(") == {}


class TestPassages:
    def test_that_use_the_same_names_are_found(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP, "use.py": USE, "other.py": "x = 1\n" * 50})
        found = find(workspace, "invoice = write_invoice(customer, total)\nsend_invoice(invoice, customer.")
        assert found == {"use.py": USE.rstrip("\n")}

    def test_keep_their_indentation_and_blank_lines(self, tmp_path: Path) -> None:
        text = "if alpha:\n\tbeta(gamma)\n\n\tdelta(gamma)\n"
        workspace = workspace_of(tmp_path, {"a.py": text})
        assert find(workspace, "alpha, beta, gamma, delta = ") == {"a.py": text.rstrip("\n")}

    def test_the_document_itself_is_left_out(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"use.py": USE})
        assert find(workspace, USE, path="use.py") == {}

    def test_do_not_reach_into_the_next_file(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"a.py": USE, "b.py": "unrelated = 1\n"})
        assert find(workspace, "write_invoice send_invoice customer basket") == {"a.py": USE.rstrip("\n")}


class TestTrust:
    def test_a_file_that_is_another_by_now_is_not_shown(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        (tmp_path / "shop.py").write_text('TOKEN = "hunter2"\n')
        assert find(workspace, "b = Basket()\nb.") == {}

    def test_what_stands_in_the_file_and_not_in_the_index_is_not_shown(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"use.py": USE})
        (tmp_path / "use.py").write_text(USE.replace("    basket", '    TOKEN = "hunter2"\n    basket'))
        assert find(workspace, "write_invoice send_invoice customer basket") == {}

    def test_what_stands_on_the_same_line_now_is_not_shown(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        (tmp_path / "shop.py").write_text('TOKEN = "hunter2"; class Basket:\n')
        assert find(workspace, "b = Basket()\nb.") == {}

    def test_a_file_that_is_gone_is_not_shown(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        (tmp_path / "shop.py").unlink()
        assert find(workspace, "b = Basket()\nb.") == {}

    def test_a_file_that_was_removed_from_the_index_is_not_looked_at(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        workspace.remove("shop.py")
        assert find(workspace, "b = Basket()\nb.") == {}

    def test_the_editors_version_goes_before_that_on_disk(self, tmp_path: Path) -> None:
        workspace = workspace_of(tmp_path, {"shop.py": SHOP})
        workspace.update("shop.py", "class Basket(dict):\n    pass\n")
        assert find(workspace, "b = Basket()\nb.") == {"shop.py": "class Basket(dict):"}
        workspace.revert("shop.py")
        assert find(workspace, "b = Basket()\nb.") == {"shop.py": "class Basket:"}


def test_line_ends_of_windows_are_read_as_any(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, {"use.py": USE.replace("\n", "\r\n")})
    assert find(workspace, "write_invoice send_invoice customer basket") == {"use.py": USE.rstrip("\n")}


@pytest.mark.parametrize("limit", [0, 20, 60, 200, 400, 1000])
def test_never_more_than_the_limit_and_the_same_every_time(tmp_path: Path, limit: int) -> None:
    workspace = workspace_of(tmp_path, {"shop.py": SHOP, "use.py": USE, "sub/use.py": USE})
    before = "Basket().add_item(total_price)\nwrite_invoice(customer, basket)\n"
    found = find(workspace, before, limit=limit)
    assert sum(map(len, found.values())) <= limit
    assert list(found) == sorted(found)
    assert found == find(workspace, before, limit=limit)


def test_names_nearest_to_the_cursor_come_first() -> None:
    assert near_names("far away\nnear = by(nearest", "\nafter, far") == ["nearest", "near", "away", "far", "after"]


def test_a_document_of_no_workspace_gets_none(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, {"shop.py": SHOP})
    context = Context("python", "new.py", "", "", before="b = Basket()\nb.")
    assert snippets_of(lambda _: None)(context, 1000) == ()
    assert snippets_of(lambda _: (workspace, "new.py"))(context, 1000) == (Snippet("shop.py", "class Basket:"),)
    assert snippets_of(lambda _: (workspace, "new.py"))(context, 0) == ()
