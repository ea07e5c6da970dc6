"""What tells models apart in the cache: all that they are, and not where they come from."""

from __future__ import annotations

import pytest

from chalkgrad.codegen import driver
from chalkgrad.codegen.building.fingerprint import fingerprint
from chalkgrad.derive import load
from tests.derive.conftest import CELL

SIZES = {"n_x": 2, "n_a": 3, "n_y": 2}
CHANGES = {
    "s * g(z)": "g(z) * s",
    '"A cell"': '"Another cell"',
    '"relu"]': '"softplus"]',
    "outputs": "results",
}


def test_comments_and_names_of_files_do_not_count() -> None:
    vanilla = load("vanilla")
    text = vanilla.to_toml()
    assert fingerprint(load(text=f"{text}# the end")) == fingerprint(load(text=text)) == fingerprint(vanilla)


@pytest.mark.parametrize("old", CHANGES)
def test_what_is_compared_counts(old: str) -> None:
    """The list of functions that were not chosen is no part of a model."""
    one, two = load(text=CELL), load(text=CELL.replace(old, CHANGES[old]))
    assert (fingerprint(one) == fingerprint(two)) is (one == two) is (old == '"relu"]')


@pytest.mark.usefixtures("quick_builds")
def test_a_comment_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = driver.build(load(text=CELL), SIZES)
    monkeypatch.setattr(driver, "_emit", None)
    assert driver.build(load(text=f"# a comment\n{CELL}"), SIZES).shapes == net.shapes
    with pytest.raises(TypeError):
        driver.build(load(text=CELL.replace("s * g(z)", "g(z) * s")), SIZES)
