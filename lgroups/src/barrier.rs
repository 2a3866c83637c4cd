// SPDX-License-Identifier: GPL-2.0

//! A group's barrier.

use crate::group::Group;
use crate::sys;
use crate::{Error, Result};
use rustix::fd::AsFd;

/// A group's barrier, on which threads of any processes sleep until somebody awakes them all.
///
/// Whoever comes while the last sleepers that were awoken have not left yet passes at once.
#[derive(Clone, Copy, Debug)]
pub struct Barrier<'a> {
    pub(crate) group: &'a Group,
}

/// What became of a call of [`Barrier::awake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Awoken {
    /// All sleepers wake up now.
    Now,
    /// They were awoken before, and the last of them has not left yet.
    Before,
    /// Nobody sleeps.
    Nobody,
}

impl Barrier<'_> {
    /// Sleeps until somebody awakes the barrier.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`]: a signal came whose handler was installed without `SA_RESTART`.
    pub fn sleep(&self) -> Result<()> {
        sys::sleep_on_barrier(self.group.as_fd()).map_err(Error::os("sleep on the barrier"))
    }

    /// Wakes everybody who sleeps.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn awake(&self) -> Result<Awoken> {
        let awoken = sys::awake_barrier(self.group.as_fd());
        Ok(match awoken.map_err(Error::os("awake the barrier"))? {
            0 => Awoken::Now,
            1 => Awoken::Before,
            _ => Awoken::Nobody,
        })
    }
}
