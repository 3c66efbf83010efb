"""What a statement says, and which of its lines is wrong."""

import datetime
import hashlib

import pytest
import tally

PLAIN = "Date,Description,Amount,Balance\n"
GIRO = "Buchungstag;Text;Soll;Haben\n"


def rows(text, account="main"):
    return [(t.date.isoformat(), t.cents, t.description) for t in tally.read_statement(text, account)]


def blamed(text):
    with pytest.raises(tally.StatementError) as caught:
        tally.read_statement(text, "main")
    error = caught.value
    assert str(error) == f"line {error.line}: {error.message}"
    return error.line


def test_plain():
    assert rows(PLAIN + '2026-03-09,Shop,"-1,234.56",\n2026-03-08,"A, ""B""",12,\n') == [
        ("2026-03-09", -123456, "Shop"),
        ("2026-03-08", 1200, 'A, "B"'),
    ]


def test_giro():
    text = GIRO + "09.03.2026;Laden, Ecke;1.234,56;\n10.03.2026;Lohn;;2000\n11.03.2026;x; 0,5 ; \n"
    assert rows(text) == [
        ("2026-03-09", -123456, "Laden, Ecke"),
        ("2026-03-10", 200000, "Lohn"),
        ("2026-03-11", -50, "x"),
    ]


def test_what_a_transaction_knows():
    (found,) = tally.read_statement(PLAIN + "2026-03-09,Shop,-1.5,\n", "my-1")
    assert (found.account, found.date, found.cents, found.description) == (
        "my-1",
        datetime.date(2026, 3, 9),
        -150,
        "Shop",
    )


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("12", 1200),
        ("12.5", 1250),
        ("-0.05", -5),
        ("0", 0),
        ("1234.56", 123456),
        ('"1,234,567.8"', 123456780),
        ("-12.50", -1250),
        ("19.99", 1999),
        ("1.10", 110),
    ],
)
def test_plain_amounts(amount, cents):
    assert rows(f"{PLAIN}2026-01-01,x,{amount},\n")[0][1] == cents


@pytest.mark.parametrize(
    "amount",
    [
        "",
        "+5",
        "1.234",
        ".5",
        "5.",
        '"12,34"',
        '"1,2345"',
        '"1234,567"',
        "1 000",
        "--5",
        "- 5",
        "1e2",
        "٣",
        '",123"',
        "five",
    ],
)
def test_what_is_no_plain_amount(amount):
    assert blamed(f"{PLAIN}2026-01-01,x,1,\n2026-01-01,x,{amount},\n") == 3


@pytest.mark.parametrize("fields", [";", "1,00;2,00", "-5;", ";+5", "1.00;", "1.23,00;", "1,234;", "1234.567;", "x;"])
def test_what_is_no_giro_amount(fields):
    assert blamed(f"{GIRO}01.01.2026;x;1,00;\n01.01.2026;x;{fields}\n") == 3


@pytest.mark.parametrize("date", ["2026-02-29", "2026-13-01", "26-01-01", "2026-1-1", "01.02.2026", "", "2026-01-01x"])
def test_what_is_no_plain_date(date):
    assert blamed(f"{PLAIN}{date},x,1,\n") == 2


def test_dates_of_the_other_kind_are_wrong():
    assert blamed(GIRO + "2026-01-01;x;1,00;\n") == 2
    assert blamed(GIRO + "31.04.2026;x;1,00;\n") == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "Date;Description;Amount;Balance\n",
        "date,description,amount,balance\n",
        "2026-01-01,x,1,\n",
        "Date,Description,Amount\n",
    ],
)
def test_the_header_is_line_one(text):
    assert blamed(text) == 1


def test_byte_order_mark_crlf_and_blank_lines():
    assert rows("\ufeff" + PLAIN.replace("\n", "\r\n") + "\r\n2026-01-01,x,1,\r\n   \r\n\r\n2026-01-02,y,2,\r\n") == [
        ("2026-01-01", 100, "x"),
        ("2026-01-02", 200, "y"),
    ]
    assert rows(PLAIN) == []
    assert rows(PLAIN.strip()) == []


def test_white_space_in_descriptions():
    assert rows(PLAIN + '2026-01-01,"  a \t b\n c ",1,\n')[0][2] == "a b c"
    for empty in ("", "  ", '"\n"'):
        assert blamed(f"{PLAIN}2026-01-01,{empty},1,\n") == 2


@pytest.mark.parametrize("row", ["2026-01-01,x,1", "2026-01-01,x,1,,", "x", ",,,"])
def test_a_row_has_four_fields(row):
    assert blamed(f"{PLAIN}2026-01-01,x,1,\n\n{row}\n") == 4


def test_lines_count_as_the_editor_shows_them():
    text = PLAIN + '\n2026-01-01,"a\nb\r\nc",1,\n\n2026-01-01,"d\ne",oops,\n'
    assert blamed(text) == 7
    assert blamed(GIRO + '01.01.2026;"a\nb";1;\n01.01.2026;x;1;1\n') == 4


def test_balances_forward_and_backward():
    forward = PLAIN + "2026-01-01,a,5,105\n2026-01-02,b,-3,102.00\n2026-01-03,c,1,103\n"
    backward = PLAIN + "2026-01-03,c,1,103\n2026-01-02,b,-3,102\n2026-01-01,a,5,105\n"
    assert len(rows(forward)) == len(rows(backward)) == 3


def test_balances_that_are_not_given_check_nothing():
    assert len(rows(PLAIN + "2026-01-01,a,5,105\n2026-01-02,b,-3,\n2026-01-03,c,1,500\n")) == 3


def test_a_wrong_balance():
    assert blamed(PLAIN + "2026-01-01,a,5,105\n2026-01-02,b,-3,102\n\n2026-01-03,c,1,104\n2026-01-03,d,1,9\n") == 5
    assert blamed(PLAIN + "2026-01-01,a,5,105\n2026-01-02,b,-3,x\n") == 3


def test_directions_cannot_be_mixed():
    assert blamed(PLAIN + "2026-01-01,a,5,105\n2026-01-02,b,-3,102\n2026-01-03,c,1,105\n") == 4
    assert blamed(PLAIN + "2026-01-03,c,1,103\n2026-01-02,b,-3,102\n2026-01-01,a,5,107\n") == 4


def test_a_line_that_fits_both_directions_decides_nothing():
    assert len(rows(PLAIN + "2026-01-01,a,2,10\n2026-01-01,b,-2,8\n2026-01-01,c,4,10\n")) == 3


def ids(text, account="main"):
    return [t.id for t in tally.read_statement(text, account)]


def test_ids_are_made_as_described():
    key = "main|2026-03-09|-1250|größe & co|1"
    assert ids(PLAIN + "2026-03-09, GRÖSSE\t& Co ,-12.5,\n".replace("GRÖSSE", "GRÖße")) == [
        hashlib.sha256(key.encode()).hexdigest()[:10]
    ]


def test_equal_transactions_are_counted():
    key = "main|2026-03-09|100|tea|{}"
    text = PLAIN + "2026-03-09,Tea,1,\n2026-03-09,Milk,1,\n2026-03-09,TEA,1.00,\n2026-03-10,Tea,1,\n"
    found = ids(text)
    assert [found[0], found[2]] == [hashlib.sha256(key.format(n).encode()).hexdigest()[:10] for n in (1, 2)]
    assert len(set(found)) == 4


def test_ids_depend_on_the_account():
    assert ids(PLAIN + "2026-03-09,Tea,1,\n", "a") != ids(PLAIN + "2026-03-09,Tea,1,\n", "b")


@pytest.mark.parametrize("account", ["", "a b", "a|b", "ä", "a_b", "a\n"])
def test_account_names(account):
    with pytest.raises(ValueError):  # noqa: PT011
        tally.read_statement(PLAIN, account)
