"""Ready fee schedules: price lists of markets and brokers, with source and dates.

Each is a few lines; `fee_schedule(name)` returns it, and printing that gives lines to change.
What a list says of dates before its first one, or after its last one, is not known here: a run
over those dates is refused. Amounts are in the currency of the market.

Levies are charged per fill: what a broker adds up over an order or a day before it rounds may
differ by the rounding.
"""

from __future__ import annotations

from collections.abc import Callable

from ml4t.backtest.errors import require_choice
from ml4t.backtest.execution.costs.commission import MakerTakerCommission, PerShareCommission
from ml4t.backtest.execution.costs.contract import Commission
from ml4t.backtest.execution.costs.fees import Fee, MonthlyTieredCommission
from ml4t.backtest.execution.costs.schedule import FeeSchedule

PriceList = tuple[Commission, ...]
MILLION = 1_000_000
_SECTION_31 = (
    ("2010-01-15", 12.70), ("2010-04-01", 16.90), ("2011-01-21", 19.20), ("2012-02-21", 18.00),
    ("2012-04-01", 22.40), ("2013-05-25", 17.40), ("2014-03-18", 22.10), ("2015-02-14", 18.40),
    ("2016-02-16", 21.80), ("2017-07-04", 23.10), ("2018-05-22", 13.00), ("2019-04-16", 20.70),
    ("2020-02-18", 22.10), ("2021-02-25", 5.10), ("2022-05-14", 22.90), ("2023-02-27", 8.00),
    ("2024-05-22", 27.80), ("2025-05-14", 0.00), ("2026-04-04", 20.60),
)  # fmt: skip
# From a date on: per share, and at most.
_TRADING_ACTIVITY = (
    ("2004-11-01", 0.000075, 3.75), ("2011-07-01", 0.000090, 4.50), ("2012-03-01", 0.000095, 4.75),
    ("2012-07-01", 0.000119, 5.95), ("2022-01-01", 0.000130, 6.49), ("2023-01-01", 0.000145, 7.27),
    ("2024-01-01", 0.000166, 8.30), ("2026-01-01", 0.000195, 9.79),
)  # fmt: skip


def us_levies(*, rounding: str = "half_up") -> PriceList:
    """Return what US brokers pass on of sales of shares, 2010-01-15 to 2026-09-30.

    SEC, Exchange Act section 31, per million of sales: the Commission's fee rate advisories, one
    for each date below; the last ones 88 FR 5051, 89 FR 29402, 90 FR 15492 and 91 FR 10643, which
    is in force until the appropriation of fiscal year 2027. FINRA's trading activity fee, By-Laws
    schedule A section 1: regulatory notices 11-27, 12-06 and 12-31, release 34-90176 for 2022 to
    2024, 89 FR 93709 for 2026.
    https://www.finra.org/rules-guidance/guidance/trading-activity-fee
    """
    sec = tuple((day, rate / MILLION) for day, rate in _SECTION_31)
    return (
        Fee((*sec, ("2026-10-01", None)), on="sell", column="fee", unit=0.01, rounding=rounding),
        Fee(
            tuple((day, rate) for day, rate, _ in _TRADING_ACTIVITY),
            per="share", on="sell", column="fee",
            maximum=tuple((day, most) for day, _, most in _TRADING_ACTIVITY),
            unit=0.01, rounding=rounding,
        ),
    )  # fmt: skip


def us_zero() -> PriceList:
    """Return a US broker without commission: `us_levies` alone, each up to the next cent.

    https://help.m1.com/hc/en-us/articles/221056287
    """
    return us_levies(rounding="up")


def ibkr_us_fixed() -> PriceList:
    """Return Interactive Brokers' fixed pricing of US shares, with `us_levies`.

    0.005 a share, at least 1.00 and at most 1% of the value.
    https://www.interactivebrokers.com/en/pricing/commissions-stocks.php
    """
    return (PerShareCommission(0.005, minimum=1.0, cap=0.01), *us_levies())


def ibkr_us_tiered() -> PriceList:
    """Return Interactive Brokers' tiered pricing of US shares, with `us_levies`.

    By the shares of the calendar month, marginal: 0.0035 up to 300,000, 0.002 up to 3 million,
    0.0015 up to 20 million, 0.001 up to 100 million, 0.0005 beyond; at least 0.35, at most 1% of
    the value. Clearing (NSCC, DTC) 0.0002 a share; NYSE pass-through 0.000175 and FINRA
    pass-through 0.00056 of the commission. What venues charge or rebate is not in it: it depends on
    the venue. https://www.interactivebrokers.com/en/pricing/commissions-stocks.php
    """
    tiers = (
        (0, 0.0035), (300_000, 0.002), (3_000_000, 0.0015), (20_000_000, 0.001),
        (100_000_000, 0.0005),
    )  # fmt: skip
    return (
        MonthlyTieredCommission(tiers, minimum=0.35, cap=0.01),
        Fee(0.000175, per="commission", column="fee"),
        Fee(0.00056, per="commission", column="fee"),
        Fee(0.0002, per="share", column="fee"),
        *us_levies(),
    )


def hong_kong() -> PriceList:
    """Return the levies on Hong Kong shares, both sides, from 2010-10-01; no brokerage.

    Stamp duty 0.1% up to the next dollar, 0.13% from 2021-08-01 to 2023-11-16 (HKEX circular
    CT/152/23); to the nearest cent the SFC levy 0.003%, 0.0027% from 2014-11-01, the AFRC levy
    0.00015% from 2022-01-01, and the trading fee 0.005%, 0.00565% from 2023-01-01, when the tariff
    of 0.50 a trade ended. Settlement 0.002%, at least 2 and at most 100, until 2025-06-29;
    0.0042% without bounds from 2025-06-30.
    https://www.hkex.com.hk/Services/Rules-and-Forms-and-Fees/Fees/Securities-(Hong-Kong)/Trading/Transaction
    """
    stamp = (("2010-10-01", 0.001), ("2021-08-01", 0.0013), ("2023-11-17", 0.001))
    sfc = (("2010-10-01", 0.00003), ("2014-11-01", 0.000027))
    afrc = (("2010-10-01", 0.0), ("2022-01-01", 1.5 / MILLION))
    trading = (("2010-10-01", 0.00005), ("2023-01-01", 0.0000565))
    tariff = (("2010-10-01", 0.5), ("2023-01-01", 0.0))
    bounded = (("2010-10-01", 0.00002), ("2025-06-30", 0.0))
    plain = (("2010-10-01", 0.0), ("2025-06-30", 0.000042))
    return (
        Fee(stamp, column="tax", unit=1.0, rounding="up"),
        Fee(sfc, column="fee", unit=0.01),
        Fee(afrc, column="fee", unit=0.01),
        Fee(trading, column="fee", unit=0.01),
        Fee(tariff, per="order", column="fee"),
        Fee(bounded, column="fee", minimum=2.0, maximum=100.0, unit=0.01),
        Fee(plain, column="fee", unit=0.01),
    )


def china_a() -> PriceList:
    """Return commission and levies on A shares of Shanghai and Shenzhen, from 2015-08-01.

    Commission 0.025%, at least 5 (the minimum is CSRC notice [2002] 21; the rate is what brokers
    ask for, at most 0.3%). Stamp duty of sales 0.1% from 2008-09-19, 0.05% from 2023-08-28
    (Ministry of Finance, announcement 2023 no. 39).
    https://www.gov.cn/zhengce/zhengceku/202308/content_6900443.htm
    Transfer fee, both sides, 0.002% from 2015-08-01, 0.001% from 2022-04-29 (ChinaClear,
    http://www.chinaclear.cn/zdjs/gszb/202204/837e3c5031104aa099d6597ba381342a.shtml). The fee of
    the exchange is inside the commission.
    """
    stamp = (("2008-09-19", 0.001), ("2023-08-28", 0.0005))
    transfer = (("2015-08-01", 0.00002), ("2022-04-29", 10 / MILLION))
    return (
        Fee(0.00025, minimum=5.0, unit=0.01),
        Fee(stamp, on="sell", column="tax", unit=0.01),
        Fee(transfer, column="fee", unit=0.01),
    )


def india_delivery() -> PriceList:
    """Return what delivery trades on the NSE cost without brokerage, from 2024-10-01.

    Transaction tax (STT) 0.1% of both sides, stamp duty 0.015% of purchases, exchange 0.00297%
    (NSE, from 2024-10-01), SEBI 10 rupees per crore, 18% GST on brokerage, exchange and SEBI.
    https://zerodha.com/charges/ and the NSE circular of 2024-09-27.
    """
    return (
        *_nse(),
        Fee(0.001, column="tax", unit=0.01),
        Fee(0.00015, on="buy", column="tax", unit=0.01),
    )


def india_intraday() -> PriceList:
    """Return what trades within a day on the NSE cost, from 2024-10-01.

    Brokerage 0.03%, at most 20 rupees an order; STT 0.025% of sales, stamp duty 0.003% of
    purchases; exchange, SEBI and GST as of `india_delivery`. https://zerodha.com/charges/
    """
    return (
        Fee(0.0003, maximum=20.0, unit=0.01),
        *_nse(),
        Fee(0.00025, on="sell", column="tax", unit=0.01),
        Fee(0.00003, on="buy", column="tax", unit=0.01),
    )


def _nse() -> PriceList:
    return (
        Fee((("2024-10-01", 0.0000297),), column="fee", unit=0.01),
        Fee(1 / MILLION, column="fee", unit=0.01),
        Fee(0.18, per="charges", column="tax", unit=0.01),
    )


def uk() -> PriceList:
    """Return stamp duty reserve tax on UK shares: 0.5% of purchases to the nearest penny.

    In force since 1986-10-27 (Finance Act 1986); rounding: HMRC manual STSM014030.
    https://www.gov.uk/tax-buy-shares. AIM shares are exempt from 2014-04-28 on: leave it out.
    """
    return (Fee((("1986-10-27", 0.005),), on="buy", column="tax", unit=0.01),)


def binance_spot() -> PriceList:
    """Return Binance's fee of spot trades of regular users: 0.1%, maker and taker.

    Not reduced by BNB. https://www.binance.com/en/fee/trading
    """
    return (MakerTakerCommission(maker_basis_points=10, taker_basis_points=10),)


def binance_perpetual() -> PriceList:
    """Return Binance's fee of USD-margined futures of regular users: 0.02% maker, 0.05% taker.

    Of the notional value. https://www.binance.com/en/fee/futureFee
    """
    return (MakerTakerCommission(maker_basis_points=2, taker_basis_points=5),)


def cme_emini() -> PriceList:
    """Return what an E-mini equity index future costs at Interactive Brokers, per contract.

    Commission 0.85, exchange (non-member, E-mini S&P 500 or Nasdaq-100) 1.38, NFA 0.02.
    https://www.interactivebrokers.com/en/accounts/fees/CME.php
    """
    return (
        Fee(0.85, per="share"),
        Fee(1.38, per="share", column="fee"),
        Fee(0.02, per="share", column="fee"),
    )


def fee_schedule(name: str) -> FeeSchedule:
    """Return a ready schedule; what is in each, its source and dates: its function above.

    Parameters
    ----------
    name : str
        ``"us_zero"``, ``"ibkr_us_fixed"``, ``"ibkr_us_tiered"``, ``"hong_kong"``, ``"china_a"``,
        ``"india_delivery"``, ``"india_intraday"``, ``"uk"``, ``"binance_spot"``,
        ``"binance_perpetual"`` or ``"cme_emini"``.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    return FeeSchedule(SCHEDULES[require_choice("a fee schedule", name, SCHEDULES)]())


SCHEDULES: dict[str, Callable[[], PriceList]] = {
    make.__name__: make
    for make in (
        us_zero, ibkr_us_fixed, ibkr_us_tiered, hong_kong, china_a, india_delivery, india_intraday,
        uk, binance_spot, binance_perpetual, cme_emini,
    )
}  # fmt: skip
