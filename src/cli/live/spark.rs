//! The last checks of a monitor as a line of marks.

use ratatui::style::Style;
use ratatui::text::Span;

use super::view::Theme;
use crate::control::Recent;
use crate::model::Verdict;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Writes the newest checks, one column each, into `columns`; the newest is the last. Heights are shares of the
/// longest duration shown. A down check is `─`, an inconclusive one `·`.
pub(super) fn marks(recent: &[Recent], columns: usize, theme: Theme) -> Vec<Span<'static>> {
    let shown = &recent[recent.len().saturating_sub(columns)..];
    let longest = shown.iter().filter(|check| check.verdict.is_good()).map(|check| check.duration_us).max();
    let mut spans = vec![Span::raw(" ".repeat(columns - shown.len()))];
    // Neighbours of the same look share a span.
    let mut run: Option<(Style, String)> = None;
    for check in shown {
        let (style, mark) = match check.verdict {
            Verdict::Down => (theme.bad(), "─"),
            Verdict::Inconclusive => (theme.muted(), "·"),
            Verdict::Degraded => (theme.care(), bar(check.duration_us, longest)),
            Verdict::Up => (theme.quiet_good(), bar(check.duration_us, longest)),
        };
        match &mut run {
            Some((same, text)) if *same == style => text.push_str(mark),
            _ => {
                let done = run.replace((style, mark.to_owned()));
                spans.extend(done.map(|(style, text)| Span::styled(text, style)));
            }
        }
    }
    spans.extend(run.map(|(style, text)| Span::styled(text, style)));
    spans
}

fn bar(us: u32, longest: Option<u32>) -> &'static str {
    let longest = u64::from(longest.unwrap_or(0).max(1));
    let height = u64::from(us) * (BARS.len() as u64 - 1) / longest;
    BARS[usize::try_from(height).unwrap_or(0).min(BARS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(recent: &[(Verdict, u32)], columns: usize) -> String {
        let recent: Vec<_> = recent
            .iter()
            .map(|(verdict, duration_us)| Recent { verdict: *verdict, duration_us: *duration_us })
            .collect();
        marks(&recent, columns, Theme { colour: true }).iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn marks_show_the_newest_at_the_end() {
        let up = |us| (Verdict::Up, us);
        assert_eq!(text(&[up(0), up(500), up(1_000)], 5), "  ▁▄█");
        assert_eq!(text(&[up(9), up(0), up(500), up(1_000)], 3), "▁▄█");
        assert_eq!(text(&[up(10), (Verdict::Down, 5_000_000), (Verdict::Inconclusive, 0), up(10)], 4), "█─·█");
        assert_eq!(text(&[], 3), "   ");
        assert_eq!(text(&[up(u32::MAX)], 0), "");
    }
}
