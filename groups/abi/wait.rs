// SPDX-License-Identifier: GPL-2.0

//! Wait queues: threads that wait for a condition, and pollers that wait for an event.
//!
//! The kernel crate's `CondVar` waits for what one lock protects, and counts its time in ticks;
//! this one waits for anything, to the nanosecond, and wakes pollers by event.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::clock::Instant;
use core::{
    marker::PhantomPinned,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        barrier::{
            smp_mb,
            Full, //
        },
        lock::{
            Backend,
            Guard, //
        },
        LockClassKey, //
    },
    types::Opaque, //
};

/// Creates a [`WaitQueue`] initializer with the given name and a newly-created lock class.
macro_rules! new_wait_queue {
    ($name:literal) => {
        $crate::abi::wait::WaitQueue::new(
            kernel::optional_name!($name),
            kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_wait_queue;

/// The events that a poller waits for, as a set of `POLL*` bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Events(u32);

impl Events {
    /// No event.
    pub(crate) const NONE: Self = Self(0);
    /// There is something to read.
    pub(crate) const READABLE: Self = Self(bindings::POLLIN | bindings::POLLRDNORM);
    /// There is room to write.
    pub(crate) const WRITABLE: Self = Self(bindings::POLLOUT | bindings::POLLWRNORM);

    /// These events, and `other` if `condition` holds.
    pub(crate) fn and_if(self, condition: bool, other: Self) -> Self {
        if condition {
            Self(self.0 | other.0)
        } else {
            self
        }
    }

    /// The bits, as C has them.
    pub(super) fn as_raw(self) -> u32 {
        self.0
    }
}

/// How a thread waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Alone: of all that wait like this, [`WaitQueue::wake`] wakes as many as it is told to, the
    /// longest waiting first.
    Exclusive,
    /// With all others: every wake-up wakes it.
    Shared,
}

/// How many are woken of those that wait for their turn.
#[derive(Clone, Copy)]
pub(crate) enum Whom {
    /// One, by a thread that is likely to wait itself soon, so that the two may well share a
    /// processor.
    Next,
    /// So many.
    UpTo(usize),
}

/// How a wait ended.
pub(crate) enum Waited<R> {
    /// The condition held, and gave this.
    Ready(R),
    /// The deadline passed, and the condition did not hold.
    TimedOut,
    /// A signal is pending, and the condition did not hold.
    Interrupted,
}

/// Proof that what a thread did before can be seen by whoever begins to wait from now on.
///
/// So a wait queue on which nobody is seen to wait needs no wake-up, and that is seen without a
/// lock: whoever comes to wait looks at their condition once more, after being on the queue.
#[derive(Clone, Copy)]
pub(crate) struct News(());

impl News {
    /// Makes what this thread did before known. Cost: a full memory barrier. Any context.
    pub(crate) fn tell() -> Self {
        // Pairs with the barrier in `prepare_to_wait_event`, or in `poll_wait`.
        smp_mb(Full);
        Self(())
    }

    /// What this thread did while it holds this lock is known to whoever begins to wait from now
    /// on and takes the lock to look at their condition. No cost. Any context.
    ///
    /// Either they take it after this thread, and see what it did; or they took it before, and
    /// then this thread, which took it after them, sees them on the queue.
    #[inline(always)]
    pub(crate) fn under<T: ?Sized, B: Backend>(_guard: &Guard<'_, T, B>) -> Self {
        Self(())
    }
}

/// Whether a signal is pending for this thread.
fn signal_pending() -> bool {
    // SAFETY: There always is a current thread, and it stays while it runs.
    unsafe { bindings::signal_pending(bindings::get_current()) != 0 }
}

/// A wait queue.
///
/// # Invariants
///
/// `raw` is an initialized wait queue head.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    raw: Opaque<bindings::wait_queue_head>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A wait queue may be used from, and dropped on, any thread.
unsafe impl Send for WaitQueue {}
// SAFETY: A wait queue has a lock of its own.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes a wait queue on which nobody waits. Use [`new_wait_queue`].
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes and stays where it is; `name` and `key` are
            // static.
            raw <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
            _pin: PhantomPinned,
        })
    }

    /// Waits until `condition` gives something, `deadline` passes (never before it), or a signal
    /// comes.
    ///
    /// `condition` is asked before the thread sleeps for the first time, after every wake-up, and
    /// at the end; it is told whether a signal is pending. It must not sleep. Whoever makes it
    /// true calls [`Self::wake`] with [`News`] of it; then it is not missed.
    ///
    /// A thread that waits with [`Turn::Exclusive`] and leaves without `Ready` may have used up a
    /// wake-up: the caller makes sure that another one gets it.
    ///
    /// Process context; sleeps; no spinlock may be held.
    pub(crate) fn wait<R>(
        &self,
        turn: Turn,
        deadline: Option<Instant>,
        mut condition: impl FnMut(bool) -> Option<R>,
    ) -> Waited<R> {
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        let flags = match turn {
            Turn::Exclusive => bindings::WQ_FLAG_EXCLUSIVE as c_int,
            Turn::Shared => 0,
        };
        // SAFETY: `entry` is valid for writes. It is on no queue any more when it goes out of
        // scope, and until then it stays where it is: it is not moved.
        unsafe { bindings::init_wait_entry(entry.get(), flags) };

        let mut timed_out = false;
        let waited = loop {
            // SAFETY: Both are initialized and stay where they are until `finish_wait`.
            let signal = unsafe {
                bindings::prepare_to_wait_event(
                    self.raw.get(),
                    entry.get(),
                    bindings::TASK_INTERRUPTIBLE as c_int,
                )
            } != 0;
            if let Some(result) = condition(signal) {
                break Waited::Ready(result);
            }
            if signal {
                break Waited::Interrupted;
            }
            if timed_out {
                break Waited::TimedOut;
            }
            let mut expires = deadline.map(Instant::as_raw);
            let expires = expires.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
            // SAFETY: `expires` is null, for no end, or valid during the call. This returns 0 if
            // and only if the time is up.
            timed_out = unsafe {
                bindings::schedule_hrtimeout_range(
                    expires,
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_ABS,
                )
            } == 0;
            // Who was woken was taken off the queue, and is back on it only if there is nothing for
            // it: that saves the queue's lock, for which all that were woken would contend.
            if !timed_out && !signal_pending() {
                if let Some(result) = condition(false) {
                    break Waited::Ready(result);
                }
            }
        };
        // SAFETY: Both are initialized; this takes `entry` off the queue if it is on it.
        unsafe { bindings::finish_wait(self.raw.get(), entry.get()) };
        waited
    }

    /// Whether anybody waits who may have looked before what happened before `_news`.
    #[inline(always)]
    fn is_waited_on(&self, _news: News) -> bool {
        let head = self.raw.get();
        // SAFETY: By the type invariant `head` is an initialized list head, and a racy read of
        // its first pointer is what `waitqueue_active()` does.
        let first = unsafe { ptr::read_volatile(&raw const (*head).head.next) };
        // SAFETY: `head` is valid; this only computes an address.
        !ptr::eq(first, unsafe { &raw const (*head).head })
    }

    /// Wakes, for `news`, all that wait with [`Turn::Shared`], and as many as `whom` says of those
    /// that wait with [`Turn::Exclusive`].
    ///
    /// Cost: a load if nobody waits. Any context but NMI.
    #[inline(always)]
    pub(crate) fn wake(&self, news: News, whom: Whom) {
        self.wake_with(news, whom, ptr::null_mut());
    }

    /// Tells pollers, for `news`, that `events` may have come: all but the exclusive ones, and as
    /// many of those as `whom` says.
    ///
    /// Cost: a load if nobody waits. Any context but NMI.
    #[inline(always)]
    pub(crate) fn wake_pollers(&self, news: News, events: Events, whom: Whom) {
        let key = ptr::without_provenance_mut(events.as_raw() as usize);
        self.wake_with(news, whom, key);
    }

    #[inline(always)]
    fn wake_with(&self, news: News, whom: Whom, key: *mut c_void) {
        if self.is_waited_on(news) {
            self.wake_waiting(whom, key);
        }
    }

    #[cold]
    fn wake_waiting(&self, whom: Whom, key: *mut c_void) {
        match whom {
            // SAFETY: By the type invariant this is an initialized wait queue head. Threads take
            // no notice of the key; pollers take it for a set of events.
            Whom::Next => unsafe {
                bindings::__wake_up_sync_key(self.raw.get(), bindings::TASK_NORMAL, key)
            },
            // For C, 0 is all of them.
            Whom::UpTo(0) => {}
            Whom::UpTo(count) => {
                let count = c_int::try_from(count).unwrap_or(c_int::MAX);
                // SAFETY: As above.
                unsafe { bindings::__wake_up(self.raw.get(), bindings::TASK_NORMAL, count, key) };
            }
        }
    }

    /// The wait queue, as C has it.
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.raw.get()
    }
}
