// SPDX-License-Identifier: GPL-2.0

//! The registry's table: which entry has which id, found by the id's hash.
//!
//! Plain policy: a chained hash table over storage and hashes that the caller brings, so that it
//! compiles on the host too, where it is tested with another implementation of the hash. Entries
//! are numbered in the order in which they come, from 0; the table knows their hashes and
//! numbers, the caller knows the rest.
//!
//! Costs: [`Table::find`] looks at entries / buckets entries on average; [`Table::insert`] is
//! constant, but for the growth of the storage.

use core::ops::DerefMut;

/// No entry: the end of a chain.
const NONE: u32 = u32::MAX;

/// One entry: the hash of its id, and the next entry in its bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    hash: u64,
    next: u32,
}

/// Storage for slots that can grow.
pub(crate) trait Slots: DerefMut<Target = [Slot]> {
    /// Appends a slot. `false`: there is no memory, and nothing has changed.
    fn try_push(&mut self, slot: Slot) -> bool;
}

/// Why an entry was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InsertError {
    /// No number is left.
    Full,
    /// The storage did not grow.
    NoMemory,
}

/// A hash table of numbered entries.
///
/// # Invariants
///
/// - Every element of `buckets`, and every `next` in `slots`, is [`NONE`] or below
///   `slots.len()`.
/// - The chain that starts at a bucket ends.
/// - `slots.len() <= capacity`, and `capacity < NONE`.
pub(crate) struct Table<B, S> {
    buckets: B,
    slots: S,
    capacity: u32,
}

impl<B: DerefMut<Target = [u32]>, S: Slots> Table<B, S> {
    /// An empty table for at most `capacity` entries.
    ///
    /// `buckets` decides by its length how many buckets there are; what it contains does not
    /// matter. `slots` is empty.
    pub(crate) fn new(mut buckets: B, slots: S, capacity: u32) -> Self {
        buckets.fill(NONE);
        // INVARIANT: There are no entries, and all chains are empty.
        Self {
            buckets,
            slots,
            capacity: capacity.min(NONE - 1),
        }
    }

    /// The bucket that a hash belongs to. `None`: the table has no buckets.
    fn bucket(&self, hash: u64) -> Option<usize> {
        // The remainder is smaller than a `usize`, so the conversion loses nothing.
        hash.checked_rem(self.buckets.len() as u64)
            .map(|bucket| bucket as usize)
    }

    /// The entry with this hash of which `is_it` says that it is the one.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut number = *self.buckets.get(self.bucket(hash)?)?;
        // `NONE` is no slot's number, so the chain's end ends the walk.
        while let Some(slot) = self.slots.get(number as usize) {
            if slot.hash == hash && is_it(number) {
                return Some(number);
            }
            number = slot.next;
        }
        None
    }

    /// The number that the next entry gets. `None`: none is left.
    pub(crate) fn next_number(&self) -> Option<u32> {
        u32::try_from(self.slots.len())
            .ok()
            .filter(|&number| number < self.capacity)
    }

    /// Adds an entry whose id has this hash, and returns its number.
    ///
    /// The caller has made sure that the id is not there yet.
    pub(crate) fn insert(&mut self, hash: u64) -> Result<u32, InsertError> {
        let number = self.next_number().ok_or(InsertError::Full)?;
        let bucket = self.bucket(hash).ok_or(InsertError::Full)?;
        let next = self.buckets.get(bucket).copied().unwrap_or(NONE);
        // INVARIANT: `next` is a bucket's content, so `NONE` or the number of an earlier entry.
        if !self.slots.try_push(Slot { hash, next }) {
            return Err(InsertError::NoMemory);
        }
        if let Some(first) = self.buckets.get_mut(bucket) {
            // INVARIANT: The slot with this number has just been added. Chains lead from higher
            // numbers to lower ones, so they end.
            *first = number;
        }
        Ok(number)
    }
}
