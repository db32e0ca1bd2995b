"""Drawn cases of bars with zones, run and printed as JSON, after those of `zoned_cases.py`."""

import json
import sys

from money import differences, engine_run, reference_run, zoned_case

TABLES = ("orders", "fills", "equity", "positions", "trades", "cash_flows", "decisions")


def main(seeds: list[int]) -> None:
    for seed in seeds:
        case = zoned_case(seed)
        result = engine_run(*case)
        rows = {
            name: result.sql(f"select * exclude run_id from {name} order by all").fetchall()
            for name in TABLES
        }
        told = [differences(result, reference_run(*case)), case[0].timezone, dict(result), rows]
        sys.stdout.write(json.dumps(told, default=str) + "\n")
