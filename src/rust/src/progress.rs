//! A bar of bytes done, on stderr, where that is a terminal; declared in sluice_progress.h.

use crate::Slice;
use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// # Safety
/// `label` must be borrowed from live memory for the call.
#[no_mangle]
pub unsafe extern "C" fn sluice_progress_new(label: Slice) -> *mut ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(label.text().unwrap_or_default().to_owned());
    Box::into_raw(Box::new(bar))
}

/// # Safety
/// `bar` must come from sluice_progress_new and not be freed yet.
#[no_mangle]
pub unsafe extern "C" fn sluice_progress_update(bar: *const ProgressBar, done: u64, total: u64) {
    (*bar).set_length(total);
    (*bar).set_position(done);
}

/// Wipes the bar from the terminal.
///
/// # Safety
/// `bar` must come from sluice_progress_new and not be used afterwards.
#[no_mangle]
pub unsafe extern "C" fn sluice_progress_free(bar: *mut ProgressBar) {
    Box::from_raw(bar).finish_and_clear();
}
