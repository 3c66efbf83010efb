"""Queries."""

import docket
import pytest

DOCUMENTS = [
    {"title": "Ink", "size": 3, "tags": ["x", 1], "owner": {"name": "Bo", "age": 41}, "open": True},
    {"title": "Pen and ink", "size": 10, "tags": [], "owner": {"name": "al"}, "open": False},
    {"title": "", "size": 3.0, "tags": [True, None], "owner": None, "5": "five"},
    {"title": "Zoo", "size": "3", "tags": "x y", "limit": 2, "a-b_c": {"has": 1}},
    {"size": None, "tags": [[1], {"k": 1}], "title": "é"},
]


@pytest.fixture(scope="module")
def find(tmp_path_factory):
    store = docket.Store(tmp_path_factory.mktemp("desk"))
    for document in DOCUMENTS:
        store.create(document)
    return lambda query: "".join(id_[1:] for id_ in store.find(query))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "12345"),
        ("  ", "12345"),
        ('title = "Ink"', "1"),
        ('title != "Ink"', "2345"),
        ("size = 3", "13"),
        ("size = 3.0e0", "13"),
        ('size = "3"', "4"),
        ("size = null", "5"),
        ("size != null", "1234"),
        ("size > 2", "123"),
        ("size >= 3 and size<10", "13"),
        ('size <= "3"', "4"),
        ('title < "Q"', "123"),
        ("open < 5", ""),
        ("open = true", "1"),
        ("open != true", "2"),
        ("open = 1", ""),
        ("size < null", ""),
        ("missing != 1", ""),
        ("not missing = 1", "12345"),
        ("tags has 1", "1"),
        ("tags has true", "3"),
        ("tags has null", "3"),
        ('tags has "x"', "14"),
        ('title has "ink"', "2"),
        ('title has ""', "12345"),
        ("title has 1", ""),
        ('owner has "name"', ""),
        ("owner exists", "123"),
        ("owner.name exists", "12"),
        ("not owner exists", "45"),
        ("owner.age > 40", "1"),
        ("tags.0 = true", "3"),
        ("tags.1 exists", "135"),
        ("tags.0.0 = 1", "5"),
        ("tags.1.k = 1", "5"),
        ("title.0 exists", ""),
        ("a-b_c.has = 1", "4"),
        ('5 = "five"', "3"),
        ("open = true or open = false and size = 3", "1"),
        ("(open = true or open = false) and size = 10", "2"),
        ("not open exists and size = null or open = false", "25"),
        ("not (open exists or size = null)", "34"),
        ("not not open exists", "12"),
        ('title = "\\u0049nk"', "1"),
        ('title = "é"', "5"),
        ("limit 2", "12"),
        ("limit 0", ""),
        ("size = 3 limit 1", "1"),
        ("order by title", "31245"),
        ("order by title desc", "54213"),
        ("order by size", "51324"),
        ("order by size desc", "42135"),
        ("order by open", "21345"),
        ("order by open desc", "12345"),
        ("order by owner.name", "12345"),
        ("order by size, title desc", "51324"),
        ("order by size desc, title limit 4", "4231"),
        ("order by owner", "31245"),
        ("order by tags", "41235"),
        ("size exists order by open desc, size desc limit 3", "124"),
    ],
)
def test_find(find, query, found):
    assert find(query) == found


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("size", 5),
        ("size  ", 7),
        ("size = ", 8),
        ("size == 3", 7),
        ("size = three", 8),
        ("size = 'x'", 8),
        ('size = "x', 8),
        ('size = "\\x"', 8),
        ("size = 03", 8),
        ("size = 3x", 8),
        ("size = 3 4", 10),
        ("size = 3 and", 13),
        ("size = 3 or or", 13),
        ("(size = 3", 10),
        ("size = 3)", 9),
        ("= 3", 1),
        ("has = 3", 1),
        ("order = 3", 7),
        ("true.x = 3", 1),
        ("size exists 3", 13),
        ("not", 4),
        ("size = 3 AND size = 3", 10),
        ("order size", 7),
        ("order by", 9),
        ("order by size,", 15),
        ("order by size asc", 15),
        ("limit", 6),
        ("limit -1", 7),
        ("limit 1.5", 7),
        ("limit x", 7),
        ("limit 1 order by size", 9),
        ("limit 1 limit 2", 9),
        ("size = 3 ;", 10),
        ("é = #", 5),
    ],
)
def test_queries_that_cannot_be_understood(find, query, column):
    with pytest.raises(docket.QueryError) as caught:
        find(query)
    assert caught.value.column == column
