"""Tools, loans and who waits; nothing of HTTP."""

from dataclasses import asdict, dataclass, field
from typing import Any

MOST = 1000
"""What a late return costs at most."""


class Refused(Exception):
    """A request cannot be carried out; nothing has changed."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Tool:
    name: str
    copies: int
    lent: int = 0
    kept: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.copies - self.lent - len(self.kept)

    def keep(self) -> None:
        """Nothing stays free while somebody waits."""
        while self.free > 0 and self.waiting:
            self.kept.append(self.waiting.pop(0))

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "copies": self.copies,
            "free": self.free,
            "kept": list(self.kept),
            "waiting": list(self.waiting),
        }


@dataclass
class Loan:
    id: int
    tool: str
    member: str
    day: int
    due: int
    returned: int | None = None


def fee(late: int) -> int:
    return min(20 * min(late, 7) + 50 * max(late - 7, 0), MOST)


class Desk:
    def __init__(self, days: int, limit: int) -> None:
        self.days = days
        self.limit = limit
        self.tools: dict[str, Tool] = {}
        self.loans: list[Loan] = []

    def put(self, name: str, copies: int) -> tuple[int, Any]:
        tool = self.tools.get(name)
        if tool is None:
            tool = self.tools[name] = Tool(name, copies)
            return 201, tool.shown()
        used = tool.lent + len(tool.kept)
        if copies < used:
            raise Refused(409, f"{used} copies are in use")
        tool.copies = copies
        tool.keep()
        return 200, tool.shown()

    def tool(self, name: str) -> Tool:
        if name not in self.tools:
            raise Refused(404, f"no tool {name}")
        return self.tools[name]

    def all_tools(self, prefix: str) -> list[Any]:
        return [tool.shown() for name, tool in sorted(self.tools.items()) if name.startswith(prefix)]

    def lend(self, name: str, member: str, day: int) -> tuple[int, Any]:
        tool = self.tool(name)
        open_loans = [loan for loan in self.loans if loan.member == member and loan.returned is None]
        if any(loan.tool == name for loan in open_loans):
            raise Refused(409, f"{member} has this tool")
        for loan in open_loans:
            if loan.due < day:
                raise Refused(409, f"{member} must return {loan.tool} first")
        if len(open_loans) >= self.limit:
            raise Refused(409, f"{member} has {len(open_loans)} loans")
        if member in tool.kept:
            tool.kept.remove(member)
        elif tool.free <= 0:
            if member not in tool.waiting:
                tool.waiting.append(member)
            return 202, {"position": tool.waiting.index(member) + 1}
        tool.lent += 1
        self.loans.append(Loan(len(self.loans) + 1, name, member, day, day + self.days))
        return 201, asdict(self.loans[-1])

    def give_back(self, number: str, day: int) -> tuple[int, Any]:
        loan = next((loan for loan in self.loans if str(loan.id) == number), None)
        if loan is None:
            raise Refused(404, f"no loan {number}")
        if loan.returned is not None:
            raise Refused(409, f"loan {number} was returned")
        if day < loan.day:
            raise Refused(409, f"loan {number} began on day {loan.day}")
        loan.returned = day
        tool = self.tools[loan.tool]
        tool.lent -= 1
        tool.keep()
        late = max(day - loan.due, 0)
        return 200, {"loan": asdict(loan), "late": late, "fee": fee(late)}

    def some_loans(self, member: str | None, tool: str | None, is_open: bool | None) -> list[Any]:
        return [
            asdict(loan)
            for loan in self.loans
            if member in (None, loan.member) and tool in (None, loan.tool) and is_open in (None, loan.returned is None)
        ]

    def withdraw(self, name: str, member: str) -> None:
        tool = self.tool(name)
        for members in (tool.kept, tool.waiting):
            if member in members:
                members.remove(member)
                tool.keep()
                return
        raise Refused(404, f"{member} does not wait for {name}")
