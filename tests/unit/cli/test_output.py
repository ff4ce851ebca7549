"""What commands print beside their own words."""

from __future__ import annotations

import warnings

import pytest

from issuer.cli.output import report_bad_input


@pytest.mark.parametrize(
    "said",
    ["Attribute's length must be >= 2 and <= 2", "Parsed a serial number which wasn't positive (i.e., ...)"],
)
def test_the_library_says_nothing_of_careless_certificates(said: str) -> None:
    with report_bad_input(1):
        warnings.warn(said, stacklevel=1)
    with pytest.raises(UserWarning, match="something else"), report_bad_input(1):
        warnings.warn("something else", stacklevel=1)
