"""Every way in which a row, a file or a mapping can be wrong, told so that a person can mend it."""

import gzip
import io
from datetime import date, datetime
from pathlib import Path

import pytest
from doorstep.events.intake import LoanOverdueFact, decode_fact, encode_fact
from doorstep.intake.csv_file import UnreadableFile, read, read_lines
from doorstep.intake.mapping import COLUMNS, ColumnMapping, WrongMapping, load, mapping
from doorstep.intake.rows import BadRow, GoodRow, RowError, parse
from hypothesis import example, given
from hypothesis import strategies as st

from .conftest import Bank, row


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("tenant", "ACME Bank", "wants small letters"),
        ("loan_id", "", "is empty"),
        ("loan_id", "L\n1", "control character"),
        ("borrower_name", "n" * 201, "longer than 200"),
        ("phone", "call me", "no phone number"),
        ("phone", "12345", "no phone number"),
        ("phone", "+86 199 0000 1234 转 801", "no phone number"),
        ("currency", "RMB", "ISO 4217"),
        ("amount_overdue", "-5.00", "is negative"),
        ("amount_overdue", "1,520.50", "thousands separators"),
        ("amount_overdue", "NaN", "no decimal amount"),
        ("amount_overdue", "1e3", "no decimal amount"),
        ("principal_outstanding", "５０００", "no decimal amount"),
        ("overdue_since", "2026-02-30", "no date that exists, written like 2026-01-31"),
        ("overdue_since", "2026-03-03", "is after business_date"),
        ("business_date", "02.03.2026", "no date that exists"),
        ("business_date", "9999-12-31", "lies outside 1970-01-01 to 2199-12-31"),
        ("email", "call me", "no e-mail address such as"),
        ("email", f"{'n' * 250}@a.cn", "at most 254 characters"),
        ("push_token", "t" * 4097, "longer than 4,096 characters"),
        ("latitude", "nan", "decimal degrees between -90 and 90"),
        ("latitude", "22.5", "longitude come together"),
        ("region", "Guangdong", "ISO 3166-2"),
        ("time_zone", "Asia/Shenzhen", "IANA time zone"),
        ("language", "fr", "zh-CN or en"),
    ],
)
def test_a_bad_value_is_named_with_its_line_column_and_reason(column: str, value: str, reason: str) -> None:
    found = parse(7, row("L1", 2, **{column: value}))
    assert isinstance(found, BadRow)
    (error,) = found.errors
    assert (error.line, error.column) == (7, column)
    assert reason in error.reason
    assert not value or value not in error.reason


def test_all_that_is_wrong_with_a_row_is_told_at_once() -> None:
    found = parse(2, row("L1", 2, currency="RMB", phone="?", amount_overdue="-1"))
    assert isinstance(found, BadRow)
    assert {error.column for error in found.errors} == {"currency", "phone", "amount_overdue"}
    assert (found.tenant, found.loan_id, found.business_date) == ("acme", "L1", date(2026, 3, 2))


def test_email_and_push_token_are_columns_that_a_file_may_have(bank: Bank) -> None:
    told = row("L1", 2, email="chen@example.com", push_token="token")
    (known,) = read(bank.file(told), ColumnMapping())
    before = bank.file(told, columns=[column for column in COLUMNS if column not in ("email", "push_token")])
    (unknown,) = read(before, ColumnMapping())
    assert isinstance(known, GoodRow)
    assert isinstance(unknown, GoodRow)
    assert (known.loan.borrower.email, known.loan.borrower.push_token) == ("chen@example.com", "token")
    assert (unknown.loan.borrower.email, unknown.loan.borrower.push_token) == (None, None)


@given(column=st.sampled_from(COLUMNS), value=st.text(max_size=40))
def test_whatever_the_importer_takes_escalation_can_read(column: str, value: str) -> None:
    found = parse(2, row("L1", 2) | {column: value})
    if isinstance(found, GoodRow):
        at = "2026-03-02T22:00:00+08:00"
        fact = LoanOverdueFact(id="1", source="/bank", time=_instant(at), tenant=found.tenant, data=found.loan)
        assert decode_fact(encode_fact(fact)) == fact


@given(column=st.sampled_from(COLUMNS), value=st.text(max_size=40))
@example(column="business_date", value="date")
def test_no_reason_quotes_a_value(column: str, value: str) -> None:
    mark = "※"  # in no sentence of ours, which a value such as "date" may be
    found = parse(2, row("L1", 2) | {column: f"{mark}{value}"})
    assert isinstance(found, GoodRow) or all(mark not in str(error) for error in found.errors)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_missing_column_is_told_with_the_columns_there_are(bank: Bank) -> None:
    path = bank.file(columns=[c for c in COLUMNS if c not in ("phone", "loan_id")])
    with pytest.raises(UnreadableFile, match="missing column loan_id, phone; the file has tenant, borrower_id"):
        list(read(path, ColumnMapping()))


def test_the_line_number_is_where_the_row_begins() -> None:
    file = io.StringIO('loan_id,address\nL1,"two\nlines"\n\nL2,x\n', newline="")
    found = [r.errors[0].line for r in read_lines(file, _anything()) if isinstance(r, BadRow)]
    assert found == [2, 5]


def test_a_row_of_another_width_is_bad() -> None:
    file = io.StringIO("loan_id,address\nL1,a,b\n")
    (found,) = read_lines(file, _anything())
    assert isinstance(found, BadRow)
    assert str(found.errors[0]) == "line 2: has 3 fields, the header 2: is a delimiter inside a field?"


def test_a_quote_that_never_ends_spoils_the_file() -> None:
    with pytest.raises(UnreadableFile, match="stops being CSV"):
        list(read_lines(io.StringIO('loan_id,address\nL1,"no end\n'), _anything()))


def test_a_byte_of_another_encoding_spoils_its_row_only(tmp_path: Path) -> None:
    path = tmp_path / "eod.csv"
    path.write_bytes(b"loan_id,address\nL1,\xc9\xee\nL2,x\n")
    first, _ = read(path, _anything())
    assert isinstance(first, BadRow)
    assert RowError(2, "address", "is in another encoding; set `encoding` in the mapping, for example gb18030") in (
        first.errors
    )


def test_a_damaged_gzip_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "eod.csv.gz"
    path.write_bytes(gzip.compress(b"loan_id,address\n" + b"L1,x\n" * 999)[:40])
    with pytest.raises(UnreadableFile, match="damaged gzip"):
        list(read(path, _anything()))


def test_an_empty_or_absent_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "eod.csv").touch()
    with pytest.raises(UnreadableFile, match="not even a header"):
        list(read(tmp_path / "eod.csv", ColumnMapping()))
    with pytest.raises(UnreadableFile, match="No such file"):
        list(read(tmp_path / "none.csv", ColumnMapping()))


def test_two_of_our_columns_may_be_one_of_theirs() -> None:
    both = ColumnMapping(columns={"loan_id": "NO", "borrower_id": "NO"}, defaults=_defaults("tenant"))
    header = [both.name(c) for c in COLUMNS if c not in ("tenant", "borrower_id")]
    values = [row("L1", 2).get(c, "") for c in COLUMNS if c not in ("tenant", "borrower_id")]
    (found,) = read_lines(io.StringIO(",".join(header) + "\n" + ",".join(values)), both)
    assert isinstance(found, GoodRow)
    assert found.loan.borrower.borrower_id == found.loan.loan_id == "L1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "list of `key: value` lines"),
        ("a: [", "is not YAML"),
        ("colums: {}", "unknown colums (known: columns, defaults, date_format, encoding, delimiter)"),
        ("columns: {loan: NO}", "unknown columns.loan (known: tenant, loan_id,"),
        ("defaults: {tenant: 7}", "defaults.tenant: want text"),
        ("columns: NO", "columns: want `our_column: value`"),
        ("date_format: DD.MM.YYYY", "date_format: want year, month and day"),
        ("date_format: '%d.%m'", "date_format: want year, month and day"),
        ("encoding: klingon", "encoding: want a codec name"),
        ("encoding: base64", "encoding: want a codec name"),
        ("delimiter: '||'", "delimiter: want one character"),
    ],
)
def test_a_wrong_mapping_is_told(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "bank.yaml").write_text(content)
    with pytest.raises(WrongMapping) as wrong:
        load(tmp_path / "bank.yaml")
    assert reason in str(wrong.value)


def test_a_mapping_may_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").touch()
    assert load(tmp_path / "bank.yaml") == ColumnMapping()
    assert mapping({"encoding": "UTF-8"}).encoding == "utf-8-sig"


def _defaults(*columns: str) -> dict[str, str]:
    return {column: row("L1", 2)[column] for column in columns}


def _anything() -> ColumnMapping:
    """For files whose header holds loan_id and address alone; every row is bad, for its phone if nothing else."""
    plain = row("L1", 2, phone="?")
    return ColumnMapping(defaults={k: v for k, v in plain.items() if k not in ("loan_id", "address")})
