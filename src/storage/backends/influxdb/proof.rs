//! Whether the server has what it acknowledged. It looks every ten seconds for pieces of a bucket to which nobody writes,
//! and empties what it keeps of them in memory; between its look and its deed rows may come, and they are dropped with it,
//! acknowledged as they are (2.9.1: `Store.monitorShards` asks `IsIdle` and then calls `Free`, holding nobody back).
//!
//! What comes in one request is there or not as a whole, in each piece. So a few points of each request are read back, and
//! what is not there is sent again. Where a piece may have been asleep they are read once more a moment later, when the
//! server is done with what it had decided before. Results that follow others into the same piece within a minute are not
//! read back: the server has those in memory still, so that the piece is no idle one.

use std::time::Duration;

use bytes::Bytes;

use super::append::OPERATION;
use super::client::WriteFault;
use super::fault::ID;
use super::flux::Flux;
use super::line::{Sample, piece_of};
use super::point::ROW;
use super::store::{Home, Place};
use crate::model::Span;
use crate::storage::{StoreError, StoreErrorKind};

type Outcome<T> = Result<T, StoreError>;

/// A piece to which something was written so recently is not asleep, in microseconds; the server keeps rows in memory for
/// ten minutes unless it is told otherwise.
const AWAKE_US: u64 = 60_000_000;
/// How long after a write into a piece that may have been asleep it is read back for good.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a request is made again.
const TRIES: u32 = 5;
/// Points that are asked for at once.
const AT_ONCE: usize = 64;

/// A request that the server acknowledged.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) body: Bytes,
    pub(super) samples: Vec<Sample>,
}

/// Makes sure that the server has what it acknowledged.
pub(super) async fn prove(home: &Home, place: Place, sent: &[Sent]) -> Outcome<()> {
    let width_us = home.piece_us(place);
    let samples = || sent.iter().flat_map(|sent| &sent.samples);
    let mut pieces: Vec<u64> = samples().map(|sample| piece_of(sample.time, width_us)).collect();
    pieces.sort_unstable();
    pieces.dedup();
    let now = home.clock.mono();
    let mut was_asleep = {
        let awake = &home.known().awake;
        let is_awake = |piece| awake.get(&(place, piece)).is_some_and(|since| now.since_us(*since) < AWAKE_US);
        !pieces.iter().all(|piece| is_awake(*piece))
    };
    let mut is_proven = place == Place::Results && !was_asleep;
    let mut tries = 0;
    while !is_proven {
        let lost = lost(home, place, sent).await?;
        is_proven = lost.is_empty() && !was_asleep;
        if is_proven {
            continue;
        }
        was_asleep = !lost.is_empty();
        if lost.is_empty() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tries += 1;
        if tries > TRIES {
            let url = &home.client.settings.url;
            let what = format!("the server {url} acknowledges rows and does not have them; is its disk well?");
            return Err(StoreError::new(StoreErrorKind::Unavailable, ID, OPERATION, what));
        }
        tracing::warn!(requests = lost.len(), "the server lost rows that it had acknowledged; they are sent again");
        for sent in lost {
            home.client.write(OPERATION, &home.bucket(place), sent.body.clone()).await.map_err(WriteFault::error)?;
        }
    }
    let awake = &mut home.known().awake;
    awake.extend(pieces.into_iter().map(|piece| ((place, piece), home.clock.mono())));
    Ok(())
}

/// The requests of which something is not there.
async fn lost<'a>(home: &Home, place: Place, sent: &'a [Sent]) -> Outcome<Vec<&'a Sent>> {
    let wanted: Vec<(usize, &Sample)> =
        sent.iter().enumerate().flat_map(|(at, sent)| sent.samples.iter().map(move |sample| (at, sample))).collect();
    let mut is_lost = vec![false; sent.len()];
    for some in wanted.chunks(AT_ONCE) {
        let mut is_there = vec![false; some.len()];
        let each = |[nth, packed]: [&str; 2]| {
            let nth: usize = nth.parse().map_err(|_| format!("`{nth}` was not asked for"))?;
            if let (Some(there), Some((_, sample))) = (is_there.get_mut(nth), some.get(nth)) {
                *there |= sample.packed == packed;
            }
            Ok(())
        };
        home.client.each_row(OPERATION, asked(home, place, some), ["nth", "_value"], each).await?;
        for ((at, _), is_there) in some.iter().zip(is_there) {
            is_lost[*at] |= !is_there;
        }
    }
    Ok(sent.iter().zip(is_lost).filter(|(_, is_lost)| *is_lost).map(|(sent, _)| sent).collect())
}

/// A question for points, each with its number.
fn asked(home: &Home, place: Place, samples: &[(usize, &Sample)]) -> Flux {
    let bucket = home.bucket(place);
    let one = |flux: Flux, nth: usize, sample: &Sample| {
        let span = Span::new(sample.time, sample.time.plus_us(1));
        let mut flux = flux.code("from(bucket: ").text(&bucket).code(") |> range(start: ").time(span.from);
        flux = flux.code(", stop: ").time(span.to).code(") |> filter(fn: (r) => r._measurement == ");
        flux = flux.text(&sample.measurement);
        for (key, value) in &sample.tags {
            flux = flux.code(" and r[").text(key).code("] == ").text(value);
        }
        flux.code(" and r._field == ")
            .text(ROW)
            .code(")\n  |> keep(columns: [\"_value\"]) |> set(key: \"nth\", value: ")
            .text(&nth.to_string())
            .code(")")
    };
    if let [(_, sample)] = samples {
        return one(Flux::new(""), 0, sample);
    }
    let mut flux = Flux::new("union(tables: [");
    for (nth, (_, sample)) in samples.iter().enumerate() {
        flux = one(flux, nth, sample).code(",\n");
    }
    flux.code("])")
}
