"""Holds figures against budgets: too much fails, and so does far too little, so that a budget follows improvements."""

from qproxy.forwarding import head

COMPILED = not head.__file__.endswith(".py")
"""A compiled data plane shows fewer calls: there a budget is only what may not be exceeded."""
SLACK = 0.25
OTHER_PYTHON = 1.1
"""Another Python than the budgets were measured with may count a tenth more: inlining differs."""
SET_ANEW = "python tests/budgets/measure.py --write"


def complaints(budget: dict[str, float], found: dict[str, float], *, same_build: bool) -> list[str]:
    """One sentence for each figure out of its budget. `same_build`: the Python and kind of build of the budgets."""
    said = []
    for name, figure in found.items():
        most = budget[name] if same_build else budget[name] * OTHER_PYTHON
        if figure > most + 0.001:
            said.append(
                f"{name}: {figure:g}, the budget is {budget[name]:g}: find what was added, or say why it must be"
            )
        elif same_build and figure < budget[name] * (1 - SLACK):
            said.append(f"{name}: {figure:g}, the budget is {budget[name]:g}: well done; lower it with {SET_ANEW}")
    return said
