"""The file of an audited run tells of every change, of who signed it, and can be repeated."""

from __future__ import annotations

import inspect
import json
import shutil
import struct
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, ConfigError, ResultError, TopN
from ml4t.backtest.audit import Verification, verify
from ml4t.backtest.audit.auditing import AuditRequest
from ml4t.backtest.audit.certificate import certificate_digest
from ml4t.backtest.audit.digests import rows_digest
from ml4t.backtest.audit.unseen import UNSEEN
from ml4t.backtest.cli import app, looking
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.certified import CERTIFIED
from ml4t.backtest.results.page.trust import claims
from ml4t.backtest.risk import RiskManager, StopLoss
from ml4t.backtest.synthetic import make_market

ASKED: dict[str, Any] = {
    "cuts": 1, "seed": 3, "start": "2020-01-10",
}  # fmt: skip


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("certificate"), n_assets=4, n_bars=30)


def engine(market: Path, n: int = 2) -> BacktestEngine:
    feature = (
        "select timestamp, asset_id, lag(close) over (partition by asset_id order by timestamp) "
        "as own from prices"
    )
    catalog = Catalog().register("prices", market / "prices.parquet").register("features", feature)
    rules = RiskManager([StopLoss(0.02)])
    return BacktestEngine(catalog, TopN(n, by="own", every=4), risk_manager=rules)


@pytest.fixture(scope="module")
def audit(market: Path) -> Any:
    return engine(market).audit(**ASKED)


@pytest.fixture(scope="module")
def saved(audit: Any, market: Path) -> Path:
    return audit.save(market / "unsigned.duckdb")


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(saved, tmp_path / "run.duckdb"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Private and public files of two keys, mine and theirs."""
    kinds = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    folder = tmp_path_factory.mktemp("keys")
    for who in ("mine", "theirs"):
        key = kinds.Ed25519PrivateKey.generate()
        private = key.private_bytes(
            forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
        )
        public = key.public_key().public_bytes(
            forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / f"{who}.pem").write_bytes(private)
        (folder / f"{who}.public.pem").write_bytes(public)
    return {path.name.removesuffix(".pem"): path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def signed(audit: Any, market: Path, keys: dict[str, Path]) -> Path:
    return audit.save(market / "signed.duckdb", keys["mine"])


def outcomes(found: Verification) -> dict[str, str]:
    return {one.check: str(one.outcome) for one in found.checks}


def said(found: Verification, check: str) -> str:
    (text,) = (one.says for one in found.checks if one.check == check)
    return text


def change(path: Path, statement: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)


def tables(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.sql("select schema_name || '.' || table_name from duckdb_tables()")
        return sorted(name for (name,) in found.fetchall() if name != "audit.certificate")


def test_a_saved_audit_is_what_was_saved(saved: Path, audit: Any) -> None:
    found = verify(saved)
    assert outcomes(found) == {
        "tables": "holds", "certificate": "holds", "signature": "not checked",
        "sources": "holds", "replay": "not checked",
    }  # fmt: skip
    assert found.is_valid
    assert found.signed_by is None
    assert "not at hand: features" in said(found, "sources")
    opened = BacktestResult.open(saved)
    for name in audit.tables:
        assert opened.sql(f"from audit.{name}").fetchall() == getattr(audit, name).fetchall()
    (row,) = opened.sql("from audit.certificate").pl().to_dicts()
    assert list(row) == list(CERTIFIED)
    assert json.loads(row["unseen"]) == list(UNSEEN)
    assert json.loads(row["asked"])["start"] == "2020-01-10"


def flip(name: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Change the last column of one row of a table, or add a row where it has none."""
    columns = connection.sql(f"from {name} limit 0")
    if not connection.sql(f"select count(*) from {name}").fetchall()[0][0]:
        connection.execute(
            f"insert into {name} select {', '.join(['null'] * len(columns.columns))}"
        )
        return
    column = columns.columns[-1]
    kind = str(columns.types[-1])
    new = f"case when \"{column}\" is null then '1' end::{kind}"
    new = "map {'a': 1.5}" if kind.startswith("MAP") else new
    connection.execute(f'update {name} set "{column}" = {new} where rowid = 0')


@pytest.mark.parametrize("which", [0, 1])
def test_the_tables_of_which_a_cell_was_changed_are_named(which: int, copy: Path) -> None:
    changed = tables(copy)[which::2]
    with duckdb.connect(str(copy)) as connection:
        for name in changed:
            flip(name, connection)
    found = verify(copy)
    assert not found.is_valid
    assert said(found, "tables") == f"not what was saved: {', '.join(changed)}"
    assert outcomes(found)["certificate"] == "holds"
    # What a changed file says of its sources is not followed.
    assert outcomes(found)["sources"] == "not checked"


def test_the_hash_of_a_certificate_is_of_every_column_before_it(saved: Path) -> None:
    (row,) = BacktestResult.open(saved).sql("from audit.certificate").pl().to_dicts()
    before = list(CERTIFIED)[: list(CERTIFIED).index("sha256")]
    changed = {certificate_digest({**row, name: row[name] + " "}) for name in before}
    assert len({row["sha256"], *changed}) == 1 + len(before)


@pytest.mark.parametrize("column", ["verdict", "sha256", "public_key", "signature"])
def test_a_changed_certificate_is_told(column: str, signed: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(signed, tmp_path / "run.duckdb"))
    # Of the hex digits of key, signature and hash the first: what is left has the same form.
    change(path, f"update audit.certificate set {column} = case when {column}[1] = '0' then '1' "
                 f"else '0' end || {column}[2:]")  # fmt: skip
    found = verify(path)
    assert not found.is_valid
    assert outcomes(found)["signature" if column in ("public_key", "signature") else
                           "certificate"] == "fails"  # fmt: skip


@pytest.mark.parametrize(
    ("column", "gone"), [("public_key", "signature"), ("signature", "public key")]
)
def test_half_a_signature_is_told(column: str, gone: str, copy: Path) -> None:
    change(copy, f"update audit.certificate set {column} = 'ab'")
    assert not verify(copy).is_valid
    assert said(verify(copy), "signature") == f"it is half of one: the {gone} is gone"


def test_a_forged_file_that_agrees_with_itself_is_no_crash(copy: Path) -> None:
    with duckdb.connect(str(copy)) as connection:
        (row,) = connection.sql("from audit.certificate").pl().to_dicts()
        digest = certificate_digest({**row, "sources": "[1]"})
        connection.execute(f"update audit.certificate set sources = '[1]', sha256 = '{digest}'")
    assert outcomes(verify(copy))["certificate"] == "holds"
    assert said(verify(copy), "sources") == "what the file says of its sources cannot be read"


def test_what_was_added_or_is_gone_is_told(copy: Path) -> None:
    change(copy, "create table more as select 1 as n; drop table audit.cuts")
    assert said(verify(copy), "tables") == (
        "not what was saved: audit.cuts (gone), main.more (added)"
    )


def test_a_run_without_a_certificate_is_not_valid(audit: Any, tmp_path: Path) -> None:
    plain = audit.result.save(tmp_path / "plain.duckdb")
    assert outcomes(verify(plain)) == {"certificate": "fails"}
    with pytest.raises(ResultError, match="there is no file"):
        verify(tmp_path / "none.duckdb")
    (tmp_path / "text.duckdb").write_text("no database", encoding="utf-8")
    with pytest.raises(ResultError, match="is no saved run"):
        verify(tmp_path / "text.duckdb")
    with pytest.raises(ResultError, match=r"ends in \.duckdb or \.db"):
        audit.save(tmp_path / "folder")


def test_a_signature_is_of_the_key_that_is_given_alone(signed: Path, keys: dict[str, Path]) -> None:
    alone = verify(signed)
    assert outcomes(alone)["signature"] == "holds"
    assert outcomes(alone)["key"] == "not checked"
    mine = verify(signed, key=keys["mine.public"])
    assert mine.is_valid
    assert outcomes(mine)["key"] == "holds"
    theirs = verify(signed, key=keys["theirs.public"])
    assert not theirs.is_valid
    assert outcomes(theirs)["key"] == "fails"
    assert mine.signed_by is not None
    assert mine.signed_by in said(theirs, "key")
    assert f"with key {mine.signed_by}" in BacktestResult.open(signed).summary()


def test_a_file_that_was_changed_and_hashed_anew_is_not_signed(
    signed: Path, keys: dict[str, Path], saved: Path, tmp_path: Path
) -> None:
    # All hashes are right, as nobody needs a key for these.
    assert not verify(saved, key=keys["mine.public"]).is_valid
    # The signature of another file, with the hashes of this one.
    path = Path(shutil.copy(saved, tmp_path / "run.duckdb"))
    with duckdb.connect(str(signed), read_only=True) as connection:
        public, signature = connection.sql(
            "select public_key, signature from audit.certificate"
        ).fetchall()[0]
    change(path, f"update audit.certificate set public_key = '{public}', signature = '{signature}'")
    found = verify(path, key=keys["mine.public"])
    assert outcomes(found)["certificate"] == "holds"
    assert outcomes(found)["signature"] == "fails"


def test_what_is_no_key_is_refused(audit: Any, keys: dict[str, Path], tmp_path: Path) -> None:
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    for name, why in {"mine.public": "is no private key", "none": "cannot be read"}.items():
        with pytest.raises(ConfigError, match=why):
            audit.save(tmp_path / "run.duckdb", keys.get(name, tmp_path / "none.pem"))
    key = forms.load_pem_private_key(keys["mine"].read_bytes(), password=None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(key.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"word"),
    ))  # fmt: skip
    with pytest.raises(ConfigError, match="has a passphrase; openssl"):
        audit.save(tmp_path / "run.duckdb", locked)
    assert not (tmp_path / "run.duckdb").exists()


def test_without_the_package_it_says_what_to_install(
    audit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(ConfigError, match=r"needs cryptography: pip install '.*\[sign\]'"):
        audit.save(tmp_path / "run.duckdb", tmp_path / "key.pem")


def test_what_is_recorded_as_asked_are_arguments_of_an_audit() -> None:
    arguments = set(inspect.signature(BacktestEngine.audit).parameters) - {"self", "progress"}
    assert {*AuditRequest._fields, "start", "end"} == arguments


def test_a_replay_finds_the_same(saved: Path, market: Path) -> None:
    found = verify(saved, engine(market))
    assert outcomes(found)["sources"] == "holds", str(found)
    assert outcomes(found)["replay"] == "holds", str(found)


def test_a_replay_over_other_sources_and_settings_is_told(
    saved: Path, market: Path, tmp_path: Path
) -> None:
    prices = pl.read_parquet(market / "prices.parquet")
    last = pl.col("timestamp") == pl.col("timestamp").max()
    other = prices.with_columns(volume=pl.when(last).then(1e6).otherwise("volume"))
    other.write_parquet(tmp_path / "prices.parquet")
    found = verify(saved, engine(tmp_path, n=1))
    assert said(found, "sources") == "not those of then: prices"
    assert outcomes(found)["tables"] == "holds"
    assert {"main.fills", "runs.configuration"} <= {
        one.strip() for one in said(found, "replay").partition(": ")[2].split(",")
    }
    assert not found.is_valid


def test_files_that_changed_are_told_without_a_replay(
    saved: Path, market: Path, tmp_path: Path
) -> None:
    prices = market / "prices.parquet"
    kept = shutil.move(prices, tmp_path / "prices.parquet")
    try:
        assert outcomes(verify(saved))["sources"] == "not checked"
        pl.read_parquet(kept).head(-1).write_parquet(prices)
        assert said(verify(saved), "sources") == "not the files of then: prices"
    finally:
        shutil.move(kept, prices)
    assert outcomes(verify(saved))["sources"] == "holds"


def test_a_run_that_is_opened_and_saved_keeps_its_certificate(saved: Path, tmp_path: Path) -> None:
    opened = BacktestResult.open(saved)
    again = opened.save(tmp_path / "again.duckdb")
    assert verify(again).is_valid
    opened.save(again)  # over itself
    assert "Audited: audit of 1 cuts: no difference" in BacktestResult.open(again).summary()
    (claim,) = (one for one in claims(opened, None) if one.text.startswith("Audit of 1 cuts"))
    assert claim.detail.startswith("not signed; ml4t-backtest verify holds the file to it")
    assert not claim.is_alarm
    plain = BacktestResult.open(opened.save(tmp_path / "folder"))
    assert "Audited" not in plain.summary()


def test_the_command_saves_and_verifies(
    audit: Any, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That of a run file, and its replay, are in test_for_programs_page.
    config, path = tmp_path / "run.toml", tmp_path / "run.duckdb"
    engine = SimpleNamespace(audit=lambda *_, **__: audit)
    monkeypatch.setattr(looking, "engine_of", lambda _: engine)

    def called(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, [str(word) for word in words])
        return done.exit_code, done.stdout

    code, text = called("audit", config, "--cuts", 1, "--save", path, "--key", keys["mine"])
    assert (code, text.splitlines()[-1]) == (0, f"saved to {path}"), text
    code, text = called("verify", path, "--key", keys["mine.public"], "--json")
    document = json.loads(text)
    assert code == 0, text
    assert document["is_valid"]
    assert [one["outcome"] for one in document["checks"]] == ["holds"] * 5 + ["not checked"]
    code, text = called("verify", path, "--key", keys["theirs.public"])
    assert code == 1
    assert "key: fails" in text
    assert called("audit", config, "--key", keys["mine"])[0] == 1


CELLS: tuple[tuple[str, Any, Any], ...] = (
    ("double", 0.1, 0.1 + 2**-56), ("double", 0.0, -0.0), ("double", float("nan"), None),
    ("varchar", "", None), ("varchar", "-", None), ("bigint", 1, 2),
    ("timestamp", "2020-01-01", "2020-01-01 00:00:00.000001"), ("boolean", True, False),
    ("map(varchar, double)", {"a": 1.0, "b": None}, {"a": 1.0}),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "one", "other"), CELLS)
def test_no_two_cells_have_one_hash(kind: str, one: Any, other: Any) -> None:
    assert len({digest_of_rows([kind], [[cell]]) for cell in (one, other)}) == 2


def test_rows_have_no_order_but_a_number_and_cells_an_end() -> None:
    kinds = ["varchar", "varchar"]
    rows = [["a", "bc"], ["d", "e"]]
    assert digest_of_rows(kinds, rows) == digest_of_rows(kinds, rows[::-1])
    others = [rows[:1] * 2, rows[:1], [["ab", "c"], ["d", "e"]], [["a", "bc"], ["e", "d"]]]
    found = {digest_of_rows(kinds, each) for each in (rows, *others)}
    assert len(found) == 5


def digest_of_rows(kinds: list[str], rows: list[list[Any]]) -> str:
    database = Database(threads=1)
    names = {f"c{i}": kind for i, kind in enumerate(kinds)}
    database.execute(f"create table t ({', '.join(f'{n} {k}' for n, k in names.items())})")
    for row in rows:
        values = {f"v{i}": cell for i, cell in enumerate(row)}
        places = ", ".join(f"${name}" for name in values)
        database.execute(f"insert into t values ({places})", values)
    columns = database.schema("from t")
    n_rows, digest = rows_digest(database, "t", columns)
    assert digest == slow_digest(columns, database.rows("from t"))
    assert n_rows == len(rows)
    return digest


def slow_digest(columns: dict[str, str], rows: list[tuple[Any, ...]]) -> str:
    """The same in plain Python, from what the column's text is and IEEE 754."""
    hashed = sorted(
        sha256(
            b"".join(cell(value, kind) for value, kind in zip(row, columns.values(), strict=True))
        ).hexdigest()
        for row in rows
    )
    whole = sha256("".join(hashed).encode()).hexdigest()
    listed = [list(item) for item in columns.items()]
    return sha256(json.dumps([listed, len(rows), whole]).encode()).hexdigest()


def bits(value: float) -> str:
    return f"{struct.unpack('>Q', struct.pack('>d', value))[0]:064b}"


def cell(value: Any, kind: str) -> bytes:
    if value is None:
        return b"-"
    if kind == "DOUBLE":
        text = bits(value)
    elif kind.startswith("MAP"):
        parts = (
            f"{len(key)}:{key}{'-' if one is None else bits(one)}" for key, one in value.items()
        )
        text = "".join(parts)
    elif kind == "BOOLEAN":
        text = str(value).lower()
    else:
        text = str(value)
    return f"{len(text.encode())}:{text}".encode()


def test_the_guide_lists_what_no_audit_sees() -> None:
    guide = Path(__file__).resolve().parents[1] / "docs" / "guide" / "audit.md"
    text = " ".join(guide.read_text("utf-8").split())
    for one in UNSEEN:
        assert f"- {one}" in text.replace("`", ""), one
