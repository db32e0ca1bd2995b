"""Words of SQL: an expression that has one as a name is left to the parser.

Those of DuckDB's grammar and those that sqlglot reads in a way of its own, types among them;
without ``close`` and ``timestamp``: both take these for columns wherever a column may stand.
"""

from __future__ import annotations

SQL_WORDS = frozenset(
    """
    abort absolute access action add admin after aggregate all also alter always analyse analyze
    and anti any apply approx array as asc asof assertion assignment asymmetric at attach
    attribute authorization auto_increment autoincrement backward before begin between
    bigdecimal bigint bignum bignumeric binary bit bitstring blob bool boolean both bpchar by
    byte bytea cache call called cascade cascaded case cast catalog centuries century chain char
    character characteristics check checkpoint class clob cluster coalesce collate collation
    column columns comment comments commit committed compression concurrently configuration
    conflict connect connect_by_root connection constraint constraints content continue
    conversion copy cost create cross csv cube current current_catalog current_date
    current_datetime current_role current_schema current_time current_timestamp current_user
    cursor cycle data database date datemultirange daterange datetime day days deallocate dec
    decade decades decfloat decimal decimal128 decimal256 decimal32 decimal64 declare default
    defaults deferrable deferred definer delete delimiter delimiters depends desc describe
    destroy detach dictionary disable discard disconnect distance distinct div do document
    domain double drop each else enable encoding encrypted end enum error escape event exact
    except exclude excluding exclusive execute exists explain export export_state extension
    extensions external extract false family fetch file filter first fixed float float4 float8
    following for force foreign format forward freeze from full function functions generated
    geography geometry glob global grant granted group grouping grouping_id groups handler
    having header hold hour hours hugeint identity if ignore ilike immediate immutable implicit
    import in include including increment index indexes inet inherit inherits initially inline
    inner inout input insensitive insert install instead int int1 int128 int16 int2 int256 int32
    int4 int4multirange int4range int64 int8 int8multirange int8range integer intersect interval
    into invoker is isnull isolation join json jsonb keep key kill label lambda language large
    last lateral leading leakproof left level like limit list listen load local localtime
    localtimestamp location lock locked logged logical long longblob longtext longvarchar macro
    map mapping match matched materialized maxvalue mediumblob mediumint mediumtext merge method
    microsecond microseconds millennia millennium millisecond milliseconds minute minutes
    minvalue mode month months move name names namespace national natural nchar nearest new next
    no none not nothing notify notnull nowait null nullable nullif nulls number numeric
    nummultirange numrange nvarchar nvarchar2 object of off offset oids old on only operator
    optimize option options or order ordinality others out outer over overlaps overlay
    overriding overwrite owned owner parallel parser partial partition partitioned
    partitioned_by passing password percent persistent pivot pivot_longer pivot_wider placing
    plans policy position positional pragma preceding precision prepare prepared preserve
    primary prior privileges procedural procedure program publication qualify quarter quarters
    quote range read real reassign recheck recursive ref references referencing refresh regexp
    register reindex relative release rename repeatable replace replica reset resource resources
    respect restart restrict returning returns revoke right rlike role rollback rollup row rows
    rule sample savepoint schema schemas scope scroll search second seconds secret secure
    security select semi sequence sequences serializable server session session_user set setof
    sets settings share short show signed similar similarity simple skip smallint snapshot some
    sorted source sql stable standalone start statement statistics stdin stdout storage stored
    str straight_join strict string strip struct subscription substring summarize symmetric
    sysid system table tables tablesample tablespace target temp template temporary text then
    ties time time_ns timestamp_ltz timestamp_ms timestamp_ns timestamp_ntz timestamp_s
    timestamp_us timestampltz timestampntz timestamptz timetz tinyblob tinyint tinytext to
    trailing transaction transform treat trigger trim true truncate trusted try_cast
    tsmultirange tsrange tstzmultirange tstzrange tuple type types ubigint uhugeint uint uint128
    uint256 uinteger unbounded uncache uncommitted unencrypted union unique unknown unlisten
    unlogged unnest unpack unpivot until update use user using usmallint utinyint uuid vacuum
    valid validate validator value values varbinary varchar varchar2 variable variadic variant
    varying vector verbose version view views virtual volatile week weeks when where whitespace
    window with within without work wrapper write xml xmlattributes xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable xor year
    years yes zone
    """.split()  # noqa: SIM905 - one a line would be six hundred lines
)
