import random
from calendar import monthrange
from datetime import date, timedelta

from due_dates import due_dates


def iso(start, count, holidays=()):
    return [day.isoformat() for day in due_dates(date.fromisoformat(start), count, map(date.fromisoformat, holidays))]


def test_working_days_stay():
    assert iso("2024-01-10", 3) == ["2024-02-12", "2024-03-11", "2024-04-10"]


def test_start_is_not_in_the_result_and_not_moved():
    assert iso("2023-04-01", 1) == ["2023-05-01"]
    assert iso("2023-04-02", 1) == ["2023-05-02"]


def test_december_is_followed_by_january():
    assert iso("2023-11-15", 3) == ["2023-12-15", "2024-01-15", "2024-02-15"]
    assert iso("2023-12-05", 1) == ["2024-01-05"]


def test_thirteen_months():
    assert iso("2021-12-01", 13)[-1] == "2023-01-02"


def test_a_month_without_that_day_takes_its_last():
    assert iso("2023-01-30", 1) == ["2023-02-28"]
    assert iso("2024-01-30", 1) == ["2024-02-29"]


def test_the_day_comes_back_after_a_short_month():
    assert iso("2023-01-30", 2) == ["2023-02-28", "2023-03-30"]


def test_from_the_last_day_to_the_last_day():
    assert iso("2023-04-30", 2) == ["2023-05-31", "2023-06-30"]
    assert iso("2023-02-28", 1) == ["2023-03-31"]


def test_28_february_of_a_leap_year_is_not_the_last_day():
    assert iso("2024-02-28", 1) == ["2024-03-28"]
    assert iso("2024-02-29", 1) == ["2024-03-29"]


def test_a_weekend_moves_forward():
    assert iso("2024-05-08", 1) == ["2024-06-10"]
    assert iso("2024-05-09", 1) == ["2024-06-10"]


def test_a_weekend_at_the_end_of_a_month_moves_back():
    assert iso("2024-02-29", 2)[1] == "2024-04-30"
    assert iso("2024-05-31", 1) == ["2024-06-28"]
    assert iso("2024-08-31", 2)[1] == "2024-10-31"
    assert iso("2023-11-30", 1) == ["2023-12-29"]


def test_holidays_move_like_weekends():
    assert iso("2024-11-25", 1, ["2024-12-25", "2024-12-26"]) == ["2024-12-27"]
    assert iso("2024-11-25", 1, ["2024-12-25", "2024-12-26", "2024-12-27"]) == ["2024-12-30"]


def test_holidays_at_the_end_of_a_month_move_back_over_the_weekend():
    assert iso("2024-11-30", 1, ["2024-12-31", "2024-12-30"]) == ["2024-12-27"]


def test_moving_back_may_leave_the_month():
    closed = [f"2024-06-{day:02}" for day in range(1, 31)]
    assert iso("2024-05-14", 1, closed) == ["2024-05-31"]


def test_dates_found_do_not_matter_for_the_next():
    assert iso("2024-05-08", 2) == ["2024-06-10", "2024-07-08"]


def test_holidays_may_be_an_iterator():
    closed = iter([date(2024, 2, 12), date(2024, 3, 11)])
    assert due_dates(date(2024, 1, 10), 2, closed) == [date(2024, 2, 13), date(2024, 3, 12)]


def test_counts():
    assert due_dates(date(2024, 1, 10), 0) == []
    try:
        due_dates(date(2024, 1, 10), -1)
    except ValueError:
        refused = True
    else:
        refused = False
    assert refused


def test_every_date_is_a_working_day_of_its_month():
    dice = random.Random(7)
    for _ in range(200):
        start = date(2000, 1, 1) + timedelta(days=dice.randrange(15000))
        found = due_dates(start, 24)
        assert len(found) == 24
        assert all(day.weekday() < 5 for day in found)
        months = [(day.year * 12 + day.month) - (start.year * 12 + start.month) for day in found]
        assert months == list(range(1, 25))
        if start.day < monthrange(start.year, start.month)[1] and start.day < 26:
            assert all(day.day - start.day in (0, 1, 2) for day in found)
