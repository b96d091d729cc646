"""The source of functions is shown as code."""

from helpers.results.source import source_of
from helpers.results.words import interval, number


def test_functions_stand_in_their_order_in_one_block_of_code():
    shown = source_of(number, interval).data
    assert shown.startswith("```python\ndef number(") and shown.endswith("\n```")
    assert shown.count("```") == 2 and "\n\n\ndef interval(" in shown
