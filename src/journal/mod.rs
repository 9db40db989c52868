//! The durable local log that every row enters first. It knows no backend.
//!
//! It promises: what was acknowledged is on disk and is read back in the same order, bit for bit; a damaged file
//! never gives a wrong row, is kept under a new name, and never stops the program; while nothing can be written rows
//! wait in bounded memory, and what has to be dropped then is counted.
//!
//! ```text
//! writer    JournalWriter: push from any thread, one thread that writes batches, flush, figures
//! backlog   rows that wait to be written, bounded
//! log       the files' writing end: open, recover, append with one sync a batch, roll, retire
//! reader    the reading end: rows from a number on, also while more are written
//! record    one row as bytes, and what can be told about it without decoding
//! segment   one file: name, header, what is good in it
//! rewrite   rows are taken out of a segment
//! salvage   a damaged file is set aside and its good parts are kept
//! cursor    how far rows have been delivered
//! ```
//!
//! # Format, version 1
//! Segments are named by the number of their first row: `00000000000000000001.hmj`. All numbers are little-endian.
//! The header is `"HMJOURNL" | version u32 | first number u64 | CRC32C of these u32`. Records follow without space:
//! `length u32 | check u32 | postcard(Row)`, numbered upwards by one. The check is the CRC32C of length and payload,
//! XORed with the low half of the row's number times 0x9E3779B1 (modulo 2^32). Numbers may jump between segments,
//! never within one.

mod backlog;
mod cursor;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod log;
mod reader;
mod record;
mod rewrite;
mod salvage;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use cursor::replace_file;
pub use cursor::{Cursor, Cursors};
pub use error::JournalError;
pub use log::{Log, Recovered, retire, size};
pub use reader::Reader;
pub use record::decode;
pub(crate) use record::{kind, peek};
pub use rewrite::{Part, finish_rewrite, rewrite, segments};
pub use salvage::Damage;
pub use writer::{Durable, DurableBatch, JournalFigures, JournalOptions, JournalWriter};
