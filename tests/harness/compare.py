"""compare(): a source table equals the lake's table, row for row, as a multiset; names the first
differing rows."""

import collections
import datetime
import decimal
import json
import struct


def source_columns(cursor, schema, table):
    cursor.execute(
        "SELECT column_name, data_type, column_type FROM information_schema.columns "
        "WHERE table_schema=%s AND table_name=%s ORDER BY ordinal_position",
        (schema, table),
    )
    return [(name, kind.lower(), full.lower()) for name, kind, full in cursor.fetchall()]


def source_expression(name, kind):
    quoted = "`" + name.replace("`", "``").replace("%", "%%") + "`"
    if kind == "bit":
        return quoted + "+0"
    if kind == "float":  # its text has 6 digits; the value has more
        return f"CAST({quoted} AS DOUBLE)"
    return quoted


def canonical(value, kind):
    """One value as both sides agree on it. Zero dates, and zeros in dates, have no
    counterpart in the lake: NULL there."""
    if value is None:
        return None
    if kind == "float":
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    if kind == "json" and isinstance(value, (str, bytes)):
        return json.dumps(json.loads(value), sort_keys=True)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, decimal.Decimal):
        return value.normalize()
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.time):
        return (
            (value.hour * 60 + value.minute) * 60 + value.second
        ) * 1_000_000 + value.microsecond
    if isinstance(value, datetime.datetime):
        return (
            value.astimezone(datetime.timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        )
    if isinstance(value, memoryview):
        return bytes(value)
    if kind in ("date", "datetime", "timestamp") and isinstance(value, str) and "-00" in value[:10]:
        return None
    return value


def lake_rows(connection, schema, table, columns, where=""):
    quote = lambda n: '"' + n.replace('"', '""') + '"'  # noqa: E731
    names = ", ".join(quote(name) for name, *_ in columns)
    cursor = connection.execute(f"SELECT {names} FROM {quote(schema)}.{quote(table)} {where}")
    for row in cursor:
        yield tuple(canonical(v, kind) for v, (_, kind, _) in zip(row, columns))


def source_rows(connection, schema, table, columns, where=""):
    expressions = ", ".join(source_expression(name, kind) for name, kind, _ in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expressions} FROM `{schema}`.`{table}` {where}".replace("%%", "%"))
        for row in cursor.fetchall():
            yield tuple(canonical(v, kind) for v, (_, kind, _) in zip(row, columns))


def lake_columns(connection, schema, table):
    return [
        d.name
        for d in connection.execute(f'SELECT * FROM "{schema}"."{table}" LIMIT 0').description
    ]


def difference(source, gate, schema, table, lake_schema=None, lake_table=None):
    """None when equal, else a text that names columns or the first rows that differ."""
    lake_schema, lake_table = lake_schema or schema, lake_table or table
    with source.cursor() as cursor:
        columns = source_columns(cursor, schema, table)
    if not columns:
        return f"{schema}.{table}: not at the source"
    there = lake_columns(gate, lake_schema, lake_table)
    if sorted(there) != sorted(name for name, *_ in columns):
        return f"{schema}.{table}: columns differ: source {[c[0] for c in columns]}, lake {there}"
    at_source = collections.Counter(source_rows(source, schema, table, columns))
    in_lake = collections.Counter(lake_rows(gate, lake_schema, lake_table, columns))
    if at_source == in_lake:
        return None
    missing, extra = at_source - in_lake, in_lake - at_source
    show = lambda c: "\n    ".join(
        f"{n}× {row!r:.400}" for row, n in sorted(c.items(), key=repr)[:5]
    )  # noqa: E731
    return (
        f"{schema}.{table}: source {at_source.total()} rows, lake {in_lake.total()}; columns"
        f" {[c[0] for c in columns]}\n  {missing.total()} only at the source, first:\n   "
        f" {show(missing)}\n  {extra.total()} only in the lake, first:\n    {show(extra)}"
    )


def source_tables(source, schema):
    with source.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema=%s "
            "AND table_type='BASE TABLE' ORDER BY 1",
            (schema,),
        )
        return [row[0] for row in cursor.fetchall()]


def compare(mariadb, platform, schema, tables=None):
    """Asserts that all (or these) tables of a schema are equal at the source and at the gate."""
    with mariadb.connect() as source, platform.connect() as gate:
        found = [
            difference(source, gate, schema, t) for t in tables or source_tables(source, schema)
        ]
    found = [f for f in found if f]
    assert not found, "\n".join(found)
