"""The full product of models, functions, losses, layouts, types and forms: most of `make verify`."""

from __future__ import annotations

import pytest

from tests.agreement.backends import Suite, backends_of, forget, network
from tests.agreement.cases import FACTORS, product
from tests.agreement.reference import in_parts
from tests.promises import Promise


@pytest.mark.full
@pytest.mark.parametrize("dtype", FACTORS["dtype"])
@pytest.mark.parametrize("model", FACTORS["model"])
@pytest.mark.parametrize("layout", FACTORS["layout"])
def test_every_result_agrees_with_the_oracle(layout: str, model: str, dtype: str, promise: Promise) -> None:
    """All g, h, losses and forms in one extension; of thousands of cases a few are ill-conditioned."""
    cases = tuple(c for c in product() if (c.layout, c.model, c.dtype) == (layout, model, dtype))
    suite = Suite("full", cases, "quick", group_size=len(cases))
    found = {
        f"{case}-{backend} {name}": part
        for case in cases
        for backend in backends_of(case)
        for name, part in in_parts(case, network(suite, case, backend)).items()
    }
    forget()
    promise.within(f"{dtype}: the full product, in parts of what rounding explains", 1, found)
