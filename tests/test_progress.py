"""What is shown, and by whom."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.progress import Progress

from homing import progress
from homing.progress import Retelling, mute_thread, muted, say, told_to, track


def test_a_muted_block_silences_its_own_thread_alone(capsys):
    with ThreadPoolExecutor(1) as beside, muted():
        say("from the block")
        beside.submit(say, "from beside it").result()
    say("after it")
    assert capsys.readouterr().err == "from beside it\nafter it\n"


def test_blocks_that_overlap_leave_nobody_silent(capsys):
    first, second = muted(), muted()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        one.submit(first.__enter__).result()
        other.submit(second.__enter__).result()
        one.submit(first.__exit__, None, None, None).result()
        other.submit(second.__exit__, None, None, None).result()
        for thread in (one, other):
            thread.submit(say, "heard").result()
    assert capsys.readouterr().err == "heard\nheard\n"


def test_a_thread_that_is_muted_stays_so(capsys):
    with ThreadPoolExecutor(1, initializer=mute_thread) as silent:
        silent.submit(say, "not heard").result()
    say("heard")
    assert capsys.readouterr().err == "heard\n"


def test_what_another_process_would_show_is_shown_here_in_order(capsys):
    events = []
    with told_to(events.append):
        say("begun")
        with track("Training", 3) as task:
            task.note("loss 0.1")
            task.advance(2)
            task.advance()
        say("done")
    assert capsys.readouterr().err == ""
    assert [event[0] for event in events] == ["say", "begin", "done", "done", "end", "say"]
    here = Retelling()
    for event in pickle.loads(pickle.dumps(events)):
        here.show(event)
    said = capsys.readouterr().err.splitlines()
    assert (said[0], said[-1]) == ("begun", "done")


def test_a_task_of_a_process_that_is_gone_is_ended(capsys):
    here = Retelling()
    here.show(("begin", 1, "Training", 3))
    here.show(("done", 1, 2, "loss 0.1", 0))
    here.close()
    here.show(("done", 1, 3, "", 0))  # too late
    here.show(("end", 1))
    assert "Training" not in capsys.readouterr().err  # it took no second


def test_what_an_earlier_run_did_is_no_part_of_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    task = progress.Task("Writing questions", 1000)
    task.already(900)
    assert task.left_s() is None
    assert task.line() == "Writing questions: 900 of 1,000  0.0/s"
    now += 10.0
    task.advance(20)
    assert task.left_s() == 40.0
    assert task.line() == "Writing questions: 920 of 1,000  2.0/s  40 s left"
    task.advance(80)
    assert task.left_s() is None
    assert task.line() == "Writing questions: 1,000 of 1,000  10.0/s  10.0 s"


def test_what_an_earlier_run_did_in_another_process_is_no_part_of_the_rate(capsys) -> None:
    events: list[progress.Event] = []
    with told_to(events.append), track("Training", 4) as task:
        task.already(2)
        task.advance(2)
    here = Retelling()
    shown: list[progress.Task] = []
    for event in events[:-1]:
        here.show(event)
        shown = [task for _, task in here._open.values()]
    assert [(task.done, task.before) for task in shown] == [(4, 2)]
    here.close()


def test_a_bar_shows_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    bar = Progress(disable=True)
    task = progress._BarTask("Reading files", 100, bar)
    task.already(50)
    now = 5.0
    task.advance(10)
    (row,) = bar.tasks
    assert (row.completed, row.fields["left"]) == (60, "0:00:20")
