"""What people see of results: columns that can be read down, and bars."""

from __future__ import annotations

import pytest

from infra.cli.terminal import print_bars, print_table


def test_fractions_of_a_column_have_the_same_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(1743.0, 10.23, 0.0366, None), (3.0, 5.1, 0.0, 2.5)]
    print_table("", ("whole", "second", "usd", "maybe"), rows)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1,743", "10.23", "0.0366"] in lines
    assert ["3", "5.10", "0.0000", "2.5"] in lines


def test_bars_are_as_long_as_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_bars(("day", "calls", "usd"), [("Monday", 4, 1.5), ("Tuesday", 2, None), ("Wednesday", 0, 0.5)], "calls")
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "calls"
    assert [line.split()[:2] for line in lines] == [["Monday", "4"], ["Tuesday", "2"], ["Wednesday", "0"]]
    lengths = [line.count("█") for line in lines]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=1)
    assert lengths[0] > lengths[2] == 0


def test_what_cannot_be_drawn_is_said_with_what_can() -> None:
    with pytest.raises(ValueError, match="'day'; columns of numbers are: calls"):
        print_bars(("day", "calls"), [("Monday", 4)], "day")
