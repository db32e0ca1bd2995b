"""The table of the documents' Python blocks: what each takes to run, or why none can.

A block is `Unchanged`, or runs with `StandIns`, or is a `Fragment`. Its digest is of its code and
of the headings above it: a block that is new, changed or moved has none here, until somebody has
classified it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Runs as it is printed, with nothing supplied; `heading` is the one right above it."""

    digest: str
    heading: str

    @property
    def stand_ins(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class StandIns:
    """Runs as it is printed, once names, files and modules are there: `needs`, by spaces."""

    digest: str
    heading: str
    needs: str

    @property
    def stand_ins(self) -> frozenset[str]:
        return frozenset(self.needs.split())


class Why(Enum):
    """What makes a block a fragment, whatever is supplied to it; a test sees to each."""

    ELLIPSIS = "`...` stands for a value"
    NO_PYTHON = "is no Python"
    DESIGN = "writes a class of this package anew, as a design"


@dataclass(frozen=True, slots=True)
class Fragment:
    digest: str
    heading: str
    why: Why
    reason: str


Class = Unchanged | StandIns | Fragment

TABLE: dict[str, Class] = {
    "integrated-guide 1": Fragment(
        "1a2c8466",
        "Critical Integration Points",
        Why.ELLIPSIS,
        "the timestamps of the frame are left out: `'timestamp': [...]`",
    ),
    "integrated-guide 2": StandIns(
        "e7236db7",
        "Critical Integration Points",
        "RiskManager VolatilityScaledStopLoss provider",
    ),
    "integrated-guide 3": Fragment(
        "5d87a037",
        "Critical Integration Points",
        Why.ELLIPSIS,
        "the prices of the event are left out: `MarketEvent(..., signals=...)`",
    ),
    "integrated-guide 4": StandIns("9e627ae1", "Code Example: Accessing Features", "Strategy"),
    "integrated-guide 5": Fragment(
        "cc237423",
        "Usage Patterns",
        Why.ELLIPSIS,
        "the prices of the event are left out: `MarketEvent(..., signals=signals)`",
    ),
    "integrated-guide 6": Fragment(
        "dcf33209",
        "Usage Patterns",
        Why.ELLIPSIS,
        "the prices of the event are left out: `MarketEvent(..., signals=signals)`",
    ),
    "integrated-guide 7": Fragment(
        "8afce8ad",
        "Usage Patterns",
        Why.ELLIPSIS,
        "the prices of the event are left out: `MarketEvent(..., signals=signals, ...)`",
    ),
    "integrated-guide 8": StandIns(
        "9194a3b7",
        "PrecomputedFeatureProvider Setup",
        "ts1 ts2 polars.concat",
    ),
    "integrated-guide 9": StandIns(
        "cf71e4ef",
        "Serving Both Strategy and Risk",
        "PolarsDataFeed PrecomputedFeatureProvider RiskManager VolatilityScaledStopLoss "
        "features_df price_path",
    ),
    "integrated-guide 10": StandIns(
        "87db46d1",
        "CallableFeatureProvider for Live Trading",
        "compute_atr compute_rsi datetime fetch_recent_ohlc fetch_spy_return fetch_vix "
        "ml_model timestamp",
    ),
    "integrated-guide 11": StandIns(
        "10ff3b8b",
        "Batch Mode Strategy Pattern",
        "DynamicTrailingStop VolatilityScaledStopLoss broker combined_features_df portfolio "
        "rebalance_portfolio stock_data.parquet vix_data.parquet",
    ),
    "integrated-guide 12": StandIns(
        "a5bda30a",
        "Context Sharing Performance",
        "events provider timestamp",
    ),
    "integrated-guide 13": Fragment(
        "dbf19af5",
        "Context Sharing Performance",
        Why.NO_PYTHON,
        "internals of the original RiskManager: `def _build_context(self, asset_id, "
        "market_event, ...)`",
    ),
    "integrated-guide 14": Fragment(
        "c0363697",
        "1. Context Caching (10x Speedup)",
        Why.NO_PYTHON,
        "internals of the original RiskManager: the body of a method, with `return` outside of it",
    ),
    "integrated-guide 15": StandIns(
        "89b8331d",
        "1. Context Caching (10x Speedup)",
        "event risk_manager",
    ),
    "integrated-guide 16": Fragment(
        "790d6026",
        "2. Lazy Evaluation (PolarsDataFeed)",
        Why.NO_PYTHON,
        "internals of the original PolarsDataFeed: `def __init__(self, price_path: Path, ...)`",
    ),
    "integrated-guide 17": Fragment(
        "0e485572",
        "3. Polars group_by Optimization",
        Why.NO_PYTHON,
        "internals of the original PolarsDataFeed: `yield` outside of a function",
    ),
    "integrated-guide 18": StandIns(
        "51f6bb90",
        "4. Categorical Encoding (20% Memory Reduction)",
        "df pl",
    ),
    "integrated-guide 19": StandIns("dffcc0d2", "Profiling Example", "engine"),
    "integrated-guide 20": StandIns(
        "a3ce03a1",
        "Pattern 1: ML Filtering with Risk Protection",
        "features_df",
    ),
    "integrated-guide 21": StandIns(
        "6dc0d170",
        "Pattern 2: Regime-Dependent Position Sizing",
        "Strategy VolatilityScaledStopLoss risk_manager",
    ),
    "integrated-guide 22": StandIns(
        "1458df32",
        "Pattern 3: Multi-Signal Confirmation",
        "DynamicTrailingStop Strategy VolatilityScaledStopLoss risk_manager",
    ),
    "integrated-guide 23": StandIns(
        "c36f4fab",
        "Pattern 4: Top-N Rotational Strategy",
        "TimeBasedExit VolatilityScaledStopLoss risk_manager",
    ),
    "integrated-guide 24": Fragment(
        "ebc8a70a",
        "Issue 1: Features Missing in MarketEvent",
        Why.NO_PYTHON,
        "a symptom in words: `event.signals.get('atr') returns None`",
    ),
    "integrated-guide 25": StandIns(
        "9a796ba8",
        "Issue 1: Features Missing in MarketEvent",
        "event pl provider",
    ),
    "integrated-guide 26": StandIns(
        "c4040408",
        "Issue 2: Context Not Shared Across Assets",
        "event1 event2",
    ),
    "integrated-guide 27": StandIns(
        "cb11eb66",
        "Issue 2: Context Not Shared Across Assets",
        "pl ts1",
    ),
    "integrated-guide 28": Unchanged("15103672", "Issue 3: Risk Rules Not Triggering"),
    "integrated-guide 29": StandIns(
        "ff50d8d3",
        "Issue 3: Risk Rules Not Triggering",
        "asset_id broker event portfolio risk_manager rule",
    ),
    "integrated-guide 30": StandIns(
        "04f1464a",
        "Issue 3: Risk Rules Not Triggering",
        "RiskManager VolatilityScaledStopLoss fills market_event provider",
    ),
    "integrated-guide 31": Unchanged("5a9421fe", "Issue 4: Memory Leak (Cache Growing Unbounded)"),
    "integrated-guide 32": StandIns(
        "54acddda",
        "Issue 4: Memory Leak (Cache Growing Unbounded)",
        "cutoff_timestamp events risk_manager",
    ),
    "integrated-guide 33": Unchanged(
        "5dd94b95", "Issue 5: Point-in-Time Violation (Look-Ahead Bias)"
    ),
    "integrated-guide 34": StandIns(
        "bcb8a00a",
        "Issue 5: Point-in-Time Violation (Look-Ahead Bias)",
        "event",
    ),
    "integrated-guide 35": StandIns(
        "735f9e8b",
        "Reference Implementation",
        "DynamicTrailingStop MarketEvent PrecomputedFeatureProvider RiskManager TimeBasedExit "
        "VolatilityScaledStopLoss broker market_features per_asset_features pl portfolio "
        "stock_data timestamps vix_data",
    ),
    "ml-signals-guide 1": Fragment(
        "e86f8473",
        "Quick Start",
        Why.ELLIPSIS,
        'the bars of the frame are left out: `"open": [...]`',
    ),
    "ml-signals-guide 2": StandIns("b088d1a7", "Quick Start", "ml_data.parquet"),
    "ml-signals-guide 3": Unchanged("ce0ce82c", "Quick Start"),
    "ml-signals-guide 4": StandIns("5376f300", "Quick Start", "MLStrategy feed"),
    "ml-signals-guide 5": StandIns(
        "2893a228",
        "How Signals Work",
        "calculate_confidence df features labels pl train_your_model",
    ),
    "ml-signals-guide 6": StandIns("41aad68e", "How Signals Work", "ParquetDataFeed data.parquet"),
    "ml-signals-guide 7": StandIns("254679dc", "How Signals Work", "Strategy"),
    "ml-signals-guide 8": Fragment(
        "9176ceb6",
        "Multiple Signals",
        Why.ELLIPSIS,
        'the bars of the frame are left out: `"open": [...]`',
    ),
    "ml-signals-guide 9": StandIns("da03c459", "Using Context", "datetime"),
    "ml-signals-guide 10": StandIns(
        "a18ef7d1",
        "Using Context",
        "BacktestEngine context_data feed strategy",
    ),
    "ml-signals-guide 11": StandIns("edb74089", "Using Context", "Strategy"),
    "ml-signals-guide 12": StandIns("02c52df1", "Standard Trading Helpers (6 methods)", "self"),
    "ml-signals-guide 13": StandIns("0c9b1421", "Standard Trading Helpers (6 methods)", "self"),
    "ml-signals-guide 14": StandIns("3cf7ffae", "ML-Specific Helpers (3 methods)", "self"),
    "ml-signals-guide 15": StandIns("62482062", "ML-Specific Helpers (3 methods)", "self"),
    "ml-signals-guide 16": StandIns("5cd02dbe", "ML-Specific Helpers (3 methods)", "self"),
    "ml-signals-guide 17": StandIns("d340e4db", "Error Handling", "self"),
    "ml-signals-guide 18": StandIns("1dc43ff4", "Confidence-Based Position Sizing", "Strategy"),
    "ml-signals-guide 19": StandIns("77993daf", "Multi-Signal Decision Logic", "Strategy"),
    "ml-signals-guide 20": StandIns("0da20f55", "Regime-Dependent Trading", "Strategy"),
    "ml-signals-guide 21": StandIns("6b713be0", "Dynamic Stop Loss / Take Profit", "Strategy"),
    "ml-signals-guide 22": StandIns("80946a29", "Portfolio Rebalancing Strategy", "Strategy"),
    "ml-signals-guide 23": Unchanged("17b07454", "Complete Working Example"),
    "ml-signals-guide 24": StandIns("82e4a5b8", "Next Steps", "tests.fixtures"),
    "strategy-architecture 1": Fragment(
        "569ba533",
        "Extend MarketData with Signal Dictionary",
        Why.DESIGN,
        "MarketData as it was to become",
    ),
    "strategy-architecture 2": Fragment(
        "45edb04c",
        "DataFeed Integration",
        Why.DESIGN,
        "HistoricalDataFeed as it was to become; its MarketData(...) lacks fields of the "
        "block before",
    ),
    "strategy-architecture 3": StandIns(
        "5638b42c",
        "Level 1: Declarative Rules (Recommended for Most Users)",
        "PercentSizer",
    ),
    "strategy-architecture 4": StandIns(
        "3e11999f",
        "Level 2: Event Callbacks (Maximum Flexibility)",
        "MarketEvent Strategy",
    ),
    "strategy-architecture 5": StandIns(
        "cd8c37cf",
        "Level 3: Hybrid Numba (Best of Both Worlds)",
        "MarketEvent Strategy njit",
    ),
    "strategy-architecture 6": Fragment(
        "7a1930e2",
        "4. Required Strategy Helper Methods",
        Why.DESIGN,
        "the helpers that Strategy was to get; bodies are comments",
    ),
    "strategy-architecture 7": StandIns(
        "8bc32727",
        "5. User Journey: Typical ML Strategy Workflow",
        "aapl_daily_2020_2023.parquet compute_confidence my_features",
    ),
    "strategy-architecture 8": StandIns(
        "37d730d0",
        "7. VectorBT Integration Pattern",
        "ComplexMLStrategy df engine my_ml_model vectorbt",
    ),
    "strategy-architecture 9": Fragment(
        "ebf3da0c",
        "Interface Abstraction",
        Why.DESIGN,
        "DataFeed and its kinds as they were to become; LiveDataFeed comes later",
    ),
    "strategy-architecture 10": StandIns(
        "de8c1978",
        "Same Strategy, Different Environment",
        "Engine HistoricalDataFeed LiveBroker LiveDataFeed MyMLModel MyStrategy PaperBroker "
        "SimulationBroker df",
    ),
    "strategy-architecture 11": StandIns(
        "02167082",
        "Q2: How to handle multi-asset strategies with different signals?",
        "HistoricalDataFeed aapl_df msft_df",
    ),
    "strategy-architecture 12": StandIns(
        "982249d3",
        "Q2: How to handle multi-asset strategies with different signals?",
        "df pd",
    ),
    "strategy-architecture 13": StandIns(
        "6cc52191",
        "A1: Simple ML Threshold Strategy",
        "Strategy",
    ),
    "strategy-architecture 14": StandIns("002c932e", "A2: Regime-Switching Strategy", "Strategy"),
    "strategy-architecture 15": StandIns(
        "effe923f",
        "A3: Declarative Equivalent (Phase 2)",
        "PercentSizer Rule SignalStrategy",
    ),
}
