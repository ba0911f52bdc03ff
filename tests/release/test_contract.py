from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog import Variable, VariableType
from app.release.contract import mismatches

VARIABLES = st.builds(
    Variable,
    name=st.sampled_from("abcde"),
    type=st.sampled_from(VariableType),
    unit=st.sampled_from([None, "MW", "AUD"]),
)
SETS = st.lists(VARIABLES, max_size=5, unique_by=lambda variable: variable.name)


def number(name: str, unit: str | None = None) -> Variable:
    return Variable(name=name, unit=unit)


def fits(one: Variable, given_: Variable | None) -> bool:
    if given_ is None or given_.type != one.type:
        return False
    return None in {one.unit, given_.unit} or one.unit == given_.unit


@settings(max_examples=300, deadline=None)
@given(SETS, SETS)
def test_exactly_the_variables_that_do_not_fit_are_named_in_order(
    wanted: list[Variable], supplied: list[Variable]
) -> None:
    offered = {variable.name: variable for variable in supplied}

    found = mismatches(wanted, supplied)

    expected = [one.name for one in wanted if not fits(one, offered.get(one.name))]
    assert [item["variable"] for item in found] == expected
    assert all(item["problem"] for item in found)


@settings(max_examples=100, deadline=None)
@given(SETS, SETS)
def test_a_contract_may_supply_more_than_is_wanted(
    wanted: list[Variable], more: list[Variable]
) -> None:
    names = {variable.name for variable in wanted}
    supplied = [*wanted, *(one for one in more if one.name not in names)]

    assert mismatches(wanted, supplied) == []


def test_each_kind_of_mismatch_is_said_in_words() -> None:
    wanted = [number("gone"), number("typed"), number("measured", "MW"), number("fine", "MW")]
    supplied = [
        Variable(name="typed", type=VariableType.CATEGORY),
        number("measured", "kW"),
        number("fine", "MW"),
    ]

    assert mismatches(wanted, supplied) == [
        {"variable": "gone", "problem": "not supplied"},
        {"variable": "typed", "problem": "supplied as category, wanted as number"},
        {"variable": "measured", "problem": "supplied in kW, wanted in MW"},
    ]


def test_a_unit_that_is_not_said_contradicts_nothing() -> None:
    assert mismatches([number("a", "MW"), number("b")], [number("a"), number("b", "MW")]) == []
