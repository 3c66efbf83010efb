import random

from attributes import AttributeSyntaxError, parse


def column(text):
    """Where the text is refused; 0 when it is not."""
    try:
        parse(text)
    except AttributeSyntaxError as error:
        return error.column
    return 0


def test_nothing():
    assert parse("") == {}
    assert parse("   ") == {}


def test_flags():
    assert parse("a !b  c ") == {"a": True, "b": False, "c": True}


def test_texts():
    assert parse("a=1 b=x+y!z c=a'b") == {"a": "1", "b": "x+y!z", "c": "a'b"}
    assert parse("  a=True") == {"a": "True"}


def test_lists():
    assert parse("a+=1") == {"a": ["1"]}
    assert parse("a+=1 b a+=2 a+=1") == {"a": ["1", "2", "1"], "b": True}


def test_names_are_lower_case_and_in_order():
    assert list(parse("Zeta ALPHA=1 zIp+=1 mid zip+=2")) == ["zeta", "alpha", "zip", "mid"]
    assert parse("a-b_9=X") == {"a-b_9": "X"}


def test_quotes():
    assert parse('a="" b="x = y" c+="!"') == {"a": "", "b": "x = y", "c": ["!"]}
    assert parse('a="line\nend"') == {"a": "line\nend"}


def test_escapes():
    assert parse(r'a="\"" b="\\" c="\n" d="\\n"') == {"a": '"', "b": "\\", "c": "\n", "d": "\\n"}


def test_a_backslash_outside_quotes_is_plain():
    assert parse(r"a=\n\x") == {"a": r"\n\x"}


def test_only_the_space_separates():
    assert parse("a=1\tb") == {"a": "1\tb"}
    assert column("a\tb") == 2
    assert column("\ta") == 1


def test_bad_names():
    assert column("1a") == 1
    assert column("a !") == 4
    assert column("a ! b") == 4
    assert column("a !1") == 4
    assert column("=1") == 1
    assert column("\u00e9=1") == 1
    assert column("a\u00e9=1") == 2
    assert column("!!a") == 2
    assert column("a!") == 2


def test_bad_values():
    assert column("a=") == 3
    assert column("a= b") == 3
    assert column("a==b") == 3
    assert column("a=b=c") == 4
    assert column('a=b"c"') == 4
    assert column("a+") == 3
    assert column("a+b") == 3
    assert column("a+=") == 4
    assert column("a =1") == 3


def test_a_negated_name_has_no_value():
    assert column("!a=1") == 3
    assert column("!a+=1") == 3


def test_after_the_closing_quote_the_item_is_over():
    assert column('a="b"c') == 6
    assert column('a="b""c"') == 6
    assert column('a="b"=') == 6


def test_quotes_never_closed():
    assert column('x a="b c') == 5
    assert column('a+="') == 4
    assert column('a="b\\') == 3
    assert column('a="b\\"') == 3


def test_backslash_that_stands_for_nothing():
    assert column(r'a="b\tc"') == 5
    assert column(r'a="\N"') == 4
    assert column(r'a="\x') == 4


def test_a_name_that_came_before():
    assert column("a b a") == 5
    assert column("a=1 A=2") == 5
    assert column("a !a") == 4
    assert column("a+=1 a=2") == 6
    assert column("a=1 a+=2") == 5
    assert column("a+=1 !a") == 7


def test_the_first_error_counts():
    assert column("a a=") == 5
    assert column("a a 1") == 3


def test_it_is_a_value_error():
    assert issubclass(AttributeSyntaxError, ValueError)


def test_what_is_written_is_read():
    dice = random.Random(3)
    for _ in range(300):
        texts = ["".join(dice.choice('ab "=\\\n!+') for _ in range(dice.randrange(8))) for _ in range(4)]
        escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
        quoted = [text.replace("\n", dice.choice(["\n", "\\n"])) for text in escaped]
        text = " ".join(f'{name}="{value}"' for name, value in zip("abcd", quoted, strict=False))
        assert parse(text) == dict(zip("abcd", texts, strict=False))
