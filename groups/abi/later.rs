// SPDX-License-Identifier: GPL-2.0

//! Something to be done later, in process context.
//!
//! The kernel crate's `DelayedWork` shares in what it works on and cannot be called back; this one
//! is a part of it, and ends with it.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{
    marker::PhantomPinned,
    ops::Deref, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::LockClassKey,
    types::Opaque, //
};

/// What is to be done later.
pub(crate) trait Work: Sync + Sized {
    /// The time has come.
    ///
    /// Called in process context, and may sleep. It is not called twice at the same time.
    fn work(this: &Later<Self>);
}

/// Creates a [`Later`] initializer with newly-created lock classes.
macro_rules! new_later {
    ($value:expr, $name:literal) => {
        $crate::abi::later::Later::new(
            $value,
            kernel::optional_name!($name),
            kernel::static_lock_class!(),
            kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_later;

/// A value with something to be done later.
///
/// Dropping it calls it off, waiting until [`Work::work`] has returned if it is being called,
/// before the value is dropped. So that never sees a value that is gone. Process context.
///
/// # Invariants
///
/// `work` is an initialized delayed work, which calls [`Self::callback`].
#[pin_data(PinnedDrop)]
pub(crate) struct Later<T: Work> {
    #[pin]
    work: Opaque<bindings::delayed_work>,
    #[pin]
    value: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The work may be called off on any thread, and the value may be sent.
unsafe impl<T: Work + Send> Send for Later<T> {}
// SAFETY: The work has locks of its own, and the value may be shared.
unsafe impl<T: Work> Sync for Later<T> {}

impl<T: Work> Later<T> {
    /// Gives a value something to be done later. Use [`new_later`].
    pub(crate) fn new(
        value: impl PinInit<T>,
        name: &'static CStr,
        work_key: Pin<&'static LockClassKey>,
        timer_key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(move |slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and stays where it is; name and key are
                // static; the callback is given the work of a `Later`.
                unsafe {
                    bindings::init_work_with_key(
                        &raw mut (*slot).work,
                        Some(Self::callback),
                        false,
                        name.as_char_ptr(),
                        work_key.as_ptr(),
                    )
                };
                // SAFETY: As above; this is the timer that a delayed work has.
                unsafe {
                    bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(bindings::delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        name.as_char_ptr(),
                        timer_key.as_ptr(),
                    )
                };
            }),
            value <- value,
            _pin: PhantomPinned,
        })
    }

    /// Has the work done in `ms` milliseconds, or somewhat later, unless it is to be done already.
    ///
    /// Any context but NMI; may be called from [`Work::work`].
    pub(crate) fn in_ms(&self, ms: u32) {
        // SAFETY: The work queue is there as long as the kernel is. By the type invariant the work
        // is initialized; it is called off before it is gone.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_power_efficient_wq,
                self.work.get(),
                bindings::__msecs_to_jiffies(ms),
            )
        };
    }

    /// # Safety
    ///
    /// `work` must be the work of a `Later<T>` that is valid during the call.
    unsafe extern "C" fn callback(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements it is a part of a delayed work, and that of `Self`.
        let this = unsafe {
            let work = kernel::container_of!(work, bindings::delayed_work, work);
            &*kernel::container_of!(Opaque::cast_from(work), Self, work)
        };
        T::work(this);
    }
}

impl<T: Work> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[pinned_drop]
impl<T: Work> PinnedDrop for Later<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the work is initialized. Nobody can ask for it again but
        // its callback, which this waits for, and then calls off what it asked for.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }
}
