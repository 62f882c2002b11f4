"""Whose turn it is."""

from collections import Counter

from jobworker.store.claims import Wanted
from jobworker.supervisor.turns import Turns


def preferred(turns: Turns, count: int) -> list[str]:
    return [wanted.prefers for wanted in turns.assign(range(count))]


def test_without_names_all_queues_are_served_and_none_is_preferred() -> None:
    turns = Turns([])
    assert turns.queues == []
    assert turns.assign([7, 8]) == [Wanted(7, ""), Wanted(8, "")]


def test_names_without_weights_are_served_strictly_by_priority() -> None:
    turns = Turns(["a", "b"])
    assert turns.queues == ["a", "b", "jobworker.webhooks"]
    assert preferred(turns, 5) == [""] * 5


def test_weights_share_the_turns_exactly_and_evenly() -> None:
    turns = Turns(["a=5", "b=1", "c"])
    assert turns.queues == ["a", "b", "c", "jobworker.webhooks"]
    order = preferred(turns, 7)
    assert Counter(order) == {"a": 5, "b": 1, "c": 1}
    assert order == ["a", "a", "b", "a", "c", "a", "a"]
    assert preferred(turns, 7) == order


def test_turns_go_on_from_call_to_call() -> None:
    one_by_one, at_once = Turns(["a=3", "b=2"]), Turns(["a=3", "b=2"])
    assert [preferred(one_by_one, 1)[0] for _ in range(10)] == preferred(at_once, 10)


def test_a_weight_makes_a_turn_of_the_others_too() -> None:
    assert Counter(preferred(Turns(["a", "b=2"]), 30)) == {"a": 10, "b": 20}


def test_deliveries_are_served_by_all_and_have_a_turn_where_they_are_named() -> None:
    assert Turns(["jobworker.webhooks"]).queues == ["jobworker.webhooks"]
    named = Turns(["a=3", "jobworker.webhooks"])
    assert named.queues == ["a", "jobworker.webhooks"]
    assert Counter(preferred(named, 8)) == {"a": 6, "jobworker.webhooks": 2}
