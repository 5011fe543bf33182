"""What a user gets from what a service handed out: nothing by default, nothing stale, the same every time."""

import os
import threading
import time
from datetime import date
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.rollout import client
from codecompose_ls.rollout.assignment import Allotment
from codecompose_ls.rollout.experiments import State, Status, handed_out

FILE = """
[experiments.shop]
model = "shop-custom"
waves = [{ percent = 50 }]
guard_rails = { acceptance_rate = 0.02 }
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("CODECOMPOSE_DATA", str(folder))
    return folder


def hand_out(status: Status = Status.RUNNING) -> None:
    client.receive(handed_out(FILE, {"shop": State(date(2026, 12, 1), 0, status)}))


def test_nothing_handed_out_changes_nothing_and_leaves_nothing_behind(data: Path) -> None:
    assert client.current() == Allotment()
    assert not data.exists()


def test_a_user_has_one_id_that_stays(data: Path) -> None:
    first = client.user_id()
    assert len(first) == 32 and int(first, 16) >= 0
    assert client.user_id() == first
    (data / "rollout-user").write_bytes(b"\xff broken")
    assert client.user_id() == client.user_id() != first


def test_servers_that_start_together_agree_on_the_id() -> None:
    found: list[str] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        found.append(client.user_id())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_everyone_is_in_one_arm_or_the_other_of_the_widest_wave(data: Path) -> None:
    hand_out()
    (data / "rollout-user").write_text("0" * 32)
    # Their places in shop are 0.40 and 0.85.
    assert client.current() == Allotment("shop-custom", cohort="shop/new")
    (data / "rollout-user").write_text("2" * 32)
    assert client.current() == Allotment(cohort="shop/old")


def test_what_is_complete_is_for_everyone_and_what_is_halted_for_nobody() -> None:
    hand_out(Status.COMPLETE)
    assert client.current() == Allotment("shop-custom")
    hand_out(Status.HALTED)
    assert client.current() == Allotment()


def test_without_the_service_for_three_days_nothing_is_tried_but_what_is_complete_stays() -> None:
    hand_out()
    later = time.time() + client.FRESH_S + 1
    assert client.current().cohort in ("shop/new", "shop/old")
    assert client.current(now=later) == Allotment()
    hand_out(Status.COMPLETE)
    assert client.current(now=later) == Allotment("shop-custom")


def test_a_clock_set_back_changes_nothing() -> None:
    hand_out()
    assert client.current(now=0.0) == client.current()


def test_what_cannot_be_used_is_not_kept() -> None:
    hand_out()
    before = client.current()
    with pytest.raises(InputError, match=r"the roll-out file of the service: holdout is unknown"):
        client.receive("holdout = 3")
    assert client.current() == before


def test_who_forgets_the_service_is_as_before() -> None:
    hand_out(Status.COMPLETE)
    client.forget()
    client.forget()
    assert client.current() == Allotment()


def test_a_broken_file_is_one_line(data: Path) -> None:
    hand_out()
    client.handed_out_file().write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"rollout\.toml cannot be read") as caught:
        client.current()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="a file in the place of a folder")
def test_a_data_folder_that_cannot_be_written_is_one_line(data: Path) -> None:
    data.write_text("a file where the folder should be")
    for call in (client.user_id, hand_out):
        with pytest.raises(InputError, match="cannot be written"):
            call()
