"""What a bench found: rows of our figure beside a peer's, a table of at most 80 columns, and
build/bench/NAME.json."""
import json
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
FOLDER = os.path.join(BUILD, "bench")


class Report:
    def __init__(self, bench):
        self.bench, self.rows = bench, []

    def add(self, metric, unit, ours, peer=None, peer_name=None, bar=None, at_least=False):
        """`bar` is the most that ours may be, or the least: as a ratio to the peer's figure, or,
        without a peer, in the row's unit. Rows without a bar are information."""
        ratio = ours / peer if peer else None
        judged = ours if peer is None else ratio
        ok = None
        if bar is not None:
            ok = judged is not None and (judged >= bar if at_least else judged <= bar)
        self.rows.append({"metric": metric, "unit": unit, "ours": ours, "peer": peer,
                          "peer_name": peer_name, "ratio": ratio, "bar": bar, "ok": ok})

    def table(self):
        def number(value):
            if value is None:
                return "-"
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

        lines = [f"{'metric':<28} {'unit':<7} {'ours':>9} {'peer':>9} {'ratio':>6} {'bar':>6} "]
        for row in self.rows:
            verdict = {None: "", True: "ok", False: "MISSED"}[row["ok"]]
            lines.append(
                f"{row['metric']:<28} {row['unit']:<7} {number(row['ours']):>9} "
                f"{number(row['peer']):>9} {number(row['ratio']):>6} {number(row['bar']):>6} "
                f"{verdict}".rstrip())
        return "\n".join(lines)

    def finish(self):
        """Writes and prints; the exit code of the bench: 1 when a bar is missed."""
        os.makedirs(FOLDER, exist_ok=True)
        with open(os.path.join(FOLDER, f"{self.bench}.json"), "w", encoding="ascii") as file:
            json.dump({"bench": self.bench, "rows": self.rows}, file, indent=1)
            file.write("\n")
        peers = sorted({row["peer_name"] for row in self.rows if row["peer_name"]})
        print(f"{self.bench}{': the peer is ' + ', '.join(peers) if peers else ''}")
        print(self.table())
        return 1 if any(row["ok"] is False for row in self.rows) else 0
