"""Lists and ranges of numbers in the text of an option."""

from decimal import Decimal

import pytest

from gapless.cli.numbers import numbers


@pytest.mark.parametrize("step", ["0.1", "0.01", "0.3", "1e-2", "0.7"])
def test_a_range_is_the_list_of_its_numbers_as_they_are_written(step):
    decimal = Decimal(step)
    written = [str(Decimal("0.1") + i * decimal) for i in range(40)]
    found = numbers(f"0.1:{written[-1]}:{step}", "alpha")
    assert found == numbers(",".join(written), "alpha") == [float(text) for text in written]
