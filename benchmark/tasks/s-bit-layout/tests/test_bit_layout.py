import random

from bit_layout import Layout


def refuses(call, *given, **named):
    try:
        call(*given, **named)
    except ValueError:
        return True
    return False


def test_one_byte():
    layout = Layout("a:3 b:5")
    assert layout.size == 1
    assert layout.pack(a=0b101, b=0b00110) == bytes([0b10100110])
    assert layout.unpack(bytes([0b10100110])) == {"a": 5, "b": 6}


def test_sizes():
    assert [Layout(f"a:{width}").size for width in (1, 7, 8, 9, 16, 17, 64)] == [1, 1, 1, 2, 2, 3, 8]
    assert Layout("a:1 b:64").size == 9


def test_the_filling_is_before_the_first_field():
    assert Layout("a:4 b:8").pack(a=0xF, b=0x21) == b"\x0f\x21"
    assert Layout("a:1").pack(a=1) == b"\x01"
    assert Layout("a:1 b:9").pack(a=1) == b"\x02\x00"


def test_fields_cross_bytes():
    assert Layout("a:6 b:12 c:6").pack(a=1, b=0xABC, c=2) == (1 << 18 | 0xABC << 6 | 2).to_bytes(3, "big")


def test_signs():
    layout = Layout("a:s4 b:s4")
    assert layout.pack(a=-8, b=7) == b"\x87"
    assert layout.pack(a=-1, b=-2) == b"\xfe"
    assert layout.unpack(b"\x87") == {"a": -8, "b": 7}
    assert layout.unpack(b"\xfe") == {"a": -1, "b": -2}


def test_the_same_bits_without_sign():
    assert Layout("a:4 b:4").unpack(b"\x87") == {"a": 8, "b": 7}


def test_missing_values_are_zero():
    assert Layout("a:4 b:s4").pack() == b"\x00"
    assert Layout("a:4 b:s4").pack(b=-1) == b"\x0f"


def test_names_and_order():
    layout = Layout("z:1 _:2 a:3 __:1 _x:1")
    assert layout.names == ("z", "a", "__", "_x")
    assert list(layout.unpack(b"\x00")) == ["z", "a", "__", "_x"]


def test_reserved_bits():
    layout = Layout("_:1 a:2 _:3 b:2")
    assert layout.pack(a=3, b=3) == bytes([0b01100011])
    assert layout.unpack(bytes([0b01100011])) == {"a": 3, "b": 3}
    assert refuses(layout.unpack, bytes([0b11100011]))
    assert refuses(layout.unpack, bytes([0b01101011]))


def test_bits_of_the_filling_must_be_zero():
    assert refuses(Layout("a:4 b:8").unpack, b"\x10\x00")
    assert Layout("a:4 b:8").unpack(b"\x0f\xff") == {"a": 15, "b": 255}


def test_what_does_not_fit():
    layout = Layout("a:3 b:s3")
    assert refuses(layout.pack, a=8)
    assert refuses(layout.pack, a=-1)
    assert refuses(layout.pack, b=4)
    assert refuses(layout.pack, b=-5)
    assert layout.unpack(layout.pack(a=7, b=-4)) == {"a": 7, "b": -4}


def test_any_name_can_be_packed():
    assert Layout("self:4 class:4").pack(**{"self": 1, "class": 2}) == b"\x12"


def test_names_that_are_not_there():
    assert refuses(Layout("a:8").pack, b=0)
    assert refuses(Layout("a:4 _:4").pack, _=0)


def test_wrong_lengths():
    for data in (b"", b"\x00", b"\x00\x00\x00"):
        assert refuses(Layout("a:12").unpack, data)


def test_widths():
    assert Layout("a:64").pack(a=2**64 - 1) == b"\xff" * 8
    assert Layout("a:s64").unpack(b"\x80" + b"\x00" * 7) == {"a": -(2**63)}
    assert Layout("a:s2").unpack(b"\x03") == {"a": -1}
    for word in ("a:0", "a:65", "a:s1", "a:s65", "a:08", "a:100", "a:-1", "a:+1", "a:", "a:s", "a:\u0663", "_:0"):
        assert refuses(Layout, word)


def test_forms_that_are_refused():
    for text in (
        "",
        "  ",
        "a",
        "1a:3",
        "a-b:3",
        ":3",
        "a:3:4",
        "a:3,b:4",
        "a :3",
        "a:u3",
        "a:S3",
        "_:s3",
        "\u00e9:3",
        "a:3 b",
    ):
        assert refuses(Layout, text)


def test_a_name_twice():
    assert refuses(Layout, "a:1 b:2 a:3")
    assert refuses(Layout, "__:1 __:2")
    assert Layout("_:1 _:2 a:3").names == ("a",)


def test_white_space_between_fields():
    assert Layout(" a:3\n\tb:5 ").pack(b=1) == b"\x01"


def test_what_is_packed_is_unpacked():
    dice = random.Random(8)
    for _ in range(300):
        words, values = [], {}
        for number in range(dice.randrange(1, 7)):
            width, signed = dice.randrange(2, 65), dice.random() < 0.5
            words.append(f"f{number}:{'s' if signed else ''}{width}")
            low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
            values[f"f{number}"] = dice.choice([low, high, dice.randint(low, high)])
            words += ["_:3"] * dice.randrange(2)
        layout = Layout(" ".join(words))
        assert layout.unpack(layout.pack(**values)) == values
