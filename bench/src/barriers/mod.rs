// SPDX-License-Identifier: GPL-2.0

//! What threads can sleep on until somebody awakes all of them: one file for each.

mod futex;
mod group;
mod pthread;

use crate::modes::wake_up;
use anyhow::Result;

/// Something to sleep on.
pub trait Barrier: Sized + Sync {
    /// As it is called in tables.
    const NAME: &'static str;

    /// For so many threads that will sleep.
    fn new(sleepers: usize) -> Result<Self>;

    /// Sleeps until somebody awakes all.
    fn sleep(&self) -> nix::Result<()>;

    /// Awakes all who sleep.
    fn awake(&self) -> nix::Result<()>;
}

/// A barrier, by what can be measured of it.
pub struct Entry {
    /// [`Barrier::NAME`]
    pub name: &'static str,
    /// [`wake_up::round`]
    pub wake_up: fn(usize) -> Result<f64>,
}

const fn entry<B: Barrier>() -> Entry {
    Entry {
        name: B::NAME,
        wake_up: wake_up::round::<B>,
    }
}

/// What [`futex`]'s is called: what targets are measured by.
pub const FUTEX: &str = futex::Futex::NAME;

/// All of them, ours first.
pub const FIELD: [Entry; 3] = [
    entry::<group::GroupBarrier>(),
    entry::<futex::Futex>(),
    entry::<pthread::PthreadBarrier>(),
];
