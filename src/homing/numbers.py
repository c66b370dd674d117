"""Numbers as people read them: percent with one decimal, signed points, durations."""

from __future__ import annotations

from homing.types import Interval

NBSP = "\u00a0"
MINUS = "\u2212"


def bare_percent(share: float) -> str:
    """Return a share in [0, 1] as "84.2"."""
    return f"{100 * share:.1f}"


def percent(share: float) -> str:
    """Return a share in [0, 1] as "84.2 %"."""
    return f"{bare_percent(share)}{NBSP}%"


def points(difference: float) -> str:
    """Return a difference of shares as "+8.0" or "−8.0"; zero has no sign."""
    text = f"{100 * abs(difference):.1f}"
    if float(text) == 0:
        return text
    return f"{'+' if difference > 0 else MINUS}{text}"


def point_range(interval: Interval) -> str:
    """Return the interval of a difference as "+5.1 to +10.8"."""
    return f"{points(interval.low)} to {points(interval.high)}"


def percent_range(interval: Interval) -> str:
    """Return the interval of a share as "81.6–86.7"."""
    return f"{bare_percent(interval.low)}\u2013{bare_percent(interval.high)}"


def count(n: int) -> str:
    """Return a count with thousands separated, "1,153"."""
    return f"{n:,}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun, "1 question" or "790 questions"."""
    return f"{count(n)} {noun if n == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return a duration as "0.4 s", "81 s", "2 min 15 s" or "1 h 4 min"."""
    if seconds < 10:
        return f"{seconds:.1f}{NBSP}s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole}{NBSP}s"
    if whole < 3600:
        return f"{whole // 60}{NBSP}min {whole % 60}{NBSP}s"
    minutes = round(whole / 60)
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"


def seconds(value: float) -> str:
    """Return a duration in seconds alone, "0.4 s" or "1,153 s", for columns to compare."""
    return f"{value:.1f}{NBSP}s" if value < 10 else f"{value:,.0f}{NBSP}s"


def p_value(p: float) -> str:
    """Return a p value with three decimals, or "< 0.001"."""
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.3f}"


def stated_p(p: float) -> str:
    """Return a p value as it stands in a sentence, "p = 0.031" or "p < 0.001"."""
    sign = "" if p < 0.001 else f"={NBSP}"
    return f"p{NBSP}{sign}{p_value(p)}"


def chance(p: float) -> str:
    """Return in words how easily chance alone brings a difference, with p: "may be chance (…)"."""
    words = "hardly chance" if p < 0.001 else "unlikely chance" if p < 0.05 else "may be chance"
    return f"{words} ({stated_p(p)})"


def milliseconds(value: float) -> str:
    """Return a time in milliseconds, "0.42 ms", "3.1 ms" or "215 ms"."""
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:,.{digits}f}{NBSP}ms"


def byte_size(n: int) -> str:
    """Return a size in bytes with a decimal unit, "607 kB" or "1.2 GB"."""
    size, units = float(n), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    digits = 1 if size < 9.95 and units[0] != "B" else 0
    return f"{size:.{digits}f}{NBSP}{units[0]}"


def rate(per_second: float) -> str:
    """Return a rate a second, "0.84", "3.1" or "1,153"."""
    digits = 2 if per_second < 1 else 1 if per_second < 10 else 0
    return f"{per_second:,.{digits}f}"


def dollars(value: float) -> str:
    """Return an amount in US dollars, "$0.02" or "$1,153"."""
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def measure_name(measure: str) -> str:
    """Return a measure's name as the field writes it: "ndcg@10" -> "nDCG@10".

    A hit within a budget of tokens is called so: "hit@2000tokens" -> "In 2,000 tokens".
    """
    name, at, cutoff = measure.partition("@")
    if cutoff.endswith("tokens") and cutoff.removesuffix("tokens").isdigit():
        return f"In {count(int(cutoff.removesuffix('tokens')))} tokens"
    written = {"hit": "Hit", "ndcg": "nDCG", "mrr": "MRR", "map": "MAP"}
    return written.get(name, name.capitalize()) + at + cutoff


def plain(text: str) -> str:
    """Return the text with ordinary spaces and hyphens, for terminals and for search."""
    return text.replace(NBSP, " ").replace(MINUS, "-").replace("\u2013", "-")
