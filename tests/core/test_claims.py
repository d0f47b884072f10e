"""Two processes never do one thing at once, and what a killed one left is nobody's."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from prognoscope.core import claims
from prognoscope.core.claims import Claim, ClaimedError, claimed, holder_of, tidy
from prognoscope.core.processes import LOST_S, is_gone, is_left, mark_of_this_process, part_beside

LONG_AGO = LOST_S + 60


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / ".claim"


@pytest.fixture
def left(path):
    """Write a claim as another process would have left it, changed so many seconds ago."""

    def write(mark: str, age_s: float = 0.0) -> Claim:
        claim = replace(Claim("work"), mark=mark)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(claim)))
        os.utime(path, (time.time() - age_s,) * 2)
        return claim

    return write


def of_another_machine() -> str:
    return f"00000000-{os.getpid()}-1"


def of_an_ended_process() -> str:
    code = "from prognoscope.core.processes import mark_of_this_process as mark; print(mark())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_whoever_comes_second_is_told_who_works_there_since_when_and_what_to_do(path):
    with claimed(path, "`prognoscope run`"):
        with pytest.raises(ClaimedError) as refused, claimed(path, "again", "Choose another folder with --out."):
            pass
        told = str(refused.value)
        assert f"{path.parent} is in use: `prognoscope run`, by process {os.getpid()} on {socket.gethostname()}" in told
        assert re.search(r" since \d{4}-\d\d-\d\d \d\d:\d\d\. Choose another folder with --out\.$", told)
    assert not path.exists()
    with claimed(path, "after that"):
        assert path.exists()


def test_an_error_lets_go(path):
    with pytest.raises(KeyError), claimed(path, "x"):
        raise KeyError
    assert list(path.parent.iterdir()) == []


def test_the_claim_of_a_process_that_ended_is_taken_over_at_once(path, left):
    left(of_an_ended_process())
    with claimed(path, "x"):
        assert json.loads(path.read_text())["doing"] == "x"
    assert list(path.parent.iterdir()) == []


def test_a_number_that_another_process_has_now_is_not_that_process(left, path):
    machine, pid, begun = mark_of_this_process().split("-")
    assert is_gone(f"{machine}-{pid}-{int(begun) + 1}", path) and not is_gone(f"{machine}-{pid}-{begun}", path)


def test_another_machine_is_believed_until_it_has_given_no_sign_of_life_for_long(path, left):
    other = left(of_another_machine(), age_s=LOST_S / 2)
    assert holder_of(path) == other
    left(of_another_machine(), age_s=LONG_AGO)
    assert holder_of(path) is None and not path.exists()


def test_a_sign_of_life_from_a_time_to_come_is_none_for_the_clock_was_set_back(path, left):
    left(of_another_machine(), age_s=-LONG_AGO)
    assert holder_of(path) is None and not path.exists()


def test_whoever_works_gives_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    with claimed(path, "x"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


@pytest.mark.parametrize("text", ["", "[]", '{"mark": 3}'])
def test_a_claim_without_a_word_is_one_that_is_being_written_and_nobodys_after_a_while(path, text, monkeypatch):
    path.parent.mkdir()
    path.write_text(text)
    assert holder_of(path) is None and path.exists()
    os.utime(path, (time.time() - claims.WRITTEN_S - 60,) * 2)
    with claimed(path, "x"):
        assert json.loads(path.read_text())["doing"] == "x"


def test_of_many_who_find_a_claim_left_behind_one_has_it(path, left):
    left(of_an_ended_process())
    inside, most, had, start = [], [], [], threading.Barrier(8)

    def compete(number: int) -> None:
        start.wait()
        try:
            with claimed(path, str(number)):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.2)
                inside.remove(number)
                had.append(number)
        except ClaimedError:
            pass

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(8)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    assert max(most) == 1 and had and list(path.parent.iterdir()) == []


def test_a_claim_that_somebody_else_took_over_while_it_was_judged_is_left(path, left, monkeypatch):
    left(of_an_ended_process())
    now = []

    def judge(mark: str, at) -> bool:
        monkeypatch.undo()
        now.append(left(mark_of_this_process()))
        return True

    monkeypatch.setattr(claims, "is_gone", judge)
    holder_of(path)
    assert holder_of(path) == now[0]


def test_tidying_takes_what_killed_processes_left_and_nothing_of_those_that_work(tmp_path, left):
    living = part_beside(tmp_path / "a.h5")
    ended = living.with_name(f".b.h5.{of_an_ended_process()}-12345678.part")
    afar = living.with_name(f".c.h5.{of_another_machine()}-12345678.part")
    for each in (living, ended, afar):
        each.write_text("half")
    with claimed(tmp_path / ".a.claim", "x"):
        (tmp_path / ".b.claim").write_text(json.dumps(asdict(replace(Claim("x"), mark=of_an_ended_process()))))
        tidy(tmp_path)
        assert {each.name for each in tmp_path.iterdir()} == {living.name, afar.name, ".a.claim"}
    os.utime(afar, (time.time() - LONG_AGO,) * 2)
    assert is_left(afar) and not is_left(living)
