"""The small sales table behind every app of the stand-in, what is selected in it, and what expressions yield.

Associative like the real thing: a selection in one field leaves, in every field, values that are selected,
possible, alternative or excluded. Nothing here knows objects, handles or the wire.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

Value = str | float
Row = int

REGIONS = ("Nordic", "Baltic", "Iberia", "Alps", "Balkans", "Benelux", "Isles", "Anatolia")
PRODUCTS = ("Boots", "Gloves", "Helmets", "Jackets", "Lamps", "Tents")
QUARTERS = ("Q1", "Q2", "Q3", "Q4")

_AGGREGATE = re.compile(r"(sum|avg|min|max|count)\s*\(\s*(distinct\s+)?\[?([^\[\]()]+?)\]?\s*\)", re.IGNORECASE)


class Table:
    """Columns of equal length. A value's element number is its place among the different ones of its column."""

    def __init__(self, columns: Mapping[str, Sequence[Value]]) -> None:
        self.columns: dict[str, list[Value]] = {name: list(values) for name, values in columns.items()}
        self.symbols: dict[str, list[Value]] = {}
        for name in self.columns:
            self._index(name)

    def _index(self, name: str) -> None:
        self.symbols[name] = list(dict.fromkeys(self.columns[name]))

    @property
    def rows(self) -> range:
        return range(len(next(iter(self.columns.values()), ())))

    def elements(self, name: str) -> list[int]:
        """The element number in each row of a column."""
        numbers = {value: number for number, value in enumerate(self.symbols[name])}
        return [numbers[value] for value in self.columns[name]]

    def advance(self, step: int) -> None:
        """Let the sales of some rows go up and down a little, the same way for the same step."""
        sales = self.columns.get("Sales", [])
        for row in range(step % 5, len(sales), 5):
            sales[row] = max(10.0, float(sales[row]) + (step * 7 + row * 3) % 41 - 20)
        self._index("Sales")


def sales_table() -> Table:
    """8 regions x 6 products x 4 quarters, the same numbers every time."""
    cells = [(r, p, q) for r in range(8) for p in range(6) for q in range(4)]
    units = [10 + (r * 13 + p * 7 + q * 5) % 29 for r, p, q in cells]
    return Table(
        {
            "Region": [REGIONS[r] for r, _, _ in cells],
            "Product": [PRODUCTS[p] for _, p, _ in cells],
            "Quarter": [QUARTERS[q] for _, _, q in cells],
            "Units": [float(count) for count in units],
            "Sales": [float(count * (20 + 5 * p)) for count, (_, p, _) in zip(units, cells, strict=True)],
        }
    )


@dataclass
class Associations:
    """A table and what one engine session selected in it, by field and element number."""

    table: Table
    chosen: dict[str, frozenset[int]] = field(default_factory=dict)

    def select(self, name: str, numbers: Collection[int], toggle: bool) -> bool:
        """Whether anything was selectable; as Qlik does, an unknown element number selects nothing."""
        known = frozenset(number for number in numbers if 0 <= number < len(self.table.symbols[name]))
        if not known:
            return False
        wanted = self.chosen.get(name, frozenset()) ^ known if toggle else known
        self.chosen.pop(name, None)
        if wanted:
            self.chosen[name] = wanted
        return True

    def clear(self, name: str | None = None) -> None:
        for each in [name] if name else list(self.chosen):
            self.chosen.pop(each, None)

    def rows(self, ignoring: str = "") -> list[Row]:
        left: list[Row] = list(self.table.rows)
        for name, numbers in self.chosen.items():
            if name != ignoring:
                elements = self.table.elements(name)
                left = [row for row in left if elements[row] in numbers]
        return left

    def states(self, name: str) -> list[str]:
        """By element number: S selected, O possible, A alternative, X excluded."""
        elements = self.table.elements(name)
        possible = {elements[row] for row in self.rows(ignoring=name)}
        chosen = self.chosen.get(name)
        free = "O" if chosen is None else "A"
        return [
            "S" if chosen and number in chosen else free if number in possible else "X"
            for number in range(len(self.table.symbols[name]))
        ]

    def evaluate(self, expression: str, rows: Sequence[Row] | None = None) -> float | None:
        """A sum of numbers and aggregates such as `Sum(Sales)`; None when it is not one."""
        within = self.rows() if rows is None else rows
        terms = [self._term(term.strip(), within) for term in expression.strip().lstrip("=").split("+")]
        numbers = [term for term in terms if term is not None]
        return sum(numbers) if len(numbers) == len(terms) else None

    def _term(self, term: str, rows: Sequence[Row]) -> float | None:
        match = _AGGREGATE.fullmatch(term)
        if match is None:
            return float(term) if re.fullmatch(r"\d+(\.\d+)?", term) else None
        word, distinct, name = match.group(1).lower(), match.group(2), match.group(3).strip()
        if name not in self.table.columns:
            return None
        values = [self.table.columns[name][row] for row in rows]
        return _aggregate(word, list(dict.fromkeys(values)) if distinct else values)


def _aggregate(word: str, values: Sequence[Value]) -> float:
    numbers = [value for value in values if isinstance(value, float)]
    if word == "count":
        return float(len(values))
    if word == "sum":
        return sum(numbers)
    if not numbers:
        return 0.0
    return {"min": min(numbers), "max": max(numbers), "avg": sum(numbers) / len(numbers)}[word]


def as_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def as_number(value: Value) -> float | int | str:
    """As the engine writes it in JSON: texts have the number "NaN"."""
    if isinstance(value, str):
        return "NaN"
    return int(value) if value == int(value) else value
