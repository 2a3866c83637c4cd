// SPDX-License-Identifier: GPL-2.0

//! Points in time, and a timer for one.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)
//!
//! Reference: <https://docs.kernel.org/timers/hrtimers.html>

use core::{
    marker::PhantomPinned,
    ops::Deref, //
};
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// A point in time: nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(bindings::ktime_t);

impl Instant {
    /// The beginning of time.
    pub(crate) const ZERO: Self = Self(0);

    /// Now. Any context.
    pub(crate) fn now() -> Self {
        // SAFETY: Always safe to call, once the kernel runs modules.
        Self(unsafe { bindings::ktime_get() })
    }

    /// `ms` milliseconds later.
    pub(crate) fn after_ms(self, ms: u32) -> Self {
        const NS_PER_MS: i64 = 1_000_000;
        // At most 2^32 * 10^6 < 2^52, so this does not overflow.
        Self(self.0.saturating_add(i64::from(ms) * NS_PER_MS))
    }

    /// As C has it.
    pub(super) fn as_raw(self) -> bindings::ktime_t {
        self.0
    }
}

/// What is to be done when a timer expires.
pub(crate) trait Expire: Sync + Sized {
    /// The timer has expired, or very nearly.
    ///
    /// Called in softirq context, interrupts on. It is not called twice at the same time, and it
    /// may be called once too often; so it looks at the clock and at what is due.
    fn expire(this: &Timed<Self>);
}

/// A value with a timer.
///
/// Dropping it stops the timer, waiting until [`Expire::expire`] has returned if it is being
/// called, before the value is dropped. So no timer ever sees a value that is gone.
///
/// # Invariants
///
/// `timer` is an initialized timer, which calls [`Self::callback`].
#[pin_data(PinnedDrop)]
pub(crate) struct Timed<T: Expire> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    #[pin]
    value: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The timer may be stopped on any thread, and the value may be sent.
unsafe impl<T: Expire + Send> Send for Timed<T> {}
// SAFETY: The timer has a lock of its own, and the value may be shared.
unsafe impl<T: Expire> Sync for Timed<T> {}

impl<T: Expire> Timed<T> {
    /// Gives a value a timer, which is not set.
    pub(crate) fn new(value: impl PinInit<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes, and stays where it is.
            timer <- Opaque::ffi_init(|slot| unsafe {
                bindings::hrtimer_setup(
                    slot,
                    Some(Self::callback),
                    bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                    bindings::hrtimer_mode_HRTIMER_MODE_ABS_SOFT,
                )
            }),
            value <- value,
            _pin: PhantomPinned,
        })
    }

    /// Sets the timer to `at`, whatever it was set to before.
    ///
    /// Any context; may be called from [`Expire::expire`]. Callers that decide on the time by what
    /// a lock protects hold that lock, so that the last one to decide is the last one to set.
    pub(crate) fn set(&self, at: Instant) {
        // SAFETY: By the type invariant the timer is initialized; it is stopped before it is gone.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                at.as_raw(),
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_ABS_SOFT,
            )
        };
    }

    /// # Safety
    ///
    /// `timer` must be the timer of a `Timed<T>` that is valid during the call.
    unsafe extern "C" fn callback(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: By the safety requirements.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(timer), Self, timer) };
        T::expire(this);
        // If it is to run again, it has been set.
        bindings::hrtimer_restart::HRTIMER_NORESTART
    }
}

impl<T: Expire> Deref for Timed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[pinned_drop]
impl<T: Expire> PinnedDrop for Timed<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the timer is initialized. Nobody can set it again but its
        // callback, which this waits for, and then stops what it set.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
    }
}
