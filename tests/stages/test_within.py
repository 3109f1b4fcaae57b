"""What a stage tells of its work within a shard, and who hears it."""

import threading

import pytest

from itportrait.stages.within import tell_items, tell_step, told_to


def test_a_listener_hears_items_and_the_steps_of_those_that_are_worked_on():
    heard = []
    with told_to(lambda *said: heard.append(said)):
        tell_step(1, 9)
        tell_items(4)
        tell_step(2, 9, "step of tuning")
    assert heard == [(0, "step 1 of at most 9"), (4, ""), (4, "step of tuning 2 of at most 9")]


def test_what_is_told_is_for_the_listener_of_the_block_and_of_the_thread_alone():
    heard, inner = [], []
    tell_items(1)
    with told_to(lambda *said: heard.append(said)):
        with told_to(lambda *said: inner.append(said)):
            tell_items(2)
        thread = threading.Thread(target=tell_items, args=(3,))
        thread.start()
        thread.join()
        with pytest.raises(KeyboardInterrupt), told_to(lambda *said: None):
            raise KeyboardInterrupt
        tell_step(1, 2)
    tell_items(4)
    assert inner == [(2, "")]
    assert heard == [(0, "step 1 of at most 2")]
