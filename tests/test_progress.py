"""What is shown, and by whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from homing.progress import mute_thread, muted, say


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
