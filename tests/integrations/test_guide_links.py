"""The guides lead to pages that are there."""

from __future__ import annotations

import re

import pytest
from guides import DOCS


@pytest.mark.parametrize("page", ["deploy.md", "migrate.md"])
def test_every_link_of_a_guide_leads_to_a_file(page: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)", (DOCS / page).read_text(encoding="utf-8"))
    assert targets
    missing = [target for target in targets if not (DOCS / target).is_file()]
    assert not missing
