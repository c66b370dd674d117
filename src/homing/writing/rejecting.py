"""Passages that a language model was asked about in vain, as rejections."""

from __future__ import annotations

from homing.llm.ledger import Call, FailedCall
from homing.types import Passage, Rejection

RETRY = "Ask again with: homing write WORKSPACE --retry-failed"


def rejection_of_failure(passage: Passage, failed: FailedCall) -> Rejection:
    """Return the rejection of a passage about which no answer could be had."""
    if failed.reason == "refused":
        detail = f"The provider refuses the request: {failed.detail}"
        return Rejection(passage.id, "write", "refused", detail, passage.text[:2000])
    tries = "1 try" if failed.tries == 1 else f"{failed.tries} tries"
    detail = f"No answer after {tries}: {failed.reason}. {failed.detail} {RETRY}"
    return Rejection(passage.id, "write", "gave_up", detail, passage.text[:2000])


def rejection_of_reply(passage: Passage, call: Call) -> Rejection:
    """Return the rejection of a passage whose answer was of no use."""
    reason, detail = "unparseable", "The reply holds no question that could be made out."
    if call.answer.finish == "refusal":
        reason, detail = "refused", "The model refuses to write questions about this passage."
    elif call.answer.finish == "length":
        detail = "The reply was cut off at the most tokens that it may have."
    return Rejection(passage.id, "write", reason, f"{detail} {RETRY}", call.answer.text[:2000])
