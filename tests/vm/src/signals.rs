// SPDX-License-Identifier: GPL-2.0

//! Signals that a test has its processes handle.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicU64, Ordering};

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Has this process, and the children that it makes from now on, count the signal.
pub fn handle(signal: Signal, flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: The handler does what a handler may do.
    unsafe { sigaction(signal, &action) }.expect("sigaction");
}

/// How many signals this process has handled.
pub fn handled() -> u64 {
    HANDLED.load(Ordering::SeqCst)
}
