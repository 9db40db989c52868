//! Answers as the server writes them: annotated CSV, in which each table has its types and its header.

use std::collections::BTreeMap;

use csv::StringRecord;
use influxdb2_structmap::value::Value;

use super::client::Record;
use super::flux::END;

/// What stands before the rows of a table.
#[derive(Debug, Default)]
struct Table {
    /// Tells it from others.
    number: usize,
    types: Vec<String>,
    defaults: Vec<String>,
    names: Vec<String>,
}

impl Table {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }

    /// Where these columns are.
    fn places<const N: usize>(&self, names: [&'static str; N]) -> Result<[usize; N], String> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.place(name).ok_or_else(|| format!("the column `{name}` is missing"))?;
        }
        Ok(places)
    }
}

/// Hands on every row of every table.
fn walk(text: &str, mut each: impl FnMut(&Table, &StringRecord) -> Result<(), String>) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut table = Table::default();
    let mut has_header = false;
    let mut row = StringRecord::new();
    let cells = |row: &StringRecord| row.iter().skip(1).map(str::to_owned).collect::<Vec<_>>();
    while reader.read_record(&mut row).map_err(|error| error.to_string())? {
        match row.get(0) {
            Some("#datatype") => {
                table = Table { number: table.number + 1, types: cells(&row), ..Table::default() };
                has_header = false;
            }
            Some("#default") => table.defaults = cells(&row),
            Some("#group") => {}
            Some("") if row.len() > 1 && !has_header => {
                table.names = cells(&row);
                has_header = true;
            }
            Some("") if row.len() > 1 => {
                if table.names.len() != row.len() - 1 || table.types.len() != table.names.len() {
                    return Err("a line has another number of columns than its table".to_owned());
                }
                if table.names.first().is_some_and(|name| name == "error") {
                    return Err(row.get(1).unwrap_or_default().to_owned());
                }
                each(&table, &row)?;
            }
            Some("") | None => {}
            Some(other) => return Err(format!("`{other}` begins a line")),
        }
    }
    Ok(())
}

/// A cell, or what stands for it where it is empty.
fn cell<'a>(table: &'a Table, row: &'a StringRecord, at: usize) -> &'a str {
    let cell = row.get(at + 1).filter(|cell| !cell.is_empty());
    cell.or_else(|| table.defaults.get(at).map(String::as_str)).unwrap_or_default()
}

/// Reads all of an answer.
pub(super) fn read_csv(text: &str) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    walk(text, |table, row| {
        records.push(read_row(table, row)?);
        Ok(())
    })?;
    Ok(records)
}

fn read_row(table: &Table, row: &StringRecord) -> Result<Record, String> {
    let mut values = BTreeMap::new();
    for (at, name) in table.names.iter().enumerate() {
        let cell = cell(table, row, at);
        let value = match table.types[at].as_str() {
            "long" => Value::Long(cell.parse().map_err(|_| format!("`{cell}` is no whole number"))?),
            _ => Value::String(cell.to_owned()),
        };
        values.entry(name.clone()).or_insert(value);
    }
    Ok(Record(values))
}

/// Hands on these columns of every row; gives whether the one mark was among them that says that it is all.
pub(super) fn read_rows<const N: usize>(
    text: &str,
    columns: [&'static str; N],
    mut each: impl FnMut([&str; N]) -> Result<(), String>,
) -> Result<bool, String> {
    let mut of_table = 0;
    // Where the columns are; none of the table that holds the mark.
    let mut places: Option<[usize; N]> = None;
    let mut marks = 0;
    walk(text, |table, row| {
        if of_table != table.number {
            of_table = table.number;
            let is_mark = table.place("result").is_some_and(|at| cell(table, row, at) == END);
            places = if is_mark { None } else { Some(table.places(columns)?) };
        }
        match places {
            Some(places) => each(places.map(|at| cell(table, row, at))),
            None => {
                marks += 1;
                Ok(())
            }
        }
    })?;
    Ok(marks == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixMicros;

    const ANSWER: &str = "#datatype,string,long,dateTime:RFC3339,string\r\n#group,false,false,false,false\r\n\
        #default,rows,,,\r\n,result,table,_time,_value\r\n,,0,2026-03-01T00:00:00.000007Z,\"a,\"\"b\n\"\r\n\
        ,,0,2026-03-01T00:00:01Z,\r\n\r\n#datatype,string,long,string\r\n#group,false,false,false\r\n\
        #default,zz_end,,\r\n,result,table,_value\r\n,,0,end\r\n\r\n";

    fn rows_of(text: &str) -> Result<(bool, Vec<[String; 2]>), String> {
        let mut rows = Vec::new();
        let whole = read_rows(text, ["_value", "_time"], |row| {
            rows.push(row.map(str::to_owned));
            Ok(())
        })?;
        Ok((whole, rows))
    }

    #[test]
    fn an_answer_is_read() {
        let records = read_csv(ANSWER).expect("reads");
        assert_eq!(records.len(), 3);
        assert_eq!((records[0].text("result"), records[0].packed()), (Some("rows"), Some("a,\"b\n")));
        assert_eq!(records[0].time().map(UnixMicros::micros), Some(1_772_323_200_000_007));
        assert_eq!(records[1].packed(), Some(""));
        assert_eq!((records[2].text("result"), records[2].number("table")), (Some(END), Some(0)));
        let (whole, rows) = rows_of(ANSWER).expect("reads");
        let first = ["a,\"b\n".to_owned(), "2026-03-01T00:00:00.000007Z".to_owned()];
        assert_eq!((whole, rows), (true, vec![first, [String::new(), "2026-03-01T00:00:01Z".to_owned()]]));
    }

    #[test]
    fn no_text_is_read_as_an_answer_that_it_is_not() {
        for wrong in [
            "<html>",
            "#datatype,string\n,error\n,it broke\n",
            "#datatype,long\n,a\n,x\n",
            "#datatype,long\n,a,b\n,1,2\n",
            "a,b\n",
        ] {
            read_csv(wrong).expect_err(wrong);
            rows_of(wrong).expect_err(wrong);
        }
        for at in 0..ANSWER.len() {
            // Cut anywhere, it is an error or lacks its end.
            let records = read_csv(&ANSWER[..at]).unwrap_or_default();
            let whole = records.last().is_some_and(|last| last.text("_value") == Some("end"));
            assert!(!whole || at >= ANSWER.len() - 4, "cut at {at}");
            let whole = rows_of(&ANSWER[..at]).is_ok_and(|(whole, _)| whole);
            assert!(!whole || at >= ANSWER.len() - 7, "cut at {at}");
        }
    }
}
