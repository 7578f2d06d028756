"""How stores, matrices and reports look in a notebook: HTML in the page's own colours, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """Write text as HTML has it."""
    from html import escape  # Slow to import, and needed in notebooks alone.

    return escape(text)


class Readable:
    """A report whose `str()` reads well, in a notebook too."""

    def _repr_html_(self) -> str:
        return f'<pre style="background:none">{escape(str(self))}</pre>'


SHOWN_ROWS = 5
_SHOWN_NUMBERS, _SHOWN_WORDS = 6, 12


def facts_html(title: str, facts: Iterable[tuple[str, object]], *more: str) -> str:
    """Give a title, a table of names and values, and whatever comes below."""
    rows = "".join(
        f'<tr><td style="text-align:left;opacity:.65">{escape(name)}</td>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in facts
    )
    return f"<div><strong>{escape(title)}</strong><table><tbody>{rows}</tbody></table>{''.join(more)}</div>"


def rows_html(words: Sequence[str], vectors: Sequence[Sequence[float]], left: int) -> str:
    """Give the first rows of a table of vectors, and say how many words are left."""
    lines = []
    for word, vector in zip(words[:SHOWN_ROWS], vectors, strict=False):
        numbers = "".join(f"<td>{x:.4g}</td>" for x in vector[:_SHOWN_NUMBERS])
        dots = "<td>…</td>" if len(vector) > _SHOWN_NUMBERS else ""
        lines.append(f'<tr><th style="text-align:left">{escape(word)}</th>{numbers}{dots}</tr>')
    if left > 0:
        lines.append(
            f'<tr><td colspan="{_SHOWN_NUMBERS + 2}" style="text-align:left;opacity:.65">… {left:,} more</td></tr>'
        )
    return f"<table><tbody>{''.join(lines)}</tbody></table>"


def share_html(share: float, label: str) -> str:
    """Give a bar that is filled as far as the share says."""
    return (
        '<div style="display:flex;align-items:center;gap:.6em">'
        '<div style="width:12em;height:.6em;border-radius:.3em;background:rgba(128,128,128,.3)">'
        f'<div style="width:{100 * share:.1f}%;height:100%;border-radius:.3em;background:#2f6fde"></div></div>'
        f"<span>{escape(label)}</span></div>"
    )


def words_html(title: str, words: Sequence[str]) -> str:
    """Give the first of a list of words; nothing of none."""
    if not words:
        return ""
    shown = ", ".join(escape(word) for word in words[:_SHOWN_WORDS])
    more = f" … {len(words) - _SHOWN_WORDS:,} more" if len(words) > _SHOWN_WORDS else ""
    return f'<div><span style="opacity:.65">{escape(title)}:</span> {shown}{more}</div>'


def size(nbytes: int) -> str:
    """Write a number of bytes as people do."""
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= worth:
            return f"{nbytes / worth:,.1f} {unit}"
    return f"{nbytes} bytes"
