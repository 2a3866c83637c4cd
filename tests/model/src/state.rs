// SPDX-License-Identifier: GPL-2.0

//! What may be in a group: its messages, as far as the calls made so far tell.
//!
//! A delayed message is published by a timer, some time after it is due, and nobody is told. So a
//! [`State`] keeps two lists, in each of which the order is known, and for each delayed message
//! what is known of its place among the others: its [rank](Delayed::rank). Every call that looks
//! at the group makes that more precise, and is refused if it cannot be.

use crate::call::During;
use std::collections::VecDeque;
use std::rc::Rc;

/// How late a message may become available, in nanoseconds: more than any machine stalls for.
pub const SLACK: u64 = 10_000_000_000;

/// A span, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub lo: u64,
    pub hi: u64,
}

impl Span {
    fn at_least(&mut self, lo: u64) {
        self.lo = self.lo.max(lo);
    }

    fn at_most(&mut self, hi: u64) {
        self.hi = self.hi.min(hi);
    }
}

/// A message that was written without a delay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Immediate {
    /// How many such messages were written before it.
    number: u64,
    bytes: Rc<[u8]>,
}

/// A message that was written with a delay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Delayed {
    bytes: Rc<[u8]>,
    /// When its delay has run out, or had.
    due: Span,
    /// Whether it is known to be available.
    published: bool,
    /// How many immediate messages had been written when it was published: it comes behind so
    /// many of them.
    rank: Span,
}

/// What may be in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many messages were written without a delay.
    written: u64,
    immediate: VecDeque<Immediate>,
    /// In the order in which they are due; those that are published come first.
    delayed: VecDeque<Delayed>,
    stored: u64,
}

/// Which message is the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    None,
    Immediate,
    Delayed,
}

impl State {
    /// The bytes of all messages, published and delayed.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// What `first` is.
    pub fn message(&self, first: First) -> Option<&Rc<[u8]>> {
        match first {
            First::None => None,
            First::Immediate => self.immediate.front().map(|message| &message.bytes),
            First::Delayed => self.delayed.front().map(|message| &message.bytes),
        }
    }

    /// Whether there is a message for sure, or will be by `time` if the machine is idle.
    pub fn has_by(&self, time: u64) -> bool {
        let comes = |message: &Delayed| message.published || message.due.hi <= time;
        !self.immediate.is_empty() || self.delayed.front().is_some_and(comes)
    }

    /// What somebody may find to be first who looks between these times, and the state that it is
    /// then.
    pub fn looks(&self, start: u64, end: u64) -> Vec<(First, Self)> {
        let mut looks = Vec::new();
        let (immediate, delayed) = (self.immediate.front(), self.delayed.front());
        match delayed {
            Some(message) if message.can_be_out(end) => {
                let before = immediate.map_or(self.written, |message| message.number);
                if message.rank.lo <= before {
                    let mut state = self.clone();
                    let message = &mut state.delayed[0];
                    if !message.published {
                        message.due.at_most(end);
                        message.published = true;
                    }
                    message.rank.at_most(before);
                    looks.push((First::Delayed, state));
                }
            }
            _ => {}
        }
        if let Some(message) = immediate {
            let behind = message.number + 1;
            if delayed.is_none_or(|message| message.rank.hi >= behind) {
                let mut state = self.clone();
                for message in &mut state.delayed {
                    message.rank.at_least(behind);
                }
                looks.push((First::Immediate, state));
            }
        } else if delayed.is_none_or(|message| !message.must_be_out(start)) {
            let mut state = self.clone();
            for message in &mut state.delayed {
                message.rank.at_least(self.written);
            }
            looks.push((First::None, state));
        }
        looks
    }

    /// Without the first message.
    pub fn take(mut self, first: First) -> Self {
        let bytes = match first {
            First::None => None,
            First::Immediate => self.immediate.pop_front().map(|message| message.bytes),
            First::Delayed => self.delayed.pop_front().map(|message| message.bytes),
        };
        self.stored -= bytes.map_or(0, |bytes| bytes.len() as u64);
        self
    }

    /// With a message that is published at once.
    pub fn publish(mut self, bytes: Rc<[u8]>, during: During) -> Self {
        let number = self.written;
        self.written += 1;
        for message in self.pending() {
            if !message.can_be_out(during.end) {
                message.rank.at_least(number + 1);
            } else if message.must_be_out(during.start) {
                message.rank.at_most(number);
            }
        }
        self.stored += bytes.len() as u64;
        self.immediate.push_back(Immediate { number, bytes });
        self
    }

    /// With a message that is due within this span, at every place where it may be.
    pub fn keep(&self, bytes: &Rc<[u8]>, due: Span) -> Vec<Self> {
        let pending = self.published();
        let fits = |place: &usize| {
            let after = place.checked_sub(1).filter(|&before| before >= pending);
            let after = after.is_none_or(|before| self.delayed[before].due.lo <= due.hi);
            // Of two that are due at the same instant, the one that was written first comes first.
            let next = self.delayed.get(*place);
            after && next.is_none_or(|next| due.lo < next.due.hi)
        };
        (pending..=self.delayed.len())
            .filter(fits)
            .map(|place| self.clone().keep_at(place, bytes.clone(), due))
            .collect()
    }

    fn keep_at(mut self, place: usize, bytes: Rc<[u8]>, mut due: Span) -> Self {
        let pending = self.published();
        for message in self.delayed.range_mut(pending..place) {
            message.due.at_most(due.hi);
            due.at_least(message.due.lo);
        }
        for message in self.delayed.range_mut(place..) {
            message.due.at_least(due.lo);
            message.rank.at_least(self.written);
            due.at_most(message.due.hi);
        }
        self.stored += bytes.len() as u64;
        let message = Delayed {
            bytes,
            due,
            published: false,
            rank: Span {
                lo: self.written,
                hi: u64::MAX,
            },
        };
        self.delayed.insert(place, message);
        self
    }

    /// With all delayed messages published.
    pub fn flush(mut self, during: During) -> Self {
        let written = self.written;
        for message in self.pending() {
            if !message.can_be_out(during.end) {
                message.rank.at_least(written);
            }
            message.rank.at_most(written);
            message.published = true;
        }
        self
    }

    /// Without those whose delay has not run out, in every way that it may be.
    pub fn revoke(&self, during: During) -> Vec<Self> {
        let fits = |&place: &usize| {
            let mut left = self.delayed.range(self.published()..place);
            let mut gone = self.delayed.range(place..);
            left.all(|message| message.due.lo <= during.end)
                && gone.all(|message| message.due.hi >= during.start)
        };
        (self.published()..=self.delayed.len())
            .filter(fits)
            .map(|place| {
                let mut state = self.clone();
                let gone = state.delayed.drain(place..);
                let room: u64 = gone.map(|message| message.bytes.len() as u64).sum();
                state.stored -= room;
                for message in state.pending() {
                    message.due.at_most(during.end);
                }
                state
            })
            .collect()
    }

    /// How many delayed messages are known to be published.
    fn published(&self) -> usize {
        self.delayed.partition_point(|message| message.published)
    }

    fn pending(&mut self) -> impl Iterator<Item = &mut Delayed> {
        let published = self.published();
        self.delayed.range_mut(published..)
    }
}

impl Delayed {
    /// Whether it may be available at this time.
    fn can_be_out(&self, time: u64) -> bool {
        self.published || self.due.lo <= time
    }

    /// Whether it has to be available at this time.
    fn must_be_out(&self, time: u64) -> bool {
        self.published || self.due.hi.saturating_add(SLACK) < time
    }
}
