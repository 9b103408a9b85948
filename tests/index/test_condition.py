"""Conditions on fields: what passes, by a definition in plain Python, and how they are typed."""

import operator
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.errors import ConfigError, SearchIndexError
from interlingua.index import Field, parse
from interlingua.index.condition import AllOf, AnyOf, Compare, Not, OneOf, Prefix, inside
from interlingua.index.fields import BUILT_IN, column_of, declared
from interlingua.index.filter_syntax import MAX_DEPTH, MAX_LENGTH

FIELDS = {"kind": "text", "key": "text", "component": "number", "year": "number",
          "draft": "bool", "taken": "time"}  # fmt: skip
WORDS = ["", "a", "ab", "b/c", "it's", 'q"q', "100%", "a' OR 1=1 --", "é", "\\"]
NUMBERS = [-1.0, 0.0, 1.0, 2.5, 1990.0]
TIMES = [datetime(2020, 1, day, hour, tzinfo=UTC) for day in (1, 2) for hour in (0, 12)]
VALUES = {"text": WORDS, "number": NUMBERS, "bool": [True, False], "time": TIMES}
OPERATORS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
             ">": operator.gt, ">=": operator.ge}  # fmt: skip


def rows():
    found = []
    for number in range(60):
        row = {}
        for place, (name, kind) in enumerate(FIELDS.items()):
            values = [*VALUES[kind], None]
            row[name] = values[(number * (place + 1) + number // 7) % len(values)]
        if row["component"] is not None:
            row["component"] = int(row["component"])
        found.append(row)
    return found


ROWS = rows()


def columns():
    kinds = {"text": pa.large_string(), "number": pa.float64(), "bool": pa.bool_(),
             "time": pa.timestamp("us", tz="UTC")}  # fmt: skip
    made = {}
    for name, kind in FIELDS.items():
        values = [row[name] for row in ROWS]
        array = pa.array(values, pa.int64() if name == "component" else kinds[kind])
        made[column_of(name)] = array.dictionary_encode() if name == "kind" else array
    return pa.table(made)


COLUMNS = columns()


def passes(condition, row):
    """The definition."""
    match condition:
        case Compare(field, "==", None):
            return row[field] is None
        case Compare(field, "!=", None):
            return row[field] is not None
        case Compare(field, sign, value):
            return row[field] is not None and OPERATORS[sign](row[field], value)
        case OneOf(field, values):
            return row[field] is not None and row[field] in values
        case Prefix(field, value):
            return row[field] is not None and row[field].startswith(value)
        case AllOf(parts):
            return all(passes(part, row) for part in parts)
        case AnyOf(parts):
            return any(passes(part, row) for part in parts)
        case Not(part):
            return not passes(part, row)


def leaves():
    def of(name, kind):
        value = st.sampled_from(VALUES[kind])
        signs = ["==", "!="] if kind == "bool" else list(OPERATORS)
        made = [
            st.builds(Compare, st.just(name), st.sampled_from(signs), value),
            st.builds(Compare, st.just(name), st.sampled_from(["==", "!="]), st.none()),
            st.builds(OneOf, st.just(name), st.lists(value, max_size=3).map(tuple)),
        ]
        if kind == "text":
            made.append(st.builds(Prefix, st.just(name), value))
        return st.one_of(made)

    return st.one_of([of(name, kind) for name, kind in FIELDS.items()])


def conditions():
    def more(inner):
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(AllOf, parts), st.builds(AnyOf, parts), st.builds(Not, inner))

    return st.recursive(leaves(), more, max_leaves=6)


def typed(condition):
    """A condition as somebody would type it."""

    def value(one):
        if one is None or isinstance(one, bool):
            return str(one).lower()
        if isinstance(one, str):
            escaped = one.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        return one.isoformat() if isinstance(one, datetime) else repr(one)

    match condition:
        case Compare(field, sign, one):
            return f"{field} {sign} {value(one)}"
        case OneOf(field, values):
            return f"{field} in ({', '.join(map(value, values))})"
        case Prefix(field, one):
            return f"{field} prefix {value(one)}"
        case AllOf(parts):
            return "(" + " and ".join(map(typed, parts)) + ")"
        case AnyOf(parts):
            return "(" + " OR ".join(map(typed, parts)) + ")"
        case Not(part):
            return f"not ({typed(part)})"


@settings(max_examples=200, deadline=None)
@given(conditions())
def test_a_condition_passes_what_its_definition_passes(condition):
    mask = condition.checked(FIELDS).mask(COLUMNS)
    assert mask.tolist() == [passes(condition, row) for row in ROWS]


@settings(max_examples=200, deadline=None)
@given(conditions())
def test_what_is_typed_is_the_condition(condition):
    read = parse(typed(condition))
    assert read.checked(FIELDS).mask(COLUMNS).tolist() == [passes(condition, row) for row in ROWS]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("=!<>()'\"\\ andortinx,1.-", max_size=30)))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text).checked(FIELDS).mask(COLUMNS)
    except ConfigError as error:
        assert error.what


def test_conditions_are_built_with_operators():
    year = Field("year")
    built = Field("kind").one_of("image", "text") & (year >= 1990) | ~(year == None)  # noqa: E711
    assert built == AnyOf(
        (
            AllOf((OneOf("kind", ("image", "text")), Compare("year", ">=", 1990))),
            Not(Compare("year", "==", None)),
        )
    )
    signs = [year == 1, year != 1, year < 1, year <= 1, year > 1]
    assert [one.operator for one in signs] == ["==", "!=", "<", "<=", ">"]
    assert Field("group").prefix("a/") == Prefix("group", "a/")
    with pytest.raises(TypeError, match="&"):
        _ = year > 1 and year < 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("draft", Compare("draft", "==", True)),
        ("not draft", Not(Compare("draft", "==", True))),
        ("kind == image", Compare("kind", "==", "image")),
        ("kind == 'it\\'s'", Compare("kind", "==", "it's")),
        ('key == "a b"', Compare("key", "==", "a b")),
        ("year >= 1990", Compare("year", ">=", 1990.0)),
        ("year<-1.5e3", Compare("year", "<", -1500.0)),
        ("year == none", Compare("year", "==", None)),
        ("taken < 2020-01-31", Compare("taken", "<", date(2020, 1, 31))),
        ("kind not in (a, b)", Not(OneOf("kind", ("a", "b")))),
        ("kind not prefix a", Not(Prefix("kind", "a"))),
        ("kind in ()", OneOf("kind", ())),
        ("a or b and c", AnyOf((Compare("a", "==", True),
                                AllOf((Compare("b", "==", True), Compare("c", "==", True)))))),
        ("KIND == x AND NOT b", AllOf((Compare("KIND", "==", "x"), Not(Compare("b", "==", True))))),
    ],
)  # fmt: skip
def test_the_syntax(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'the end' at character 1, where the name of a field"),
        ("year", None),
        ("year = 3", "character 6; == compares"),
        ("year == ", "where a value"),
        ("year == 3 4", "where and, or, or the end"),
        ("(year == 3", "where '\\)'"),
        ("kind in (a b)", "where ','"),
        ("kind not 3", "where in or prefix"),
        ("and == 3", "the name of a field"),
        ("kind == 'open", "can't be read at character 9"),
        ("taken < 2020-13-01", "is no time"),
        ("year in (1, none)", "none is no value"),
        ("kind prefix 3", "takes a text"),
        ("(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2), "inside each other"),
        ("not " * 100_000 + "a", "characters"),
        ("a" * (MAX_LENGTH + 1), "characters"),
        ("kind == a; drop table", "where and, or, or the end"),
    ],
)
def test_what_cannot_be_read_says_where(text, message):
    if message is None:
        parse(text)
        return
    with pytest.raises(ConfigError, match=message):
        parse(text).checked({"kind": "text"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yaer > 3", "no field 'yaer' \\(did you mean 'year'"),
        ("year == abc", "holds numbers"),
        ("kind == 3", "holds texts"),
        ("draft == 1", "true or false"),
        ("draft < true", "take == or !="),
        ("taken > abc", "holds times"),
        ("year prefix a", "asks for text"),
        ("year < none", "means nothing"),
    ],
)
def test_a_wrong_field_or_value_is_named(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse(text).checked(FIELDS)
    if "no field" in message:
        assert "year (number)" in error.value.next_step


def test_times_are_compared_as_moments():
    elsewhere = datetime(2020, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    mask = (Field("taken") == elsewhere).checked(FIELDS).mask(COLUMNS)
    assert mask.tolist() == [row["taken"] == TIMES[1] for row in ROWS]
    mask = (Field("taken") <= date(2020, 1, 2)).checked(FIELDS).mask(COLUMNS)
    assert mask.tolist() == [row["taken"] is not None and row["taken"] <= TIMES[2] for row in ROWS]


def test_inside_a_group():
    columns = pa.table({"group": ["animals", "animals/dogs", "animalsX", "", None]})
    mask = inside("group", ("animals/",)).checked(BUILT_IN).mask(columns)
    assert mask.tolist() == [True, True, False, False, False]


def test_nothing_passes_or_fails_by_accident():
    assert AllOf(()).mask(COLUMNS).all()
    assert not AnyOf(()).mask(COLUMNS).any()
    assert not OneOf("kind", ()).checked(FIELDS).mask(COLUMNS).any()
    empty = COLUMNS.slice(0, 0)
    assert len((Field("kind") == "a").checked(FIELDS).mask(empty)) == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": "text"}, "has a field 'group' already"),
        ({"in": "text"}, "can't be the name"),
        ({"1st": "text"}, "can't be the name"),
        ({"a b": "text"}, "can't be the name"),
        ({"year": "nubmer"}, "did you mean 'number'"),
        ({f"f{n}": "text" for n in range(101)}, "at most 100"),
    ],
)
def test_fields_that_cannot_be(fields, message):
    with pytest.raises(SearchIndexError, match=message):
        declared(fields)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**60])
def test_numbers_that_no_field_holds(number):
    with pytest.raises(ConfigError, match="can't hold"):
        (Field("year") == number).checked(FIELDS)
