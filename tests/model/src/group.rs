// SPDX-License-Identifier: GPL-2.0

//! A group as the contract has it: limits, delay, sleepers, and all [`State`]s that its messages
//! may be in.

use crate::call::{During, Limit, MS, Outcome};
use crate::state::{First, Span, State};
use nix::errno::Errno;
use std::rc::Rc;

pub const DEFAULT_MESSAGE: u64 = 100;
pub const DEFAULT_STORAGE: u64 = 10_000;

pub const READABLE: usize = 0x001 | 0x040;
pub const WRITABLE: usize = 0x004 | 0x100;

/// A call that has to do with messages, when all that could be wrong with the descriptor has been
/// looked at.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sends these bytes, of which so many can be read.
    Publish {
        bytes: Rc<[u8]>,
        readable: usize,
    },
    /// Takes a message into `room` bytes, of which the first `writable` can be written.
    Deliver {
        room: usize,
        writable: usize,
        patience: Patience,
    },
    /// Asks for the first message's size.
    FirstSize {
        writable: usize,
    },
    /// Asks for what pollers wait for.
    Events,
    Revoke,
    Flush,
}

/// What is to be done when there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Fail with `EAGAIN`.
    Never,
    /// Wait so many nanoseconds.
    For(u64),
    /// Wait without end.
    Endless,
}

impl Patience {
    /// As a receive timeout has it, in milliseconds.
    pub fn of_timeout(ms: i32) -> Self {
        u64::try_from(ms).map_or(Self::Endless, |ms| Self::For(ms * MS))
    }
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    pub max_message_size: u64,
    pub max_storage_size: u64,
    pub delay_ms: u32,
    pub sleepers: usize,
    possible: Vec<State>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            max_message_size: DEFAULT_MESSAGE,
            max_storage_size: DEFAULT_STORAGE,
            delay_ms: 0,
            sleepers: 0,
            possible: vec![State::default()],
        }
    }
}

impl Group {
    pub fn limit(&mut self, limit: Limit) -> &mut u64 {
        match limit {
            Limit::Message => &mut self.max_message_size,
            Limit::Storage => &mut self.max_storage_size,
        }
    }

    /// Whether a message is there for sure, or comes by `time`.
    pub fn has_by(&self, time: u64) -> bool {
        self.possible.iter().all(|state| state.has_by(time))
    }

    /// Goes on with the states in which the deed can have had this outcome. `Err`: there is none;
    /// the outcomes that it can have had.
    pub fn observe(
        &mut self,
        deed: &Deed,
        outcome: &Outcome,
        during: During,
    ) -> Result<(), Vec<Outcome>> {
        let mut expected = Vec::new();
        let mut possible = Vec::new();
        for state in &self.possible {
            for (answer, state) in self.after(state, deed, during) {
                if answer != *outcome {
                    expected.push(answer);
                } else if !possible.contains(&state) {
                    possible.push(state);
                }
            }
        }
        if possible.is_empty() {
            expected.dedup();
            return Err(expected);
        }
        self.possible = possible;
        Ok(())
    }

    /// What can come of a deed in this state, and the states that follow.
    fn after(&self, state: &State, deed: &Deed, during: During) -> Vec<(Outcome, State)> {
        let done = |states: Vec<State>| {
            let done = |state| (Outcome::ok(0), state);
            states.into_iter().map(done).collect()
        };
        match deed {
            Deed::Publish { bytes, readable } => match self.refusal(state, bytes, *readable) {
                Some(errno) => vec![(Outcome::err(errno), state.clone())],
                None => {
                    let sent = |state| (Outcome::ok(bytes.len()), state);
                    let states = self.with(state, bytes, during);
                    states.into_iter().map(sent).collect()
                }
            },
            &Deed::Deliver {
                room,
                writable,
                patience,
            } => deliver(state, room, writable, patience, during),
            Deed::FirstSize { writable } => {
                let look = |(first, state): (First, State)| {
                    let size = state.message(first).map_or(0, |message| message.len());
                    (word(size, *writable), state)
                };
                let looks = state.looks(during.start, during.end);
                looks.into_iter().map(look).collect()
            }
            Deed::Events => {
                let look = |(first, state): (First, State)| (self.events(first, &state), state);
                let looks = state.looks(during.start, during.end);
                looks.into_iter().map(look).collect()
            }
            Deed::Revoke => done(state.revoke(during)),
            Deed::Flush => done(vec![state.clone().flush(during)]),
        }
    }

    /// Why a message is not accepted.
    fn refusal(&self, state: &State, bytes: &[u8], readable: usize) -> Option<Errno> {
        let size = bytes.len() as u64;
        if size == 0 {
            Some(Errno::EBADMSG)
        } else if size > self.max_message_size {
            Some(Errno::EMSGSIZE)
        } else if !self.fits(state, size) {
            Some(Errno::ENOSPC)
        } else if readable < bytes.len() {
            Some(Errno::EFAULT)
        } else if bytes == [0] {
            Some(Errno::EBADMSG)
        } else {
            None
        }
    }

    fn fits(&self, state: &State, size: u64) -> bool {
        let sum = state.stored().checked_add(size);
        sum.is_some_and(|sum| sum <= self.max_storage_size)
    }

    /// With a message that was accepted.
    fn with(&self, state: &State, bytes: &Rc<[u8]>, during: During) -> Vec<State> {
        if self.delay_ms == 0 {
            return vec![state.clone().publish(bytes.clone(), during)];
        }
        let delay = u64::from(self.delay_ms) * MS;
        let due = Span {
            lo: during.start + delay,
            hi: during.end + delay,
        };
        state.keep(bytes, due)
    }

    fn events(&self, first: First, state: &State) -> Outcome {
        let accepts_largest = self.max_message_size > 0 && self.fits(state, self.max_message_size);
        let readable = if first == First::None { 0 } else { READABLE };
        let writable = if first == First::None || accepts_largest {
            WRITABLE
        } else {
            0
        };
        Outcome::ok(readable | writable)
    }
}

fn deliver(
    state: &State,
    room: usize,
    writable: usize,
    patience: Patience,
    during: During,
) -> Vec<(Outcome, State)> {
    if room == 0 {
        return vec![(Outcome::ok(0), state.clone())];
    }
    // Who waits looks once more at the end.
    let last_look = match patience {
        Patience::For(time) => during.start.saturating_add(time),
        Patience::Never | Patience::Endless => during.start,
    };
    let take = |(first, state): (First, State)| {
        let Some(message) = state.message(first) else {
            return match patience {
                Patience::Never => Some((Outcome::err(Errno::EAGAIN), state)),
                Patience::For(_) if last_look <= during.end => Some((Outcome::ok(0), state)),
                Patience::For(_) | Patience::Endless => None,
            };
        };
        let part = &message[..room.min(message.len())];
        if writable < part.len() {
            return Some((Outcome::err(Errno::EFAULT), state));
        }
        let outcome = Outcome::with(part.len(), part.to_vec());
        Some((outcome, state.take(first)))
    };
    let looks = state.looks(last_look, during.end);
    looks.into_iter().filter_map(take).collect()
}

/// What comes of putting a number where so many bytes can be written.
fn word(value: usize, writable: usize) -> Outcome {
    if writable < 4 {
        return Outcome::err(Errno::EFAULT);
    }
    let value = i32::try_from(value).unwrap_or(i32::MAX);
    Outcome::with(0, value.to_ne_bytes().to_vec())
}
