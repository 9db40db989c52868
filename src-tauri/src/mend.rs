//! The web view has a process of its own, which may end by a fault or for want of memory. Then the window is filled
//! anew, where it was; where that happens again and again it is closed, and monitoring goes on without it.

use std::cell::RefCell;
use std::collections::VecDeque;

use hallmonitor::clock::{Clock as _, Mono, SystemClock};
use tauri::{AppHandle, Manager, WebviewWindow};
use webkit2gtk::{WebProcessTerminationReason, WebViewExt as _};

use crate::window;

/// So often within [`SPAN_US`] the window is filled anew.
const OFTEN: usize = 3;
const SPAN_US: u64 = 60_000_000;

/// Fills the window anew whenever its process ended.
pub(crate) fn follow(app: &AppHandle, window: &WebviewWindow) {
    let app = app.clone();
    let followed = window.with_webview(move |view| {
        let ends = RefCell::new(Ends::default());
        view.inner().connect_web_process_terminated(move |_, reason| {
            if reason != WebProcessTerminationReason::TerminatedByApi {
                mend(&app, reason, ends.borrow_mut().may_go_on(SystemClock.mono()));
            }
        });
    });
    if let Err(error) = followed {
        tracing::warn!(%error, "the window would not come back by itself");
    }
}

fn mend(app: &AppHandle, reason: WebProcessTerminationReason, go_on: bool) {
    if go_on {
        tracing::warn!(?reason, "the window's process ended; the window is filled anew");
        window::begin_again(app);
    } else if let Some(window) = app.get_webview_window(window::LABEL) {
        tracing::error!(?reason, "the window's process ends again and again; the window is closed");
        let _ = window.destroy();
    }
}

/// When the process ended of late.
#[derive(Debug, Default)]
struct Ends(VecDeque<Mono>);

impl Ends {
    /// Notes one more; whether the window may be filled anew.
    fn may_go_on(&mut self, now: Mono) -> bool {
        self.0.retain(|before| now.since_us(*before) < SPAN_US);
        self.0.push_back(now);
        self.0.len() <= OFTEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_fails_at_once_each_time_is_given_up() {
        let mut ends = Ends::default();
        let at = |seconds: u64| Mono(1_000_000_000 + seconds * 1_000_000);
        assert!([0, 1, 2].iter().all(|second| ends.may_go_on(at(*second))));
        assert!(!ends.may_go_on(at(3)));
        assert!(ends.may_go_on(at(70)), "a minute later it may again");
    }
}
