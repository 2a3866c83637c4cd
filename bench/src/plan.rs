// SPDX-License-Identifier: GPL-2.0

//! How much is measured: all of it, or enough to see that it works.

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often everything is measured, in turn.
    pub rounds: usize,
    /// Sizes of the messages of [pair](crate::modes::pair), bytes.
    pub pair_sizes: &'static [usize],
    /// Messages of a round of it.
    pub pair_messages: usize,
    /// Threads of [many](crate::modes::many).
    pub threads: &'static [usize],
    /// Sizes of its messages, bytes.
    pub sizes: &'static [usize],
    /// How long a round of it lasts for each contestant.
    pub window: Duration,
    /// Messages and answers of a round of [`ping_pong`](crate::modes::ping_pong).
    pub trips: usize,
    /// How many sleep in [`wake_up`](crate::modes::wake_up).
    pub sleepers: &'static [usize],
    /// How many messages are queued in [growth](crate::modes::growth).
    pub queued: &'static [usize],
    /// How many groups there are in [install](crate::modes::install).
    pub groups: &'static [usize],
    /// Messages of a round of [delay](crate::modes::delay).
    pub delayed: usize,
}

/// How many messages a channel holds where only that it is deep matters.
pub const DEPTH: usize = 4096;

impl Plan {
    /// What the page is made of.
    pub const FULL: Self = Self {
        rounds: 5,
        pair_sizes: &[64, 1024, 5000, 10000],
        pair_messages: 2000,
        threads: &[2, 4, 8],
        sizes: &[10, 1000, 5000, 10_000],
        window: Duration::from_millis(400),
        trips: 2000,
        sleepers: &[1, 10, 100, 1000],
        queued: &[1, 100, 10_000, 1_000_000],
        groups: &[1, 100, 2000],
        delayed: 200,
    };

    /// What is enough to see that it works.
    pub const QUICK: Self = Self {
        rounds: 2,
        pair_messages: 500,
        threads: &[2, 8],
        sizes: &[10, 5000],
        window: Duration::from_millis(100),
        trips: 300,
        sleepers: &[1, 100],
        queued: &[1, 100, 10_000],
        groups: &[1, 100],
        delayed: 30,
        ..Self::FULL
    };
}
