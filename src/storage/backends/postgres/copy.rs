//! Results as the server's binary COPY has them: the quickest way in for rows that are not there yet. One that is there
//! ends the whole batch with [`THERE`].

use sqlx::postgres::PgConnection;

use super::wire::{Stamp, count};
use crate::model::CheckResult;

/// What the server says when a key is there already.
pub(super) const THERE: &str = "23505";

const INTO: &str = "COPY result (time, interval_us, timeout_us, duration_us, name_us, connect_us, tls_us, \
     first_byte_us, total_us, monitor, verdict, failure, message, facts) FROM STDIN (FORMAT binary)";
/// Fields of a row, those of `INTO`.
const FIELDS: i16 = 14;
/// How the data begins: signature, flags and length of the header's extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a field that has no value.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// The version of `jsonb` that begins its text.
const JSONB: u8 = 1;
/// About what a row takes.
const ROW: usize = 256;

/// Rows that are sent together: the server takes them while the next are made.
const AT_ONCE: usize = 256;

/// Writes results, each with the number of its monitor.
pub(super) async fn copy(work: &mut PgConnection, rows: &[(i32, &CheckResult)]) -> Result<(), sqlx::Error> {
    let mut copy = work.copy_in_raw(INTO).await?;
    let mut bytes = Vec::with_capacity(AT_ONCE * ROW);
    bytes.extend_from_slice(HEAD);
    for some in rows.chunks(AT_ONCE) {
        if let Err(error) = binary(&mut bytes, some) {
            copy.abort(error.to_string()).await?;
            return Err(error);
        }
        copy.send(bytes.as_slice()).await?;
        bytes.clear();
    }
    copy.send(END.as_slice()).await?;
    copy.finish().await.map(drop)
}

fn binary(bytes: &mut Vec<u8>, rows: &[(i32, &CheckResult)]) -> Result<(), sqlx::Error> {
    for (monitor, row) in rows {
        bytes.extend_from_slice(&FIELDS.to_be_bytes());
        number(bytes, Stamp(row.time).on_the_wire());
        for us in [row.interval_us, row.timeout_us, row.duration_us] {
            number(bytes, count(us));
        }
        let phases = &row.phases;
        for us in [phases.name_us, phases.connect_us, phases.tls_us, phases.first_byte_us, phases.total_us] {
            match us {
                Some(us) => number(bytes, i64::from(us)),
                None => bytes.extend_from_slice(&NULL),
            }
        }
        field(bytes, &monitor.to_be_bytes())?;
        field(bytes, row.verdict.as_str().as_bytes())?;
        match row.failure {
            Some(failure) => field(bytes, failure.as_str().as_bytes())?,
            None => bytes.extend_from_slice(&NULL),
        }
        field(bytes, row.message.as_bytes())?;
        facts(bytes, row)?;
    }
    Ok(())
}

fn number(bytes: &mut Vec<u8>, number: i64) {
    bytes.extend_from_slice(&8_i32.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), sqlx::Error> {
    let length = i32::try_from(value.len()).map_err(|error| sqlx::Error::Encode(error.into()))?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

fn facts(bytes: &mut Vec<u8>, row: &CheckResult) -> Result<(), sqlx::Error> {
    if row.facts.is_empty() {
        bytes.extend_from_slice(&NULL);
        return Ok(());
    }
    let at = bytes.len();
    bytes.extend_from_slice(&NULL);
    bytes.push(JSONB);
    serde_json::to_writer(&mut *bytes, &row.facts).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let length = i32::try_from(bytes.len() - at - 4).map_err(|error| sqlx::Error::Encode(error.into()))?;
    bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
