"""Who is dead, judged by the order of heartbeats: the silent are, nobody is because the log was away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.leases.beats import Beats

ME, OTHER, THIRD = "me", "other", "third"
LEASE_S, PAUSE_S = 3.0, 0.75


def beats() -> Beats:
    return Beats(ME, LEASE_S, step_s=2 * PAUSE_S)


def go_on(book: Beats, count: int, *, with_others: tuple[str, ...] = (), since_s: float = 0.0) -> tuple[Beats, float]:
    """So many pauses in which I beat, and the others with me; the time then."""
    now_s = since_s
    for _ in range(count):
        now_s += PAUSE_S
        for owner in (*with_others, ME):
            book = book.heard(owner, now_s)
    return book, now_s


def test_who_beats_lives_and_who_is_silent_for_a_lease_is_dead() -> None:
    book, now_s = go_on(beats(), 10, with_others=(OTHER, THIRD))
    assert book.alive(OTHER)

    book, now_s = go_on(book, 3, with_others=(THIRD,), since_s=now_s)
    assert book.alive(OTHER)
    book, _ = go_on(book, 1, with_others=(THIRD,), since_s=now_s)

    assert not book.alive(OTHER)
    assert book.alive(THIRD)
    assert book.alive(ME)


def test_an_owner_that_was_never_heard_has_a_lease_from_when_this_process_began_to_listen() -> None:
    book, now_s = go_on(beats(), 5)
    assert book.alive("from before")

    book, _ = go_on(book, 1, since_s=now_s)
    assert not book.alive("from before")


def test_who_says_that_it_leaves_is_dead_at_once_and_alive_when_it_comes_back() -> None:
    book, now_s = go_on(beats(), 2, with_others=(OTHER,))

    assert not book.left(OTHER).alive(OTHER)
    for pauses in range(1, 10):
        assert not go_on(book.left(OTHER), pauses, since_s=now_s)[0].alive(OTHER)
    assert book.left(OTHER).heard(OTHER, now_s).alive(OTHER)


def test_an_outage_of_the_log_kills_nobody() -> None:
    book, now_s = go_on(beats(), 10, with_others=(OTHER,))

    # Nothing came back for two minutes; then my heartbeats come first, all at once, and the other's a little later.
    after_s = now_s + 120
    for _ in range(5):
        book = book.heard(ME, after_s)
    assert book.alive(OTHER)
    assert book.heard(OTHER, after_s).alive(OTHER)


def test_the_dead_stay_dead_when_they_have_been_forgotten() -> None:
    book, now_s = go_on(beats(), 3, with_others=(OTHER,))
    book, _ = go_on(book, 1_000, since_s=now_s)

    assert OTHER not in book.seen
    assert not book.alive(OTHER)


def heard_delivering(book: Beats, count: int, delivers: bool | None, since_s: float = 0.0) -> tuple[Beats, float]:
    """So many pauses in which the other beats and says so of messages, and then I do."""
    for _ in range(count):
        since_s += PAUSE_S
        book = book.heard(OTHER, since_s, delivers=delivers).heard(ME, since_s)
    return book, since_s


def test_who_delivers_counts_when_it_has_done_so_for_a_while_and_not_any_more_when_it_says_so() -> None:
    settled_s = 4 * PAUSE_S
    book, now_s = heard_delivering(beats(), 4, True)
    assert book.deliverers(settled_s) == set()
    book, now_s = heard_delivering(book, 2, True, now_s)
    assert book.deliverers(settled_s) == {OTHER}

    stopped, _ = heard_delivering(book, 1, False, now_s)
    assert (stopped.deliverers(settled_s), stopped.resigned) == (frozenset(), frozenset({OTHER}))
    again, _ = heard_delivering(stopped, 1, True, now_s)
    assert (again.deliverers(settled_s), again.resigned) == (frozenset(), frozenset())
    assert book.left(OTHER).deliverers(settled_s) == set()


def test_who_was_taken_for_dead_delivers_for_a_while_again_before_it_counts() -> None:
    settled_s = 2 * PAUSE_S
    book, now_s = heard_delivering(beats(), 10, True)
    book, now_s = go_on(book, 10, since_s=now_s)
    assert book.deliverers(settled_s) == set()

    book, now_s = heard_delivering(book, 1, True, now_s)
    assert book.deliverers(settled_s) == set()
    book, _ = heard_delivering(book, 1, True, now_s)
    assert book.deliverers(settled_s) == {OTHER}


def test_a_process_of_a_build_that_says_nothing_of_messages_is_given_no_endpoint_and_keeps_its_own() -> None:
    book, _ = heard_delivering(beats(), 20, None)
    assert (book.deliverers(0.0), book.resigned, book.alive(OTHER)) == (frozenset(), frozenset(), True)


@given(st.lists(st.tuples(st.sampled_from([ME, OTHER]), st.floats(0, 300)), max_size=80))
def test_nobody_is_dead_before_the_judge_has_heard_himself_more_often_than_a_lease_takes(
    heard: list[tuple[str, float]],
) -> None:
    book, now_s, own_since = beats(), 0.0, 0
    for owner, passed_s in heard:
        now_s += passed_s
        book = book.heard(owner, now_s)
        own_since = 0 if owner == OTHER else own_since + 1
        if own_since <= LEASE_S / book.step_s - 1:
            assert book.alive(OTHER)


@given(st.lists(st.floats(PAUSE_S / 2, 2 * PAUSE_S), min_size=20, max_size=60))
def test_who_is_silent_while_the_judge_beats_in_time_is_found_dead(pauses_s: list[float]) -> None:
    book, now_s, silent_s = beats().heard(ME, 0.0).heard(OTHER, 0.0), 0.0, 0.0
    for pause_s in pauses_s:
        now_s, silent_s = now_s + pause_s, silent_s + pause_s
        book = book.heard(ME, now_s)
        if silent_s > LEASE_S + 1e-6:
            assert not book.alive(OTHER)
        elif silent_s < LEASE_S - 1e-6:
            assert book.alive(OTHER)
