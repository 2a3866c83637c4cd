// SPDX-License-Identifier: GPL-2.0

//! The barrier's alarm: who passes, who sleeps, and when it goes off.
//!
//! Plain policy: no kernel type, no allocation, no lock (whoever shares an [`Alarm`] locks it).
//! Compiles on the host too, where all interleavings of some sleepers and awakers are tested.

/// What a call to awake came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Awoken {
    /// The alarm is on now; all sleepers are to be woken.
    Now,
    /// The alarm was on: the last sleeper of an earlier call has not left.
    Before,
    /// Nobody sleeps, so the alarm stays off.
    Nobody,
}

/// A group's alarm.
///
/// While it is off, comers sleep. Awaking turns it on, if somebody sleeps. While it is on, comers
/// pass and sleepers leave; the last of them turns it off.
///
/// # Invariants
///
/// `sleepers` is the number of threads that have come and not left. If it is 0, `on` is false.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Alarm {
    sleepers: usize,
    on: bool,
}

impl Alarm {
    /// An alarm that is off, with nobody there.
    pub(crate) const fn new() -> Self {
        Self {
            sleepers: 0,
            on: false,
        }
    }

    /// A thread comes. From now on it counts, until it [passes](Self::pass) or
    /// [leaves](Self::leave).
    pub(crate) fn come(&mut self) {
        // There are not as many threads as would make this overflow.
        self.sleepers = self.sleepers.saturating_add(1);
    }

    /// A thread that came leaves if the alarm is on. `false`: it is off, and the thread sleeps.
    pub(crate) fn pass(&mut self) -> bool {
        let passes = self.on;
        if passes {
            self.leave();
        }
        passes
    }

    /// A thread that came leaves, whatever the alarm says: it was interrupted or killed.
    pub(crate) fn leave(&mut self) {
        self.sleepers = self.sleepers.saturating_sub(1);
        // INVARIANT: The last one to leave turns the alarm off.
        self.on &= self.sleepers > 0;
    }

    /// Turns the alarm on, if somebody sleeps.
    pub(crate) fn awake(&mut self) -> Awoken {
        if self.on {
            Awoken::Before
        } else if self.sleepers == 0 {
            Awoken::Nobody
        } else {
            self.on = true;
            Awoken::Now
        }
    }
}
