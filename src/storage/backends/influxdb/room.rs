//! What the buckets take on the server's disk, as its own figures for Prometheus say. They can be switched off, and a
//! proxy may keep them to itself: then nothing is told.

use reqwest::{Method, StatusCode};

use super::store::Home;
use crate::storage::SizeParts;

const OPERATION: &str = "check";
const FIGURE: &str = "storage_shard_disk_size{";
/// Longer figures are not read to their end: a server of thousands of buckets.
const MOST_BYTES: usize = 8 << 20;

/// Results, and everything else: rollups, and the little that is kept beside them.
pub(super) async fn parts(home: &Home) -> SizeParts {
    let Some(text) = figures(home).await else { return SizeParts::default() };
    let [results, rest] = &home.buckets;
    match (bytes_of(&text, results), bytes_of(&text, rest)) {
        (None, None) => SizeParts::default(),
        (results, rest) => {
            SizeParts { results: Some(results.unwrap_or(0)), rollups: Some(rest.unwrap_or(0)), ..SizeParts::default() }
        }
    }
}

async fn figures(home: &Home) -> Option<String> {
    let request = home.client.request(Method::GET, "/metrics");
    let mut answer = home.client.send(OPERATION, request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.ok()? {
        body.extend_from_slice(&part);
        if body.len() > MOST_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

/// Bytes of the files of a bucket; none where it has none yet, or nothing is said of it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes, below 2^53 and not negative")]
fn bytes_of(figures: &str, bucket: &str) -> Option<u64> {
    let label = format!("bucket=\"{bucket}\"");
    let ours = figures.lines().filter_map(|line| line.strip_prefix(FIGURE)?.rsplit_once("} "));
    let sizes = ours.filter(|(labels, _)| labels.split(',').any(|own| own == label));
    // Large numbers are written with an exponent.
    let bytes = sizes.map(|(_, size)| size.trim().parse::<f64>().ok().filter(|size| *size >= 0.0));
    bytes.map(|bytes| bytes.map(|bytes| bytes as u64)).sum::<Option<u64>>().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_bucket_are_added_up() {
        let line = |bucket: &str, size: &str| {
            format!("storage_shard_disk_size{{bucket=\"{bucket}\",engine=\"tsm1\",id=\"1\",path=\"/a, b\"}} {size}\n")
        };
        let text = [
            "# TYPE storage_shard_disk_size gauge\n".to_owned(),
            line("00aa", "1.5e+06"),
            line("00aa", "500"),
            line("00ab", "7"),
            "storage_shard_series{bucket=\"00aa\"} 9\n".to_owned(),
        ]
        .concat();
        let of = |bucket| bytes_of(&text, bucket);
        assert_eq!((of("00aa"), of("00ab"), of("00")), (Some(1_500_500), Some(7), None));
        assert_eq!(bytes_of(&line("00aa", "NaN"), "00aa"), None);
        assert_eq!(bytes_of("no figures", "00aa"), None);
    }
}
